"""Replay speed: `perdure replay`'s own code compared with the SDK's bare `Replayer`, over histories from this run.

Each is timed as a user waits for it: from the start of its processes to the last verdict, over the same files. The two
take turns. Near-linear with cores means that two processes halve the time if two cores are free.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Final

from perdure.temporal.app.bench.measures.throughput import Reports, session_talk
from perdure.temporal.app.bench.report.report import Group, Row, Target
from perdure.temporal.app.bench.rig.child import clean_environment
from perdure.temporal.app.bench.rig.failure import BenchFailed
from perdure.temporal.app.bench.rig.plant import Plant
from perdure.temporal.app.replay.export import write_histories
from perdure.temporal.app.replay.pool import replay_all
from perdure.temporal.app.replay.recorded import in_folder
from perdure.temporal.app.replay.verdicts import Outcome, Recorded, Setup
from perdure.temporal.stores.blobs import LocalBlobs

GROUP: Final[Group] = "replay"


async def measure(plant: Plant, quick: bool, step: Callable[[], None]) -> list[Row]:
    # Turns per session, and copies of each file: a replay caches nothing between files.
    sessions, turns, copies, rounds = (4, 3, 1, 1) if quick else (16, 15, 3, 3)
    folder = plant.folder / "histories"
    events = await _record(plant, folder, sessions, turns)
    step()
    for number in range(1, copies):
        for path in sorted(folder.glob("*.1.json")):
            (folder / f"{path.name.removesuffix('.json')}.copy{number}.json").write_bytes(path.read_bytes())
    recorded = in_folder(folder)
    ways: dict[str, Callable[[], Awaitable[None]]] = {
        "bare": lambda: _bare(folder, len(recorded)),
        "one": lambda: _perdure(plant, recorded, 1),
        "two": lambda: _perdure(plant, recorded, 2),
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            began = time.perf_counter()
            await way()
            found[name].append(time.perf_counter() - began)
            step()
    return _rows(found, len(recorded), events * copies)


async def _record(plant: Plant, folder: Path, sessions: int, turns: int) -> int:
    """Writes the histories of new sessions, and returns their total number of events."""
    await plant.provider.answer(text="x " * 50)
    await plant.provider.forget()
    reports, blobs, events = Reports(), LocalBlobs(plant.settings.data_dir / "blobs"), 0
    async with plant.worker("perdure", reports.take):
        talks = [await session_talk(plant, reports)() for _ in range(sessions)]
        for _ in range(turns):
            await asyncio.gather(*(talk.say() for talk in talks))
        for talk in talks:
            described = await plant.client.get_workflow_handle(talk.workflow_id).describe()
            events += described.history_length
            async for _path in write_histories(plant.client, blobs, talk.workflow_id, [described.run_id], folder):
                pass
    return events


async def _perdure(plant: Plant, recorded: list[Recorded], processes: int) -> None:
    outcomes: list[Outcome] = []
    setup = Setup(blobs=str((plant.settings.data_dir / "blobs").absolute()), server=False)
    await replay_all(recorded, setup, processes, lambda _, outcome: outcomes.append(outcome))
    if bad := [outcome for outcome in outcomes if outcome.verdict != "same"]:
        raise BenchFailed(f"a replay of what was just recorded failed: {bad[0].reason}")


async def _bare(folder: Path, count: int) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "perdure.temporal.app.bench.bare.replayer", str(folder)),
        env=clean_environment({}),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        printed, _ = await process.communicate()
    finally:
        with suppress(ProcessLookupError):
            process.kill()
    if printed.strip() != str(count).encode():
        raise BenchFailed(f"the SDK's Replayer passed {printed.decode().strip() or 'none'} of {count} histories")


def _rows(found: dict[str, list[float]], files: int, events: int) -> list[Row]:
    titles = {"bare": "the SDK's Replayer", "one": "perdure replay, 1 process", "two": "perdure replay, 2 processes"}
    took = {name: median(seconds) for name, seconds in found.items()}
    rows = [
        Row(
            group=GROUP,
            name=title,
            value=round(took[name], 2),
            unit="s",
            details={
                "who": title,
                "each": [round(seconds, 3) for seconds in found[name]],
                "histories": files,
                "events": events,
                "events_a_second": round(events / took[name]),
            },
        )
        for name, title in titles.items()
    ]
    rows.append(
        Row(
            group=GROUP,
            name="perdure replay ÷ the SDK's Replayer, 1 process",
            value=round(took["one"] / took["bare"], 3),
            unit="times",
            target=Target(bound="at most", value=1.1),
        )
    )
    rows.append(
        Row(
            group=GROUP,
            name="2 processes, as fast as 1",
            value=round(took["one"] / took["two"], 2),
            unit="times",
            better="more",
        )
    )
    return rows
