"""The command line: `orchestrator map`, `run`, `status` and the others."""
