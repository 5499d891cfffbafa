"""Turns per second: sessions that talk without a pause, compared with bare workflows that run one activity per turn.

All use the same server and the same driver, in rounds that take turns. Each conversation is a closed loop: its next
message is signalled when the workflow task that ends its turn reports it, which both kinds of worker do in the same
way.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import Final

import psutil

from perdure.temporal.app.bench.report.figures import percentile
from perdure.temporal.app.bench.report.report import Group, Row, Target
from perdure.temporal.app.bench.rig.asked import Asked, Asking
from perdure.temporal.app.bench.rig.failure import BenchFailed
from perdure.temporal.app.bench.rig.plant import Plant
from perdure.workflows.session import SessionWorkflow

GROUP: Final[Group] = "turns"
#: The events of a turn of one step: turn.started, message.added, step.started, step.finished, turn.finished.
_EVENTS: Final = 5
CROWDS: Final = (8, 32)
_PATIENCE_S: Final = 60.0

PERDURE: Final = "Perdure"
NOTHING: Final = "bare, activity does nothing"
MODEL: Final = "bare, activity calls the model"


class Reports:
    """The latest number that the workers reported, by workflow id."""

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[int, asyncio.Future[None]]] = {}
        self._reached: dict[str, int] = {}

    def take(self, line: bytes) -> None:
        name, _, number = line.decode().rpartition(" ")
        self._reached[name] = max(self._reached.get(name, 0), int(number))
        wanted, arrival = self._waiting.get(name, (0, None))
        if arrival is not None and not arrival.done() and int(number) >= wanted:
            arrival.set_result(None)

    async def until(self, name: str, number: int) -> None:
        """Waits until `name` has reported `number`. Raises `BenchFailed` if that takes too long."""
        if self._reached.get(name, 0) >= number:
            return
        arrival = asyncio.get_running_loop().create_future()
        self._waiting[name] = (number, arrival)
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await arrival
        except TimeoutError:
            raise BenchFailed(f"{name} did not finish its turn within {_PATIENCE_S:g} s") from None
        finally:
            del self._waiting[name]


@dataclass(frozen=True)
class Talk:
    """One conversation: `say` sends a message and returns when its turn is finished."""

    workflow_id: str
    say: Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Contestant:
    name: str
    begin: Callable[[], Awaitable[Talk]]
    worker: psutil.Process


@dataclass
class Found:
    """The results of one contestant's rounds."""

    rates: list[float] = field(default_factory=list)
    #: Milliseconds of each turn.
    turns: list[float] = field(default_factory=list)
    #: Milliseconds of CPU time per turn, by round.
    worker: list[float] = field(default_factory=list)
    server: list[float] = field(default_factory=list)


def session_talk(plant: Plant, reports: Reports) -> Callable[[], Awaitable[Talk]]:
    async def begin() -> Talk:
        handle = await plant.session(message=False)
        seq = 1

        async def say() -> None:
            nonlocal seq
            await handle.signal(SessionWorkflow.send_message, plant.message())
            seq += _EVENTS
            await reports.until(handle.id, seq)

        return Talk(handle.id, say)

    return begin


def bare_talk(plant: Plant, reports: Reports, asking: Asking) -> Callable[[], Awaitable[Talk]]:
    async def begin() -> Talk:
        handle = await plant.asked(asking)
        turns = 0

        async def say() -> None:
            nonlocal turns
            await handle.signal(Asked.ask)
            turns += 1
            await reports.until(handle.id, turns)

        return Talk(handle.id, say)

    return begin


async def measure(plant: Plant, quick: bool, step: Callable[[], None]) -> list[Row]:
    await plant.provider.answer(text="Yes.")
    rounds, seconds = (1, 1.0) if quick else (5, 3.0)
    reports = Reports()
    rows: list[Row] = []
    async with AsyncExitStack() as stack:
        ours = await stack.enter_async_context(plant.worker("perdure", reports.take))
        bare = await stack.enter_async_context(plant.worker("bare", reports.take))
        contestants = (
            Contestant(PERDURE, session_talk(plant, reports), ours),
            Contestant(MODEL, bare_talk(plant, reports, "model"), bare),
            Contestant(NOTHING, bare_talk(plant, reports, "nothing"), bare),
        )
        for crowd in CROWDS[:1] if quick else CROWDS:
            found = {one.name: Found() for one in contestants}
            for _ in range(rounds):
                for one in contestants:
                    await _round(plant, one, crowd, seconds, found[one.name])
                    step()
            rows += _rows(crowd, found)
    return rows


async def _round(plant: Plant, one: Contestant, crowd: int, seconds: float, found: Found) -> None:
    await plant.provider.forget()
    talks = await asyncio.gather(*(one.begin() for _ in range(crowd)))
    # The first turn is a warm-up: it loads the definition and opens connections.
    await asyncio.gather(*(talk.say() for talk in talks))
    times: list[float] = []
    worker, server = _cpu(one.worker), _cpu(plant.server)
    began = time.perf_counter()

    async def loop(talk: Talk) -> None:
        while (sent := time.perf_counter()) < began + seconds:
            await talk.say()
            times.append(time.perf_counter() - sent)

    await asyncio.gather(*(loop(talk) for talk in talks))
    found.rates.append(len(times) / (time.perf_counter() - began))
    found.turns += [turn * 1000 for turn in times]
    found.worker.append((_cpu(one.worker) - worker) * 1000 / len(times))
    found.server.append((_cpu(plant.server) - server) * 1000 / len(times))


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _rows(crowd: int, found: dict[str, Found]) -> list[Row]:
    rows = [
        Row(
            group=GROUP,
            name=f"{name}, {crowd} at once",
            value=round(median(one.rates), 1),
            unit="turns/s",
            better="more",
            details={
                "crowd": crowd,
                "who": name,
                "each": [round(rate, 1) for rate in one.rates],
                "turn_ms_p50": round(percentile(one.turns, 50), 1),
                "turn_ms_p95": round(percentile(one.turns, 95), 1),
                "worker_cpu_ms": round(fmean(one.worker), 2),
                "server_cpu_ms": round(fmean(one.server), 2),
            },
        )
        for name, one in found.items()
    ]
    ours = found[PERDURE]
    for name in (MODEL, NOTHING):
        theirs = found[name]
        # Compared round by round, because the machine's other load changes over time.
        rates = [mine / other for mine, other in zip(ours.rates, theirs.rates, strict=True)]
        spent = (fmean(ours.worker) + fmean(ours.server)) / (fmean(theirs.worker) + fmean(theirs.server))
        rows += [
            Row(
                group=GROUP,
                name=f"turns/s ÷ {name}, {crowd} at once",
                value=round(median(rates), 3),
                unit="times",
                better="more",
                target=Target(bound="at least", value=0.6),
                details={"crowd": crowd, "each": [round(rate, 3) for rate in rates]},
            ),
            Row(
                group=GROUP,
                name=f"processor time a turn, worker and server ÷ {name}, {crowd} at once",
                value=round(spent, 2),
                unit="times",
                details={"crowd": crowd},
            ),
        ]
    return rows
