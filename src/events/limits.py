"""Every limit of the product, in one frozen model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pydantic import Field, ValidationError

from events.errors import UsageError
from events.misfit import misfit
from events.model import Model

BUSY_TIMEOUT_SECONDS: Final = 30.0
"""How long whoever says nothing else waits for another program's lock on the store."""


class Limits(Model):
    """Limits that hold everywhere; exceeding one is an error that names it, before anything is written.

    Each field's unit is the last word of its name. Raises UsageError for what can be no limit.
    """

    if not TYPE_CHECKING:  # type checkers see the fields

        def __init__(self, /, **fields: Any) -> None:
            try:
                super().__init__(**fields)
            except ValidationError as error:
                place, reason, first = misfit(error)
                unknown = first["type"] == "extra_forbidden"
                told = f"there is no limit of the name {place!r}" if unknown else f"{place}: {reason}"
                raise UsageError(f"Limits: {told}") from None

    id_chars_max: int = Field(default=200, ge=1)
    """Longest parent or child id, in characters."""
    payload_bytes_max: int = Field(default=67_108_864, ge=64)
    """Largest input, output or error of one child, in bytes of its JSON text."""
    inline_bytes_max: int = Field(default=65_536, ge=0)
    """Largest input, output or error that stands on record itself; a larger one lies in a file beside the store."""
    metadata_bytes_max: int = Field(default=1_048_576, ge=64)
    """Largest metadata of one parent, in bytes of its JSON text."""
    item_bytes_max: int = Field(default=1_048_576, ge=1)
    """Longest item, and longest command or other text that is made of one or stands in a plan, in bytes."""
    children_max: int = Field(default=10_000_000, ge=1)
    """Most children of one parent."""
    max_workers_max: int = Field(default=100_000, ge=1)
    """Largest `max_workers` of a parent or an orchestrator."""
    append_events_max: int = Field(default=20_000, ge=1)
    """Most events that one turn of a parent adds to an append after its creation."""
    output_bytes_max: int = Field(default=65_536, ge=0)
    """How much of a command's standard output, and of its standard error, is kept on record, in bytes each."""
    plan_bytes_max: int = Field(default=16_777_216, ge=1)
    """Largest plan file, in bytes."""
    live_runs_max: int = Field(default=100_000, ge=1)
    """Most runs that one orchestrator works on, or follows, at a time."""
    requests_waiting_max: int = Field(default=100_000, ge=1)
    """Most messages to `Orchestrator.ref` that wait to be taken; and most calls that wait for the store's answer."""
    abandoned_threads_max: int = Field(default=1_000, ge=0)
    """Most threads that are left to tasks which run on past their timeouts, before children fail instead."""
    listener_backlog_max: int = Field(default=100_000, ge=1)
    """Most ended children that may wait for one listener; one that falls back further hears no more."""
    plan_inputs_bytes_max: int = Field(default=268_435_456, ge=1)
    """Most that the inputs of all tasks of a plan may have together, in bytes of their JSON text."""
    nesting_depth_max: int = Field(default=16, ge=0)
    """How many levels of parents may be inside a parent."""
    unpacked_bytes_max: int = Field(default=67_108_864, ge=1)
    """The most that a text on record which was packed may have once it is unpacked, in bytes."""
    packed_bytes_min: int = Field(default=1_024, ge=0)
    """Shorter texts are not packed, where packing is asked for."""
    conflict_retries_max: int = Field(default=20, ge=1)
    """How often one turn is decided anew after a version conflict before it is given up."""


DEFAULT_LIMITS = Limits.model_construct()  # as `Limits()` is, without building the model for it
