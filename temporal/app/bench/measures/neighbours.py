"""Tenants beside each other: sessions of one that talk without a pause, and a person of another.

Measured with a worker and a gateway of their own, once where Temporal lets tenants take turns (`matching.enableFairness`)
and once where tasks run as they come. Everybody is watched, so that nothing but the tenant tells them apart.
"""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from perdure.gateway.auth.api_keys import new_key
from perdure.gateway.auth.key_file import Keys, changed_keys
from perdure.temporal.app.bench.report.figures import percentile, spread
from perdure.temporal.app.bench.report.report import Group, Row
from perdure.temporal.app.bench.rig.apart import Apart, has_redis
from perdure.temporal.app.bench.rig.failure import BenchFailed
from perdure.temporal.app.bench.rig.rig import AGENT, Provider
from perdure.temporal.app.bench.rig.wire import Tokens, reading, request
from perdure.temporal.sessions.scopes import EVERYTHING

GROUP: Final[Group] = "neighbours"
FAIR, PLAIN = "tenants take turns", "as they come"
_TOKENS: Final = 20
_GAP_S: Final = 0.05
_AGAIN_S: Final = 0.2
_PATIENCE_S: Final = 180.0


async def measure(folder: Path, provider: Provider, quick: bool, step: Callable[[], None]) -> list[Row]:
    if not has_redis():
        details = {"why": "redis-server is not installed"}
        return [Row(group=GROUP, name="first token of the person, p50", value=None, unit="ms", details=details)]
    busy, seconds = (10, 2.0) if quick else (100, 20.0)
    await provider.answer(text="x " * _TOKENS, stamped=True, gap=_GAP_S)
    rows: list[Row] = []
    found: dict[str, list[float]] = {}
    for name in (PLAIN, FAIR):
        place = folder / name.replace(" ", "-")
        place.mkdir()
        file = place / "keys.json"
        many, few = (_key(file, tenant) for tenant in ("many", "few"))
        fair = ("--dynamic-config-value", f"matching.enableFairness={str(name == FAIR).lower()}")
        async with Apart(place, provider, settings={"PERDURE_KEYS_FILE": str(file)}, server=fair) as rig:
            first, turns = await _beside(rig.url, many, few, busy, seconds)
            step()
        found[name] = first
        rows += [
            _row(f"first token of the person, {name}, p50", percentile(first, 50), first),
            _row(f"first token of the person, {name}, worst", max(first), first),
            Row(
                group=GROUP,
                name=f"turns of the {busy} beside, {name}",
                value=round(turns / seconds, 1),
                unit="turns/s",
                better="more",
            ),
        ]
    for what, of in (("p50", lambda values: percentile(values, 50)), ("worst", max)):
        ratio = round(of(found[FAIR]) / of(found[PLAIN]), 2)
        rows.append(Row(group=GROUP, name=f"first token, {FAIR} ÷ {PLAIN}, {what}", value=ratio, unit="times"))
    return rows


def _key(file: Path, tenant: str) -> str:
    made = new_key(tenant, None, EVERYTHING, datetime.now(UTC), None, "")
    with changed_keys(file) as replace:
        before = Keys() if tenant == "many" else Keys.model_validate_json(file.read_bytes())
        replace(before.model_copy(update={"keys": (*before.keys, made.kept)}))
    return made.text


def _row(name: str, value: float, values: list[float]) -> Row:
    return Row(group=GROUP, name=name, value=round(value, 1), unit="ms", details=spread(values))


async def _beside(url: str, many: str, few: str, busy: int, seconds: float) -> tuple[list[float], int]:
    """The person's first tokens, in milliseconds, and the turns of the others."""
    first: list[float] = []
    turns = 0
    async with asyncio.timeout(_PATIENCE_S), AsyncExitStack() as stack:
        # A key is slow to check the first time.
        for key in (many, few):
            await request(f"{_with_key(url, key)}/v1/agents")
        # One after the other: a burst of creations is not what is measured.
        others = [await stack.enter_async_context(_session(url, many)) for _ in range(busy)]
        mine = await stack.enter_async_context(_session(url, few))
        end = time.monotonic() + seconds

        async def talk(address: str, tokens: Tokens) -> None:
            nonlocal turns
            while time.monotonic() < end:
                await _turn(address, tokens)
                turns += 1

        talking = asyncio.gather(*(talk(*one) for one in others))
        while time.monotonic() < end:
            first.append(await _turn(*mine))
        await talking
    return first, turns


@asynccontextmanager
async def _session(url: str, key: str) -> AsyncIterator[tuple[str, Tokens]]:
    """The address of a new session, with its stream."""
    sessions = f"{_with_key(url, key)}/v1/sessions"
    created = await request(sessions, "POST", {"agent": AGENT, "session_id": uuid.uuid4().hex})
    address = f"{sessions}/{created['session_id']}"
    async with reading(f"{address}/events", "step.delta") as tokens:
        await tokens.until("session.started")
        yield address, tokens


def _with_key(url: str, key: str) -> str:
    return url.replace("//", f"//{key}@")


async def _turn(address: str, tokens: Tokens) -> float:
    """Milliseconds from the message to the first token of its answer."""
    before, sent = len(tokens.came), time.time()
    while True:
        try:
            await request(f"{address}/messages", "POST", {"text": "Go on."})
            break
        except BenchFailed as refused:
            if "answered with 503" not in str(refused):
                raise
        await asyncio.sleep(_AGAIN_S)
    await tokens.until("turn.finished")
    return (tokens.came[before].arrived - sent) * 1000
