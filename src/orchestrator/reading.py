"""From what children returned, on record or in a file, to values of the types that their tasks say."""

from __future__ import annotations

from typing import Any

from events.errors import InvalidPayloadError
from events.facts import ChildFinished, ChildPrepared, ChildRedriven
from events.log.store import EventLog
from events.payload import Json, decode_payload
from orchestrator.queries import fetching, placed
from orchestrator.tasks import TaskRegistry


def payloads(
    log: EventLog, parent_id: str, upto_position: int | None, tasks: TaskRegistry
) -> tuple[dict[str, Any], dict[str, Json]]:
    """Return outputs and errors of the children that have ended, by child id, in index order.

    Raises:
        InvalidPayloadError: an output does not fit the annotation of its task.
        StoreDamagedError: the record, or a file that it names, is damaged.
    """
    prepared: dict[str, ChildPrepared] = {}
    ended: dict[str, ChildFinished] = {}
    for record in log.read(parent_id, upto_position=upto_position):
        fact = record.fact
        if isinstance(fact, ChildFinished):
            ended[fact.child_id] = fact
        elif isinstance(fact, ChildPrepared):
            prepared[fact.child_id] = fact
        elif isinstance(fact, ChildRedriven):
            ended.pop(fact.child_id, None)
    fetch = fetching(log, parent_id)
    outputs: dict[str, Any] = {}
    errors: dict[str, Json] = {}
    with placed(log, parent_id):
        for child_id, asked in prepared.items():
            finished = ended.get(child_id)
            if finished is None:
                continue
            output, error = finished.output, finished.error
            if finished.outcome == "succeeded":
                if finished.output_file is not None:
                    output = fetch(child_id, "output", finished.output_file)
                value = None if output is None else decode_payload(output)
                outputs[child_id] = typed_output(tasks, asked.task, child_id, value)
            elif error is not None:
                if finished.error_file is not None:
                    error = fetch(child_id, "error", finished.error_file)
                errors[child_id] = decode_payload(error)
    return outputs, errors


def typed_output(tasks: TaskRegistry, task: str, child_id: str, value: Json) -> Any:
    """Return an output as the type that its task returns; as it is where the task is not known here, or says nothing.

    Raises:
        InvalidPayloadError: it does not fit; the message says what to do.
    """
    conversion = tasks.find(task).callee.result if task in tasks else None
    if conversion is None:
        return value
    try:
        return conversion.from_json(value, f"output of child {child_id!r} on record")
    except InvalidPayloadError as error:
        raise InvalidPayloadError(
            f"{error}; task {task!r} returned something else when it ran: run.children() gives it as plain JSON"
        ) from None
