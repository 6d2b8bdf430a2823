"""The executor for shell commands: each in a session of its own, run and waited for by a spawner process."""

from __future__ import annotations

import json
import logging
import os
import tempfile
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from typing import Final

from actors.executors.alarms import Alarms
from actors.executors.captured import CapturedOutput
from actors.executors.command_endings import cancelled, ending_of, not_started
from actors.executors.command_frames import ASKED, REFUSED, RUN, STOP, request
from actors.executors.command_sessions import kill_marked
from actors.executors.failures import failure
from actors.executors.folders import current_folder
from actors.executors.spawner_link import Delivery, SpawnerLink, SpawnerSettings
from actors.executors.spawners import Spawners
from actors.executors.work import AttemptKey, Done, Ending, Hear, Work, hear_nothing
from events.limits import DEFAULT_LIMITS

SHELL_TASK: Final = "shell"
_CUT_SHORT: Final = Ending(None, lost="the orchestrator was closed")
_CLOSE_MARGIN_SECONDS: Final = 2.0
_CAREFUL_ENDINGS: Final = 16
"""For so many commands after a spawner died, they are begun apart, so that the one it died of is found."""
_APART_SECONDS: Final = 0.25
"""How far apart, unless nothing runs any more."""
_DEATHS_MAX: Final = 3
"""How often a spawner may die while one child's command runs alone before that child has failed."""
_LOSSES_MAX: Final = 10
"""How often it may die while that command runs beside others."""
_OWNER: Final = "ORCHESTRATOR_OWNER"
_logger: Final = logging.getLogger(__name__)

_Report = tuple[Done, AttemptKey, Ending]


@dataclass(slots=True)
class _Attempt:
    work: Work
    done: Done
    ticket: int
    frame: bytes = b""
    link: SpawnerLink | None = None
    """The spawner that was given it; None while it waits here."""
    reason: str | None = None
    """Why it was cancelled, if it was."""
    ending: Ending | None = None
    forgotten: bool = False


