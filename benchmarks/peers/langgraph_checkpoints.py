"""LangGraph with SQLite checkpoints: a graph that sends to one node for each child, and joins.

A checkpoint of the whole state after each step of the graph, and the writes of each node. Its commits are WAL with
SQLite's default, synchronous=FULL.
"""

from __future__ import annotations

import operator
import time
from typing import Annotated, TypedDict

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

from benchmarks.job import bytes_below, given, report, work

JOB = given()


class State(TypedDict):
    """What is kept of the whole."""

    done: Annotated[list[int], operator.add]


def fan_out(_: State) -> list[Send]:
    """Send one message for each child."""
    return [Send("child", {"doze": JOB.doze, "index": index}) for index in range(JOB.children)]


def child(given_to_it: dict[str, float]) -> dict[str, list[int]]:
    """Be a child."""
    work(given_to_it["doze"])
    return {"done": [int(given_to_it["index"])]}


def join(_: State) -> dict[str, list[int]]:
    """Be the end of the parent."""
    return {"done": []}


def main() -> None:
    """Measure."""
    plan = StateGraph(State)
    plan.add_node("child", child)
    plan.add_node("join", join)
    plan.add_conditional_edges(START, fan_out, ["child"])
    plan.add_edge("child", "join")
    plan.add_edge("join", END)
    with SqliteSaver.from_conn_string(str(JOB.folder / "checkpoints.sqlite")) as saver:
        graph = plan.compile(checkpointer=saver)
        done, began = 0, time.perf_counter()
        for parent in range(JOB.parents):
            config = {"configurable": {"thread_id": str(parent)}, "max_concurrency": JOB.workers}
            done += len(graph.invoke({"done": []}, config)["done"])
        seconds = time.perf_counter() - began
    if done != JOB.count:
        raise SystemExit(f"LangGraph ran {done} of {JOB.count} children")
    report({"seconds": seconds, "store_bytes": bytes_below(JOB.folder)}, "langgraph", "langgraph-checkpoint-sqlite")


if __name__ == "__main__":
    main()
