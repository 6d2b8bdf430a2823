"""The bytes in which facts are stored, for ever: one or more facts of each type."""

from __future__ import annotations

from events.facts import (
    AttemptEndedLate,
    AttemptLost,
    CancelRequested,
    ChildCancelRequested,
    ChildCreated,
    ChildFinished,
    ChildLimits,
    ChildPrepared,
    ChildProgressed,
    ChildRedriven,
    ChildRetryScheduled,
    ChildStarted,
    DeadlinePassed,
    Fact,
    LimitsChanged,
    MembershipClosed,
    OwnershipReleased,
    OwnershipTaken,
    ParentCreated,
    ParentDecided,
    ParentSettled,
    Paused,
    Redacted,
    Redriven,
    Resumed,
    Within,
)
from events.payload_files import PayloadRef
from events.strategy import ALL, Strategy

AT = 1_700_000_000_123_456
HEAD = '{"at":1700000000123456'
MARK = "t1"

FILE = PayloadRef(sha256="ab" * 32, bytes=81_920)
FILE_TEXT = f'{{"sha256":"{"ab" * 32}","bytes":81920}}'
GOLDEN: list[tuple[Fact, str]] = [
    (
        ParentCreated(at=AT, strategy=ALL, max_workers=4, on_decided="cancel", content="c0ffee"),
        HEAD + ',"strategy":{"kind":"all"},"max_workers":4,"on_decided":"cancel","content":"c0ffee"}',
    ),
    (
        ParentCreated(
            at=AT,
            strategy=Strategy(kind="threshold", percent=33.3, max_failures_percent=5.0, min_finished=10),
            max_workers=4,
            on_decided="drain",
            content="c0ffee",
            timeout_seconds=600.0,
            metadata='{"team":"blue"}',
        ),
        HEAD + ',"strategy":{"kind":"threshold","percent":33.3,"max_failures_percent":5.0,"min_finished":10}'
        ',"max_workers":4,"on_decided":"drain","content":"c0ffee","timeout_seconds":600.0'
        r',"metadata":"{\"team\":\"blue\"}"}',
    ),
    (
        ParentCreated(
            at=AT,
            strategy=Strategy(kind="threshold", count=3, max_failures=2),
            max_workers=1,
            on_decided="continue",
            content="",
        ),
        HEAD + ',"strategy":{"kind":"threshold","count":3,"max_failures":2}'
        ',"max_workers":1,"on_decided":"continue","content":""}',
    ),
    (
        ChildPrepared(at=AT, child_id="ä/🐙 1", index=0, task="checksum", input='{"path":"a b"}'),
        HEAD + r',"child_id":"ä/🐙 1","index":0,"task":"checksum","input":"{\"path\":\"a b\"}"}',
    ),
    (
        ChildPrepared(
            at=AT,
            child_id="b",
            index=1,
            task="shell",
            input="null",
            limits=ChildLimits(
                timeout_seconds=1.5,
                max_attempts=3,
                initial_seconds=0.5,
                backoff=2.0,
                max_seconds=60.0,
                fail_when_lost=True,
            ),
        ),
        HEAD + ',"child_id":"b","index":1,"task":"shell","input":"null","limits":{"timeout_seconds":1.5'
        ',"max_attempts":3,"initial_seconds":0.5,"backoff":2.0,"max_seconds":60.0,"fail_when_lost":true}}',
    ),
    (ChildCreated(at=AT, child_id="a"), HEAD + ',"child_id":"a"}'),
    (MembershipClosed(at=AT), HEAD + "}"),
    (
        OwnershipTaken(at=AT, owner="host:12:ab.34:1", epoch=2),
        HEAD + ',"owner":"host:12:ab.34:1","epoch":2}',
    ),
    (OwnershipReleased(at=AT), HEAD + "}"),
    (
        ChildStarted(at=AT, child_id="a", attempt=1, worker="w3"),
        HEAD + ',"child_id":"a","attempt":1,"worker":"w3"}',
    ),
    (
        ChildRetryScheduled(
            at=AT, child_id="a", attempt=1, error='{"type":"OSError"}', not_before=1_700_000_000_623_456
        ),
        HEAD + r',"child_id":"a","attempt":1,"error":"{\"type\":\"OSError\"}","not_before":1700000000623456}',
    ),
    (
        AttemptLost(at=AT, child_id="a", attempt=2, reason="killed"),
        HEAD + ',"child_id":"a","attempt":2,"reason":"killed"}',
    ),
    (
        ChildFinished(at=AT, child_id="a", attempt=3, outcome="succeeded", output=r'"\u00e9\n"'),
        HEAD + r',"child_id":"a","attempt":3,"outcome":"succeeded","output":"\"\\u00e9\\n\""}',
    ),
    (
        ChildFinished(at=AT, child_id="b", attempt=0, outcome="skipped"),
        HEAD + ',"child_id":"b","attempt":0,"outcome":"skipped"}',
    ),
    (
        ChildFinished(at=AT, child_id="c", attempt=1, outcome="timed_out", error='{"type":"TimedOut"}'),
        HEAD + r',"child_id":"c","attempt":1,"outcome":"timed_out","error":"{\"type\":\"TimedOut\"}"}',
    ),
    (
        ChildPrepared(at=AT, child_id="a", index=0, task="t", input="", input_file=FILE),
        HEAD + f',"child_id":"a","index":0,"task":"t","input":"","input_file":{FILE_TEXT}' + "}",
    ),
    (
        ChildFinished(at=AT, child_id="a", attempt=1, outcome="succeeded", output_file=FILE),
        HEAD + f',"child_id":"a","attempt":1,"outcome":"succeeded","output_file":{FILE_TEXT}' + "}",
    ),
    (
        ChildFinished(at=AT, child_id="a", attempt=1, outcome="failed", error="{}", error_file=FILE),
        HEAD + f',"child_id":"a","attempt":1,"outcome":"failed","error":"{{}}","error_file":{FILE_TEXT}' + "}",
    ),
    (
        ChildRetryScheduled(at=AT, child_id="a", attempt=1, error="{}", not_before=0, error_file=FILE),
        HEAD + f',"child_id":"a","attempt":1,"error":"{{}}","not_before":0,"error_file":{FILE_TEXT}' + "}",
    ),
    (
        AttemptEndedLate(at=AT, child_id="a", attempt=1, outcome="succeeded", output_file=FILE),
        HEAD + f',"child_id":"a","attempt":1,"outcome":"succeeded","output_file":{FILE_TEXT}' + "}",
    ),
    (CancelRequested(at=AT, reason="enough"), HEAD + ',"reason":"enough"}'),
    (DeadlinePassed(at=AT), HEAD + "}"),
    (
        ParentDecided(at=AT, status="failed", why="2 of 3 ended without success", child_id="c"),
        HEAD + ',"status":"failed","why":"2 of 3 ended without success","child_id":"c"}',
    ),
    (
        ParentDecided(at=AT, status="cancelled", why="cancelled by request"),
        HEAD + ',"status":"cancelled","why":"cancelled by request"}',
    ),
    (ParentSettled(at=AT), HEAD + "}"),
    (
        ParentCreated(
            at=AT,
            strategy=ALL,
            max_workers=2,
            on_decided="cancel",
            content="c0ffee",
            retry_budget=0,
            seed=-7,
            weight=3,
            priority=-1,
            within=Within(parent_id="outer", child_id="inner", depth=2),
        ),
        HEAD + ',"strategy":{"kind":"all"},"max_workers":2,"on_decided":"cancel","content":"c0ffee"'
        ',"retry_budget":0,"seed":-7,"weight":3,"priority":-1'
        ',"within":{"parent_id":"outer","child_id":"inner","depth":2}}',
    ),
    (
        ChildPrepared(
            at=AT,
            child_id="b",
            index=1,
            task="work",
            input="null",
            limits=ChildLimits(
                jitter=0.5,
                retry_on=("OSError", "ValueError"),
                give_up_on=(),
                crashes_max=1,
                total_timeout_seconds=60.0,
                queue_timeout_seconds=5.0,
                heartbeat_timeout_seconds=2.5,
                grace_seconds=0.0,
                priority=-2,
                keys=("host:a",),
            ),
        ),
        HEAD + ',"child_id":"b","index":1,"task":"work","input":"null","limits":{"jitter":0.5'
        ',"retry_on":["OSError","ValueError"],"give_up_on":[],"crashes_max":1,"total_timeout_seconds":60.0'
        ',"queue_timeout_seconds":5.0,"heartbeat_timeout_seconds":2.5,"grace_seconds":0.0,"priority":-2'
        ',"keys":["host:a"]}}',
    ),
    (
        AttemptLost(at=AT, child_id="a", attempt=1, reason="its worker died", signal="SIGSEGV"),
        HEAD + ',"child_id":"a","attempt":1,"reason":"its worker died","signal":"SIGSEGV"}',
    ),
    (
        AttemptLost(at=AT, child_id="a", attempt=1, reason="its worker ended", exit_code=0),
        HEAD + ',"child_id":"a","attempt":1,"reason":"its worker ended","exit_code":0}',
    ),
    (
        AttemptEndedLate(at=AT, child_id="a", attempt=1, outcome="succeeded", output="1"),
        HEAD + ',"child_id":"a","attempt":1,"outcome":"succeeded","output":"1"}',
    ),
    (
        AttemptEndedLate(at=AT, child_id="a", attempt=2, outcome="failed", error="{}"),
        HEAD + ',"child_id":"a","attempt":2,"outcome":"failed","error":"{}"}',
    ),
    (
        ChildProgressed(at=AT, child_id="a", attempt=1, progress=0.25, message="page 3"),
        HEAD + ',"child_id":"a","attempt":1,"progress":0.25,"message":"page 3"}',
    ),
    (ChildProgressed(at=AT, child_id="a", attempt=1), HEAD + ',"child_id":"a","attempt":1}'),
    (
        ChildCancelRequested(at=AT, child_id="a", reason="not needed"),
        HEAD + ',"child_id":"a","reason":"not needed"}',
    ),
    (ChildRedriven(at=AT, child_id="a"), HEAD + ',"child_id":"a"}'),
    (Paused(at=AT, reason="lunch"), HEAD + ',"reason":"lunch"}'),
    (Resumed(at=AT), HEAD + "}"),
    (
        LimitsChanged(at=AT, max_workers=9, strategy=Strategy(kind="any"), weight=2, priority=0),
        HEAD + ',"max_workers":9,"strategy":{"kind":"any"},"weight":2,"priority":0}',
    ),
    (LimitsChanged(at=AT, max_workers=9), HEAD + ',"max_workers":9}'),
    (
        Redriven(at=AT, reason="once more", on_decided="continue", token=MARK),
        HEAD + ',"reason":"once more","on_decided":"continue","token":"t1"}',
    ),
    (Redacted(at=AT, reason="asked for"), HEAD + ',"reason":"asked for"}'),
    (Redriven(at=AT, reason="", on_decided="drain"), HEAD + ',"reason":"","on_decided":"drain"}'),
]
