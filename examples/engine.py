"""A workflow engine made of pykka actors that leaves its parallel step to the orchestrator.

    python examples/engine.py --store runs.db FOLDER...

Each folder is one workflow of three steps, and each step is an actor: `collect` lists the folder's files, `digest`
has their checksums computed in parallel, `report` prints them. The engine and its steps only ever `tell` one
another. The digest step tells the orchestrator's actor what to start, and is told `ParentFinished` once the run is
decided.

Kill the engine at any moment and start it again with the same arguments. The orchestrator's log is its memory: what
was interrupted goes on, and a file whose checksum is on record is not read again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Final, NamedTuple

import pykka

from orchestrator import Orchestrator, OrchestratorError, Parallel, ParentFinished, RunRefused, StartRun, task

Ref = pykka.ActorRef[Any]
Outcome = SimpleQueue[list[str] | BaseException]
"""What the whole comes to: the problems there were, or what an actor died of."""

NEXT: Final[Mapping[str, str]] = {"collect": "digest", "digest": "report"}
"""Which step follows on which."""


class Wire(NamedTuple):
    """To the engine: these are its steps, by name."""

    steps: Mapping[str, Ref]


class Begin(NamedTuple):
    """To the engine: take a folder through all steps."""

    workflow: str
    folder: Path


class Do(NamedTuple):
    """From the engine to a step: do your part of a workflow, with what the step before has made."""

    workflow: str
    given: Any


class Ended(NamedTuple):
    """From a step to the engine: my part is done, and `made` came of it."""

    workflow: str
    step: str
    made: Any


class Failed(NamedTuple):
    """From a step to the engine: my part cannot be done."""

    workflow: str
    step: str
    reason: str


@task
def digest(path: str) -> str:
    """Return the SHA-256 of a file. Runs in a thread of the orchestrator, never in an actor."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


class Part(pykka.ThreadingActor):
    """An actor of the engine. If it dies, the one who waits for the outcome is told of what."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self._outcome = outcome

    def on_failure(
        self,
        exception_type: type[BaseException] | None,  # noqa: ARG002 - pykka's hook
        exception_value: BaseException | None,
        traceback: TracebackType | None,  # noqa: ARG002
    ) -> None:
        """Pass on what the actor died of. pykka calls this."""
        self._outcome.put(exception_value or RuntimeError("an actor died"))


class Engine(Part):
    """Takes workflows from step to step. It keeps no record: what is not in the orchestrator's log is done again."""

    def __init__(self, outcome: Outcome, workflows: Sequence[str]) -> None:
        super().__init__(outcome)
        self._steps: Mapping[str, Ref] = {}
        self._unfinished = set(workflows)
        self._problems: list[str] = []

    def on_receive(self, message: Any) -> None:
        """Take one workflow further. Messages about a workflow that is over, or is not ours, change nothing."""
        if isinstance(message, Wire):
            self._steps = message.steps
        elif message.workflow not in self._unfinished:
            return
        elif isinstance(message, Begin):
            self._steps["collect"].tell(Do(message.workflow, message.folder))
        elif isinstance(message, Failed):
            self._problems.append(f"{message.workflow}: {message.step} failed: {message.reason}")
            self._finish(message.workflow)
        elif message.step in NEXT:
            self._steps[NEXT[message.step]].tell(Do(message.workflow, message.made))
        else:
            self._finish(message.workflow)

    def _finish(self, workflow: str) -> None:
        self._unfinished.discard(workflow)
        if not self._unfinished:
            self._outcome.put(self._problems)


class CollectStep(Part):
    """Lists what is in a folder."""

    def __init__(self, outcome: Outcome, engine: Ref) -> None:
        super().__init__(outcome)
        self._engine = engine

    def on_receive(self, message: Do) -> None:
        """List the files in a fixed order: the same files make the same run."""
        paths = sorted(str(path) for path in message.given.rglob("*") if not path.is_dir())
        self._engine.tell(Ended(message.workflow, "collect", paths))


