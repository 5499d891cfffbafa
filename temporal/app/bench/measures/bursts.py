"""Load: a burst of simultaneous messages, and one person beside sessions that talk without a pause.

Measured on the shipped `perdure dev`, with its current and with its former settings, one after the other in the same
run. What is not a setting (priority for sessions with viewers, fewer queries to a session) applies to both.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from perdure.temporal.app.bench.report.figures import percentile, spread
from perdure.temporal.app.bench.report.report import Group, Row, Target
from perdure.temporal.app.bench.rig.failure import BenchFailed
from perdure.temporal.app.bench.rig.rig import Provider, Rig
from perdure.temporal.app.bench.rig.wire import Tokens

GROUP: Final[Group] = "burst"
#: The former values of the settings that make the difference.
BEFORE: Final[Mapping[str, str]] = {
    "PERDURE_STICKY_SCHEDULE_TO_START_S": "1",
    "PERDURE_CALLS_AT_ONCE": "100000",
}
NOW, THEN = "as it is", "as before"
_TOKENS: Final = 20
_GAP_S: Final = 0.05
_AGAIN_S: Final = 0.2
_PATIENCE_S: Final = 120.0


@dataclass
class Found:
    #: Milliseconds to the first token.
    first: list[float] = field(default_factory=list)
    #: Tokens that arrived live, and all tokens.
    live: int = 0
    tokens: int = 0
    #: Requests that were answered with 503.
    refused: int = 0
    turns: int = 0


async def measure(folder: Path, provider: Provider, quick: bool, step: Callable[[], None]) -> list[Row]:
    burst, busy, seconds = (20, 5, 2.0) if quick else (200, 100, 15.0)
    await provider.answer(text="x " * _TOKENS, stamped=True, gap=_GAP_S)
    rows: list[Row] = []
    bursts: dict[str, Found] = {}
    persons: dict[str, Found] = {}
    for name, settings in ((NOW, {}), (THEN, BEFORE)):
        place = folder / name.replace(" ", "-")
        place.mkdir(parents=True)
        async with Rig(place, provider, settings=settings) as rig:
            async with asyncio.timeout(_PATIENCE_S):
                alone = await _burst(rig, 1)
            async with asyncio.timeout(_PATIENCE_S):
                bursts[name] = await _burst(rig, burst)
            rows += _burst_rows(f"{burst} at once, {name}", bursts[name], alone)
            step()
            async with asyncio.timeout(_PATIENCE_S):
                persons[name] = await _beside(rig, busy, seconds)
            rows += _person_rows(f"one beside {busy}, {name}", persons[name], seconds)
            step()
    for what, found in ((f"{burst} at once", bursts), (f"one beside {busy}", persons)):
        rows.append(
            Row(
                group=GROUP,
                name=f"first token, {NOW} ÷ {THEN}, {what}, p95",
                value=round(percentile(found[NOW].first, 95) / percentile(found[THEN].first, 95), 2),
                unit="times",
            )
        )
    return rows


async def _burst(rig: Rig, count: int) -> Found:
    found = Found()
    sessions = [await rig.create() for _ in range(count)]
    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(rig.watching(session)) for session in sessions]
        await asyncio.gather(*(_turn(rig, *one, found) for one in zip(sessions, streams, strict=True)))
    return found


async def _turn(rig: Rig, session: str, tokens: Tokens, found: Found) -> None:
    before = len(tokens.came)
    sent = time.time()
    await _said(rig, session, found, wait=False)
    await tokens.until("turn.finished")
    came = tokens.came[before:]
    if came:
        found.first.append((came[0].arrived - sent) * 1000)
    found.live += len(came)
    found.tokens += _TOKENS
    found.turns += 1


async def _said(rig: Rig, session: str, found: Found, *, wait: bool) -> None:
    """Sends a message, and retries while it is refused."""
    while True:
        try:
            await rig.post(session, "Go on.", wait=wait)
            return
        except BenchFailed as refused:
            if "answered with 503" not in str(refused):
                raise
            found.refused += 1
        await asyncio.sleep(_AGAIN_S)


async def _beside(rig: Rig, busy: int, seconds: float) -> Found:
    """A person's turns while `busy` sessions without viewers talk without a pause."""
    others, person = Found(), Found()
    sessions = await asyncio.gather(*(rig.create() for _ in range(busy)))
    mine = await rig.create()
    end = time.monotonic() + seconds

    async def talk(session: str) -> None:
        while time.monotonic() < end:
            await _said(rig, session, others, wait=True)
            others.turns += 1

    async with rig.watching(mine) as tokens:
        talking = asyncio.gather(*(talk(session) for session in sessions))
        while time.monotonic() < end:
            await _turn(rig, mine, tokens, person)
        await talking
    person.refused += others.refused
    person.turns = others.turns
    return person


def _burst_rows(name: str, found: Found, alone: Found) -> list[Row]:
    now = name.endswith(NOW)
    ideal = percentile(alone.first, 50)
    return [
        Row(
            group=GROUP,
            name=f"messages refused, {name}",
            value=found.refused,
            unit="requests",
            target=Target(bound="at most", value=0) if now else None,
        ),
        Row(
            group=GROUP,
            name=f"tokens that came live, {name}",
            value=round(100 * found.live / found.tokens, 1),
            unit="%",
            better="more",
            target=Target(bound="at least", value=100) if now else None,
        ),
        *_first_rows(name, found, ideal),
    ]


def _first_rows(name: str, found: Found, ideal: float | None = None) -> list[Row]:
    rows = []
    for percent in (50, 95):
        value = percentile(found.first, percent)
        details = dict(spread(found.first))
        if ideal is not None:
            details["times_one_alone"] = round(value / ideal, 1)
        rows.append(
            Row(group=GROUP, name=f"first token, {name}, p{percent}", value=round(value, 1), unit="ms", details=details)
        )
    return rows


def _person_rows(name: str, found: Found, seconds: float) -> list[Row]:
    rows = _first_rows(name, found)
    if name.endswith(NOW):
        rows[0] = rows[0].model_copy(update={"target": Target(bound="at most", value=500)})
    return [
        Row(group=GROUP, name=f"requests refused, {name}", value=found.refused, unit="requests"),
        *rows,
        Row(
            group=GROUP,
            name=f"turns of the others, {name}",
            value=round(found.turns / seconds, 1),
            unit="turns/s",
            better="more",
        ),
    ]
