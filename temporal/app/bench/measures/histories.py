"""The cost of a long session: history events and bytes per turn, and how soon a new process can answer for it.

A turn begins with its message's signal and ends before the next one's, or where the run continues as new. The cost of
continuing as new is a row of its own, spread over all turns.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client

from perdure.temporal.app.bench.report.figures import percentile, thinned
from perdure.temporal.app.bench.report.report import Group, Row, Target
from perdure.temporal.app.bench.rig.rig import Rig
from perdure.temporal.app.bench.rig.wire import request
from perdure.workflows.protocol.queries import PageRequest
from perdure.workflows.session import SessionWorkflow

GROUP: Final[Group] = "history"
#: One long word, so that the provider sends it in one piece.
_ANSWER: Final = "x" * 1000
#: A resume replays the current run, which never has more than 1,500 events: it is measured close to that.
_LONG_RUN: Final = 1300
_FORGET_EVERY: Final = 20
#: Neighbours of a turn that are included with it, because a single turn may end its run, or hit a slow moment.
AROUND: Final = 2
_FIRST_QUERY: Final = "the first query"


@dataclass(frozen=True, slots=True)
class Cost:
    events: int = 0
    bytes: int = 0

    def plus(self, event: HistoryEvent) -> "Cost":
        return Cost(self.events + 1, self.bytes + event.ByteSize())


def turns_of(runs: Iterable[list[HistoryEvent]]) -> tuple[list[Cost], Cost]:
    """The cost of each turn of a session, and of everything between turns: starts, first tasks, continuing as new."""
    turns: list[Cost] = []
    rest = Cost()
    for run in runs:
        in_turn = False
        for event in run:
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
                turns.append(Cost())
                in_turn = True
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW:
                in_turn = False
            if in_turn:
                turns[-1] = turns[-1].plus(event)
            else:
                rest = rest.plus(event)
    return turns, rest


async def measure(rig: Rig, quick: bool, step: Callable[[], None]) -> list[Row]:
    marks = (10, 50, 100) if quick else (10, 100, 1000)
    await rig.provider.answer(text=_ANSWER)
    session = await rig.create()
    await _drive(rig, session, marks[-1] + AROUND, step)
    turns, rest = turns_of(await _runs(rig.client, f"default/{session}"))
    costs = {mark: turns[mark - AROUND - 1 : mark + AROUND] for mark in marks}
    rows = [row for mark in marks for row in _rows_of_turn(mark, costs[mark])]
    rows.append(
        Row(
            group=GROUP,
            name=f"bytes, turn {marks[-1]:,} ÷ turn 10",
            value=round(_bytes(costs[marks[-1]]) / _bytes(costs[10]), 3),
            unit="times",
            target=Target(bound="at most", value=1.1),
            details={
                "turns": len(turns),
                "bytes_by_turn": thinned([turn.bytes for turn in turns]),
                "events_by_turn": thinned([turn.events for turn in turns]),
            },
        )
    )
    rows.append(
        Row(
            group=GROUP,
            name="continuing as new, on average a turn",
            value=round(rest.bytes / len(turns)),
            unit="bytes",
            details={"events": rest.events, "bytes": rest.bytes},
        )
    )
    return rows + await _resume(rig, session, marks[-1], quick)


async def _drive(rig: Rig, session: str, turns: int, step: Callable[[], None]) -> None:
    for turn in range(turns):
        if turn % _FORGET_EVERY == 0:
            # The provider records every request, and these get long.
            await rig.provider.forget()
        await rig.post(session, "Go on.", wait=True)
        step()


async def _runs(client: Client, workflow_id: str) -> list[list[HistoryEvent]]:
    """The histories of all runs of a session, oldest first."""
    newest = client.get_workflow_handle(workflow_id)
    first = await anext(aiter(newest.fetch_history_events(page_size=1)))
    run_id = first.workflow_execution_started_event_attributes.first_execution_run_id
    runs: list[list[HistoryEvent]] = []
    while run_id:
        handle = client.get_workflow_handle(workflow_id, run_id=run_id)
        runs.append([event async for event in handle.fetch_history_events()])
        run_id = runs[-1][-1].workflow_execution_continued_as_new_event_attributes.new_execution_run_id
    return runs


async def _resume(rig: Rig, session: str, turns: int, quick: bool) -> list[Row]:
    handle = rig.session(session)
    while not quick and (await handle.describe()).history_length < _LONG_RUN:
        await rig.post(session, "Go on.", wait=True)
    length = (await handle.describe()).history_length
    await rig.stop()
    await rig.start()
    times: dict[str, float] = {}
    began = time.perf_counter()
    await handle.query(SessionWorkflow.receipt, "")
    times[_FIRST_QUERY] = time.perf_counter() - began
    began = time.perf_counter()
    await handle.query(SessionWorkflow.snapshot, PageRequest())
    times["then the snapshot's first page"] = time.perf_counter() - began
    began = time.perf_counter()
    await request(rig.at(session, ""))
    times["then GET of the whole snapshot"] = time.perf_counter() - began
    return [
        Row(
            group=GROUP,
            name=f"restart after {turns:,} turns, {what}",
            value=round(seconds, 3),
            unit="s",
            target=Target(bound="at most", value=1) if what == _FIRST_QUERY else None,
            details={"events_in_run": length},
        )
        for what, seconds in times.items()
    ]


def _rows_of_turn(number: int, costs: list[Cost]) -> list[Row]:
    events = [cost.events for cost in costs]
    limit = Target(bound="at most", value=12)
    # The highest number of events, because it is a limit, and the median number of bytes.
    return [
        Row(
            group=GROUP,
            name=f"turn {number:,}",
            value=max(events),
            unit="events",
            target=limit,
            details={"each": [*events]},
        ),
        Row(
            group=GROUP,
            name=f"turn {number:,}",
            value=_bytes(costs),
            unit="bytes",
            details={"each": [cost.bytes for cost in costs]},
        ),
    ]


def _bytes(costs: list[Cost]) -> float:
    return percentile([cost.bytes for cost in costs], 50)
