"""A journal and a loader on a stage of their own, over a recorder that counts."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from actors.journal import JournalActor
from actors.loader import LoaderActor, Loading
from actors.runtime import Ref
from events.log import EventLog, MemoryRecorder, SQLiteRecorder
from events.log.record import Batch, Verdict
from tests.actors.stage import Probe, Stage
from tests.events.scenario import close, create, prepare, release

MAKING = (create(), prepare("a", "b"), release(), close())


class Counting(MemoryRecorder):
    """A recorder that counts its transactions, and fails when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.transactions: list[int] = []
        self.error: BaseException | None = None
        self.unwritable = ""
        """The parent whose facts alone cannot be written; all where it is empty."""

    def _write(self, batches: Sequence[Batch], *, together: bool) -> list[Verdict]:
        if self.error is not None and (not self.unwritable or self.unwritable in [b.parent_id for b in batches]):
            raise self.error
        self.transactions.append(len(batches))
        return super()._write(batches, together=together)


class Set:
    """A stage with a journal and a loader on it, and probes for parents."""

    def __init__(self, recorder: MemoryRecorder | SQLiteRecorder) -> None:
        self.stage = Stage()
        self.log = EventLog(recorder)
        self.announced: list[list[str]] = []
        note = self.stage.note_death
        self.journal = self.stage.spawn(lambda rt: JournalActor(rt, note, self.log, self._announce, 0.2))
        self.loader = self.stage.spawn(lambda rt: LoaderActor(rt, note, self.log, Loading()))
        self.parents: dict[str, Probe] = {}
        self.stage.play()

    def _announce(self, parents: Collection[str]) -> None:
        self.announced.append(list(parents))

    def parent(self, name: str) -> Ref:
        def make(_: object) -> Probe:
            self.parents[name] = Probe(self.stage)
            return self.parents[name]

        ref = self.stage.spawn(make)
        self.stage.play()
        self.parents[name].heard.clear()
        return ref

    def tell(self, ref: Ref, *messages: object) -> None:
        for message in messages:
            ref.tell(message)
        self.stage.play()
