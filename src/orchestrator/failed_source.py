"""The child that stands for a source of children that failed: a built-in task whose every attempt fails at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from events.commands import ChildSpec
from orchestrator.tasks import SOURCE_TASK, Task, TaskRegistry

_MESSAGE_CHARS_MAX: Final = 4_000


class SourceFailed(Exception):  # noqa: N818 - its name is the type of the error that stands on record
    """The source of a run's children raised, or gave what is no child. The message says what, and after how many."""


def _fail(message: str) -> None:
    raise SourceFailed(message)


_TASK: Final = Task(_fail, SOURCE_TASK)


def failed_source(child_id: str, message: str) -> ChildSpec:
    """Return the child that fails with this message."""
    return ChildSpec(child_id=child_id, task=SOURCE_TASK, input=json.dumps({"message": message[:_MESSAGE_CHARS_MAX]}))


class KnownTasks(TaskRegistry):
    """What can be run here: the tasks of users, and the one that no user can name."""

    def __init__(self, users: TaskRegistry) -> None:
        super().__init__()
        self._users = users

    def alias(self, name: str, task: Task[..., Any]) -> None:
        """Make a task of users known. Raises what their registry raises."""
        self._users.alias(name, task)

    def find(self, name: str) -> Task[..., Any]:
        """Return the task of this name. Raises UnknownTaskError."""
        return _TASK if name == SOURCE_TASK else self._users.find(name)

    def __contains__(self, name: object) -> bool:
        return name == SOURCE_TASK or name in self._users

    def __iter__(self) -> Iterator[str]:
        return iter(self._users)
