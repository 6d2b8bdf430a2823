"""What is said of views in the log of the program (logger `orchestrator.views`).

The command line does not show it: whoever waits for a run wants to hear of that. `orchestrator doctor` tells of views.
"""

from __future__ import annotations

import logging
from typing import Final

from events.projections.checkpoints import Fault

LOGGER: Final = "orchestrator.views"
logger: Final = logging.getLogger(LOGGER)


def tell_fault(location: str, name: str, fault: Fault) -> None:
    """Say that a run was set aside, and what to do."""
    whose = f"run {fault.run_id!r}" if fault.run_id else "an event of no run"
    version = "" if fault.version is None else f", version {fault.version}"
    logger.error(
        "%s: view %r sets %s aside from position %d%s on: %s. The others go on. Look at it with `orchestrator audit "
        "verify`; once it is mended, make the view anew: `Orchestrator.views.rebuild()`",
        *(location, name, whose, fault.position, version, fault.reason),
    )


def tell_damage(location: str, name: str, problem: str) -> None:
    """Say that a view is made anew because it is not what was made of the events."""
    logger.error("%s: view %r is made anew: %s. No event is lost", location, name, problem)


def tell_newer(location: str, name: str, version: int) -> None:
    """Say that a newer release keeps a view."""
    logger.warning(
        "%s: view %r is kept by a newer release (version %d of it); this one leaves it alone", location, name, version
    )
