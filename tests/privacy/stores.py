"""Stores with encrypted runs in them, and what lies in a store's files, byte for byte."""

from __future__ import annotations

import sqlite3
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from orchestrator import Child, Orchestrator, Parallel, Retry, current_child, task

KEY: Final = bytes(range(32))
OTHER: Final = bytes(range(1, 33))
KEYS: Final = {"first": KEY}
MARK: Final = "xyzzy-clear-text"
"""Stands in every text of the runs below, and nowhere else."""


@task(name="privacy-say")
def say(text: str, size: int = 0) -> str:
    current_child().heartbeat(progress=0.5, message=f"{MARK} working")
    if text.startswith("fail"):
        raise ValueError(f"{MARK} {text}")
    return f"{MARK} said {text}" + "".join(f" {number} {MARK}" for number in range(size))


def every_text() -> Parallel:
    """Return a run whose record has every kind of text, in events and in files, in a run inside it too."""
    return Parallel(
        children=[
            Child(id="small", task="privacy-say", input={"text": f"{MARK} a"}),
            Child(id="large", task="privacy-say", input={"text": MARK * 8_000, "size": 5_000}),
            Child(id="failing", task="privacy-say", input={"text": f"fail {MARK}"}, retry=Retry(max_attempts=2)),
            Child(id="huge", task="privacy-say", input={"text": f"fail {MARK * 8_000}"}),
            Child(
                id="inner",
                parallel=Parallel(
                    children=[Child(id="deep", task="privacy-say", input={"text": MARK, "size": 5_000})],
                    metadata={"inside": MARK},
                ),
            ),
        ],
        on_decided="continue",
        metadata={"of": MARK},
    )


def made(path: Path, *, compress: bool = False) -> Path:
    """Make a store with one encrypted run `r` in it, which is over."""
    with Orchestrator(path, keyring=KEYS, compress=compress, max_workers=2) as orchestrator:
        run = orchestrator.start(every_text(), id="r")
        run.settle(timeout=60)
    return path


def files(path: Path) -> Iterator[Path]:
    """Yield every file of a store."""
    yield from path.parent.glob(f"{path.name}*")
    yield from (file for file in Path(f"{path}.payloads").rglob("*") if file.is_file())


def holders(path: Path, wanted: bytes) -> list[str]:
    """Return the files of a store that hold some bytes, as they are or as base64 at any offset."""
    forms = {wanted, *(_middle(wanted, offset) for offset in range(3))}
    datas = {file.name: file.read_bytes() for file in files(path) if file.is_file()}
    return [name for name, data in datas.items() if any(form in data for form in forms)]


def _middle(data: bytes, offset: int) -> bytes:
    """Return what of the base64 of some bytes is the same wherever they begin in what is encoded."""
    encoded = b64encode(bytes(offset) + data)
    return encoded[4 if offset else 0 : len(encoded) // 4 * 4 - 4]


def wrapped(path: Path, parent_id: str) -> bytes:
    """Return a data key as a store keeps it."""
    store = sqlite3.connect(path)
    try:
        [(key,)] = store.execute("SELECT wrapped FROM parent_keys WHERE parent_id = ?", (parent_id,)).fetchall()
    finally:
        store.close()
    return bytes(key)
