"""What happened to a parent and what may happen: facts, the status rule, and the log they live in."""
