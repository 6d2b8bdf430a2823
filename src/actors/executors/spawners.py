"""The spawner processes of one executor: one, and a second one once many commands have been begun.

A spawner waits for each command until it has become the program that it runs (`posix_spawn` does), about as long as a
tiny command takes altogether. With a second one, one command becomes a program while another one is begun.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable
from threading import current_thread
from typing import Final

from actors.executors.spawner_link import SpawnerLink, SpawnerSettings

SECOND_AFTER: Final = 64
"""So many commands are begun by the first spawner alone: fewer are over before a second one would be of use."""
_SPAWNERS_MAX: Final = 2
_logger: Final = logging.getLogger(__name__)


class Spawners:
    """Which spawners there are, and which of them gets the next command. Not thread-safe: its owner has a lock.

    `settings` is called when the first one is started, again after all have ended; all that live have the same.
    """

    def __init__(
        self, settings: Callable[[], SpawnerSettings], start: Callable[[SpawnerSettings], SpawnerLink]
    ) -> None:
        self._make_settings = settings
        self._start = start
        self._settings: SpawnerSettings | None = None
        self._running: dict[SpawnerLink, int] = {}
        """How many commands each has that have not ended."""
        self._begun = 0
        self._alone = False

    @property
    def links(self) -> list[SpawnerLink]:
        """All that are there, in the order in which they were started."""
        return list(self._running)

    @property
    def ours(self) -> bool:
        """Whether this is called on the thread of one of them."""
        return any(link.thread is current_thread() for link in self._running)

    def next(self) -> SpawnerLink:
        """Return the one that is to have the next command, and count that.

        Raises:
            OSError: there is none, and none can be started.
        """
        if not self._running:
            self._settings = self._make_settings()
            self._running[self._start(self._settings)] = 0
        link = min(self._running, key=self._running.__getitem__)
        if self._begun >= SECOND_AFTER and self._running[link] and len(self._running) < _SPAWNERS_MAX:
            link = self._further() or link
        self._begun += 1
        self._running[link] += 1
        return link

    def note_ended(self, link: SpawnerLink) -> None:
        """Count one command less of a spawner."""
        if link in self._running:
            self._running[link] -= 1

    def note_gone(self, link: SpawnerLink) -> None:
        """Forget a spawner that has ended."""
        self._running.pop(link, None)

    def _further(self) -> SpawnerLink | None:
        """Start one more, where that can be done; else those that are there do, and it is not tried again."""
        if self._settings is None or self._alone:
            return None
        try:
            link = self._start(self._settings)
        except OSError as error:
            self._alone = True
            _logger.info("a second spawner could not be started: %s", errno.errorcode.get(error.errno or 0, error))
            return None
        self._running[link] = 0
        return link
