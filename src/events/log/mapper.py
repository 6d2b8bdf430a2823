"""Between facts and stored events, by the catalogue alone."""

from __future__ import annotations

from typing import Final

from events.aggregate import ParentEvent
from events.catalogue import DEFAULT_CATALOGUE, Catalogue
from events.errors import UsageError
from events.log.library import DomainEventProtocol, JSONTranscoder, Mapper, StoredEvent
from events.log.record import Recorded

_FIRST_VERSION: Final = 1
_TRANSCODER: Final = JSONTranscoder()
"""What the library asks for, and the catalogue does not."""


class CatalogueMapper(Mapper[str]):
    """Turns facts on record into stored events and back. A stored name is only looked up and leads to no import."""

    def __init__(self, catalogue: Catalogue = DEFAULT_CATALOGUE) -> None:
        super().__init__(_TRANSCODER)
        self.catalogue = catalogue

    def to_stored_event(self, domain_event: DomainEventProtocol[str]) -> StoredEvent:
        """Return the stored form of a fact on record.

        Raises:
            UsageError: it is neither a `Recorded` nor a `ParentEvent`, or its version is below 1.
        """
        if not isinstance(domain_event, Recorded | ParentEvent):
            raise UsageError(f"only facts of a parent can be stored, not {type(domain_event).__qualname__}")
        if domain_event.originator_version < _FIRST_VERSION:
            raise UsageError(f"versions begin with 1, not {domain_event.originator_version}")
        name, data = self.catalogue.encode(domain_event.fact)
        return StoredEvent(domain_event.originator_id, domain_event.originator_version, name, data)

    def to_domain_event(self, stored_event: StoredEvent) -> Recorded:
        """Return the fact that was stored; its position where the stored event is a notification, which has one.

        Raises:
            StoreDamagedError: the name is unknown, or the bytes are no such fact.
            StoreVersionError: a newer release stored it.
        """
        parent_id, version = str(stored_event.originator_id), stored_event.originator_version
        fact = self.catalogue.decode_at(parent_id, version, stored_event.topic, stored_event.state)
        return Recorded(parent_id, version, fact, getattr(stored_event, "id", 0))
