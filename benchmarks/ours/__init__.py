"""What the benchmarks run of this project: programs that take a job, one a kind of measurement."""
