"""The way in: the command `orchestrator`, and `python -m orchestrator`."""

import signal
import sys


def main() -> int:
    """Run the command line and return its exit status."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Until the command line listens by itself, Ctrl-C ends an import without a traceback.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from orchestrator.cli.main import console

    return console()


if __name__ == "__main__":
    sys.exit(main())
