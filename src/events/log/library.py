"""The one door to the eventsourcing library: every name of it that this package uses comes from here.

At its first import the library resolves the environment variable TZINFO_TOPIC, which imports whatever module that
names. The environment must not be able to run code through us, so the variable is out of sight for that moment.
"""

from __future__ import annotations

import os

_hidden = os.environ.pop("TZINFO_TOPIC", None)
try:
    from eventsourcing.domain import DomainEventProtocol
    from eventsourcing.persistence import (
        ApplicationRecorder,
        EventStore,
        IntegrityError,
        JSONTranscoder,
        Mapper,
        Notification,
        Recording,
        StoredEvent,
        Subscription,
        Tracking,
        TrackingRecorder,
    )
finally:
    if _hidden is not None:
        os.environ["TZINFO_TOPIC"] = _hidden

__all__ = [
    "ApplicationRecorder",
    "DomainEventProtocol",
    "EventStore",
    "IntegrityError",
    "JSONTranscoder",
    "Mapper",
    "Notification",
    "Recording",
    "StoredEvent",
    "Subscription",
    "Tracking",
    "TrackingRecorder",
]
