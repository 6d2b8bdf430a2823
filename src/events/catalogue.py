"""Every event type by its stored name and version, with its upcasters. Nothing else can be loaded.

A stored name is looked up in the table below and leads nowhere else: no row can cause an import. The stored form of
a fact is compact JSON; a field that is None is left out. A type whose fields changed stores its version as `"v"`
(left out for version 1), and older rows pass through upcasters, one per step, before they are validated.

Users' texts may stand in another form (see `events.text_forms`). Packed ones are unpacked here. To open encrypted ones
takes a key, which no catalogue has: here they become texts that say why they cannot be read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError

from events.errors import KeyNotFoundError, StoreDamagedError, StoreError, StoreVersionError
from events.facts import (
    AttemptEndedLate,
    AttemptLost,
    CancelRequested,
    ChildCancelRequested,
    ChildCreated,
    ChildFinished,
    ChildPrepared,
    ChildProgressed,
    ChildRedriven,
    ChildRetryScheduled,
    ChildStarted,
    DeadlinePassed,
    Fact,
    LimitsChanged,
    MembershipClosed,
    OwnershipReleased,
    OwnershipTaken,
    ParentCreated,
    ParentDecided,
    ParentSettled,
    Paused,
    Redacted,
    Redriven,
    Resumed,
)
from events.limits import DEFAULT_LIMITS
from events.text_forms import ENCRYPTED, PACKED, TEXTS, EncryptedText, joined, parted, text_of, unpack

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]

TYPES: Final[Mapping[str, type[Fact]]] = {
    "ParentCreated": ParentCreated,
    "ChildPrepared": ChildPrepared,
    "ChildCreated": ChildCreated,
    "MembershipClosed": MembershipClosed,
    "OwnershipTaken": OwnershipTaken,
    "OwnershipReleased": OwnershipReleased,
    "ChildStarted": ChildStarted,
    "ChildRetryScheduled": ChildRetryScheduled,
    "AttemptLost": AttemptLost,
    "ChildFinished": ChildFinished,
    "CancelRequested": CancelRequested,
    "DeadlinePassed": DeadlinePassed,
    "AttemptEndedLate": AttemptEndedLate,
    "ChildProgressed": ChildProgressed,
    "ChildCancelRequested": ChildCancelRequested,
    "ChildRedriven": ChildRedriven,
    "Paused": Paused,
    "Resumed": Resumed,
    "LimitsChanged": LimitsChanged,
    "Redriven": Redriven,
    "ParentDecided": ParentDecided,
    "ParentSettled": ParentSettled,
    "Redacted": Redacted,
}

UPCASTERS: Final[Mapping[str, tuple[Upcaster, ...]]] = {}
"""By stored name: the n-th function turns version n into version n + 1. A type's version is their number plus 1."""

PLAIN: Final = b'{"at":'
"""How stored bytes begin that are simply a fact of version 1, as `encode` writes it."""

_FORMS: Final = (b'{"v":', PACKED, ENCRYPTED)
"""How stored bytes begin that are not simply a fact of version 1."""

_NAMES: Final = {fact_type: name for name, fact_type in TYPES.items()}


