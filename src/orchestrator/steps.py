"""The steps of a parent's life one by one, for a workflow engine that drives them itself.

`create_state`, `prepare_children`, `create_children`, then either `prepare_execution`, which runs the children
here, or one `handle_response` for each child that the engine ran by itself. `start` does the first four at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from events.errors import ContentConflictError, RunOwnedError, StepOrderError, UsageError
from orchestrator import given
from orchestrator.given import CALL_SECONDS

if TYPE_CHECKING:
    from events.commands import Command, RecordResponse
    from events.limits import Limits
    from events.payload import Json
    from events.state import ParentState
    from events.strategy import Status
    from events.views import RunStatus
    from orchestrator.creation import Creation
    from orchestrator.definition import Child, Parallel
    from orchestrator.engine import Engine
    from orchestrator.interfaces import ChildrenMetadata, Response
    from orchestrator.run import Run


class Steps:
    """The part of `Orchestrator` that implements `orchestrator.interfaces`."""

    _engine: Engine
    _creation: Creation
    _limits: Limits

    @property
    def task_type(self) -> str:
        """What kind of task this orchestrates: `parallel`."""
        return "parallel"

    def create_state(self, parallel: Parallel, *, id: str | None = None) -> RunStatus:  # noqa: A002
        """Put a parent on record, without children; those of `parallel` are prepared in the next step.

        Raises:
            ContentConflictError: a run of this id exists with other content.

        """
        from orchestrator.creation import check_id

        parent_id = self._engine.runtime.new_id() if id is None else id
        check_id(parent_id, "id", self._limits)
        return self._ask(parent_id, self._creation.state(parallel))

    def prepare_children(self, id: str, children: Sequence[Child]) -> RunStatus:  # noqa: A002
        """Put children on record. Idempotent: those that are known already with the same work are passed over.

        Raises:
            StepOrderError: there is no such parent, or its children were created already.
            ContentConflictError: a child of the same id was prepared with other work.

        """
        from events.commands import PrepareChildren
        from orchestrator.definition import Parallel

        specs = self._creation.children(Parallel(), children, known=False)
        return self._ask(id, PrepareChildren(at=self._now(), children=self._creation.filed(id, specs)))

    def create_children(self, id: str) -> RunStatus:  # noqa: A002
        """Release all prepared children, in index order, and close the membership. All or nothing; idempotent.

        Raises:
            StepOrderError: no children are prepared.
            UsageError: the strategy can never succeed with so many children.

        """
        from events.commands import CloseMembership, CreateChildren

        now = self._now()
        return self._ask(id, CreateChildren(at=now), CloseMembership(at=now))

    def prepare_execution(self, id: str) -> Run:  # noqa: A002
        """Begin to run the children that were created, and return the run's handle.

        Raises:
            StepOrderError: the children were not created yet.
            RunOwnedError: another living process works on the run.

        """
        from orchestrator import queries
        from orchestrator.run import Run

        state, _ = queries.state_of(self._engine.log, id)
        if not state.membership_closed:
            raise StepOrderError(f"run {id!r}: create its children before preparing the execution")
        observers = self._engine.observers(id)
        self._engine.claim(id, (), attach=False, timeout=CALL_SECONDS)
        return Run(self._engine, id, observers)

    def handle_response(self, id: str, child_id: str, response: Response) -> RunStatus:  # noqa: A002
        """Put on record how a child went that the engine ran by itself, and return the parent's status.

        Idempotent: a child that has an outcome keeps it.

        Raises:
            StepOrderError: the child was not created yet.
            RunOwnedError: an orchestrator runs the children of this parent itself.

        """
        from actors.owner import owner_words
        from events.strategy import OUTCOMES
        from orchestrator import queries
        from orchestrator.interfaces import Response

        given.text(child_id, "a child's id")
        outcome = getattr(response, "outcome", response)
        if not isinstance(response, Response) or outcome not in OUTCOMES:
            raise UsageError(f"an outcome is one of {', '.join(OUTCOMES)}, not {given.shown_value(outcome)}")
        state, _ = queries.state_of(self._engine.log, id)
        if state.owner is not None:
            raise RunOwnedError(
                f"run {id!r}: its children are run by {owner_words(state.owner)}, which reports for them"
            )
        return self._ask(id, self._recorded(id, child_id, response))

    def _recorded(self, parent_id: str, child_id: str, response: Response) -> RecordResponse:
        """Return what puts a response on record; a large payload lies in a file by then."""
        from actors.executors.filing import filed
        from actors.executors.work import Ending
        from events.commands import RecordResponse

        succeeded = response.outcome == "succeeded"
        what = "output" if succeeded else "error"
        text = self._text(response.output if succeeded else response.error, f"{what} of child {child_id!r}")
        ending = filed(
            Ending(response.outcome, text) if succeeded else Ending(response.outcome, error=text),
            self._engine.log.payloads_of(parent_id),
            self._limits.inline_bytes_max,
        )
        return RecordResponse(
            at=self._now(),
            child_id=child_id,
            outcome=response.outcome,
            output=ending.output if ending.output_file is None else None,
            error=ending.error,
            output_file=ending.output_file,
            error_file=ending.error_file,
        )

    def get_children_metadata(self, id: str) -> ChildrenMetadata:  # noqa: A002
        """Return count, strategy, max_workers and the caller's own fields."""
        from events.views import StrategyView
        from orchestrator import queries
        from orchestrator.interfaces import ChildrenMetadata

        state, _ = queries.state_of(self._engine.log, id)
        return ChildrenMetadata(
            count=state.total,
            strategy=StrategyView(state.strategy.kind, state.strategy.required(state.total)),
            max_workers=state.max_workers,
            custom=_custom(state),
        )

    def calculate_status(self, id: str) -> Status:  # noqa: A002
        """Return the status that follows from what is on record, by the one rule."""
        from orchestrator import queries

        return queries.state_of(self._engine.log, id)[0].status

    def should_update_status(self, id: str, known: Status) -> bool:  # noqa: A002
        """Return whether the status differs from the one the engine knows. A final one never changes."""
        from events.strategy import FINAL_STATUSES

        return known not in FINAL_STATUSES and self.calculate_status(id) != known

    def _now(self) -> int:
        return self._engine.runtime.now()

    def _text(self, value: Json, what: str) -> str:
        from events.payload import encode_payload

        return encode_payload(value, what=what, bytes_max=self._limits.payload_bytes_max)

    def _ask(self, parent_id: str, *commands: Command) -> RunStatus:
        from orchestrator import queries

        try:
            self._engine.request(parent_id, commands, None)
        except ContentConflictError as error:
            from orchestrator.differences import explained

            raise explained(self._engine.log, parent_id, commands, error) from None
        return queries.status_of(self._engine.log, parent_id)


def _custom(state: ParentState) -> Mapping[str, Json]:
    from events.payload import decode_payload

    custom = {} if state.metadata is None else decode_payload(state.metadata)
    return custom if isinstance(custom, dict) else {}
