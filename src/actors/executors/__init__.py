"""Where user code runs: outside all actors."""