class DigestStep(Part):
    """Has checksums computed in parallel. It does not wait for them: the outcome comes as a message."""

    def __init__(self, outcome: Outcome, engine: Ref, orchestrator: Ref) -> None:
        super().__init__(outcome)
        self._engine = engine
        self._orchestrator = orchestrator

    def on_receive(self, message: Any) -> None:
        """Start a run, or pass on how one ended. After a restart the second may come without the first."""
        if isinstance(message, Do):
            children = [digest.child(path=path) for path in message.given]
            parallel = Parallel(children=children, strategy="all", max_workers=4)
            self._orchestrator.tell(StartRun(parallel, id=message.workflow, reply_to=self.actor_ref))
        elif isinstance(message, RunRefused):
            self._engine.tell(Failed(message.id, "digest", message.reason))
        elif isinstance(message, ParentFinished):
            if message.status == "succeeded":
                self._engine.tell(Ended(message.parent_id, "digest", message.counts.succeeded))
            else:
                self._engine.tell(Failed(message.parent_id, "digest", f"{message.status}, {message.why}"))


class ReportStep(Part):
    """Prints the checksums, which it reads from the orchestrator's log."""

    def __init__(self, outcome: Outcome, engine: Ref, orchestrator: Orchestrator) -> None:
        super().__init__(outcome)
        self._engine = engine
        self._orchestrator = orchestrator

    def on_receive(self, message: Do) -> None:
        """Print one line for each file."""
        try:
            children = self._orchestrator.get(message.workflow).children()
        except OrchestratorError as error:
            self._engine.tell(Failed(message.workflow, "report", str(error)))
            return
        lines = [f"{child.output}  {json.loads(child.input)['path']}" for child in children]
        print(f"{message.workflow}: {message.given} checksums", *lines, sep="\n", flush=True)
        self._engine.tell(Ended(message.workflow, "report", None))


def work_through(orchestrator: Orchestrator, folders: Mapping[str, Path], timeout_seconds: float) -> list[str]:
    """Take folders through all steps and return what went wrong. Ends the actors it began, and no others.

    Raises:
        queue.Empty: the time is up.
        BaseException: whatever an actor died of.

    """
    outcome: Outcome = SimpleQueue()
    engine = Engine.start(outcome, list(folders))
    steps: dict[str, Ref] = {
        "collect": CollectStep.start(outcome, engine),
        "digest": DigestStep.start(outcome, engine, orchestrator.ref),
        "report": ReportStep.start(outcome, engine, orchestrator),
    }
    try:
        engine.tell(Wire(steps))
        resumed = {run.id for run in orchestrator.resume_all(reply_to=steps["digest"])}
        for workflow in resumed.intersection(folders):
            print(f"{workflow}: going on where it was interrupted", flush=True)
        for workflow in folders.keys() - resumed:
            engine.tell(Begin(workflow, folders[workflow]))
        end = outcome.get(timeout=timeout_seconds)
    finally:
        for ref in (engine, *steps.values()):
            ref.stop(timeout=10)
    if isinstance(end, BaseException):
        raise end
    return end


def main() -> int:
    """Run the engine. Exit status 0: all went well, 1: something failed."""
    parser = argparse.ArgumentParser(description="Compute checksums of whole folders, a workflow each.")
    parser.add_argument("--store", default="runs.db", help="where the orchestrator keeps its log")
    parser.add_argument("--timeout", type=float, default=3600, help="seconds for everything")
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    arguments = parser.parse_args()
    folders = {folder.name: folder for folder in arguments.folders}
    if len(folders) < len(arguments.folders) or not all(folder.is_dir() for folder in folders.values()):
        parser.error("each FOLDER is a folder with a name of its own")
    with Orchestrator(arguments.store) as orchestrator:
        problems = work_through(orchestrator, folders, arguments.timeout)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
