"""The projector, and when it lets others be first."""

from __future__ import annotations

import pytest

from actors.loader import LoaderActor, Loading
from actors.messages import Load, Loaded, Project
from actors.projector import GIVE_WAY_SECONDS, GIVE_WAY_TIMES_MAX, Nudge, ProjectorActor
from actors.runtime import Address
from events.decide import decide_all
from events.evolve import INITIAL
from events.log import EventLog, FactBatch, MemoryRecorder
from events.projections.builtin import BUILT_IN
from events.projections.engine import ProjectionEngine
from tests.actors.service_set import MAKING
from tests.actors.stage import Probe, Stage

FACTS = decide_all(INITIAL, MAKING)[0]


class Scene:
    """A log with one run that is in no view yet, and the projector that is to keep them."""

    def __init__(self) -> None:
        self.stage = Stage()
        self.log = EventLog(MemoryRecorder())
        self.log.append([FactBatch("run", 0, FACTS)])
        self.engine = ProjectionEngine(self.log, BUILT_IN)
        self.loading = Loading()
        self.projector = self.stage.spawn(
            lambda rt: ProjectorActor(
                rt, self.stage.note_death, self.engine, Nudge(Address()), self.loading, look_seconds=0.2
            )
        )

    def begin(self) -> None:
        self.stage.play()  # whoever is spawned is told to begin

    def ring(self) -> list[float]:
        """Ring the timers for the next batch; return after what waits they were due."""
        waits = self.stage.take_timers(Project)
        for seconds in waits:
            self.stage.seconds += seconds
            self.projector.tell(Project)
        self.stage.play()
        return waits

    @property
    def reached(self) -> int:
        return max(row.position for row in self.engine.stages.checkpoints.all()) if self._has_views() else 0

    def _has_views(self) -> bool:
        return bool(self.engine.stages.checkpoints.all())


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_views_are_kept_at_once_where_no_history_is_read(scene: Scene) -> None:
    scene.begin()
    assert scene.reached == len(FACTS)


def test_a_history_that_is_being_read_goes_first(scene: Scene) -> None:
    scene.loading.under_way = True
    scene.begin()
    assert scene.reached == 0
    assert scene.ring() == [GIVE_WAY_SECONDS]
    assert scene.reached == 0
    scene.loading.under_way = False
    scene.ring()
    assert scene.reached == len(FACTS)


def test_views_are_kept_in_the_end_however_long_a_history_is(scene: Scene) -> None:
    scene.loading.under_way = True
    scene.begin()
    rung = 0
    while scene.reached == 0 and rung <= GIVE_WAY_TIMES_MAX:
        rung += len(scene.ring())
    assert rung == GIVE_WAY_TIMES_MAX
    assert scene.reached == len(FACTS)


@pytest.mark.parametrize("run_id", ["run", "none such"])
def test_the_loader_says_when_it_reads_and_when_no_more(run_id: str) -> None:
    stage, loading, seen = Stage(), Loading(), []
    log = EventLog(MemoryRecorder())
    log.append([FactBatch("run", 0, FACTS)])

    class Watched(LoaderActor):
        def _load(self, parent_id: str) -> Loaded:
            seen.append(loading.under_way)
            return super()._load(parent_id)

    loader = stage.spawn(lambda rt: Watched(rt, stage.note_death, log, loading))
    asking = stage.spawn(lambda _: Probe(stage))
    loader.tell(Load(run_id, asking, 0.0))
    stage.play()
    assert seen == [True]
    assert not loading.under_way
