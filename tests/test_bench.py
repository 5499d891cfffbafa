"""`perdure bench`: its arithmetic, its table and JSON, and that a quick run measures the groups it names."""

import io
import json
from decimal import Decimal

import pytest
from rich.console import Console
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from perdure.temporal.app.bench.command import run
from perdure.temporal.app.bench.groups import Rows
from perdure.temporal.app.bench.measures.calls import Batch, batches
from perdure.temporal.app.bench.measures.histories import Cost, turns_of
from perdure.temporal.app.bench.measures.interrupted import Tally, rows_of
from perdure.temporal.app.bench.report.figures import percentile, spread
from perdure.temporal.app.bench.report.report import Report, Row, Target, machine, number, table
from perdure.temporal.app.bench.rig.apart import has_redis
from perdure.temporal.app.bench.rig.wire import Token, Tokens
from tests.support.needs import missing

SIGNALED = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
STARTED = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED
TASK = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
CONTINUED = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW
BEGUN = EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED
ENDED = EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED
QUEUED = EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED
TAKEN = EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED


def report(*rows: Row) -> Report:
    return Report(
        rows=rows,
        quick=False,
        machine=machine(),
        started_at="2026-11-22T17:00:00+00:00",
        took_s=1,
        load_before=(0.5, 0.5, 0.5),
        load_after=(1.0, 0.5, 0.5),
    )


def shown(found: Report) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(table(found))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_percentile_is_one_of_the_values_and_errs_upwards() -> None:
    values = [float(value) for value in range(20, 0, -1)]
    assert [percentile(values, percent) for percent in (0, 50, 95, 100)] == [1, 10, 19, 20]
    assert percentile([7.0], 50) == percentile([7.0], 95) == 7
    assert spread([3.0, 1.0, 2.0]) == {"n": 3, "p50": 2.0, "p95": 3.0, "max": 3.0}
    assert spread([]) == {"n": 0}


@pytest.mark.parametrize(
    ("value", "target", "met"),
    [
        (2.0, Target(bound="at most", value=2), True),
        (2.001, Target(bound="at most", value=2), False),
        (30.0, Target(bound="at least", value=30), True),
        (29.9, Target(bound="at least", value=30), False),
        (None, Target(bound="at most", value=2), False),
        (5.0, None, None),
    ],
)
def test_a_target_is_met_or_missed(value: float | None, target: Target | None, met: bool | None) -> None:
    assert Row(group="tokens", name="a row", value=value, unit="ms", target=target).met is met


def test_the_table_says_what_was_missed() -> None:
    missed = Row(group="stop", name="slow", value=140, unit="ms", target=Target(bound="at most", value=100))
    found = report(
        Row(group="tokens", name="quick", value=0.784, unit="ms", target=Target(bound="at most", value=2)),
        missed,
        Row(group="stop", name="untold", value=None, unit="ms"),
    )
    assert found.missed == (missed,)
    lines = [line.split() for line in shown(found).splitlines()]
    assert ["│", "quick", "│", "0.78", "│", "ms", "│", "at", "most", "2", "│", "met", "│"] in lines
    assert ["│", "slow", "│", "140", "│", "ms", "│", "at", "most", "100", "│", "missed", "│"] in lines
    assert ["│", "untold", "│", "not", "measured", "│", "ms", "│", "│", "│"] in lines


def test_the_json_holds_the_verdicts_and_the_machine() -> None:
    row = Row(group="tokens", name="a row", value=0.5, unit="ms", target=Target(bound="at most", value=2))
    told = json.loads(report(row).model_dump_json())
    assert told["rows"] == [
        {
            "group": "tokens",
            "name": "a row",
            "value": 0.5,
            "unit": "ms",
            "better": "less",
            "target": {"bound": "at most", "value": 2.0},
            "details": {},
            "met": True,
        }
    ]
    assert told["machine"]["cores"] >= 1
    assert told["machine"]["versions"]["temporalio"]
    assert told["load_before"] == [0.5, 0.5, 0.5]


def test_numbers_keep_what_counts() -> None:
    assert [number(value) for value in (12, 0.784, 23.84, 118.2, 3337)] == ["12", "0.78", "23.8", "118", "3,337"]