class CommandExecutor:
    """Runs work whose task is `shell`: input `{"command": ...}`, run by `/bin/sh -c` where this object was made.

    Exit status 0 is success. The first `output_bytes_max` bytes of each stream are in the output, or error, on
    record. With `keep_raw`, `Ending.raw` is a `CapturedOutput` of all that was printed, if anything was, and the
    receiver must close it; while `raw_open_max` of them are open, no further command is started. A command that has to
    stop gets SIGTERM and, `stop_grace_seconds` later, SIGKILL. Whatever is left of a command's session when it ends is
    killed.

    Thread-safe. One spawner process and one thread, started with the first command; two of each once many were begun.
    """

    def __init__(
        self,
        *,
        output_bytes_max: int = DEFAULT_LIMITS.output_bytes_max,
        keep_raw: bool = False,
        owner: str = "",
        raw_open_max: int = 256,
        stop_grace_seconds: float = 1.0,
    ) -> None:
        self._output_bytes_max = output_bytes_max
        self._keep_raw = keep_raw
        self._owner = owner
        self._raw_open_max = raw_open_max
        self._stop_grace_seconds = stop_grace_seconds
        self._folder = current_folder()
        self._lock = threading.Condition()
        self._tickets = count(1)
        self._attempts: dict[AttemptKey, _Attempt] = {}
        self._open: dict[int, _Attempt] = {}
        self._queue: OrderedDict[int, _Attempt] = OrderedDict()
        self._spawners = Spawners(self._settings, self._start_spawner)
        self._raw_open = 0
        self._closed = False
        self._careful = 0
        """How many commands are still to be begun apart from one another, since a spawner died."""
        self._begun_at = 0.0
        self._alarms = Alarms()
        self._deaths: Counter[tuple[str, str]] = Counter()
        """How often a spawner died while one child's command ran alone."""
        self._losses: Counter[tuple[str, str]] = Counter()
        """How often it died while that command ran at all."""

    @property
    def spawner_process_id(self) -> int | None:
        """The process id of the first spawner, where there is one (for `doctor`, and to watch it)."""
        links = self._spawners.links
        return links[0].process_id if links else None

    def submit(self, work: Iterable[Work], done: Done, hear: Hear = hear_nothing) -> None:
        """Run commands; see `Executor`. Never blocks for long: what cannot go out at once waits in memory."""
        del hear  # a command has no way to tell how far it is
        reports: list[_Report] = []
        with self._lock:
            for item in work:
                attempt = self._attempts.get(item.key)
                if attempt is None:
                    reports += self._admit(item, done)
                    continue
                attempt.done = done  # the one who asked first may be gone: a parent restarted from the log asks anew
                if attempt.ending is not None:
                    reports.append((done, item.key, attempt.ending))
            reports += self._pump()
        _tell(reports)

    def cancel(self, keys: Iterable[AttemptKey], *, reason: str) -> None:
        """Stop commands; see `Executor`. One that has ended by itself before the signal keeps its own ending."""
        with self._lock:
            found = [self._attempts[key] for key in keys if key in self._attempts]
            reports = self._stop(found, reason)
        _tell(reports)

    def forget(self, keys: Iterable[AttemptKey]) -> None:
        """Drop endings; see `Executor`. A `CapturedOutput` that was handed out stays open."""
        with self._lock:
            for key in keys:
                attempt = self._attempts.get(key)
                if attempt is not None:
                    attempt.forgotten = True
                    if attempt.ending is not None:
                        del self._attempts[key]

    def end_leftovers(self, owner: str, keys: Iterable[AttemptKey]) -> None:
        """Kill what is left of another owner's attempts: who was killed together with its spawner could not."""
        entries = [os.fsencode(_key_entry(key)) for key in keys]
        if entries:
            kill_marked(os.fsencode(f"{_OWNER}={owner}"), entries)

    def close(self, *, grace_seconds: float) -> None:
        """Stop everything; see `Executor`. What had not ended by itself is reported as lost. May be called again."""
        with self._lock:
            self._closed = True
            reports = self._stop(list(self._open.values()), None, grace_seconds)
            links, ours = self._spawners.links, self._spawners.ours
        _tell(reports)
        self._alarms.close()
        if ours:  # called by a `done`: nothing to wait for, it is us
            for link in links:
                link.hang_up()
            return
        if links:
            with self._lock:
                self._lock.wait_for(lambda: not self._open, grace_seconds + _CLOSE_MARGIN_SECONDS)
        for link in links:
            link.hang_up()
        for link in links:
            link.close()

    # Below, with the lock held

    def _admit(self, work: Work, done: Done) -> list[_Report]:
        attempt = _Attempt(work, done, next(self._tickets))
        if self._closed:
            return [(done, work.key, _CUT_SHORT)]
        self._attempts[work.key] = self._open[attempt.ticket] = attempt
        try:
            attempt.frame = _frame(attempt, self._owner, self._grace_of(attempt))
        except ValueError as error:
            return [self._end(attempt, not_started(str(error)))]
        self._queue[attempt.ticket] = attempt
        return []

    def _grace_of(self, attempt: _Attempt) -> float:
        given = attempt.work.grace_seconds
        return self._stop_grace_seconds if given is None else given

    def _pump(self) -> list[_Report]:
        """Send what waits to the spawner, unless too many captured outputs are open."""
        if not self._queue or self._raw_open >= self._raw_open_max:
            return []
        waiting = list(self._queue.values())
        if self._careful:
            wait = self._begun_at + _APART_SECONDS - time.monotonic()
            if wait > 0 and any(attempt.link for attempt in self._open.values()):
                self._alarms.set("begin", wait, self._begin)
                return []
            del waiting[1:]
            self._begun_at = time.monotonic()
            self._alarms.set("begin", _APART_SECONDS, self._begin)
        for attempt in waiting:
            del self._queue[attempt.ticket]
        frames: dict[SpawnerLink, list[bytes]] = {}
        try:
            for attempt in waiting:
                attempt.link = self._spawners.next()
                frames.setdefault(attempt.link, []).append(attempt.frame)
                attempt.frame = b""
        except OSError as error:
            ending = not_started(f"the spawner process could not be started: {error}")
            waiting += self._queue.values()
            self._queue.clear()
            return [self._end(attempt, ending) for attempt in waiting]
        for link, given in frames.items():
            link.send(b"".join(given))
        return []

    def _settings(self) -> SpawnerSettings:
        return SpawnerSettings(
            environment=dict(os.environ),
            folder=self._folder,
            temporary_folder=tempfile.gettempdir(),
            kept_bytes_max=self._output_bytes_max,
            keep_whole=self._keep_raw,
        )

    def _start_spawner(self, settings: SpawnerSettings) -> SpawnerLink:
        return SpawnerLink(settings, on_replies=self._take, on_end=self._note_end)

    def _stop(self, attempts: list[_Attempt], reason: str | None, grace_seconds: float | None = None) -> list[_Report]:
        """Stop attempts; each has its own grace period unless one is given."""
        reports = []
        for attempt in attempts:
            if attempt.ending is not None:
                continue
            if attempt.reason is None:
                attempt.reason = reason
            if attempt.link is not None:
                grace = self._grace_of(attempt) if grace_seconds is None else grace_seconds
                attempt.link.send(request(STOP, attempt.ticket, grace_seconds=grace))
            else:
                del self._queue[attempt.ticket]
                reports.append(self._end(attempt, _CUT_SHORT if reason is None else cancelled(reason)))
        return reports

    def _end(self, attempt: _Attempt, ending: Ending) -> _Report:
        attempt.ending = ending
        if attempt.link is not None:
            self._spawners.note_ended(attempt.link)
            attempt.link = None
        del self._open[attempt.ticket]
        if attempt.forgotten:
            del self._attempts[attempt.work.key]
        if not self._open:
            self._lock.notify_all()
        return attempt.done, attempt.work.key, ending

    # Below, in the link's thread

    def _take(self, deliveries: list[Delivery]) -> None:
        """Keep the endings that have come, start what had to wait for them, tell."""
        ended = [(self._open[each.reply.ticket], each) for each in deliveries]
        endings = [(attempt, self._ending(attempt, each)) for attempt, each in ended]
        with self._lock:
            self._raw_open += sum(ending.raw is not None for _, ending in endings)
            reports = [self._end(attempt, ending) for attempt, ending in endings]
            self._careful = max(0, self._careful - len(endings))
            reports += self._pump()
        _tell(reports)

    def _ending(self, attempt: _Attempt, delivery: Delivery) -> Ending:
        reply = delivery.reply
        if reply.why == ASKED and attempt.reason is None:
            delivery.close()
            return _CUT_SHORT
        ending = ending_of(reply, timed_out=attempt.work.timed_out, reason=attempt.reason or "")
        printed = reply.stdout_bytes or reply.stderr_bytes or reply.flags
        if not self._keep_raw or reply.kind == REFUSED or not printed:
            return ending
        return ending._replace(raw=CapturedOutput(*delivery.printed(), on_close=self._note_raw_closed))

    def _note_raw_closed(self) -> None:
        with self._lock:
            self._raw_open -= 1
            reports = self._pump()
        _tell(reports)

    def _note_end(self, link: SpawnerLink, how: str, may_have_run: bool) -> None:
        """Report what a spawner ran that is gone now, and everything that it ran with it."""
        with self._lock:
            self._spawners.note_gone(link)
            if self._closed:
                ending = _CUT_SHORT
            elif may_have_run:
                ending = Ending(None, lost=f"the spawner process died ({how})")
            else:
                ending = not_started(f"the spawner process ended before it was ready ({how})")
            lost = [attempt for attempt in self._open.values() if attempt.link is link]
            died = may_have_run and not self._closed
            endings = [self._suspect(attempt, len(lost), ending) if died else ending for attempt in lost]
            reports = [self._end(attempt, each) for attempt, each in zip(lost, endings, strict=True)]
            reports += self._pump()
        _tell(reports)

    def _suspect(self, attempt: _Attempt, running: int, ending: Ending) -> Ending:
        """Find the command that kills spawners, if one does: commands are begun apart, and in the end it fails.

        Without this a command such as `kill -9 $PPID` would take its neighbours with it, again and again, for ever.
        """
        self._careful = _CAREFUL_ENDINGS
        key = attempt.work.key
        child = (key.parent_id, key.child_id)
        self._losses[child] += 1
        self._deaths[child] += running == 1
        if self._deaths[child] < _DEATHS_MAX and self._losses[child] < _LOSSES_MAX:
            return ending
        message = f"{ending.lost} {self._losses[child]} times while this command ran"
        del self._losses[child], self._deaths[child]
        return Ending("failed", error=failure("CommandFailed", message))

    def _begin(self) -> None:
        """Begin the next of the commands that are begun apart; on the alarms' thread."""
        with self._lock:
            reports = self._pump()
        _tell(reports)


