"""Tasks with types: what the tests of results run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, cast
from uuid import UUID

from pydantic import BaseModel

from orchestrator import Limits, current_child, task
from tests.face.tasks import GATES


class Price(BaseModel):
    amount: Decimal
    since: datetime


NOON: Final = datetime(2026, 11, 24, 12, tzinfo=UTC)
PRICE: Final = Price(amount=Decimal("1.50"), since=NOON)
SMALL: Final = Limits(inline_bytes_max=100)
"""Limits with which a payload is soon large."""


@dataclass
class Receipt:
    id: UUID
    prices: list[Price]
    raw: bytes


@task
def price(amount: Decimal, since: datetime) -> Price:
    return Price(amount=amount, since=since)


@task
def receipt(number: UUID, prices: list[Price], raw: bytes = b"") -> Receipt:
    assert all(isinstance(each, Price) for each in prices)
    return Receipt(number, prices, raw)


@task
async def shifted(when: datetime, by: timedelta) -> datetime:
    return when + by


@task
def liar(value: object) -> int:
    return cast("int", value)


@task
def large(length: int, letter: str = "x") -> str:
    return letter * length


@task
async def large_async(length: int) -> bytes:
    return b"\xff" * length


@task
def measure(text: str) -> int:
    return len(text)


@task
def large_error(length: int) -> None:
    raise ExceptionGroup("many", [ValueError("x" * length)])


@task
def gated(number: int, gate: str) -> int:
    """Return the number once its gate is open."""
    while not GATES[f"{gate}/{number}"].wait(0.005):
        if current_child().cancelled.is_set():
            raise RuntimeError("stopped as asked")
    return number
