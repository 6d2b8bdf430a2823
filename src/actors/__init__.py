"""What makes it happen: actors over the log, the worker pool, the executors."""
