"""The worker processes of one executor and the attempts they run: everything that its one thread does."""

from __future__ import annotations

import errno
import selectors
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from itertools import count
from typing import Final

from actors.executors.attempt import CLOSED, Attempt
from actors.executors.process_endings import (
    died,
    ending_of,
    no_process,
    not_started,
    progress_of,
    ran_out_of_memory,
)
from actors.executors.process_frames import (
    BEGUN,
    CANCEL,
    ENDED,
    GO_HOME,
    HEARTBEAT,
    READY,
    RUN,
    Frame,
    frame,
)
from actors.executors.process_link import WorkerLink, WorkerSettings
from actors.executors.process_tasks import TaskPlace
from actors.executors.process_worker import BEAT_SECONDS
from actors.executors.work import AttemptKey, Done, Ending, Hear, Work
from events.errors import OrchestratorError

PlaceOf = Callable[[str], TaskPlace]
"""Returns where a task stands, by its name; raises an OrchestratorError that says why it cannot be found elsewhere."""

NEVER: Final = float("inf")
"""When nothing is due."""
_EXIT_SECONDS: Final = 1.0
"""How long a worker may take to end once it was sent home, or has closed its socket."""
_GIVE_UP_SECONDS: Final = 5.0
"""What even SIGKILL has not ended by then is left to the system."""
_POLL_SECONDS: Final = 0.05
"""How often it is looked whether a worker has ended that is about to."""
_LOOK_SECONDS: Final = 1.0
"""How often that is looked at without any reason: a system may not tell when a process ends."""
_KILLED: Final = -9
_SHORTAGES: Final = (errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM)


class Job(Attempt):
    """One attempt that was submitted; `started` once its worker says so."""

    __slots__ = ("number", "post")

    def __init__(self, work: Work, number: int, done: Done, hear: Hear) -> None:
        super().__init__(work, done, hear)
        self.number = number
        self.post: Post | None = None
        """The worker that was given it."""


class Post:
    """One worker process and what it is at."""

    __slots__ = ("attempt", "beat_by", "begin_by", "ends_at", "killed", "link", "ready", "stop_by", "verdict")

    def __init__(self, link: WorkerLink) -> None:
        self.link = link
        self.ready = False
        self.killed = False
        self.stop_by = NEVER
        """When it is killed; or, once it was, given up."""
        self.free()

    def free(self) -> None:
        """Have nothing to do."""
        self.attempt: Job | None = None
        self.verdict: Ending | None = None
        """What its attempt comes to if the worker ends now: we have asked it to stop, or killed it."""
        self.begin_by = self.ends_at = self.beat_by = NEVER
        """When its attempt must have begun, must have ended, must have said that it lives."""

    def due(self) -> float:
        """Return when something is to be done about it, if it says nothing."""
        return min(self.begin_by, self.ends_at, self.beat_by, self.stop_by)


