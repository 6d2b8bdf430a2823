"""`python -m orchestrator`: the command line."""

import sys

from orchestrator.cli.main import console

sys.exit(console())
