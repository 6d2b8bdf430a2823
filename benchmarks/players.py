"""Who plays: this project, a bare pool, and its peers; what each needs, and what it keeps."""

from __future__ import annotations

from typing import Final, NamedTuple


class Player(NamedTuple):
    """A program that can be given a job."""

    name: str
    """How tables and charts call it."""
    module: str
    """What is run: a module that takes a job and prints what it measured."""
    keeps: str
    """What of a fan-out is durable, stated plainly."""
    environment: str | None = None
    """Its own virtual environment; None where the one of this project will do."""
    packages: tuple[str, ...] = ()
    """What is installed there."""
    how: str = ""
    """Which of several ways its program knows."""
    postgres: bool = False
    """Whether it needs a PostgreSQL server."""
    most: int = 1_000_000
    """With how many children a round stays below some 20 s; it is never given more."""

    @property
    def here(self) -> bool:
        """Whether it needs nothing but this project's own environment."""
        return self.environment is None


_FOUR_FACTS: Final = (
    "every child's four facts (prepared, created, started, finished), hash-chained, on disk before anyone is told; "
    "the decision, and who owns the run"
)
_DBOS_CHILDREN: Final = "a row a child with its input, written over with status and output when it ends; no history"
_DBOS_STEPS: Final = "a row a step with its output, when it has ended; nothing of its start"
_REDIS: Final = "nothing on disk: the queue and a result for each child are in Redis, as it comes"

OURS: Final = "orchestrator"
POOL: Final = "thread-pool"

PLAYERS: Final[dict[str, Player]] = {
    OURS: Player("parallel-orchestrator", "benchmarks.ours.fan_out", _FOUR_FACTS),
    "orchestrator-no-views": Player(
        "parallel-orchestrator, views off", "benchmarks.ours.fan_out", f"the same: {_FOUR_FACTS}", how="no views"
    ),
    "orchestrator-fed": Player(
        "parallel-orchestrator, from a generator", "benchmarks.ours.fan_out", "the same", how="generator"
    ),
    "orchestrator-async": Player(
        "parallel-orchestrator, coroutines", "benchmarks.ours.fan_out", "the same", how="coroutines"
    ),
    "orchestrator-postgres": Player(
        "parallel-orchestrator on PostgreSQL", "benchmarks.ours.fan_out", "the same, in PostgreSQL", postgres=True
    ),
    "orchestrator-map": Player("orchestrator map", "benchmarks.ours.mapping", "the same, and each job's output"),
    POOL: Player("bare ThreadPoolExecutor", "benchmarks.peers.thread_pool", "nothing"),
    "asyncio": Player("bare asyncio", "benchmarks.peers.event_loop", "nothing"),
    "dbos-children": Player(
        "DBOS child workflows, SQLite",
        "benchmarks.peers.dbos_workflows",
        _DBOS_CHILDREN,
        "dbos",
        ("dbos",),
        "children",
        most=1_000,
    ),
    "dbos-steps": Player(
        "DBOS steps, SQLite", "benchmarks.peers.dbos_workflows", _DBOS_STEPS, "dbos", ("dbos",), "steps", most=2_000
    ),
    "dbos-children-postgres": Player(
        "DBOS child workflows, PostgreSQL",
        "benchmarks.peers.dbos_workflows",
        f"in PostgreSQL: {_DBOS_CHILDREN}",
        "dbos",
        ("dbos",),
        "children",
        postgres=True,
        most=1_000,
    ),
    "dbos-steps-postgres": Player(
        "DBOS steps, PostgreSQL",
        "benchmarks.peers.dbos_workflows",
        f"in PostgreSQL: {_DBOS_STEPS}",
        "dbos",
        ("dbos",),
        "steps",
        postgres=True,
        most=2_000,
    ),
    "prefect": Player(
        "Prefect map",
        "benchmarks.peers.prefect_map",
        "the states of each task run, sent a little later to its server, which keeps all of them in SQLite",
        "prefect",
        ("prefect",),
        most=1_000,
    ),
    "langgraph": Player(
        "LangGraph, SQLite checkpoints",
        "benchmarks.peers.langgraph_checkpoints",
        "a checkpoint of the whole state after each step of the graph, and what each node wrote, on disk a little "
        "later (its default); no starts",
        "langgraph",
        ("langgraph", "langgraph-checkpoint-sqlite"),
        most=5_000,
    ),
    "huey": Player(
        "huey, SQLite",
        "benchmarks.peers.huey_queue",
        "a row in the queue, gone when a worker takes it; then a row with the result. No parent, no join, no history; "
        "a child that runs when the process dies is lost",
        "huey",
        ("huey",),
        most=10_000,
    ),
    "celery": Player(
        "Celery chord, Redis", "benchmarks.peers.celery_chord", _REDIS, "celery", ("celery[redis]",), most=2_000
    ),
    "dramatiq": Player(
        "dramatiq group, Redis",
        "benchmarks.peers.dramatiq_group",
        _REDIS,
        "dramatiq",
        ("dramatiq[redis]",),
        most=10_000,
    ),
    "dask": Player(
        "Dask map",
        "benchmarks.peers.dask_map",
        "nothing: results are in the memory of two local processes",
        "dask",
        ("dask", "distributed"),
        most=10_000,
    ),
    "ray": Player(
        "Ray tasks (8 at a time at most)",
        "benchmarks.peers.ray_map",
        "nothing: results are in the memory of a local node",
        "ray",
        ("ray",),
        most=10_000,
    ),
    "gnu-parallel": Player(
        "GNU parallel --joblog",
        "benchmarks.peers.shell_commands",
        "a line in a text file when a job ends, not synced; nothing when it starts",
        how="parallel",
        most=5_000,
    ),
    "xargs": Player("xargs -P", "benchmarks.peers.shell_commands", "nothing", how="xargs", most=5_000),
    "race": Player("parallel-orchestrator", "benchmarks.ours.race", _FOUR_FACTS),
    "single": Player("parallel-orchestrator", "benchmarks.ours.single", _FOUR_FACTS),
    "questions": Player("parallel-orchestrator", "benchmarks.ours.questions", _FOUR_FACTS),
    "reopening": Player("parallel-orchestrator", "benchmarks.ours.reopening", _FOUR_FACTS),
    "replay": Player("parallel-orchestrator", "benchmarks.ours.replay", _FOUR_FACTS),
    "imports": Player("parallel-orchestrator", "benchmarks.ours.imports", "(nothing is run)"),
    "raw-sqlite": Player("raw SQLite", "benchmarks.peers.raw_sqlite", "rows, WAL with synchronous=FULL"),
    "control": Player("parallel-orchestrator", "benchmarks.ours.control", _FOUR_FACTS),
    "seals": Player("parallel-orchestrator", "benchmarks.ours.seals", "rows, and a seal for each append"),
    "simulating": Player("parallel-orchestrator", "benchmarks.ours.simulating", "(everything is simulated)"),
    "pages": Player("parallel-orchestrator", "benchmarks.ours.pages", _FOUR_FACTS),
    "lag": Player("parallel-orchestrator", "benchmarks.ours.lag", _FOUR_FACTS),
}

DURABLE: Final = (
    "dbos-children",
    "dbos-steps",
    "dbos-children-postgres",
    "dbos-steps-postgres",
    "prefect",
    "langgraph",
    "huey",
)
IN_MEMORY: Final = ("celery", "dramatiq", "dask", "ray")
PEERS: Final = (*DURABLE, *IN_MEMORY)
"""Those that install into environments of their own, in the order of the tables."""
