"""The base of all models: frozen, strict, and built when one is first used."""

from __future__ import annotations

from typing import Final

from pydantic import VERSION, BaseModel, ConfigDict

BUILT_WHEN_USED: Final = tuple(map(int, VERSION.split(".")[:2])) >= (2, 14)
"""Whether what checks and writes a model is made when that is first needed, and not when the model is imported.

A program uses a few of them. Releases of pydantic before 2.14 let two threads build the same model at once, and one of
them be checked by the rules of the model's base class meanwhile. There all are built as they are imported.
"""


class Model(BaseModel):
    """Base of commands, facts and what they are made of: frozen and strict, and nothing unknown may stand in it."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", defer_build=BUILT_WHEN_USED)
