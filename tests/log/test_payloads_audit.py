"""An audit looks at each payload that lies in a file once, as far as it remembers, and says where one is wrong."""

from __future__ import annotations

import pytest
from tests.events.scenario import parent

from events.facts import ChildPrepared
from events.log import EventLog, FactBatch, MemoryRecorder
from events.log import audit as audit_module
from events.log.audit import Audit, Finding
from events.log.payloads import MemoryPayloads
from events.payload_files import PayloadRef


class Watched(MemoryPayloads):
    """Payloads in memory that note which of them are looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.looks: list[str] = []

    def get(self, ref: PayloadRef) -> str:
        text = super().get(ref)
        self.looks.append(text)
        return text


def log_of(monkeypatch: pytest.MonkeyPatch, *texts: str) -> tuple[EventLog, Watched]:
    """Return a log of one parent whose children have these inputs, each in a file."""
    log, payloads = EventLog(MemoryRecorder()), Watched()
    monkeypatch.setattr(log, "payloads", payloads)
    made = parent(*(f"c{number}" for number in range(len(texts)))).facts
    refs = {f"c{number}": payloads.put(text) for number, text in enumerate(texts)}
    facts = [
        fact.model_copy(update={"input": "", "input_file": refs[fact.child_id]})
        if isinstance(fact, ChildPrepared)
        else fact
        for fact in made
    ]
    log.append([FactBatch("other", 0, parent("x").facts), FactBatch("p", 0, facts)])
    return log, payloads


@pytest.mark.parametrize(
    ("most", "looks"), [(1, ["A", "B", "A", "B"]), (2, ["A", "B"]), (3, ["A", "B"]), (100_000, ["A", "B"])]
)
def test_each_payload_is_looked_at_once_as_far_as_that_is_remembered(
    monkeypatch: pytest.MonkeyPatch, most: int, looks: list[str]
) -> None:
    monkeypatch.setattr(audit_module, "_REMEMBERED_MAX", most)
    log, payloads = log_of(monkeypatch, "A", "A", "B", "B", "A", "B")
    assert list(Audit(log).verify()) == []
    assert payloads.looks == looks


def test_what_is_remembered_is_forgotten_once_it_is_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_module, "_REMEMBERED_MAX", 2)
    log, payloads = log_of(monkeypatch, *"ABCAB")
    assert list(Audit(log).verify()) == []
    assert payloads.looks == ["A", "B", "C", "A", "B"]


def test_a_missing_payload_is_told_with_its_place_and_no_word_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    log, payloads = log_of(monkeypatch, "A", "B")
    ref = payloads.put("B")
    del payloads._texts[ref.sha256]
    (finding,) = Audit(log).verify()
    version = 3
    position = len(parent("x").facts) + version
    problem = f"child 'c1': its input: payload {ref.sha256} is missing"
    assert finding == Finding("p", version, position, problem)


def test_events_are_counted_up_to_the_first_bad_one(monkeypatch: pytest.MonkeyPatch) -> None:
    log, payloads = log_of(monkeypatch, "A", "B")
    del payloads._texts[payloads.put("B").sha256]
    audit = Audit(log)
    list(audit.verify())
    assert (audit.parents, audit.events) == (2, len(parent("x").facts) + 2)