def test_a_stream_is_read_however_its_bytes_are_cut() -> None:
    frames = [
        b": perdure\nretry: 2000\n\n",
        b'id: 1\nevent: turn.started\ndata: {"at": "1795368201.820603 "}\n\n',
        b'event: step.delta\ndata: {"delta": "1795368201.500000 1795368201.750000 "}\n\n',
        b"id: 2\nevent: turn.finished\ndata: {}\n\n",
    ]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(frame), frame) for frame in frames)
    stream = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunks
    for size in (1, 7, len(stream)):
        tokens = Tokens(b"step.delta")
        for at in range(0, len(stream), size):
            tokens.take(stream[at : at + size], 1795368202.0)
        assert tokens.others == ["turn.started", "turn.finished"]
        assert tokens.came == [Token(1795368201.5, 1795368202.0), Token(1795368201.75, 1795368202.0)]


def test_a_turn_costs_what_lies_between_its_signal_and_the_next() -> None:
    runs = [
        [event(STARTED), event(TASK), event(SIGNALED), event(TASK), event(SIGNALED), event(CONTINUED)],
        [event(STARTED), event(SIGNALED), event(TASK), event(TASK)],
    ]
    size = event(TASK).ByteSize()
    assert turns_of(runs) == ([Cost(2, 2 * size), Cost(1, size), Cost(3, 3 * size)], Cost(4, 4 * size))


def test_a_call_takes_from_its_scheduling_to_that_of_what_follows() -> None:
    history = [
        event(STARTED, 0),
        *(scheduled("call_model", 1, 4), event(BEGUN, 2), event(ENDED, 7), event(QUEUED, 8), event(TAKEN, 9)),
        event(TASK, 10),
        *(scheduled("nod", 11, 10), event(BEGUN, 13), event(ENDED, 16), event(QUEUED, 16), event(TAKEN, 20)),
        event(TASK, 25),
        *(scheduled("pause", 26, 16), scheduled("pause", 27, 16), event(BEGUN, 28), event(ENDED, 29)),
        scheduled("call_model", 40, 22),
    ]
    assert batches(history) == [
        Batch("call_model", 1, took=10, tasks=3, others=3, stages=(1, 5, 2, 2)),
        Batch("nod", 1, took=15, tasks=3, others=3, stages=(2, 3, 4, 6)),
        Batch("pause", 2, took=14, tasks=0, others=4),
    ]


def test_what_became_of_interrupted_calls_is_told_and_judged() -> None:
    bad = Tally(calls=4, unknown=1, effects_twice=1, seconds=[1.0, 2.0])
    rows = rows_of(bad, in_flight=2)
    assert [row.value for row in rows] == [4, 1, 0, 0, 0, 1, 1.0]
    assert [row.met for row in rows] == [None, False, True, True, True, None, None]


def event(kind: EventType.ValueType, at_ms: int = 0) -> HistoryEvent:
    found = HistoryEvent(event_id=1, event_type=kind)
    found.event_time.FromMilliseconds(at_ms)
    return found


def scheduled(name: str, at_ms: int, task: int) -> HistoryEvent:
    """An activity of this type, scheduled by the workflow task that completed with the event `task`."""
    found = event(EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, at_ms)
    found.activity_task_scheduled_event_attributes.activity_type.name = name
    found.activity_task_scheduled_event_attributes.workflow_task_completed_event_id = task
    return found


@pytest.mark.server
@pytest.mark.slow
async def test_a_quick_run_measures_what_it_names() -> None:
    console = Console(file=io.StringIO())
    found = await run(frozenset({Rows.first, Rows.stop}), True, console)
    assert [(row.group, row.unit) for row in found.rows] == [("first", "ms")] * 6 + [("first", "times")] * 2 + [
        ("stop", "ms")
    ] * 2
    assert all(row.value is not None and row.value > 0 for row in found.rows)


@pytest.mark.slow
@pytest.mark.server
async def test_a_quick_run_of_the_workers_measures_what_it_names() -> None:
    console = Console(file=io.StringIO())
    found = await run(frozenset({Rows.turns, Rows.memory, Rows.replay, Rows.tools}), True, console)
    assert [(row.group, row.unit) for row in found.rows] == (
        [("turns", "turns/s")] * 3
        + [("turns", "times")] * 4
        + [("memory", "KB")] * 2
        + [("memory", "MB")] * 2
        + [("memory", "times")]
        + [("replay", "s")] * 3
        + [("replay", "times")] * 2
        + [("tools", "ms")] * 4
        + [("tools", "times")] * 2
        + [("tools", "events")] * 5
        + [("tools", "ms")] * 3
        + [("tools", "times")] * 2
    )
    (events,) = (row for row in found.rows if row.group == "tools" and row.target and row.unit == "events")
    assert events.met
    # A line through few points may slope down on a busy machine, so only this much is certain.
    assert all(row.value is not None and row.value > 0 for row in found.rows if row.group != "memory")