def _frame(attempt: _Attempt, owner: str, grace_seconds: float) -> bytes:
    """Return the request that runs an attempt.

    Raises:
        ValueError: the command, or an id, cannot be handed to a process; the message says why.
    """
    key, task, timeout_seconds = attempt.work.key, attempt.work.task, attempt.work.timeout_seconds
    if task != SHELL_TASK:
        raise ValueError(f"its task is {task!r}, and this executor only runs {SHELL_TASK!r}")
    value = json.loads(attempt.work.input)
    command = value.get("command") if isinstance(value, dict) else None
    if not isinstance(command, str):
        raise ValueError("its input has no text named 'command'")
    texts = {
        "command": command,
        "parent id": f"ORCHESTRATOR_PARENT_ID={key.parent_id}",
        "child id": f"ORCHESTRATOR_CHILD_ID={key.child_id}",
        "attempt": f"ORCHESTRATOR_ATTEMPT={key.attempt}",
        "key": _key_entry(key),
        "owner": f"{_OWNER}={owner}",
    }
    for what, text in texts.items():
        if "\0" in text:
            raise ValueError(f"its {what} contains a NUL character")
    body = os.fsencode("\0".join(texts.values()))
    seconds = float("inf") if timeout_seconds is None else timeout_seconds
    return request(RUN, attempt.ticket, seconds=seconds, grace_seconds=grace_seconds, body=body)


def _key_entry(key: AttemptKey) -> str:
    return f"ORCHESTRATOR_KEY={key.parent_id}/{key.child_id}"


def _tell(reports: list[_Report]) -> None:
    for done, key, ending in reports:
        try:
            done(key, ending)
        except Exception:
            _logger.exception("telling of the end of %s failed", key)
