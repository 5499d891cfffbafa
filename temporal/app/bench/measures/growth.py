"""What a session costs as it grows: its turns, what it carries from run to run, what it stores, and how soon it is shown.

Its model has a small window, so that what a request holds is bounded from early on, as it is in any session that is long for
its model. Turns are compared by their medians, over several around each mark.
"""

import random
import string
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

import psutil
from temporalio.client import WorkflowHistory

from perdure.temporal.app.bench.report.figures import percentile, thinned
from perdure.temporal.app.bench.report.report import Group, Row, Target
from perdure.temporal.app.bench.rig.rig import Provider, Rig
from perdure.temporal.app.bench.rig.wire import read
from perdure.temporal.app.replay.export import with_payloads
from perdure.temporal.stores.blobs import LocalBlobs

GROUP: Final[Group] = "growth"
#: Bytes of each message.
_SAID: Final = 2_000
#: Of the turns that are compared, the earliest; and how many around each.
_EARLY: Final = 60
_AROUND: Final = 20
#: How often what is shown is read; the first time is not counted.
_READS: Final = 30
_VIEW: Final = 1_000
DEFINITION: Final = """\
name: bench
models:
  only: {use: anthropic/claude-haiku-5-5, max_output_tokens: 1000, context_window: 20000}
model: only
instructions: Answer.
"""


async def measure(folder: Path, provider: Provider, quick: bool, step: Callable[[], None]) -> list[Row]:
    turns = turns_of(quick)
    async with Rig(folder, provider, DEFINITION) as rig:
        session = await rig.create()
        main, _ = rig.processes()
        took, cpu = await _talk(rig, session, turns, main, step)
        stored = _stored(rig.blobs / "default" / session)
        rows = [
            *_rows_of_turns(took, cpu),
            await _carried(rig, session),
            Row(
                group=GROUP,
                name="blob store ÷ what was said",
                value=round(stored / (turns * 2 * _SAID), 2),
                unit="times",
                target=Target(bound="at most", value=2),
                details={"bytes": stored, "turns": turns},
            ),
        ]
        return rows + await _shown(rig, session, turns * 2)


def _stored(folder: Path) -> int:
    """Bytes of the files in a folder."""
    return sum(path.stat().st_size for path in folder.iterdir())


def turns_of(quick: bool) -> int:
    return 200 if quick else 3_000


async def _talk(
    rig: Rig, session: str, turns: int, process: psutil.Process, step: Callable[[], None]
) -> tuple[list[float], list[float]]:
    """Milliseconds of each turn, and of processor time that gateway and worker spent up to its end."""
    took: list[float] = []
    cpu = [_cpu_ms(process)]
    for turn in range(turns):
        if turn % _AROUND == 0:
            # The provider records every request.
            await rig.provider.forget()
        # Without a count of its own, so that tokens are estimated by what was sent.
        await rig.provider.answer(text=_text(-turn), usage="none")
        began = time.perf_counter()
        await rig.post(session, _text(turn + 1), wait=True)
        took.append((time.perf_counter() - began) * 1000)
        cpu.append(_cpu_ms(process))
        step()
    return took, cpu


def _text(seed: int) -> str:
    """Words that are no easier to compress than people's."""
    chosen = random.Random(seed)
    words = ("".join(chosen.choices(string.ascii_lowercase, k=chosen.randint(2, 9))) for _ in range(_SAID))
    return " ".join(words)[:_SAID]


def _rows_of_turns(took: Sequence[float], cpu: Sequence[float]) -> list[Row]:
    spent = [after - before for before, after in pairwise(cpu)]
    last = len(took) - _AROUND
    rows: list[Row] = []
    for what, values in (("time", took), ("processor time", spent)):
        early = percentile(values[_EARLY - _AROUND : _EARLY + _AROUND], 50)
        late = percentile(values[last - _AROUND : last + _AROUND], 50)
        rows.append(
            Row(
                group=GROUP,
                name=f"{what}, turn {len(took):,} ÷ turn {_EARLY}",
                value=round(late / early, 2),
                unit="times",
                target=Target(bound="at most", value=1.2),
                details={"early_ms": round(early, 2), "late_ms": round(late, 2), "ms_by_turn": thinned(list(values))},
            )
        )
    return rows


async def _carried(rig: Rig, session: str) -> Row:
    """What the newest run was given by the one before."""
    handle = rig.session(session)
    first = await anext(aiter(handle.fetch_history_events(page_size=1)))
    history = WorkflowHistory(handle.id, [first])
    (begun,) = (await with_payloads(history, LocalBlobs(rig.blobs))).events
    size = sum(len(one.data) for one in begun.workflow_execution_started_event_attributes.input.payloads)
    continued = bool(begun.workflow_execution_started_event_attributes.continued_execution_run_id)
    return Row(
        group=GROUP,
        name="carried to the next run",
        value=round(size / 1024, 1) if continued else None,
        unit="KB",
        target=Target(bound="at most", value=200) if continued else None,
        details={} if continued else {"why": "it has had one run"},
    )


async def _shown(rig: Rig, session: str, messages: int) -> list[Row]:
    view = min(_VIEW, messages // 2)
    asked = {
        "opened at its end, 100 messages": (f"{rig.at(session, '')}?messages=100", 1_000, False),
        f"a view of {view:,} messages built, cached": (
            rig.at(session, f"messages?before={view}&limit={view}"),
            10,
            True,
        ),
        f"the whole snapshot, {messages:,} messages": (rig.at(session, ""), None, False),
    }
    rows: list[Row] = []
    for name, (url, most, until_built) in asked.items():
        reads = [await _read(url) for _ in range(1 + _READS)]
        times = [one.built_ms if until_built else one.whole_ms for one in reads]
        whole = [one.whole_ms for one in reads]
        rows.append(
            Row(
                group=GROUP,
                name=name,
                value=round(percentile(times[1:], 50), 2),
                unit="ms",
                target=None if most is None else Target(bound="at most", value=most),
                details={
                    "first_ms": round(times[0], 2),
                    "whole_ms": round(percentile(whole[1:], 50), 2),
                    "bytes": reads[0].size,
                },
            )
        )
    return rows


class _Read(NamedTuple):
    """Until the gateway had built the answer, and until all of it had come."""

    built_ms: float
    whole_ms: float
    size: int


async def _read(url: str) -> _Read:
    began, built = time.perf_counter(), []
    answer = await read(url, begins=lambda: built.append(time.perf_counter()))
    return _Read((built[0] - began) * 1000, (time.perf_counter() - began) * 1000, len(answer))


def _cpu_ms(process: psutil.Process) -> float:
    times = process.cpu_times()
    return (times.user + times.system) * 1000
