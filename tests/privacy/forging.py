"""A store rewritten by somebody who makes every hash fit, and has no key."""

from __future__ import annotations

import json
import shutil
import sqlite3
from base64 import b64decode, b64encode
from pathlib import Path

from events.log.chain import START, link


def rewritten(path: Path, copy: Path, harm: str) -> Path:
    """Return a copy of a store in whose run `r` encrypted texts were swapped, altered, or moved."""
    shutil.copy(path, copy)
    shutil.copytree(f"{path}.payloads", f"{copy}.payloads")
    store = sqlite3.connect(copy)
    [(key,)] = store.execute("SELECT parent FROM parents WHERE parent_id = 'r'").fetchall()
    rows = store.execute("SELECT version, type, data FROM events WHERE parent = ? ORDER BY version", (key,)).fetchall()
    prepared = [index for index, (_, name, _) in enumerate(rows) if name == "ChildPrepared"]
    datas = [json.loads(data) for _, _, data in rows]
    one, other = (datas[index] for index in prepared[:3:2])
    if harm == "swap":
        one["encrypted"], other["encrypted"] = other["encrypted"], one["encrypted"]
    elif harm == "flip":
        text = bytearray(b64decode(one["encrypted"]["input"]))
        text[20] ^= 1
        one["encrypted"]["input"] = b64encode(text).decode()
    else:
        datas[0]["encrypted"]["metadata"] = datas[0]["encrypted"]["content"]
    digest = START
    for (version, name, _), data in zip(rows, datas, strict=True):
        raw = json.dumps(data, separators=(",", ":")).encode()
        digest = link(digest, "r", version, name, raw)
        store.execute(
            "UPDATE events SET data = ?, hash = ? WHERE parent = ? AND version = ?", (raw, digest, key, version)
        )
    store.execute("UPDATE parents SET hash = ? WHERE parent = ?", (digest, key))
    store.commit()
    store.close()
    return copy
