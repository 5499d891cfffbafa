"""Memory of a cached session: what one more adds to a worker's process, compared with a bare workflow.

Both workers are processes of their own, Perdure's the shipped `perdure worker`. Each session has finished one turn and
rests in the worker's cache. At several sizes the process's own memory is read (USS: what would be free if it ended; RSS
if the system does not report it), taking the minimum of several readings. The slope of a line fitted to these points is
the result, which excludes what every worker needs anyway.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import psutil

from perdure.temporal.app.bench.report.figures import slope
from perdure.temporal.app.bench.report.report import Group, Row, Target
from perdure.temporal.app.bench.rig.asked import Asked
from perdure.temporal.app.bench.rig.failure import BenchFailed
from perdure.temporal.app.bench.rig.plant import Plant
from perdure.workflows.session import SessionWorkflow

GROUP: Final[Group] = "memory"
#: Number of conversations started at once.
_AT_ONCE: Final = 16
_LOOK_S: Final = 0.02
_PATIENCE_S: Final = 60.0
_READINGS: Final = 5
_READING_S: Final = 0.05
#: The first sessions fill caches and pools that further ones do not need; they are not a point of the line.
_WARM_UP: Final = 20


async def measure(plant: Plant, quick: bool, step: Callable[[], None]) -> list[Row]:
    await plant.provider.answer(text="Yes.")
    sizes = (10, 20, 30) if quick else (100, 200, 300, 400, 500)

    async def session() -> None:
        handle = await plant.session(message=True)

        async def finished() -> bool:
            receipt = await handle.query(SessionWorkflow.receipt, "")
            return receipt.seq > 1 and receipt.status == "idle"

        await _until(finished)

    async def bare() -> None:
        handle = await plant.asked("model")
        await handle.signal(Asked.ask)

        async def finished() -> bool:
            return (await handle.query(Asked.turns)).done == 1

        await _until(finished)

    ours: list[tuple[float, float]] = []
    theirs: list[tuple[float, float]] = []
    async with plant.perdure_worker() as perdure, plant.worker("bare", lambda line: None) as other:
        for begin in (session, bare):
            await _open(begin, _WARM_UP)
        done = 0
        for size in (0, *sizes):
            for worker, begin, points in ((perdure, session, ours), (other, bare, theirs)):
                await _open(begin, size - done)
                points.append((size, await _megabytes(worker)))
            await plant.provider.forget()
            done = size
            step()
    return _rows(ours, theirs)


async def _open(begin: Callable[[], Awaitable[None]], count: int) -> None:
    room = asyncio.Semaphore(_AT_ONCE)

    async def one() -> None:
        async with room:
            await begin()

    await asyncio.gather(*(one() for _ in range(count)))


async def _until(finished: Callable[[], Awaitable[bool]]) -> None:
    try:
        async with asyncio.timeout(_PATIENCE_S):
            while not await finished():  # noqa: ASYNC110 - the state is in another process
                await asyncio.sleep(_LOOK_S)
    except TimeoutError:
        raise BenchFailed(f"a conversation did not finish its turn within {_PATIENCE_S:g} s") from None


async def _megabytes(process: psutil.Process) -> float:
    least = float("inf")
    for _ in range(_READINGS):
        await asyncio.sleep(_READING_S)
        least = min(least, own_bytes(process))
    return least / 2**20


def own_bytes(process: psutil.Process) -> int:
    """USS, or RSS if the system does not report it."""
    whole = process.memory_full_info()
    found: int = getattr(whole, "uss", 0) or whole.rss
    return found


def _rows(ours: list[tuple[float, float]], theirs: list[tuple[float, float]]) -> list[Row]:
    rows = [
        Row(
            group=GROUP,
            name=f"{name}, each more",
            value=round(slope(points) * 1024, 1),
            unit="KB",
            details={"who": name, "points_mb": [[size, round(used, 2)] for size, used in points]},
        )
        for name, points in (("Perdure's session", ours), ("bare workflow", theirs))
    ]
    for name, points in (("perdure worker", ours), ("bare worker", theirs)):
        size, used = points[-1]
        rows.append(Row(group=GROUP, name=f"{name} with {size:,.0f} open", value=round(used, 1), unit="MB"))
    base = slope(theirs)
    rows.append(
        Row(
            group=GROUP,
            name="memory a cached session ÷ bare workflow",
            # If noise leaves nothing to divide by, there is no result.
            value=round(slope(ours) / base, 2) if base > 0 else None,
            unit="times",
            target=Target(bound="at most", value=3),
        )
    )
    return rows
