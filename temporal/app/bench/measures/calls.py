"""The cost of a tool call compared with a bare activity: time, history events, and the time of many calls at once.

Rule 1: all times are differences between the server's timestamps in the histories: from the event that schedules a call
to the event that schedules what follows it, which is the next model call in a session and the next activity in a bare
workflow.
Rule 2: both run the same functions on workers with the same settings on one server, and take turns. There is no gateway
and no viewer.
"""

import uuid
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from pydantic import JsonValue
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from perdure.temporal.app.bench.measures.throughput import Reports
from perdure.temporal.app.bench.report.figures import curve, percentile, spread
from perdure.temporal.app.bench.report.report import Group, Row, Target
from perdure.temporal.app.bench.rig.asked import TASK_QUEUE as BARE_QUEUE
from perdure.temporal.app.bench.rig.called import Called, Rounds
from perdure.temporal.app.bench.rig.plant import CALLING, Plant
from perdure.workflows.session import SessionWorkflow

GROUP: Final[Group] = "tools"
AT_ONCE: Final = 10
PAUSE_S: Final = 0.3
MODEL: Final = "call_model"
_SCHEDULED: Final = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
_TASKS: Final = (
    EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED,
)
_ONE: Final = [
    _SCHEDULED,
    EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED,
    EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED,
    *_TASKS,
]
#: Events of an activity: scheduled, started, completed.
_OWN: Final = 3
#: The stages of a call's time.
_STAGES: Final = ("wait for a worker", "run and report", "wait for the workflow task", "carry out the workflow task")


@dataclass(frozen=True, slots=True)
class Batch:
    """The activities scheduled by one workflow task, up to the next workflow task that schedules some."""

    kind: str
    calls: int
    #: Milliseconds to the next batch.
    took: float
    #: Events from the first one's scheduling: of workflow tasks, and all others.
    tasks: int
    others: int
    #: Milliseconds until the first activity begins, the last one ends, the workflow task that takes its result begins,
    #: and the next batch is scheduled, each from the one before. Empty for more than one activity.
    stages: tuple[float, ...] = ()


def batches(history: Sequence[HistoryEvent]) -> list[Batch]:
    """All batches but the last one."""
    starts: list[int] = []
    task = 0
    for at, event in enumerate(history):
        by = event.activity_task_scheduled_event_attributes.workflow_task_completed_event_id
        if event.event_type == _SCHEDULED and by != task:
            task = by
            starts.append(at)
    return [_batch(history[at:end], history[end]) for at, end in pairwise(starts)]


def _batch(events: Sequence[HistoryEvent], following: HistoryEvent) -> Batch:
    tasks = sum(event.event_type in _TASKS for event in events)
    calls = sum(event.event_type == _SCHEDULED for event in events)
    moments = [event.event_time.ToNanoseconds() / 1e6 for event in (*events, following)]
    # For one activity: its scheduling, start and end; a workflow task's scheduling, start and end; the next activity.
    at = (0, 1, 2, 4, 6) if [event.event_type for event in events] == _ONE else ()
    return Batch(
        kind=events[0].activity_task_scheduled_event_attributes.activity_type.name,
        calls=calls,
        took=moments[-1] - moments[0],
        tasks=tasks,
        others=len(events) - tasks,
        stages=tuple(moments[after] - moments[before] for before, after in pairwise(at)),
    )


@dataclass
class Found:
    """The sessions' tool calls, the bare workflows' activities, and the sessions' model calls that request the
    tools."""

    ours: list[Batch] = field(default_factory=list)
    bare: list[Batch] = field(default_factory=list)
    models: list[Batch] = field(default_factory=list)


async def measure(plant: Plant, quick: bool, step: Callable[[], None]) -> list[Row]:
    reports = Reports()
    single, many, alone = Found(), Found(), Found()
    rounds, parallel = (1, 1) if quick else (25, 10)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(plant.worker("perdure", reports.take))
        await stack.enter_async_context(plant.worker("bare", reports.take))
        # The first one is a warm-up: it loads the definition and opens connections.
        for found in (Found(), *[single] * rounds):
            await _both(plant, reports, found, Rounds(tool="nod", rounds=CALLING["nod"]))
            step()
        for _ in range(parallel):
            for found, at_once in ((alone, 1), (many, AT_ONCE)):
                wanted = Rounds(tool="pause", seconds=PAUSE_S, rounds=CALLING["pause"], at_once=at_once)
                await _both(plant, reports, found, wanted)
            step()
    return [*_times(single), *_events(single, many), *_parallel(alone, many)]


async def _both(plant: Plant, reports: Reports, found: Found, wanted: Rounds) -> None:
    for batch in await _session(plant, reports, wanted):
        (found.models if batch.kind == MODEL else found.ours).append(batch)
    found.bare += await _bare(plant, wanted)