@pytest.mark.slow
@pytest.mark.server
async def test_a_quick_run_reaches_one_of_many_viewers() -> None:
    found = await run(frozenset({Rows.idle}), True, Console(file=io.StringIO()))
    assert [row.unit for row in found.rows] == ["% of a core"] * 4 + ["KB", "ms", "ms", "times"]


@pytest.mark.slow
@pytest.mark.server
async def test_a_quick_run_of_reconnects_measures_each_protocol_in_each_way() -> None:
    found = await run(frozenset({Rows.resume}), True, Console(file=io.StringIO()))
    names = [row.name.removesuffix(", p95") for row in found.rows if row.name.endswith(", p95")]
    assert names == [
        f"{protocol}, {way}"
        for way in ("watched", "alone", "restarted")
        for protocol in ("native", "AI SDK", "AG-UI", "OpenAI")
    ]
    assert [row.unit for row in found.rows] == [*["ms"] * 8, *["times"] * 4] * 3
    assert all(row.value is not None and row.value > 0 for row in found.rows)


@pytest.mark.slow
@pytest.mark.server
async def test_a_quick_run_of_growth_measures_what_it_names() -> None:
    found = await run(frozenset({Rows.growth}), True, Console(file=io.StringIO()))
    assert [row.unit for row in found.rows] == ["times", "times", "KB", "times", "ms", "ms", "ms"]
    (carried,) = (row for row in found.rows if row.name.startswith("carried"))
    (stored,) = (row for row in found.rows if row.name.startswith("blob store"))
    assert carried.met and stored.met
    assert all(row.value is not None and row.value > 0 for row in found.rows)


@pytest.mark.slow
@pytest.mark.server
async def test_a_quick_run_of_purses_measures_what_it_names() -> None:
    found = await run(frozenset({Rows.purses}), True, Console(file=io.StringIO()))
    assert [(row.group, row.unit, row.met) for row in found.rows] == [
        ("purses", "requests", True),
        ("purses", "%", True),
    ]
    details = found.rows[1].details
    assert details["killed_while_spending"]
    spent, known, leased, cap = (Decimal(str(details[f"{name}_usd"])) for name in ("spent", "charged", "leased", "cap"))
    assert spent <= known + leased <= cap


@pytest.mark.slow
@pytest.mark.server
async def test_a_quick_run_of_processes_apart_measures_what_it_names() -> None:
    if not has_redis():
        missing("redis-server")
    found = await run(frozenset({Rows.apart}), True, Console(file=io.StringIO()))
    assert [row.name.rpartition(", ")[0] for row in found.rows[::2]] == [
        "a token, within one process",
        "a token, over Redis",
        "added by Redis",
        "POST stop to closed, within one process",
        "POST stop to closed, over Redis",
    ]
    assert all(row.value is not None for row in found.rows)


@pytest.mark.slow
@pytest.mark.server
async def test_a_quick_run_of_a_fleet_measures_what_it_names_and_nothing_fails() -> None:
    if not has_redis():
        missing("redis-server")
    found = await run(frozenset({Rows.fleet}), True, Console(file=io.StringIO()))
    assert [row.unit for row in found.rows] == ["%", "times", "ms", "times", "% of a core", "calls", "s", "s"]
    assert all(row.value is not None for row in found.rows)
    (failed,) = (row for row in found.rows if row.unit == "calls")
    assert failed.met, failed.details


@pytest.mark.slow
@pytest.mark.server
async def test_a_quick_run_of_a_burst_measures_what_it_names() -> None:
    found = await run(frozenset({Rows.burst}), True, Console(file=io.StringIO()))
    each = ["requests", "%", "ms", "ms", "requests", "ms", "ms", "turns/s"]
    assert [row.unit for row in found.rows] == [*each, *each, "times", "times"]
    (refused,) = (row for row in found.rows if row.name.startswith("messages refused") and row.target)
    assert refused.met


@pytest.mark.slow
@pytest.mark.server
async def test_a_quick_run_of_neighbours_measures_what_it_names() -> None:
    if not has_redis():
        missing("redis-server")
    found = await run(frozenset({Rows.neighbours}), True, Console(file=io.StringIO()))
    assert [row.name for row in found.rows] == [
        "first token of the person, as they come, p50",
        "first token of the person, as they come, worst",
        "turns of the 10 beside, as they come",
        "first token of the person, tenants take turns, p50",
        "first token of the person, tenants take turns, worst",
        "turns of the 10 beside, tenants take turns",
        "first token, tenants take turns ÷ as they come, p50",
        "first token, tenants take turns ÷ as they come, worst",
    ]
    assert all(row.value is not None and row.value > 0 for row in found.rows)
