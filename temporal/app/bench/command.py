"""`perdure bench`: starts everything in a temporary folder, measures, and reports the results.

With a result as its argument it measures nothing, but shows that result: as a table, as a page, or compared with
another.
"""

import asyncio
import contextlib
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import typer
import uvloop
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from perdure.temporal.app.bench.groups import Rows
from perdure.temporal.app.bench.measures import (
    apart,
    bursts,
    calls,
    fleet,
    growth,
    histories,
    idle,
    interrupted,
    kills,
    memory,
    neighbours,
    purses,
    replays,
    resumes,
    throughput,
    tokens,
    turns,
)
from perdure.temporal.app.bench.report.compare import changes, comparison, newly_missed
from perdure.temporal.app.bench.report.page import page
from perdure.temporal.app.bench.report.report import Report, Row, Unreadable, machine, table
from perdure.temporal.app.bench.rig.plant import Plant, plant
from perdure.temporal.app.bench.rig.rig import Provider, Rig, fake_provider
from perdure.temporal.app.console.logs import log_to_stderr
from perdure.temporal.app.console.refused import Refused

_Steps = tuple[int, int]
_Step = Callable[[], None]
#: The measure function of each group, and its number of steps in a full and in a quick run. The first groups measure
#: the shipped `perdure dev`, the others workers on a server without a gateway.
_OF_RIG: dict[Rows, tuple[Callable[[Rig, bool, _Step], Awaitable[list[Row]]], _Steps]] = {
    Rows.tokens: (tokens.measure, (6, 5)),
    Rows.first: (turns.measure_first, (30 + turns.WARM_UP, 10 + turns.WARM_UP)),
    Rows.stop: (turns.measure_stop, (20, 5)),
    Rows.history: (histories.measure, (1000 + histories.AROUND, 100 + histories.AROUND)),
    Rows.idle: (idle.measure, (7, 7)),
    Rows.kill: (kills.measure, (6, 2)),
    Rows.resume: (resumes.measure, (resumes.steps_of(False), resumes.steps_of(True))),
}
_OF_PLANT: dict[Rows, tuple[Callable[[Plant, bool, _Step], Awaitable[list[Row]]], _Steps]] = {
    Rows.turns: (throughput.measure, (30, 3)),
    Rows.memory: (memory.measure, (6, 4)),
    Rows.replay: (replays.measure, (10, 4)),
    Rows.tools: (calls.measure, (36, 3)),
}
_INTERRUPTED: _Steps = (50, 3)
_BURST: _Steps = (4, 4)
_GROWTH: _Steps = (growth.turns_of(False), growth.turns_of(True))
_PURSES: _Steps = (2, 2)
_NEIGHBOURS: _Steps = (2, 2)
_APART: _Steps = (apart.steps_of(False), apart.steps_of(True))
_FLEET: _Steps = (fleet.STEPS, fleet.STEPS)


def bench(
    new: Path | None, out: Path | None, html: Path | None, compare: Path | None, quick: bool, only: list[Rows] | None
) -> None:
    """Measures, or shows the result in the file `new`; `compare`: an earlier result to compare it with."""
    log_to_stderr()
    console = Console()
    # Unreadable and unwritable files are reported before the run, not after it.
    old = _load(compare) if compare else None
    for path in filter(None, (out, html)):
        if path.is_dir() or not path.absolute().parent.is_dir():
            raise Refused(f"{path} cannot be written")
    if new is not None:
        report = _load(new)
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            report = runner.run(run(frozenset(only or Rows), quick, console))
    if new is None or old is None:
        console.print(table(report))
        if report.missed:
            console.print(f"{len(report.missed)} of {sum(row.met is not None for row in report.rows)} targets missed")
    if out is not None:
        out.write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
    if html is not None:
        html.write_text(page(report), encoding="utf-8")
    if old is not None:
        found = changes(old, report)
        console.print(comparison(old, report, found))
        if missed := newly_missed(found):
            console.print(f"[bold red]{len(missed)} targets that were met before are now missed[/]")
            raise typer.Exit(1)


def _load(path: Path) -> Report:
    try:
        return Report.load(path)
    except Unreadable as problem:
        raise Refused(str(problem)) from problem


async def run(rows: frozenset[Rows], quick: bool, console: Console) -> Report:
    """Measures the groups in `rows`, one after the other. Raises `BenchFailed`; progress goes to `console`."""
    started, before, began = datetime.now(UTC), os.getloadavg(), time.monotonic()
    columns = (TextColumn("{task.description:>8}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    with contextlib.ExitStack() as stack:
        # Killed servers may still write files when the folder is removed.
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="perdure-bench-", ignore_cleanup_errors=True))
        progress = stack.enter_context(Progress(*columns, TimeElapsedColumn(), console=console, refresh_per_second=2))
        async with fake_provider() as provider:
            found = await _measure(rows, quick, Path(folder), provider, progress)
    return Report(
        rows=tuple(found),
        quick=quick,
        machine=machine(),
        started_at=started.isoformat(timespec="seconds"),
        took_s=round(time.monotonic() - began, 1),
        load_before=before,
        load_after=os.getloadavg(),
    )


async def _measure(
    rows: frozenset[Rows], quick: bool, folder: Path, provider: Provider, progress: Progress
) -> list[Row]:
    found: list[Row] = []

    def steps(group: Rows, counts: _Steps) -> _Step:
        task = progress.add_task(group, total=counts[quick])
        return lambda: progress.advance(task)

    # One after the other, so that neither is there while the other is measured.
    if rows & _OF_RIG.keys():
        idle.raise_file_limit()
        async with Rig(folder, provider) as rig:
            for group, (measure, counts) in _OF_RIG.items():
                if group in rows:
                    found += await measure(rig, quick, steps(group, counts))
    if rows & _OF_PLANT.keys():
        async with plant(folder / "plant", provider) as running:
            for group, (measure_workers, counts) in _OF_PLANT.items():
                if group in rows:
                    found += await measure_workers(running, quick, steps(group, counts))
    if Rows.interrupted in rows:
        found += await interrupted.measure(folder / "interrupted", quick, steps(Rows.interrupted, _INTERRUPTED))
    if Rows.burst in rows:
        idle.raise_file_limit()
        found += await bursts.measure(folder / "burst", provider, quick, steps(Rows.burst, _BURST))
    if Rows.growth in rows:
        (folder / "growth").mkdir()
        found += await growth.measure(folder / "growth", provider, quick, steps(Rows.growth, _GROWTH))
    if Rows.purses in rows:
        (folder / "purses").mkdir()
        found += await purses.measure(folder / "purses", provider, quick, steps(Rows.purses, _PURSES))
    if Rows.apart in rows:
        (folder / "apart").mkdir()
        found += await apart.measure(folder / "apart", provider, quick, steps(Rows.apart, _APART))
    if Rows.neighbours in rows:
        idle.raise_file_limit()
        (folder / "neighbours").mkdir()
        found += await neighbours.measure(folder / "neighbours", provider, quick, steps(Rows.neighbours, _NEIGHBOURS))
    if Rows.fleet in rows:
        idle.raise_file_limit()
        (folder / "fleet").mkdir()
        found += await fleet.measure(folder / "fleet", provider, quick, steps(Rows.fleet, _FLEET))
    return found
