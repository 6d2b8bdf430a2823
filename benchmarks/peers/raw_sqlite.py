"""SQLite itself, the floor that stores build on: rows as large as an event, many a commit or one (WAL, FULL sync)."""

from __future__ import annotations

import sqlite3
import time

from benchmarks.job import Job, bytes_below, given, report

_ROW = b"x" * 130


def fill(connection: sqlite3.Connection, job: Job) -> float:
    """Write the rows; `workers` says how many a commit. Return seconds."""
    began = time.perf_counter()
    for start in range(0, job.children, job.workers):
        rows = [(number, _ROW) for number in range(start, min(start + job.workers, job.children))]
        with connection:
            connection.executemany("INSERT INTO rows VALUES (?, ?)", rows)
    return time.perf_counter() - began


def main() -> None:
    """Measure."""
    job = given()
    connection = sqlite3.connect(job.folder / "raw.db")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE rows (number INTEGER PRIMARY KEY, body BLOB NOT NULL)")
    seconds = fill(connection, job)
    connection.close()
    report({"seconds": seconds, "store_bytes": bytes_below(job.folder)})


if __name__ == "__main__":
    main()