class Catalogue:
    """Turns facts into stored names and bytes, and back. Handed in where rows are written or read."""

    def __init__(
        self,
        types: Mapping[str, type[Fact]] = TYPES,
        upcasters: Mapping[str, tuple[Upcaster, ...]] = UPCASTERS,
        unpacked_bytes_max: int = DEFAULT_LIMITS.unpacked_bytes_max,
    ) -> None:
        self._upcasters = upcasters
        self.unpacked_bytes_max: Final = unpacked_bytes_max
        """The most that a packed text may have once it is unpacked; see `Limits`."""
        self._versions = {name: len(upcasters.get(name, ())) + 1 for name in types}
        self.versions: Final[tuple[tuple[str, int], ...]] = tuple(sorted(self._versions.items()))
        """Every stored name that is known, and the newest version of it."""
        self._validate = _Validators(types)
        self._encoders = _Encoders({fact_type: (name, self._versions[name]) for name, fact_type in types.items()})

    def encode(self, fact: Fact) -> tuple[str, bytes]:
        """Return the stored name and the stored bytes (JSON, UTF-8) of a fact."""
        return self.encode_all((fact,))[0]

    def encode_all(self, facts: Sequence[Fact]) -> list[tuple[str, bytes]]:
        """Return what `encode` does for each of many facts."""
        encoders = self._encoders
        rows: list[tuple[str, bytes]] = []
        for fact in facts:
            name, to_json, version = encoders[type(fact)]
            data = to_json(fact, exclude_none=True)
            rows.append((name, data if version == 1 else b'{"v":%d,%b' % (version, data[1:])))
        return rows

    def texts(self, fact: Fact) -> dict[str, str]:
        """Return the users' texts in a fact, by field; none where it has none."""
        found = {each: getattr(fact, each) for each in TEXTS.get(self._encoders[type(fact)][0], ())}
        return {each: text for each, text in found.items() if text is not None}

    def encode_without(self, fact: Fact, names: Collection[str]) -> tuple[str, bytes]:
        """Return the stored name of a fact, and its stored bytes without some of its fields."""
        name, to_json, version = self._encoders[type(fact)]
        data = to_json(fact, exclude_none=True, exclude=set(names))
        return name, b'{"v":%d,%b' % (version, data[1:]) if version > 1 else data

    def decode_at(self, _: str, __: int, name: str, data: bytes) -> Fact:
        """Return the fact that was stored at a version of a parent's stream (its id comes first). See `decode`."""
        return self.decode(name, data)

    def plain(self, name: str) -> Callable[[bytes], Fact] | None:
        """Return what `decode` does with bytes of this stored name that begin as `PLAIN`; None where that is not all.

        Any error it raises is a ValueError or a RecursionError; `decode` says the same in its own words.
        """
        return self._validate[name] if self._versions.get(name) == 1 else None

    def decode(self, name: str, data: bytes) -> Fact:
        """Return the fact that was stored.

        Raises:
            StoreDamagedError: the name is unknown, or the bytes are no such fact.
            StoreVersionError: the row was written by a newer release.
        """
        validate = self._validate[name]
        try:
            if data.startswith(_FORMS) or self._versions[name] > 1:
                if data.startswith((PACKED, ENCRYPTED)):
                    return self._reformed(name, data)
                data = self._upcast(name, data)
            fact: Fact = validate(data)
        except (ValueError, RecursionError, LookupError, TypeError) as error:  # an upcaster's, too
            raise StoreDamagedError(f"unreadable {name}: {_first_line(error)}") from error
        return fact

    def _reformed(self, name: str, data: bytes) -> Fact:
        """Return a fact whose texts are packed or encrypted."""
        texts, fields = parted(name, data)
        if data.startswith(ENCRYPTED):
            return self.closed(name, texts, fields, KeyNotFoundError("it is encrypted, and no key was given"))
        unpacked = {each: text_of(unpack(text, self.unpacked_bytes_max)) for each, text in texts.items()}
        return self.decode(name, joined(fields, unpacked))

    def closed(self, name: str, texts: Mapping[str, bytes], fields: dict[str, Any], why: StoreError) -> Fact:
        """Return a fact whose encrypted texts cannot be read here."""
        fact = self.decode(name, joined(fields, dict.fromkeys(texts, "")))
        return fact.model_copy(update=dict.fromkeys(texts, EncryptedText.of(why)))

    def _upcast(self, name: str, data: bytes) -> bytes:
        fields = json.loads(data)
        if not isinstance(fields, dict):
            raise StoreDamagedError(f"unreadable {name}: not a JSON object")
        version = fields.pop("v", 1)
        newest = self._versions[name]
        if not isinstance(version, int) or isinstance(version, bool) or version < 1:
            raise StoreDamagedError(f"unreadable {name}: its version is {version!r}")
        if version > newest:
            known = f"this release knows up to {newest}"
            raise StoreVersionError(
                f"{name} has version {version}; {known}: use the release that wrote it, or a newer one"
            )
        for upcaster in self._upcasters.get(name, ())[version - 1 :]:
            fields = upcaster(fields)
        return json.dumps(fields).encode()


class _Validators(dict[str, Callable[[bytes], Fact]]):
    """What makes facts of their JSON, by stored name. Each is there once it was asked for: pydantic builds it then."""

    def __init__(self, types: Mapping[str, type[Fact]]) -> None:
        self._types = types

    def __missing__(self, name: str) -> Callable[[bytes], Fact]:
        fact_type = self._types.get(name)
        if fact_type is None:
            raise StoreDamagedError(f"unknown event type {name!r}: a newer release may have written it and can read it")
        fact_type.model_rebuild()  # quiet where it is built
        validate: Callable[[bytes], Fact] = fact_type.__pydantic_validator__.validate_json
        self[name] = validate
        return validate


class _Encoders(dict[type[Fact], tuple[str, Callable[..., bytes], int]]):
    """Stored name, what makes JSON of a fact, and version, by type; see `_Validators`."""

    def __init__(self, stored: Mapping[type[Fact], tuple[str, int]]) -> None:
        self._stored = stored

    def __missing__(self, fact_type: type[Fact]) -> tuple[str, Callable[..., bytes], int]:
        name, version = self._stored[fact_type]
        fact_type.model_rebuild()  # quiet where it is built
        encoder = self[fact_type] = (name, fact_type.__pydantic_serializer__.to_json, version)
        return encoder


def type_name(fact: Fact) -> str:
    """Return the stored name of a fact of this release."""
    return _NAMES[type(fact)]


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        return f"{place}: {first['msg']}" if place else first["msg"]
    return str(error).splitlines()[0] if str(error) else type(error).__name__


DEFAULT_CATALOGUE: Final = Catalogue()
