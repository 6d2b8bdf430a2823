"""Models are built when one is first used: each can be, whichever threads use it first at the same time."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

import actors
import events
import orchestrator
from events.limits import DEFAULT_LIMITS, Limits
from events.model import Model
from events.strategy import ALL, ANY, Strategy
from orchestrator.tasks import NO_SETTINGS, TaskSettings


def models(base: type[Model]) -> Iterator[type[Model]]:
    """Yield all models that there are."""
    for kind in base.__subclasses__():
        yield kind
        yield from models(kind)


def import_everything() -> None:
    """Import each module of the three packages, but those that need an extra or are programs."""
    for package in (events, actors, orchestrator):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if "postgres" not in found.name and not found.name.endswith("__main__"):
                importlib.import_module(found.name)


def test_every_model_can_be_built() -> None:
    """What is wrong with a model shows when it is first used, which is too late for its users."""
    import_everything()
    found = [kind for kind in models(Model) if kind.__module__.split(".")[0] in ("events", "actors", "orchestrator")]
    assert len(found) > 50
    for kind in found:
        kind.model_rebuild()
        assert kind.__pydantic_complete__, kind
        assert kind.__pydantic_fields_complete__, kind


@pytest.mark.parametrize(
    ("made", "checked"),
    [
        (ALL, Strategy(kind="all")),
        (ANY, Strategy(kind="any")),
        (DEFAULT_LIMITS, Limits()),
        (NO_SETTINGS, TaskSettings()),
    ],
    ids=["all", "any", "limits", "settings"],
)
def test_constants_are_what_checked_ones_are(made: Model, checked: Model) -> None:
    assert made == checked
    assert hash(made) == hash(checked)
    assert made.model_fields_set == checked.model_fields_set
    assert list(made.__dict__) == list(checked.__dict__)
    assert made.model_dump() == checked.model_dump()


FIRST_USES = """
import sys, threading
sys.setswitchinterval(1e-6)
from events.catalogue import DEFAULT_CATALOGUE
from events.facts import ChildPrepared, ParentCreated
from events.strategy import ALL
from orchestrator import Child, Parallel, Retry, Threshold

fact = dict(at=1, strategy=ALL, max_workers=4, on_decided="cancel", content="c")
gate, wrong = threading.Barrier(8), []

def use():
    gate.wait()
    try:
        whole = Parallel(children=[Child(command="true", retry=Retry(max_attempts=2))], strategy=Threshold(count=1))
        assert type(whole.children[0]) is Child and whole.children[0].retry.max_attempts == 2
        created = ParentCreated(**fact)
        name, data = DEFAULT_CATALOGUE.encode(created)
        assert DEFAULT_CATALOGUE.decode(name, data) == created
        stored = b'{"at":1,"child_id":"c","index":0,"task":"t","input":"null"}'
        prepared = DEFAULT_CATALOGUE.decode("ChildPrepared", stored)
        assert type(prepared) is ChildPrepared
    except Exception as error:
        wrong.append(repr(error))

threads = [threading.Thread(target=use) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(wrong)
"""


def test_threads_may_use_models_first_at_the_same_time() -> None:
    for _ in range(5):  # the first use comes once in a program
        done = subprocess.run(
            [sys.executable, "-c", FIRST_USES], capture_output=True, text=True, timeout=60, check=True
        )
        assert done.stdout.strip() == "[]", done.stdout
