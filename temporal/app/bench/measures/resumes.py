"""A connection drops, and its reader comes again with a cursor: how soon does it have the first event that it missed?

The protocols, each by its own rule, take turns with a request that asks nothing of any session, so that all see the same
machine load. How soon depends on who has the session at hand:

| way | the gateway | the worker |
|---|---|---|
| watched | follows the session, for another viewer reads it | streams the answer |
| alone | follows it no more, and asks the worker | streams the answer |
| restarted | has just been started | has just been started, and replays the session |
"""

import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Final, NamedTuple

from perdure.gateway.projections.openai_ids import ResponseId
from perdure.temporal.app.bench.report.figures import curve, percentile, spread
from perdure.temporal.app.bench.report.report import Group, Row, Target
from perdure.temporal.app.bench.rig.rig import AGENT, Rig
from perdure.temporal.app.bench.rig.wire import first_event, read, request

GROUP: Final[Group] = "resume"
_MESSAGE: Final = "m1"
_TARGET: Final = Target(bound="at most", value=50)
#: Words of an answer that outlasts what is measured, and of one that is over; and seconds between two.
_LONG: Final = 3_000
_SHORT: Final = 100
_GAP: Final = 0.02
#: Rounds that are not counted, in which connections and caches are made.
_WARM_UP: Final = 3

#: Where a reader comes again that has the beginning of an answer: the path, of the gateway's address and a session.
_PATHS: Final[dict[str, Callable[[str], str]]] = {
    "native": lambda session: f"/v1/sessions/{session}/events?after=2",
    "AI SDK": lambda session: f"/v1/ai-sdk/{AGENT}/{session}/stream",
    "AG-UI": lambda session: f"/v1/ag-ui/{AGENT}/{session}/events",
    "OpenAI": lambda session: f"/v1/responses/{ResponseId(session, _MESSAGE)}?stream=true&starting_after=1",
}


class _Came(NamedTuple):
    """Milliseconds of each time."""

    first_bytes: list[float]
    events: list[float]


def steps_of(quick: bool) -> int:
    return 2 * _rounds(quick) + _restarts(quick)


def _rounds(quick: bool) -> int:
    return 10 if quick else 200


def _restarts(quick: bool) -> int:
    return 1 if quick else 4


def _sessions(quick: bool) -> int:
    """Of each protocol, that are come back to after a restart."""
    return 4 if quick else 25


async def measure(rig: Rig, quick: bool, step: Callable[[], None]) -> list[Row]:
    await rig.provider.answer(text="x " * _SHORT)
    over = [{name: await _asked(rig) for name in _PATHS} for _ in range(_sessions(quick))]
    await rig.provider.answer(text="x " * _LONG, gap=_GAP)
    rows: list[Row] = []
    for way in ("watched", "alone"):
        async with AsyncExitStack() as viewers:
            sessions = {name: await _asked(rig) for name in _PATHS}
            for session in sessions.values():
                if way == "watched":
                    await viewers.enter_async_context(rig.watching(session))
            found, base = _nothing(), list[float]()
            for number in range(_WARM_UP + _rounds(quick)):
                if number == _WARM_UP:
                    found, base = _nothing(), []
                await _come_again(rig, sessions, found, base)
                if number >= _WARM_UP:
                    step()
            for session in sessions.values():
                await request(rig.at(session, "stop"), "POST", {})
        rows += _rows(way, found, base, _TARGET)
    found, base = _nothing(), []
    for _ in range(_restarts(quick)):
        await rig.stop()
        await rig.start()
        for sessions in over:
            await _come_again(rig, sessions, found, base)
        step()
    return rows + _rows("restarted", found, base, None)


def _nothing() -> dict[str, _Came]:
    return {name: _Came([], []) for name in _PATHS}


async def _asked(rig: Rig) -> str:
    """The id of a session whose answer has begun."""
    session = await rig.create()
    async with rig.watching(session) as events:
        await request(rig.at(session, "messages"), "POST", {"text": "Go on?", "message_id": _MESSAGE})
        await events.until("step.started")
    return session


async def _come_again(rig: Rig, sessions: dict[str, str], found: dict[str, _Came], base: list[float]) -> None:
    """Each protocol once, to its own session, and the request that asks nothing."""
    began = time.perf_counter()
    await read(f"{rig.url}/healthz")
    base.append((time.perf_counter() - began) * 1000)
    for name, session in sessions.items():
        first, event = await first_event(rig.url + _PATHS[name](session))
        found[name].first_bytes.append(first * 1000)
        found[name].events.append(event * 1000)


def _rows(way: str, found: dict[str, _Came], base: list[float], target: Target | None) -> list[Row]:
    rows: list[Row] = []
    for name, came in found.items():
        who = f"{name}, {way}"
        details = {**spread(came.events), "first_byte_p95": round(percentile(came.first_bytes, 95), 3)}
        for percent, bound in ((50, None), (95, target)):
            drawn = {"who": who, "curve": curve(came.events)} if percent == 50 else {}
            value = round(percentile(came.events, percent), 2)
            rows.append(
                Row(
                    group=GROUP,
                    name=f"{who}, p{percent}",
                    value=value,
                    unit="ms",
                    target=bound,
                    details={**details, **drawn},
                )
            )
    for name, came in found.items():
        value = round(percentile(came.events, 50) / percentile(base, 50), 2)
        details = {"healthz_p50_ms": round(percentile(base, 50), 3)}
        rows.append(Row(group=GROUP, name=f"{name} ÷ healthz, {way}, p50", value=value, unit="times", details=details))
    return rows
