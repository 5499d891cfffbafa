"""A small fleet, two workers and two gateways beside a Redis: a crowd at once, many viewers of one session, and a rolling
restart of every process under load.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from perdure.temporal.app.bench.measures import idle
from perdure.temporal.app.bench.report.figures import curve, percentile, spread
from perdure.temporal.app.bench.report.report import Group, Row, Target
from perdure.temporal.app.bench.rig.apart import Apart, has_redis
from perdure.temporal.app.bench.rig.person import Person, talking, turns
from perdure.temporal.app.bench.rig.rig import AGENT, Provider

GROUP: Final[Group] = "fleet"
_WORKERS: Final = 2
_GATEWAYS: Final = 2
_GAP_S: Final = 0.05
_WORDS: Final = 40
#: Of each run; one step for a crowd, one for viewers, one for sessions at rest, and one for each process that is restarted.
STEPS: Final = 3 + _WORKERS + _GATEWAYS


async def measure(folder: Path, provider: Provider, quick: bool, step: Callable[[], None]) -> list[Row]:
    if not has_redis():
        details = {"why": "redis-server is not installed"}
        return [Row(group=GROUP, name="tokens that came live", value=None, unit="%", details=details)]
    crowd, tokens, viewers, people = (10, 20, 10, 3) if quick else (200, 200, 100, 20)
    async with Apart(folder, provider, _WORKERS, _GATEWAYS) as fleet:
        await provider.answer(text="x " * tokens, stamped=True, gap=_GAP_S)
        # The first turns find connections and caches made by nobody.
        await _crowd(fleet, 4, tokens)
        rows = _crowd_rows(crowd, tokens, await _crowd(fleet, crowd, tokens))
        step()
        rows += await _viewers(fleet, viewers, tokens)
        step()
        rows.append(await _at_rest(fleet, *((40, 5.0, 1.5) if quick else (2000, 240.0, 60.0))))
        step()
        words = " ".join(f"word{number}" for number in range(_WORDS))
        await provider.answer(text=words, gap=_GAP_S)
        rows += _restart_rows(await _restart(fleet, people, step), words)
    return rows


@dataclass
class _Crowd:
    #: Seconds from POST to the end of the turn at the viewer.
    turns: list[float] = field(default_factory=list)
    #: Milliseconds from the provider's sending to the viewer.
    delays: list[float] = field(default_factory=list)


async def _crowd(fleet: Apart, count: int, tokens: int) -> _Crowd:
    """A turn in each of so many sessions at once, each with a viewer."""
    found = _Crowd()
    sessions = [await fleet.create() for _ in range(count)]

    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(fleet.watching(session)) for session in sessions]

        async def turn(number: int) -> None:
            # Spread over the time between two tokens of one answer, as people are.
            await asyncio.sleep(number / count)
            sent = time.perf_counter()
            await fleet.post(sessions[number], "Go on.")
            await streams[number].until("turn.finished")
            found.turns.append(time.perf_counter() - sent)

        await asyncio.gather(*map(turn, range(count)))
        for stream in streams:
            found.delays += [(token.arrived - token.sent) * 1000 for token in stream.came[:tokens]]
    return found


def _crowd_rows(count: int, tokens: int, found: _Crowd) -> list[Row]:
    ideal = tokens * _GAP_S
    rate = round(1 / _GAP_S)
    name = f"{count} at once, {rate} tokens/s each"
    return [
        Row(
            group=GROUP,
            name=f"tokens that came live, {name}",
            value=round(100 * len(found.delays) / (count * tokens), 1),
            unit="%",
            better="more",
            target=Target(bound="at least", value=100),
        ),
        Row(
            group=GROUP,
            name=f"a turn ÷ the provider's own time, {name}, p95",
            value=round(percentile(found.turns, 95) / ideal, 2),
            unit="times",
            target=Target(bound="at most", value=1.5),
            details=spread(found.turns),
        ),
        Row(
            group=GROUP,
            name=f"a token's delay, {name}, p95",
            value=round(percentile(found.delays, 95), 1),
            unit="ms",
            details={**spread(found.delays), "curve": curve(found.delays)},
        ),
    ]


async def _viewers(fleet: Apart, count: int, tokens: int) -> list[Row]:
    """What the workers and Temporal spend on an answer that one person sees, and that many see."""
    spent = [await _answer_seen_by(fleet, viewers) for viewers in (1, count)]
    return [
        Row(
            group=GROUP,
            name=f"an answer's processor time in the workers, {count} viewers ÷ 1",
            value=round(spent[1] / spent[0], 2),
            unit="times",
            details={"seconds": [round(each, 3) for each in spent], "tokens": tokens},
        )
    ]


async def _answer_seen_by(fleet: Apart, viewers: int) -> float:
    """Seconds of the workers' processor time."""
    session = await fleet.create()
    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(fleet.watching(session)) for _ in range(viewers)]
        before = _spent(fleet)
        await fleet.post(session, "Go on.")
        await asyncio.gather(*(stream.until("turn.finished") for stream in streams))
        return _spent(fleet) - before


