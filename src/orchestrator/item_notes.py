"""What the metadata of a run notes of items that come over time: where from, and what is done for each of them.

Children that come over time are no part of a run's content. These notes are, so that an id is not taken for another
command's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from events.errors import KeyNotFoundError, RedactedError, StoreDamagedError
from events.payload import decode_payload
from orchestrator.definition import Parallel
from orchestrator.streams import STANDARD_INPUT, ChildStream

ITEMS_KEY: Final = "items"
"""Where the metadata of a run says that its items come from standard input, which nobody can read again."""
TEMPLATE_KEY: Final = "for each item"
"""Where it says what is done for each of them: a command as text, or the task of a plan as a mapping."""
_WHOLE_CHARS_MAX: Final = 4_096
"""The longest template that is noted whole; of a longer one it is the beginning and a hash."""
_SHOWN_CHARS_MAX: Final = 80


def with_notes(parallel: Parallel) -> Parallel:
    """Return a definition whose metadata has the notes; one whose children are all known has none."""
    stream = parallel.children
    if not isinstance(stream, ChildStream):
        return parallel
    origin = {ITEMS_KEY: STANDARD_INPUT} if stream.read_once else {}
    template = {} if stream.template is None else {TEMPLATE_KEY: _noted(stream.template)}
    return parallel.model_copy(update={"metadata": {**origin, **parallel.metadata, **template}})


def _noted(template: str | Mapping[str, Any]) -> str | Mapping[str, Any]:
    text = template if isinstance(template, str) else json.dumps(template)
    if len(text) <= _WHOLE_CHARS_MAX:
        return template
    digest = hashlib.sha256(json.dumps(text).encode()).hexdigest()  # as JSON, since it may hold bytes that are no text
    brief = f"{text[:_SHOWN_CHARS_MAX]}… ({len(text):,} characters, SHA-256 {digest})"
    return brief if isinstance(template, str) else {"task": brief}


def note_parts(had: str | None, asks: str | None) -> Iterator[str]:
    """Say how two metadata differ, texts as they are on record: first the notes, then what is the caller's own."""
    before, now = _keys(had), _keys(asks)
    if before is None or now is None:
        yield _was("metadata", had, asks)
        return
    notes = list(_differences(before, now))
    yield from notes
    own_before, own_now = _own(before), _own(now)
    if own_before != own_now or not notes:
        yield _was("metadata", own_before, own_now)


def _differences(before: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    piped = [keys.get(ITEMS_KEY) == STANDARD_INPUT for keys in (before, now)]
    templates = [keys.get(TEMPLATE_KEY) for keys in (before, now)]
    if piped[0] != piped[1]:
        planned = isinstance(templates[piped.index(True)], dict)
        pipe, other = ("standard input", "the plan or a file") if planned else ("a pipe", "a file or the command line")
        came, come = (pipe, other) if piped[0] else (other, pipe)
        yield f"its items came from {came} and now come from {come}"
    elif None in templates and templates[0] != templates[1]:
        known, timed = "were all known from the start", "over time"
        came, come = (known, f"come {timed}") if templates[0] is None else (f"came {timed}", "are all known at once")
        yield f"its children {came} and now {come}"
    if None not in templates and _text(templates[0]) != _text(templates[1]):
        yield _was("what is done for each item", *map(_text, templates))


def _keys(text: str | None) -> dict[str, Any] | None:
    """Return the keys and values of metadata; None where they are no mapping, or cannot be read here."""
    try:
        value = {} if text is None else decode_payload(text)
    except (StoreDamagedError, KeyNotFoundError, RedactedError):
        return None
    return value if isinstance(value, dict) else None


def _own(keys: dict[str, Any]) -> str | None:
    """Return the JSON text of what no note says; None where there is nothing else."""
    own = {
        name: value
        for name, value in keys.items()
        if name != TEMPLATE_KEY and (name, value) != (ITEMS_KEY, STANDARD_INPUT)
    }
    return _text(own) if own else None


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"))


def _was(what: str, had: str | None, asks: str | None) -> str:
    """Return what was and now is, cut in such a way that the first difference is seen."""
    before, now = had or "not given", asks or "not given"
    same = next((at for at, (one, other) in enumerate(zip(before, now, strict=False)) if one != other), 0)
    start = 0 if same < _SHOWN_CHARS_MAX // 2 else same - _SHOWN_CHARS_MAX // 4
    return f"{what} was {_part(before, start)} and now is {_part(now, start)}"


def _part(text: str, start: int) -> str:
    end = start + _SHOWN_CHARS_MAX
    return f"{'…' if start else ''}{text[start:end]}{'…' if len(text) > end else ''}"
