"""Plan files: a parent task written down in YAML. `plan_schema()` is their JSON Schema."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from events.errors import InvalidPlanError, MissingExtraError
from events.limits import DEFAULT_LIMITS, Limits
from orchestrator.definition import Parallel
from orchestrator.plan_source import label, read_text, refusal


@dataclass(frozen=True, slots=True)
class Use:
    """A function that a plan names, and the place where it does."""

    name: str
    """`module:function`, the name under which its children are recorded."""
    input: Mapping[str, Any]
    """Its named arguments."""
    file: str
    line: int
    key: str
    """The task's own place in the plan: `tasks[3]`."""

    @property
    def module(self) -> str:
        """The module's name."""
        return self.name.partition(":")[0]

    def refuse(self, key: str, why: str) -> InvalidPlanError:
        """Return the error that a key of this task does not fit."""
        return refusal(self.file, self.line, f"{self.key}.{key}", why)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a plan file asks for. Nothing has been imported or run."""

    id: str | None
    """The run's id, or None where the plan leaves it open."""
    parallel: Parallel
    uses: tuple[Use, ...] = ()
    """The functions that its children name, in their order."""

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules that `use:` names, each once, in the order of their first mention."""
        return tuple(dict.fromkeys(use.module for use in self.uses))


def load_plan(path: str | os.PathLike[str], *, limits: Limits = DEFAULT_LIMITS) -> Plan:
    """Read a plan file. Functions that it names are not imported: `import_tasks` does that.

    Raises:
        InvalidPlanError: the file is missing, unreadable, too large or malformed; file, line and key are named.
        MissingExtraError: PyYAML is not installed.
    """
    text = read_text(path, limits)
    try:
        from orchestrator.plan_reading import read_plan
    except ModuleNotFoundError as error:
        if error.name != "yaml":
            raise
        raise MissingExtraError("reading a plan needs PyYAML: pip install 'parallel-orchestrator[cli]'") from None
    return read_plan(text, label(path), limits)