class Crew:
    """Up to `processes_max` worker processes, started when they are needed, one attempt at a time each."""

    def __init__(
        self,
        selector: selectors.BaseSelector,
        settings: WorkerSettings,
        place_of: PlaceOf,
        *,
        processes_max: int,
        payload_bytes_max: int,
    ) -> None:
        self._selector = selector
        self._settings = settings
        self._place_of = place_of
        self._processes_max = processes_max
        self._payload_bytes_max = payload_bytes_max
        self._numbers = count(1)
        self._known: dict[AttemptKey, Job] = {}
        self._open: dict[AttemptKey, Job] = {}
        """Those that have no ending."""
        self._waiting: OrderedDict[int, Job] = OrderedDict()
        self._posts: dict[int, Post] = {}
        """Every worker that is not buried, by its process id."""
        self._idle: dict[int, Post] = {}
        self._closing = False

    @property
    def process_ids(self) -> list[int]:
        """The process ids of all workers."""
        return list(self._posts)

    @property
    def gone(self) -> bool:
        """Whether nothing is left after `close`."""
        return self._closing and not self._posts

    # What the owner wants

    def submit(self, work: Iterable[Work], done: Done, hear: Hear) -> None:
        """Take attempts; one that is known already reports its ending again, once it has one."""
        for item in work:
            attempt = self._known.get(item.key)
            if attempt is not None:
                attempt.submitted_again(done, hear)
            elif self._closing:
                done(item.key, CLOSED)
            else:
                attempt = Job(item, next(self._numbers), done, hear)
                self._known[item.key] = self._open[item.key] = self._waiting[attempt.number] = attempt

    def cancel(self, keys: Iterable[AttemptKey], reason: str) -> None:
        """Ask attempts to stop. One that has not begun ends at once, one that does not listen after its grace."""
        for key in keys:
            attempt = self._open.get(key)
            if attempt is None or attempt.asked_to_stop:
                continue
            attempt.ask_to_stop(reason)
            if attempt.post is None:
                self._end(attempt, attempt.cancelled())
            else:
                self._ask(attempt.post, attempt.grace_seconds, attempt.cancelled())

    def forget(self, keys: Iterable[AttemptKey]) -> None:
        """Drop the endings of these attempts."""
        for key in keys:
            self._known.pop(key, None)

    def close(self, grace_seconds: float) -> None:
        """Begin nothing more, ask everything to stop, and kill what has not within its grace.

        Who asks twice has the shorter grace.
        """
        self._closing = True
        for attempt in tuple(self._waiting.values()):
            self._end(attempt, CLOSED)
        for post in tuple(self._posts.values()):
            if post.attempt is None:
                self._send_home(post)
            else:
                self._ask(post, grace_seconds, CLOSED)

    # What the thread does over and over

    def patience_seconds(self) -> float:
        """Return how long to wait for something to happen."""
        due = min((post.due() for post in self._posts.values()), default=NEVER)
        about_to_end = any(post.stop_by < NEVER for post in self._posts.values())
        return max(0.0, min(due - time.monotonic(), _POLL_SECONDS if about_to_end else _LOOK_SECONDS))

    def turn(self) -> None:
        """Hear what workers have said, bury the dead, see to what is due, hand out what waits."""
        for post in tuple(self._posts.values()):
            ended = post.link.has_ended()
            if ended:
                post.link.hear_last()
            self._hear(post)
            if ended:
                self._bury(post, post.link.bury())
        now = time.monotonic()
        for post in tuple(self._posts.values()):
            if post.due() <= now:
                self._expire(post, now)
        self._hand_out()

    def _hear(self, post: Post) -> None:
        for said in post.link.take():
            if post.killed:
                break
            try:
                self._take(post, said)
            except ValueError:
                post.link.refuse()
                break
        if post.link.trouble and post.stop_by == NEVER:  # it may just be about to end by itself
            post.stop_by = time.monotonic() + (0.0 if post.link.refused else _EXIT_SECONDS)
            self._idle.pop(post.link.process_id, None)

    def _take(self, post: Post, said: Frame) -> None:
        """Take in one frame. Raises ValueError where no worker would say that now."""
        if said.kind == READY:
            post.ready = True
            return
        attempt = post.attempt
        if attempt is None or attempt.number != said.number:
            if said.kind == HEARTBEAT:  # of a thread that an earlier task has left running
                return
            raise ValueError("this is about something else")
        if said.kind == BEGUN:
            self._note_begin(post, attempt)
        elif said.kind == HEARTBEAT:
            self._note_heartbeat(post, attempt, said.value())
        elif said.kind == ENDED:
            ending = ending_of(said.value(), attempt, closing=self._closing)
            self._release(post, attempt, ending)

    def _note_begin(self, post: Post, attempt: Job) -> None:
        now, work = time.monotonic(), attempt.work
        attempt.started = True
        post.begin_by = NEVER
        if work.timeout_seconds is not None:
            post.ends_at = now + work.timeout_seconds
        if work.heartbeat_timeout_seconds is not None:
            post.beat_by = now + work.heartbeat_timeout_seconds + BEAT_SECONDS

    def _note_heartbeat(self, post: Post, attempt: Job, said: object) -> None:
        progress = progress_of(said)
        if post.beat_by < NEVER and attempt.work.heartbeat_timeout_seconds is not None:
            post.beat_by = time.monotonic() + attempt.work.heartbeat_timeout_seconds + BEAT_SECONDS
        attempt.beat(progress.part, progress.message)

    def _release(self, post: Post, attempt: Job, ending: Ending) -> None:
        """Note that a worker has done its work; it is free for the next."""
        post.free()
        post.stop_by = NEVER
        if self._closing or ran_out_of_memory(ending):
            self._send_home(post)
        else:
            self._idle[post.link.process_id] = post
        self._end(attempt, ending)

    # Stopping

    def _ask(self, post: Post, grace_seconds: float, verdict: Ending) -> None:
        """Ask a worker's task to stop: before it has begun by force, else by force after the grace."""
        attempt = post.attempt
        if attempt is None or post.killed:
            return
        post.verdict = post.verdict or verdict
        if not attempt.started:
            self._kill(post)
            return
        post.ends_at = post.beat_by = NEVER
        post.stop_by = min(post.stop_by, time.monotonic() + grace_seconds)
        post.link.send(frame(CANCEL, attempt.number))

    def _send_home(self, post: Post) -> None:
        self._idle.pop(post.link.process_id, None)
        post.link.send(frame(GO_HOME))
        post.stop_by = min(post.stop_by, time.monotonic() + _EXIT_SECONDS)

    def _expire(self, post: Post, now: float) -> None:
        attempt = post.attempt
        if post.killed:
            self._bury(post, _KILLED)
            post.link.let_go()
            return
        if attempt is not None and post.stop_by > now:
            if post.ends_at <= now:
                post.verdict = attempt.timed_out()
            elif post.beat_by <= now:
                post.verdict = attempt.heartbeat_missed()
            else:
                post.verdict = not_started(
                    f"a worker process did not load it within {self._settings.start_seconds:g} s"
                )
        self._kill(post)

    def _kill(self, post: Post) -> None:
        post.killed = True
        post.begin_by = post.ends_at = post.beat_by = NEVER
        post.stop_by = time.monotonic() + _GIVE_UP_SECONDS
        post.link.kill()

    def _bury(self, post: Post, code: int) -> None:
        """Report what a worker ran that has ended; `code` says how, as `Popen.returncode` does."""
        del self._posts[post.link.process_id]
        self._idle.pop(post.link.process_id, None)
        attempt = post.attempt
        if attempt is not None:
            trouble = post.link.trouble if post.killed else ""
            self._end(attempt, post.verdict or died(code, trouble, ready=post.ready))

    def _end(self, attempt: Job, ending: Ending) -> None:
        if not attempt.end(ending):
            return
        key = attempt.key
        attempt.post = None
        self._waiting.pop(attempt.number, None)
        if self._open.get(key) is attempt:
            del self._open[key]
        attempt.done(key, ending)

    # Starting

    def _hand_out(self) -> None:
        """Give what waits to workers that are free, and to new ones while there may be more."""
        while self._waiting and not self._closing:
            attempt = next(iter(self._waiting.values()))
            try:
                place = self._place_of(attempt.work.task)
                post = self._free_post()
            except OrchestratorError as error:
                self._end(attempt, not_started(str(error)))
            except (OSError, RuntimeError) as error:
                if self._posts and isinstance(error, OSError) and error.errno in _SHORTAGES:
                    return  # until one of them is free
                self._end(attempt, no_process(error, self._settings.program))
            else:
                if post is None:
                    return
                self._give(post, attempt, place)

    def _free_post(self) -> Post | None:
        """Return a worker that is free, a new one if need be; None while there are as many as there may be."""
        if self._idle:
            return self._idle.popitem()[1]
        if len(self._posts) >= self._processes_max:
            return None
        post = Post(WorkerLink(self._settings, self._selector))
        self._posts[post.link.process_id] = post
        return post

    def _give(self, post: Post, attempt: Job, place: TaskPlace) -> None:
        key = attempt.work.key
        del self._waiting[attempt.number]
        post.attempt, attempt.post = attempt, post
        post.begin_by = time.monotonic() + self._settings.start_seconds
        asked = {
            "place": place,
            "input": attempt.work.input,
            "parent_id": key.parent_id,
            "child_id": key.child_id,
            "attempt": key.attempt,
            "bytes_max": self._payload_bytes_max,
        }
        post.link.send(frame(RUN, attempt.number, asked))
