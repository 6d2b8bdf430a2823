"""A parent as somebody would tell it who has read the contract and never the code: a few dicts, a few lines a rule."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from tests.events.scenario import SECOND

Answer = Literal["done", "quiet", "refused"]
FINAL: Final = ("succeeded", "failed", "cancelled", "timed_out")
BAD: Final = ("failed", "timed_out", "cancelled", "skipped")


@dataclass(frozen=True)
class Kind:
    """What a child of this kind may do; times in seconds."""

    attempts: int = 1
    wait: int = 0
    lost_fails: bool = False
    total: int | None = None
    queue: int | None = None
    never_again: str | None = None
    """The type of error after which it is not tried again."""
    nested: bool = False


@dataclass
class Kid:
    """A child. `status` is as people see it."""

    kind: Kind
    status: str = "pending"
    created: bool = False
    attempts: int = 0
    failures: int = 0
    crashes: int = 0
    due: int = 0
    first: int | None = None
    asked: bool = False

    def used_up(self, at: int) -> bool:
        return self.kind.total is not None and self.first is not None and at >= self.first + self.kind.total * SECOND


@dataclass
class Model:
    """One parent."""

    rule: str
    """`all`, `any`, `2` (a count) or `60%`."""
    max_workers: int
    first_on_decided: str
    budget: int | None = None
    kids: dict[str, Kid] = field(default_factory=dict)
    running: list[str] = field(default_factory=list)
    """In the order of their starts."""
    closed: bool = False
    owned: bool = False
    paused: bool = False
    begun: bool = False
    cancelled: bool = False
    overdue: bool = False
    settled: bool = False
    decided: str | None = None
    retries: int = 0
    on_decided: str = ""

    def __post_init__(self) -> None:
        self.on_decided = self.first_on_decided

    # What people see.

    def count(self, *statuses: str) -> int:
        return sum(kid.status in statuses for kid in self.kids.values())

    @property
    def status(self) -> str:
        if self.decided:
            return self.decided
        if self.cancelled or self.overdue:
            return "cancelled" if self.cancelled else "timed_out"
        total, good, bad = len(self.kids), self.count("succeeded"), self.count(*BAD)
        needed = {"all": total, "any": 1, "2": 2, "60%": (total * 60 + 99) // 100}[self.rule]
        if good >= needed and (self.closed or self.rule in ("any", "2")):
            return "succeeded"
        if total - bad < needed and (self.closed or self.rule == "all"):
            return "failed"
        return "running" if self.begun or good or bad else "pending"

    @property
    def halting(self) -> bool:
        return self.decided is not None and (
            self.on_decided != "continue" or self.cancelled or self.decided in ("cancelled", "timed_out")
        )

    def may_start(self, at: int) -> set[str]:
        if self.halting or self.paused:
            return set()
        return {name for name, kid in self.kids.items() if kid.created and kid.status == "pending" and kid.due <= at}

    def judge(self) -> None:
        if not self.decided and self.status in FINAL:
            self.decided = self.status
        self.closed = self.closed or self.halting
        self.settled = bool(self.decided) and self.closed and not self.count("pending", "running")

    # What happens to children.

    def start(self, name: str, at: int) -> Answer:
        if name not in self.may_start(at) or len(self.running) >= self.max_workers:
            return "quiet"
        kid = self.kids[name]
        if kid.used_up(at):
            return self.end(name, "timed_out")
        self.begin(name, at)
        return "done"

    def begin(self, name: str, at: int) -> None:
        kid = self.kids[name]
        kid.status, kid.attempts, kid.first = "running", kid.attempts + 1, kid.first or at
        self.running.append(name)
        self.begun = True

    def end(self, name: str, outcome: str) -> Answer:
        kid = self.kids[name]
        if kid.status == "running":
            self.running.remove(name)
        kid.status, kid.asked = outcome, False
        self.judge()
        return "done"

    def finish(self, name: str, outcome: str, error: str, at: int) -> Answer:
        kid = self.kids[name]
        if kid.status != "running":
            return "quiet"
        due = at + kid.kind.wait * SECOND * 2**kid.failures
        again = (
            outcome in ("failed", "timed_out")
            and not self.halting
            and not kid.asked
            and kid.failures + 1 < kid.kind.attempts
            and (self.budget is None or self.retries < self.budget)
            and error != kid.kind.never_again
            and not kid.used_up(due)
        )
        if not again:
            return self.end(name, outcome)
        self.running.remove(name)
        self.retries += 1
        kid.status, kid.failures, kid.due = "pending", kid.failures + 1, due
        return "done"

    def lose(self, name: str, *, crash: bool = False) -> Answer:
        kid = self.kids[name]
        if kid.status != "running":
            return "quiet"
        kid.crashes += crash
        if not self.halting:
            if kid.asked:
                return self.end(name, "cancelled")
            if kid.kind.lost_fails or kid.crashes == 3:
                return self.end(name, "failed")
        self.running.remove(name)
        kid.status, kid.due = "pending", 0
        return "done"

    def cancel_child(self, name: str) -> Answer:
        kid = self.kids[name]
        if kid.status == "pending" and kid.created:
            return "quiet" if kid.asked else self.end(name, "cancelled")  # asked, lost, and not skipped yet
        if kid.status != "running" or kid.asked:
            return "refused" if kid.status == "pending" else "quiet"
        kid.asked = True
        return "done"

    def expire(self, name: str, clock: str) -> Answer:
        kid = self.kids[name]
        limited = (
            kid.kind.queue is not None and not self.paused
            if clock == "queue"
            else kid.kind.total is not None and kid.first is not None
        )
        if kid.status != "pending" or not kid.created or self.halting or not limited:
            return "quiet"
        return self.end(name, "timed_out")

    def respond(self, name: str, outcome: str, at: int) -> Answer:
        kid = self.kids[name]
        if kid.status in (*FINAL, "skipped"):
            return "quiet"
        if not kid.created or self.owned:
            return "refused"
        if self.halting:
            return self.end(name, outcome)
        if kid.status == "pending":
            if len(self.running) >= self.max_workers:
                return "refused"
            self.begin(name, at)
        return self.finish(name, outcome, "", at)

    def skip(self) -> Answer:
        waiting = [name for name, kid in self.kids.items() if kid.status == "pending"] if self.halting else []
        for name in waiting:
            self.end(name, "cancelled" if self.kids[name].attempts else "skipped")
        return "done" if waiting else "quiet"

    # What happens to the parent.

    def add(self, name: str, kind: Kind) -> Answer:
        if self.closed or self.halting:
            return "refused"
        self.kids[name] = Kid(kind)
        self.judge()
        return "done"

    def create(self) -> Answer:
        waiting = [kid for kid in self.kids.values() if not kid.created and kid.status == "pending"]
        if not self.kids:
            return "refused"
        if self.halting or not waiting:
            return "quiet"
        for kid in waiting:
            kid.created = True
        return "done"

    def close(self) -> Answer:
        if self.closed:
            return "quiet"
        if any(not kid.created for kid in self.kids.values()):
            return "refused"
        self.closed = True
        self.judge()
        return "done"

    def leave(self, *, owned: bool) -> None:
        """Lose what ran in this process; parents within this one go on by themselves."""
        for name in [name for name in self.running if not self.kids[name].kind.nested]:
            self.lose(name)
        self.owned = owned

    def cancel(self) -> Answer:
        if self.settled or self.cancelled or (self.decided and (self.on_decided == "cancel" or self.overdue)):
            return "quiet"
        self.cancelled = True
        self.judge()
        return "done"

    def deadline(self) -> Answer:
        if self.decided:
            return "quiet"
        self.overdue = True
        self.judge()
        return "done"

    def pause(self) -> Answer:
        if self.settled or self.paused:
            return "refused" if self.settled else "quiet"
        self.paused = True
        return "done"

    def resume(self) -> Answer:
        if self.settled or not self.paused:
            return "quiet"
        self.paused = False
        return "done"

    def change(self, max_workers: int | None, rule: str | None) -> Answer:
        if max_workers in (None, self.max_workers) and rule in (None, self.rule):
            return "quiet"
        new_rule = rule not in (None, self.rule)
        hopeless = self.closed and len(self.kids) < {"any": 1, "2": 2}.get(rule or "", 0)
        if self.settled or (new_rule and (self.decided or hopeless)):
            return "refused"
        self.max_workers, self.rule = max_workers or self.max_workers, rule or self.rule
        self.judge()
        return "done"

    def redrive(self, names: list[str]) -> Answer:
        if not self.settled or not names or any(self.kids[name].status == "succeeded" for name in names):
            return "refused"
        for name in names:
            kid = self.kids[name]
            self.kids[name] = Kid(kid.kind, created=True, attempts=kid.attempts)
        self.settled = self.paused = self.cancelled = self.overdue = False
        self.decided, self.retries = None, 0
        self.on_decided = "continue" if self.status in FINAL else self.first_on_decided
        self.judge()
        return "done"