async def _session(plant: Plant, reports: Reports, wanted: Rounds) -> list[Batch]:
    """A turn with a call in each step, until its limit of steps."""
    args = {"seconds": wanted.seconds} if wanted.tool == "pause" else {}
    await plant.provider.forget()
    await plant.provider.answer(tools=[[wanted.tool, args]] * wanted.at_once)
    handle = await plant.session(message=False, agent=wanted.tool)
    await handle.signal(SessionWorkflow.send_message, plant.message(wanted.tool))
    # session.started, turn.started, message.added, turn.finished; two of each step and two of each call.
    await reports.until(handle.id, 4 + wanted.rounds * (2 + 2 * wanted.at_once))
    return batches([event async for event in handle.fetch_history_events()])


async def _bare(plant: Plant, wanted: Rounds) -> list[Batch]:
    handle = await plant.client.start_workflow(
        Called.run,
        wanted,
        id=f"bare/{uuid.uuid4().hex}",
        task_queue=BARE_QUEUE,
        task_timeout=plant.settings.workflow_task_timeout,
    )
    await handle.result()
    return batches([event async for event in handle.fetch_history_events()])


def _times(single: Found) -> list[Row]:
    took = {"a tool's call": _took(single.ours), "a bare activity": _took(single.bare)}
    stages = {"a tool's call": _stages(single.ours), "a bare activity": _stages(single.bare)}
    rows = [
        Row(
            group=GROUP,
            name=f"{name}, p{percent}",
            value=round(percentile(times, percent), 2),
            unit="ms",
            details={"who": name, "curve": curve(times), "stages_ms": stages[name], **spread(times)}
            if percent == 50
            else spread(times),
        )
        for name, times in took.items()
        for percent in (50, 90)
    ]
    ours, bare = took.values()
    for percent in (50, 90):
        target = Target(bound="at most", value=1.5) if percent == 50 else None
        value = round(percentile(ours, percent) / percentile(bare, percent), 2)
        name = f"a tool's call ÷ a bare activity, p{percent}"
        rows.append(Row(group=GROUP, name=name, value=value, unit="times", target=target))
    return rows


def _events(single: Found, many: Found) -> list[Row]:
    """A workflow task has to follow every call, of a tool or not; calls that end at the same moment share one."""
    calls = sum(batch.calls for batch in (*single.ours, *many.ours))
    # Part of a call's cost may precede it, in its step's model call.
    before = sum(batch.others - _OWN for batch in (*single.models, *many.models))
    own = sum(batch.others for batch in (*single.ours, *many.ours)) + before
    rows = [
        Row(
            group=GROUP,
            name="a call, beside the step's workflow tasks",
            value=round(own / calls, 2),
            unit="events",
            target=Target(bound="at most", value=3),
            details={"calls": calls, "events": own},
        )
    ]
    for name, found in (("one call", single), (f"a call of {AT_ONCE} at once", many)):
        rows += [
            Row(
                group=GROUP,
                name=f"{name}, workflow tasks included{who}",
                value=round(sum(one.tasks + one.others for one in all_of) / sum(one.calls for one in all_of), 2),
                unit="events",
                details={"each": [one.tasks + one.others for one in all_of][:50]},
            )
            for who, all_of in (("", found.ours), (", bare", found.bare))
        ]
    return rows


def _parallel(alone: Found, many: Found) -> list[Row]:
    took = {
        f"one call of {PAUSE_S:g} s": _took(alone.ours),
        f"{AT_ONCE} calls of {PAUSE_S:g} s at once": _took(many.ours),
        f"{AT_ONCE} bare activities of {PAUSE_S:g} s at once": _took(many.bare),
    }
    rows = [
        Row(group=GROUP, name=f"{name}, p50", value=round(percentile(times, 50), 1), unit="ms", details=spread(times))
        for name, times in took.items()
    ]
    one, ours, bare = (percentile(times, 50) for times in took.values())
    for name, value, target in (
        (f"{AT_ONCE} at once ÷ one", ours / one, Target(bound="at most", value=1.2)),
        (f"{AT_ONCE} at once ÷ {AT_ONCE} bare at once", ours / bare, None),
    ):
        rows.append(Row(group=GROUP, name=name, value=round(value, 3), unit="times", target=target))
    return rows


def _stages(found: Iterable[Batch]) -> dict[str, JsonValue]:
    """The median time of each stage."""
    columns = zip(*(batch.stages for batch in found if batch.stages), strict=True)
    return {name: round(percentile(times, 50), 2) for name, times in zip(_STAGES, columns, strict=True)}


def _took(found: Iterable[Batch]) -> list[float]:
    return [batch.took for batch in found]
