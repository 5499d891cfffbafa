"""`perdure bench`: starts everything by itself in a folder that it removes, measures, and tells what it found."""

import asyncio
import contextlib
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from temporal.app.bench import histories, kills, tokens, turns
from temporal.app.bench.report import Report, Row, machine, table
from temporal.app.bench.rig import Rig, rig


class Rows(StrEnum):
    tokens = "tokens"
    first = "first"
    stop = "stop"
    history = "history"
    kill = "kill"


#: What measures a group, and in how many steps: in a full run, and in a quick one.
_Measure = Callable[[Rig, bool, Callable[[], None]], Awaitable[list[Row]]]
_GROUPS: dict[Rows, tuple[_Measure, int, int]] = {
    Rows.tokens: (tokens.measure, 6, 6),
    Rows.first: (turns.measure_first, 30 + turns.WARM_UP, 10 + turns.WARM_UP),
    Rows.stop: (turns.measure_stop, 20, 5),
    Rows.history: (histories.measure, 1000 + histories.AROUND, 200 + histories.AROUND),
    Rows.kill: (kills.measure, 6, 2),
}


def bench(
    out: Annotated[Path | None, typer.Option(help="A file to write the result to, as JSON.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer turns and tokens: a look, not a result.")] = False,
    rows: Annotated[list[Rows] | None, typer.Option(help="Only these measurements; may be repeated.")] = None,
) -> None:
    """Measure this machine's Perdure against direct streaming and bare Temporal, with a provider that is none."""
    console = Console()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        report = runner.run(run(frozenset(rows or Rows), quick, console))
    console.print(table(report))
    if report.missed:
        console.print(f"{len(report.missed)} of {sum(row.met is not None for row in report.rows)} targets missed")
    if out is not None:
        out.write_text(report.model_dump_json(indent=2) + "\n")


async def run(rows: frozenset[Rows], quick: bool, console: Console) -> Report:
    """Measures what `rows` names, one after the other. Raises `BenchFailed`; progress goes to `console`."""
    started, before, began = datetime.now(UTC), os.getloadavg(), time.monotonic()
    found: list[Row] = []
    columns = (TextColumn("{task.description:>8}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    with contextlib.ExitStack() as stack:
        # Killed servers may still be at their files when the folder goes.
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="perdure-bench-", ignore_cleanup_errors=True))
        progress = stack.enter_context(Progress(*columns, TimeElapsedColumn(), console=console, refresh_per_second=2))
        async with rig(Path(folder)) as running:
            for group, (measure, steps, quick_steps) in _GROUPS.items():
                if group in rows:
                    task = progress.add_task(group, total=quick_steps if quick else steps)
                    found += await measure(running, quick, lambda task=task: progress.advance(task))  # type: ignore[misc]
    return Report(
        rows=tuple(found),
        quick=quick,
        machine=machine(),
        started_at=started.isoformat(timespec="seconds"),
        took_s=round(time.monotonic() - began, 1),
        load_before=before,
        load_after=os.getloadavg(),
    )