def _spent(fleet: Apart) -> float:
    times = [worker.process.cpu_times() for worker in fleet.workers]
    return sum(each.user + each.system for each in times)


async def _at_rest(fleet: Apart, wanted: int, settling_s: float, seconds: float) -> Row:
    """What all processes spend over `seconds` on sessions in which nothing has happened for `settling_s` seconds, each
    with a viewer."""
    count = idle.viewers_at_most(wanted)
    sessions = await idle.many_sessions(fleet, count)
    async with AsyncExitStack() as viewers:
        await idle.look_at(fleet, viewers, sessions)
        # What the viewers' coming costs is over by then, and their sessions are looked at as rarely as they ever are:
        # after 30 s, after 60 s more, and every 120 s from then on.
        await asyncio.sleep(settling_s)
        before, began = [idle.processor_time(one) for one in fleet.everything], time.perf_counter()
        await asyncio.sleep(seconds)
        took = time.perf_counter() - began
        spent = [idle.processor_time(one) - was for one, was in zip(fleet.everything, before, strict=True)]
    return Row(
        group=GROUP,
        name=f"all processes together, {count:,} sessions at rest, with a viewer each",
        value=round(100 * sum(spent) / took, 1),
        unit="% of a core",
        target=Target(bound="at most", value=20) if count >= 2000 else None,
        details={"temporal, redis, workers, gateways": [round(100 * each / took, 1) for each in spent]},
    )


async def _restart(fleet: Apart, count: int, step: Callable[[], None]) -> list[Person]:
    """Restarts each process in turn while people talk; nobody talks less for it."""
    async with talking(count, fleet.urls, AGENT) as people:
        await turns(people)
        for part in (*fleet.workers, *fleet.gateways):
            await part.stop()
            await part.start()
            await turns(people)
            step()
    return people


def _restart_rows(people: list[Person], answer: str) -> list[Row]:
    gaps = [gap for person in people for gap in person.gaps]
    faults = [fault for person in people for fault in person.faults(answer)]
    return [
        Row(
            group=GROUP,
            name="turns failed, messages lost or doubled, over the restart of every process",
            value=len(faults),
            unit="calls",
            target=Target(bound="at most", value=0),
            details={"turns": sum(len(person.sent) for person in people), "faults": list(faults[:5])},
        ),
        Row(
            group=GROUP,
            name="from one piece of an answer to the next, over the restart of every process, p95",
            value=round(percentile(gaps, 95), 3),
            unit="s",
            target=Target(bound="at most", value=1),
            details=spread(gaps),
        ),
        Row(
            group=GROUP,
            name="the longest such gap",
            value=round(max(gaps), 2),
            unit="s",
        ),
    ]
