"""How fast it is, beside a bare thread pool and beside its peers: `python -m benchmarks`."""
