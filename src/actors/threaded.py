"""The runtime of real life: a few threads ("lanes"), each with one queue for all of its actors.

An actor costs no thread of its own, so a thousand live parents are cheap, and messages between actors of one lane
need no thread switch. What may block lives on a lane of its own: the journal, which waits for the disk, and the
loader, which reads long histories.
"""

from __future__ import annotations

import heapq
import random
import threading
import time
import uuid
from itertools import count
from queue import Empty, SimpleQueue
from typing import Any, Final, NamedTuple

import pykka
from pykka._actor import ActorInbox
from pykka._envelope import Envelope

from actors.runtime import Runtime, RuntimeActor, deliver, tell
from actors.waiting import WAIT_SECONDS_MAX

_STOP: Final = None
_GIVE_WAY_SECONDS: Final = 100e-6
"""To wake a thread takes some 10e-6 seconds, and several times as much on a busy machine."""


class _Timer(NamedTuple):
    due: float
    number: int
    ref: pykka.ActorRef[Any]
    message: Any


_Item = tuple[RuntimeActor, Envelope[Any]] | _Timer | None


class _LaneInbox:
    """One actor's end of its lane's queue."""

    __slots__ = ("_actor", "_put")

    def __init__(self, actor: RuntimeActor, queue: SimpleQueue[_Item]) -> None:
        self._actor = actor
        self._put = queue.put

    def put(self, envelope: Envelope[Any], /) -> None:
        self._put((self._actor, envelope))

    def get(self) -> Envelope[Any]:
        raise RuntimeError("the lane delivers; nobody takes from an inbox")

    def empty(self) -> bool:
        return True


class _Lane:
    """One thread that delivers the messages and the due timers of its actors, in order."""

    def __init__(self, name: str) -> None:
        self.queue: SimpleQueue[_Item] = SimpleQueue()
        self._timers: list[_Timer] = []
        self.thread = threading.Thread(target=self._run, name=f"orchestrator-{name}", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        timers, get = self._timers, self.queue.get
        while True:
            if timers and timers[0].due <= time.monotonic():
                timer = heapq.heappop(timers)
                tell(timer.ref, timer.message)
                continue
            try:
                item = get(timeout=_patience(timers[0].due) if timers else None)
            except Empty:
                continue
            if item is _STOP:
                return
            if isinstance(item, _Timer):
                heapq.heappush(timers, item)
            else:
                deliver(*item)


def _patience(due: float) -> float:
    """Return how long to wait for a timer at a time: the system refuses waits of centuries."""
    return min(max(0.0, due - time.monotonic()), WAIT_SECONDS_MAX)


class ThreadedRuntime(Runtime):
    """Actors on real threads, by real clocks."""

    def __init__(self) -> None:
        self.random = random.Random()  # noqa: S311 - jitter, not secrets
        self._lanes: dict[str, _Lane] = {}
        self._lock = threading.Lock()
        self._numbers = count()

    def now(self) -> int:
        """Return the wall clock's time in microseconds since 1970 (UTC)."""
        return time.time_ns() // 1_000

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()

    def new_id(self) -> str:
        """Return a fresh id: 20 hexadecimal digits, the first ones from the time, so that ids sort by age."""
        return f"{time.time_ns() // 1_000_000:011x}{uuid.uuid4().hex[:9]}"

    def inbox(self, actor: RuntimeActor) -> ActorInbox:
        """Return the actor's end of its lane's queue."""
        return _LaneInbox(actor, self._lane(actor.lane).queue)

    def begin(self, actor: RuntimeActor) -> None:
        """Do nothing: the lane runs already."""

    def tell_later(self, delay_seconds: float, ref: pykka.ActorRef[Any], message: Any) -> None:
        """Tell an actor something after a delay."""
        timer = _Timer(time.monotonic() + delay_seconds, next(self._numbers), ref, message)
        self._lane(ref.actor_class.lane).queue.put(timer)

    def give_way(self) -> None:
        """Let go of the interpreter's lock for long enough that a woken thread gets it."""
        time.sleep(_GIVE_WAY_SECONDS)

    def idle(self, lane: str) -> bool:
        """Whether no message waits on a lane."""
        return self._lane(lane).queue.empty()

    def _lane(self, name: str) -> _Lane:
        lane = self._lanes.get(name)
        if lane is None:
            with self._lock:
                lane = self._lanes.get(name) or _Lane(name)
                self._lanes[name] = lane
        return lane

    def close(self, *, timeout_seconds: float) -> bool:
        """End all lanes after the messages they have. Return whether all of them ended within the time.

        The last messages of one lane may begin another one, so it looks again until there is none.
        """
        deadline = time.monotonic() + timeout_seconds
        ended: list[_Lane] = []
        while fresh := [lane for lane in self._known_lanes() if lane not in ended]:
            for lane in fresh:
                lane.queue.put(_STOP)
            for lane in fresh:
                if lane.thread is not threading.current_thread():
                    lane.thread.join(max(0.0, deadline - time.monotonic()))
            ended += fresh
        return not any(lane.thread.is_alive() for lane in ended)

    def _known_lanes(self) -> list[_Lane]:
        with self._lock:
            return list(self._lanes.values())
