"""Events of earlier releases are read for ever: forms of one type, chains of upcasters, all of them in one stream."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from events.catalogue import TYPES, Catalogue
from events.errors import StoreDamagedError, StoreVersionError
from events.facts import ChildPrepared, ChildStarted, Fact
from events.limits import DEFAULT_LIMITS
from events.log.audit import Audit
from events.log.folding import folded
from events.snapshot import difference, parts
from orchestrator import TaskRegistry, queries
from orchestrator.engine import Engine
from orchestrator.run import Run
from orchestrator.tasks import Task
from tests.events.scenario import finish, give_up, parent, start, take
from tests.years.releases import SECOND, THIRD, TODAY, first_form, opened, second_form, third_form, written


def fit(facts: Sequence[Fact]) -> list[Fact]:
    """Return facts whose workers are numbers, as they ever were, and whose children can be run."""
    changes = {ChildPrepared: {"input": "{}"}, ChildStarted: {"worker": "1"}}
    return [fact.model_copy(update=changes.get(type(fact), {})) for fact in facts]


FACTS = fit(parent("a", "b", "c", "d").given(take(), *map(start, "abc"), finish("a"), finish("b")).facts)
STARTED = ChildStarted(at=5, child_id="a", attempt=2, worker="7")


def work() -> int:
    return 1


def mixed(facts: Sequence[Fact]) -> list[tuple[str, bytes]]:
    """Return rows of all three forms by turns."""
    forms = (first_form, second_form, third_form)
    return [forms[number % 3](fact) for number, fact in enumerate(facts)]


def test_the_three_forms_are_what_they_are_said_to_be() -> None:
    assert first_form(STARTED) == ("ChildStarted", b'{"at":5,"child_id":"a","attempt":2,"slot":7}')
    assert second_form(STARTED) == ("ChildStarted", b'{"v":2,"at":5,"child_id":"a","attempt":2,"worker_number":7}')
    assert third_form(STARTED) == ("ChildStarted", b'{"v":3,"at":5,"child_id":"a","attempt":2,"worker":"7"}')


@pytest.mark.parametrize("form", [first_form, second_form, third_form])
def test_every_form_becomes_todays_by_a_chain_of_upcasters(form: object) -> None:
    assert callable(form)
    assert THIRD.decode(*form(STARTED)) == STARTED


def test_an_old_release_says_of_a_newer_form_what_to_do() -> None:
    for catalogue, form, newest in ((TODAY, second_form, 1), (TODAY, third_form, 1), (SECOND, third_form, 2)):
        version = json.loads(form(STARTED)[1])["v"]
        with pytest.raises(StoreVersionError) as caught:
            catalogue.decode(*form(STARTED))
        assert str(caught.value) == (
            f"ChildStarted has version {version}; this release knows up to {newest}: "
            "use the release that wrote it, or a newer one"
        )
    with pytest.raises(StoreDamagedError, match="unreadable ChildStarted: "):
        TODAY.decode(*first_form(STARTED))  # to today's eyes a form that never was


def test_an_upcaster_that_fails_is_damage_of_that_row() -> None:
    with pytest.raises(StoreDamagedError, match="unreadable ChildStarted: 'worker_number'"):
        THIRD.decode("ChildStarted", b'{"v":2,"at":5,"child_id":"a","attempt":2}')


def test_a_type_that_has_gone_is_read_as_its_successor(tmp_path: Path) -> None:
    """A renamed type keeps its old stored name in the table of types: names are for ever."""
    catalogue = Catalogue({**TYPES, "ChildLaunched": ChildStarted})
    assert catalogue.decode("ChildLaunched", TODAY.encode(STARTED)[1]) == STARTED


def test_a_stream_of_all_forms_is_read_folded_audited_and_has_snapshots(tmp_path: Path) -> None:
    store = tmp_path / "runs.db"
    written(store, "p", [TODAY.encode(fact) for fact in FACTS[:1]])
    written(store, "p", mixed(FACTS)[1:])
    with opened(store, THIRD) as log:
        assert [record.fact for record in log.read("p")] == FACTS
        assert list(Audit(log).verify()) == []
        state, _ = queries.state_of(log, "p")
        assert (state.running_count, state.succeeded) == (1, 2)
        assert log.snapshots.keep("p", state, state.version, FACTS[-1].at, parts(state))
        assert folded(log, "p").snapshot == state.version
        assert list(Audit(log).verify()) == []
    with opened(store, TODAY) as old, pytest.raises((StoreVersionError, StoreDamagedError), match="run 'p', version"):
        folded(old, "p")  # the snapshot is of a release that reads more: it hides nothing from an old one


def test_a_run_of_an_old_release_is_gone_on_with_by_a_new_one(tmp_path: Path) -> None:
    store = tmp_path / "runs.db"
    tasks = TaskRegistry()
    tasks.add(Task(work, "work"))
    moves = (take("gone"), start("a"), start("b"), finish("a"), give_up("gone"))
    written(store, "p", mixed(fit(parent("a", "b", "c").given(*moves).facts)))
    newer = Engine(opened(store, THIRD), tasks, DEFAULT_LIMITS, 2, keep_raw=False, foreign={})
    try:
        newer.claim("p", (), attach=False, timeout=30)
        assert Run(newer, "p", newer.observers("p")).settle(timeout=30).status == "succeeded"
    finally:
        newer.close(5.0)
    with opened(store, THIRD) as log:
        assert list(Audit(log).verify()) == []
        names = [row.data for row in log.rows("p") if row.type == "ChildStarted"]
        assert names[-1].startswith(b'{"v":3,'), "what the new release writes has its own form"
        replayed = folded(log, "p").state
        log.recorder.drop_snapshots("p")
        assert difference(folded(log, "p").state, replayed) is None
