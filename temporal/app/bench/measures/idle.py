"""Many idle sessions, each with a viewer: what they cost, and whether a message still gets through.

Rule: viewers are real connections that read their stream. They live in this process, so only Perdure's side is
measured. If the system allows fewer open files than needed, there are fewer viewers, and the rows' names say so.
"""

import asyncio
import resource
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Final

import psutil

from perdure.temporal.app.bench.measures.memory import own_bytes
from perdure.temporal.app.bench.report.figures import percentile, slope, spread
from perdure.temporal.app.bench.report.report import Group, Row
from perdure.temporal.app.bench.rig.failure import BenchFailed
from perdure.temporal.app.bench.rig.rig import Rig
from perdure.temporal.app.bench.rig.wire import reading

GROUP: Final[Group] = "idle"
_AT_ONCE: Final = 8
#: Viewers that may be answered with 503 in total before the run is given up.
_REFUSED_MOST: Final = 200
#: Open files besides viewers.
_OTHER_FILES: Final = 300
_FILES: Final = 8192


def raise_file_limit() -> None:
    """Raises the limit of open files to the system's maximum, for this process and those that it starts from now on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def viewers_at_most(wanted: int) -> int:
    """`wanted`, or as many as this process may have files open for."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if soft == resource.RLIM_INFINITY else min(wanted, soft - _OTHER_FILES)


async def measure(rig: Rig, quick: bool, step: Callable[[], None]) -> list[Row]:
    await rig.provider.answer(text="Yes.")
    count, seconds, messages = (viewers_at_most(40), 1.5, 5) if quick else (viewers_at_most(2000), 20.0, 20)
    alone = await _delays(rig, await rig.create(), messages)
    sessions = await many_sessions(rig, count)
    step()
    unwatched = await _busy(rig, seconds)
    step()
    main, _ = rig.processes()
    points: list[tuple[float, float]] = [(0, own_bytes(main) / 1024)]
    refused = 0
    async with AsyncExitStack() as viewers:
        for part in range(4):
            refused += await look_at(rig, viewers, sessions[part * count // 4 : (part + 1) * count // 4])
            points.append(((part + 1) * count // 4, own_bytes(main) / 1024))
            step()
        watched = await _busy(rig, seconds)
        step()
        among = await _delays(rig, sessions[count // 2], messages)
    return _rows(count, seconds, refused, points, (unwatched, watched), (alone, among))


async def many_sessions(rig: Rig, count: int) -> list[str]:
    """Ids of so many new sessions, all at rest."""
    room = asyncio.Semaphore(_AT_ONCE)

    async def one() -> str:
        async with room:
            return await rig.create()

    return await asyncio.gather(*(one() for _ in range(count)))


async def look_at(rig: Rig, viewers: AsyncExitStack, sessions: list[str]) -> int:
    """Gives each session a viewer; returns how many had to retry because the session was busy."""
    room = asyncio.Semaphore(_AT_ONCE)
    again = 0

    async def one(session: str) -> None:
        nonlocal again
        async with room:
            while True:
                tokens = await viewers.enter_async_context(reading(rig.at(session, "events"), "step.delta"))
                try:
                    return await tokens.until("session.started")
                except BenchFailed:
                    if again == _REFUSED_MOST or " 503 " not in tokens.refused:
                        raise
                    again += 1

    await asyncio.gather(*(one(session) for session in sessions))
    return again


async def _busy(rig: Rig, seconds: float) -> tuple[float, float]:
    """CPU use over `seconds`, in percent of a core: of gateway and worker, and of the Temporal server."""
    processes = rig.processes()
    before, began = [processor_time(process) for process in processes], time.perf_counter()
    await asyncio.sleep(seconds)
    took = time.perf_counter() - began
    main, server = (
        (processor_time(process) - was) / took * 100 for process, was in zip(processes, before, strict=True)
    )
    return main, server


def processor_time(process: psutil.Process) -> float:
    """Seconds that it has used."""
    times = process.cpu_times()
    return times.user + times.system


async def _delays(rig: Rig, session: str, messages: int) -> list[float]:
    """Milliseconds from a message's POST to the end of its turn at a viewer of the session."""
    found: list[float] = []
    async with rig.watching(session) as events:
        for turn in range(messages + 1):
            sent = time.perf_counter()
            await rig.post(session, "Go on?")
            await events.until("turn.finished")
            # The first turn is a warm-up: it opens connections.
            if turn:
                found.append((time.perf_counter() - sent) * 1000)
    return found


def _rows(
    count: int,
    seconds: float,
    refused: int,
    points: list[tuple[float, float]],
    busy: tuple[tuple[float, float], tuple[float, float]],
    delays: tuple[list[float], list[float]],
) -> list[Row]:
    rows = [
        Row(
            group=GROUP,
            name=f"{who}, {count:,} sessions {how}",
            value=round(percent, 1),
            unit="% of a core",
            details={"who": who, "how": how, "sessions": count, "seconds": seconds},
        )
        for how, pair in zip(("unwatched", "with a viewer each"), busy, strict=True)
        for who, percent in zip(("gateway and worker", "Temporal"), pair, strict=True)
    ]
    rows.append(
        Row(
            group=GROUP,
            name="memory of gateway and worker, each viewer more",
            value=round(slope(points), 1),
            unit="KB",
            details={
                "points_mb": [[viewers, round(used / 1024, 2)] for viewers, used in points],
                "answered_503_at_first": refused,
            },
        )
    )
    for name, found in zip(("1 session", f"1 of {count:,} watched sessions"), delays, strict=True):
        rows.append(
            Row(
                group=GROUP,
                name=f"POST to the turn's end at the viewer, {name}, p50",
                value=round(percentile(found, 50), 1),
                unit="ms",
                details=spread(found),
            )
        )
    alone, among = (percentile(found, 50) for found in delays)
    rows.append(Row(group=GROUP, name="among many ÷ alone, p50", value=round(among / alone, 2), unit="times"))
    return rows
