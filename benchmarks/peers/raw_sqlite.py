"""SQLite itself, the floor that stores build on: rows as large as an event, many a commit or one (WAL, FULL sync)."""

from __future__ import annotations

import sqlite3
import time

from benchmarks.job import Job, bytes_below, given, latencies, report

_ROW = b"x" * 130


def fill(connection: sqlite3.Connection, job: Job) -> list[float]:
    """Write the rows; `workers` says how many a commit, `doze` how long to pause before it. Return milliseconds."""
    took = []
    for start in range(0, job.children, job.workers):
        rows = [(number, _ROW) for number in range(start, min(start + job.workers, job.children))]
        if job.doze:
            time.sleep(job.doze)
        began = time.perf_counter()
        with connection:
            connection.executemany("INSERT INTO rows VALUES (?, ?)", rows)
        took.append(1000 * (time.perf_counter() - began))
    return took


def main() -> None:
    """Measure."""
    job = given()
    connection = sqlite3.connect(job.folder / "raw.db")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE rows (number INTEGER PRIMARY KEY, body BLOB NOT NULL)")
    took = fill(connection, job)
    connection.close()
    report({"seconds": sum(took) / 1000, "store_bytes": bytes_below(job.folder), **latencies(took)})


if __name__ == "__main__":
    main()
