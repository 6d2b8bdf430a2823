"""Every event type by its stored name and version, with its upcasters. Nothing else can be loaded.

A stored name is looked up in the table below and leads nowhere else: no row can cause an import. The stored form of
a fact is compact JSON; a field that is None is left out. A type whose fields changed stores its version as `"v"`
(left out for version 1), and older rows pass through upcasters, one per step, before they are validated.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from pydantic import ValidationError

from events.errors import StoreDamagedError, StoreVersionError
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
    Redriven,
    Resumed,
)

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
}

UPCASTERS: Final[Mapping[str, tuple[Upcaster, ...]]] = {}
"""By stored name: the n-th function turns version n into version n + 1. A type's version is their number plus 1."""

_NAMES: Final = {fact_type: name for name, fact_type in TYPES.items()}


class Catalogue:
    """Turns facts into stored names and bytes, and back. Handed in where rows are written or read."""

    def __init__(
        self,
        types: Mapping[str, type[Fact]] = TYPES,
        upcasters: Mapping[str, tuple[Upcaster, ...]] = UPCASTERS,
    ) -> None:
        self._upcasters = upcasters
        self._validate = {name: fact_type.__pydantic_validator__.validate_json for name, fact_type in types.items()}
        self._versions = {name: len(upcasters.get(name, ())) + 1 for name in types}
        self.versions: Final[tuple[tuple[str, int], ...]] = tuple(sorted(self._versions.items()))
        """Every stored name that is known, and the newest version of it."""
        self._encoders = {
            fact_type: (name, fact_type.__pydantic_serializer__.to_json, self._versions[name])
            for name, fact_type in types.items()
        }

    def encode(self, fact: Fact) -> tuple[str, bytes]:
        """Return the stored name and the stored bytes (JSON, UTF-8) of a fact."""
        name, to_json, version = self._encoders[type(fact)]
        data = to_json(fact, exclude_none=True)
        if version > 1:
            data = b'{"v":%d,%b' % (version, data[1:])
        return name, data

    def decode(self, name: str, data: bytes) -> Fact:
        """Return the fact that was stored.

        Raises:
            StoreDamagedError: the name is unknown, or the bytes are no such fact.
            StoreVersionError: the row was written by a newer release.
        """
        validate = self._validate.get(name)
        if validate is None:
            raise StoreDamagedError(f"unknown event type {name!r}: a newer release may have written it and can read it")
        try:
            if self._versions[name] > 1 or data.startswith(b'{"v":'):
                data = self._upcast(name, data)
            fact: Fact = validate(data)
        except (ValueError, RecursionError, LookupError, TypeError) as error:  # an upcaster's, too
            raise StoreDamagedError(f"unreadable {name}: {_first_line(error)}") from error
        return fact

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
