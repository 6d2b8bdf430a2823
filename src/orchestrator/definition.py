"""What a user asks for: `Parallel`, `Child`, `Threshold`, `Retry`. Frozen, checked when they are made."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
    model_validator,
)

from events.errors import UsageError
from events.misfit import misfit
from events.model import BUILT_WHEN_USED, Model
from events.strategy import ALL, ANY, OnDecided, Strategy
from orchestrator.given import shown_value

SHELL_TASK = "shell"
"""The name of the built-in task that runs a shell command."""
NESTING_DEPTH_MAX: Final = 100
"""How many levels of parents may be inside one another, whatever the limits of an orchestrator say."""
_WHOLE_MAX: Final = 10**18 - 1
"""Largest whole number; every store can hold it."""


class Definition(Model):
    """Base of the definitions: frozen, strict, and one clear `UsageError` for what does not fit."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    if not TYPE_CHECKING:  # type checkers see the fields

        def __init__(self, /, *args: Any, **fields: Any) -> None:
            if args:
                raise UsageError(f"{type(self).__name__} takes keyword arguments only")
            try:
                super().__init__(**fields)
            except ValidationError as error:
                raise UsageError(explain(type(self).__name__, error)) from None
            except TypeError as error:  # a dict in place of a definition, with keys that are no text
                raise UsageError(f"{type(self).__name__}: {error}") from None

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy with some fields changed, checked as everything is. Raises UsageError for what does not fit."""
        copy = super().model_copy(deep=deep)
        given = {name: value for name, value in copy if name in copy.model_fields_set}
        return copy if update is None else type(self)(**given | dict(update))


def explain(what: str, error: ValidationError) -> str:
    """Return the first thing that does not fit as one line: what, where, why, and the value given."""
    place, reason, first = misfit(error)
    reason = reason.removeprefix(f"{what}: ")
    if first["type"] == "extra_forbidden":
        return f"{what}: unknown key {place!r}"
    if first["type"] in ("value_error", "missing"):
        return f"{what}: {place}: {reason}" if place else f"{what}: {reason}"
    return f"{what}: {place}: {reason}, not {shown_value(first['input'])}"


ErrorTypes = tuple[str | type[BaseException], ...] | str | type[BaseException]
"""Types of errors, by name or as they are; one alone stands for itself."""


def names_of_errors(value: object) -> tuple[str, ...] | None:
    """Return types of errors by their names; None stays None. Raises ValueError for anything else."""
    if value is None:
        return None
    values = value if isinstance(value, list | tuple) else (value,)
    names = tuple(each.__qualname__ if isinstance(each, type) else each for each in values)
    if not all(isinstance(name, str) and name.strip() and name.isprintable() for name in names):
        raise ValueError("takes types of errors, or their names")
    return names


class Retry(Definition):
    """How often, and after which waits, a failed or timed out child runs again.

    `retry_on` and `give_up_on` name types of errors, or are the types themselves; a type stands for those derived
    from it, too. With `retry_on` only errors of these types are tried again, those of `give_up_on` never are. A child
    that timed out has an error of the type `TimedOut`, a command that failed one of the type `CommandFailed`.
    """

    max_attempts: int = Field(default=3, ge=1, le=_WHOLE_MAX)
    """Attempts in all, the first one included."""
    initial_seconds: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """The wait before the second attempt."""
    backoff: float = Field(default=2.0, ge=1, allow_inf_nan=False)
    """By what each further wait is multiplied."""
    max_seconds: float = Field(default=3_600.0, ge=0, allow_inf_nan=False)
    """The longest wait."""
    jitter: float = Field(default=0.0, ge=0, le=1, allow_inf_nan=False)
    """Up to which part of it each wait may be shortened, by a draw that is the same whenever it is worked out."""
    retry_on: ErrorTypes | None = None
    give_up_on: ErrorTypes | None = None

    @field_validator("retry_on", "give_up_on", mode="before")
    @classmethod
    def _by_name(cls, value: object) -> object:
        return names_of_errors(value)


class Threshold(Definition):
    """Enough children must succeed: `count` of them, or `percent` of all of them.

    `max_failures` (a number of children, or a text such as "5%") fails the parent as soon as more than that ended
    without success. A percentage is one of all children; with `min_finished` it is one of those that have ended,
    judged once so many have.
    """

    count: int | None = Field(default=None, ge=1, le=_WHOLE_MAX)
    percent: float | None = Field(default=None, gt=0, le=100, allow_inf_nan=False)
    max_failures: Annotated[int, Field(le=_WHOLE_MAX)] | str | None = None
    min_finished: int | None = Field(default=None, ge=1, le=_WHOLE_MAX)

    @model_validator(mode="after")
    def _is_a_strategy(self) -> Self:
        self.strategy()
        return self

    def strategy(self) -> Strategy:
        """Return the strategy this threshold stands for. Raises UsageError where its parts do not fit together."""
        failures, percent = self.max_failures, None
        if isinstance(failures, str):
            percent, failures = parse_percent(failures), None
        try:
            return Strategy(
                kind="threshold",
                count=self.count,
                percent=self.percent,
                max_failures=failures,
                max_failures_percent=percent,
                min_finished=self.min_finished,
            )
        except ValidationError as error:
            raise UsageError(explain("Threshold", error)) from None


def parse_percent(text: str) -> float:
    """Return 5.0 for "5%". Raises UsageError for anything else."""
    try:
        if not text.endswith("%"):
            raise ValueError
        return float(text[:-1])
    except ValueError:
        raise UsageError(f"expected a percentage such as '5%', not {shown_value(text)}") from None


class Child(Definition):
    """One unit of work: a task with its input, or a shell command.

    `input` is any JSON value; a dict becomes the task's named arguments, any other value its only argument.
    Without an `id` a child is named after its task and its index. `on_lost` says what follows when an attempt is
    interrupted by a crash: run it again (`retry`) or fail the child (`fail`).

    All times are in seconds. `timeout` is for one attempt, `total_timeout` for all attempts together from the first
    start on, `queue_timeout` for each wait for a worker, `heartbeat_timeout` for the time between two heartbeats.
    `grace` is how long the child has to end by itself once it was asked to stop. Children of a higher `priority`
    start first. `keys` name what the child uses that others use, too: an orchestrator may limit them.

    With `parallel` the child is itself a parent, with children, a strategy and limits of its own. It runs under the
    id `parent id/child id`, counts as one child here, takes no worker, and ends once all its children have.
    """

    id: str | None = None
    task: str | None = None
    command: str | None = None
    input: Any = Field(default_factory=dict)
    timeout: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    total_timeout: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    queue_timeout: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    heartbeat_timeout: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    grace: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    retry: Retry | None = None
    on_lost: Literal["retry", "fail"] | None = None
    priority: int | None = Field(default=None, ge=-_WHOLE_MAX, le=_WHOLE_MAX)
    keys: tuple[str, ...] = ()
    parallel: Parallel | None = None

    @field_validator("task", mode="before")
    @classmethod
    def _by_name(cls, task: object) -> object:
        return getattr(task, "task_name", task)

    @model_validator(mode="after")
    def _one_kind_of_work(self) -> Self:
        kinds = (self.task is not None) + (self.command is not None) + (self.parallel is not None)
        if kinds != 1:
            raise ValueError("needs either a task or a command, and not both (or, in their place, a parallel)")
        if self.parallel is not None:
            self._fits_a_parent()
        if self.command is not None and "\0" in self.command:
            raise ValueError("a command cannot contain a NUL character")
        if self.command is not None and self.heartbeat_timeout is not None:
            raise ValueError("a command sends no heartbeats, so it cannot have a heartbeat_timeout")
        return self

    def _fits_a_parent(self) -> None:
        """Refuse what a child that is a parent cannot have: its own children have it."""
        unfit = sorted(self.model_fields_set - {"id", "parallel", "retry", "priority"})
        if unfit:
            raise ValueError(f"a child that is itself parallel takes no {unfit[0]}: give it to the parallel in it")

    def with_id(self, id: str) -> Child:  # noqa: A002 - the contract's name
        """Return the same child under another id."""
        return super().model_copy(update={"id": id})  # looked at with all others of the run


class Throttle(Definition):
    """A limit that holds over all runs of one orchestrator, for each key by itself that children name in their `keys`.

    `key` is one key, or the beginning of many and a `*` at the end: with `Throttle(key="host:*", max_running=2,
    per_second=10)` at most 2 children of each host run at a time, and 10 of each start in a second. `burst` is how
    many may start at once after a pause. Where several limits fit a child, all of them must allow its start.
    """

    key: str = Field(min_length=1)
    max_running: int | None = Field(default=None, ge=1, le=_WHOLE_MAX)
    """How many children of a key may run at a time."""
    per_second: float | None = Field(default=None, ge=1e-9, le=1e9, allow_inf_nan=False)
    """How many of them may start in a second, on average."""
    burst: int = Field(default=1, ge=1, le=1_000_000_000)

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if not self.key.strip() or not self.key.isprintable():
            raise ValueError(f"key: {self.key!r} is empty or cannot be printed")
        if "*" in self.key[:-1]:
            raise ValueError(f"key: a * may only stand at the end, not in {self.key!r}")
        if self.max_running is None and self.per_second is None:
            raise ValueError("needs max_running, per_second, or both")
        if self.per_second is None and "burst" in self.model_fields_set:
            raise ValueError("burst goes with per_second, which was not given")
        return self


StrategyLike = Literal["all", "any"] | Threshold


_NO_SOURCES: Final = (str, bytes, bytearray, Mapping, BaseModel)
"""What can be iterated, and never gives children."""


def _unread(value: object, listed: ValidatorFunctionWrapHandler) -> object:
    """Check a list of children as ever, and leave what gives them over time unread: it can be read only once."""
    if isinstance(value, list | tuple):
        return listed(value)
    if not isinstance(value, Iterable | AsyncIterable) or isinstance(value, _NO_SOURCES):
        raise ValueError(f"takes a list of Child, or what gives them over time, not {shown_value(value)}")
    return value


if TYPE_CHECKING:
    ChildrenLike = Iterable[Child] | AsyncIterable[Child]
else:
    ChildrenLike = Annotated[Sequence[Child], WrapValidator(_unread)]


class Parallel(Definition):
    """One fan-out: children, a strategy, limits.

    `max_workers` caps how many children run at a time (the orchestrator's own cap when left out). `timeout`
    (seconds) is for the whole parent. `on_decided` says what happens to children still open once the parent is
    decided: `cancel` them, `drain` (let running ones finish) or `continue` (run every child). `retry` and
    `child_timeout` are defaults for children that have none of their own, except for those that are parents;
    `retry_budget` is how many retries all of them may have together. `metadata` is the caller's own.

    `children` is a list or a tuple. Any other iterable (a generator, say), or an asynchronous one, gives children over
    time: it is read once, a little ahead of the workers, in a thread of its own, and no more children are added when
    it ends. With `open` children may still be added after that (`Run.add`), until `Run.close`.

    Where many runs share an orchestrator, those of a higher `priority` get workers first, and among equals each gets
    a part in proportion to its `weight`.
    """

    children: ChildrenLike = ()
    open: bool = False
    strategy: StrategyLike = "all"
    max_workers: int | None = Field(default=None, ge=1, le=_WHOLE_MAX)
    timeout: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    on_decided: OnDecided = "cancel"
    retry: Retry | None = None
    child_timeout: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    retry_budget: int | None = Field(default=None, ge=0, le=_WHOLE_MAX)
    weight: int | None = Field(default=None, ge=1, le=1_000)
    priority: int | None = Field(default=None, ge=-_WHOLE_MAX, le=_WHOLE_MAX)
    metadata: Mapping[str, Any] = Field(default_factory=dict)

    @field_validator("strategy", mode="before")
    @classmethod
    def _is_known(cls, value: object) -> object:
        if value in ("all", "any") or isinstance(value, Threshold | Mapping):
            return value
        raise ValueError(f"takes 'all', 'any' or a Threshold, not {shown_value(value)}")

    @model_validator(mode="after")
    def _not_too_deep(self) -> Self:
        if self.depth > NESTING_DEPTH_MAX:
            raise ValueError(f"parents are nested more than {NESTING_DEPTH_MAX} levels deep")
        return self

    @property
    def depth(self) -> int:
        """How many levels of parents are inside this one."""
        return max((child.parallel.depth + 1 for child in self.listed if child.parallel is not None), default=0)

    @property
    def listed(self) -> Sequence[Child]:
        """The children that are given as a list; none where they come over time."""
        return self.children if isinstance(self.children, list | tuple) else ()

    @property
    def over_time(self) -> bool:
        """Whether children come over time, from `children` itself."""
        return not isinstance(self.children, list | tuple)

    def rule(self) -> Strategy:
        """Return the strategy as the core knows it."""
        if isinstance(self.strategy, Threshold):
            return self.strategy.strategy()
        return ALL if self.strategy == "all" else ANY


if not BUILT_WHEN_USED:
    Child.model_rebuild()  # it may have a `Parallel` in it, which is there by now
