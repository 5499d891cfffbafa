"""Token delay: from the provider's sending to the reader, through Perdure, directly, and through `workflow_streams`.

All paths read the same provider, one after the other in the same run, with the same clock.
"""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Final

from temporalio.contrib.workflow_streams import WorkflowStreamClient

from perdure.temporal.app.bench.bare.session import BATCH, TASK_QUEUE, TOPIC, Streamed, bare_worker, sdk_tokens
from perdure.temporal.app.bench.report.figures import curve, percentile, spread
from perdure.temporal.app.bench.report.report import Group, Row, Target
from perdure.temporal.app.bench.rig.rig import Rig
from perdure.temporal.app.bench.rig.wire import Token, reading

GROUP: Final[Group] = "tokens"
_RATE: Final = 50
_CROWD_RATE: Final = 20
_CROWDS: Final = (20, 50)
#: Seconds per member that a crowd has to connect before its first message.
_CONNECT_S: Final = 0.06
_MODEL: Final = "claude-haiku-5-5"

#: All tokens of one answer of `count` tokens, requested at a given time of the event loop's clock.
Path = Callable[[Rig, int, float], Awaitable[list[Token]]]


async def measure(rig: Rig, quick: bool, step: Callable[[], None]) -> list[Row]:
    count = 75 if quick else 1000
    await rig.provider.answer(text="x " * count, stamped=True, gap=1 / _RATE)
    found: dict[str, list[float]] = {}
    paths: tuple[tuple[str, Path], ...] = (
        ("directly", _directly),
        ("Anthropic's SDK", _by_sdk),
        ("Perdure", through_perdure),
        ("workflow_streams", _through_streams),
    )
    for name, path in paths:
        found[name] = delays(await path(rig, count, 0))
        step()
    alone = f"1 at {_RATE}/s"
    rows = [row for name, values in found.items() for row in _rows(f"{name}, {alone}", values)]
    perdure, direct = found["Perdure"], found["directly"]
    rows += _added(alone, perdure, direct, (Target(bound="at most", value=2), Target(bound="at most", value=5)))
    streams = percentile(found["workflow_streams"], 50)
    rows.append(
        Row(
            group=GROUP,
            name="workflow_streams ÷ Perdure, p50",
            value=round(streams / percentile(perdure, 50), 1),
            unit="times",
            better="more",
            target=Target(bound="at least", value=30),
            details={"batch_ms": BATCH.total_seconds() * 1000, "subscribers": 1},
        )
    )
    count = 50 if quick else 200
    await rig.provider.answer(text="x " * count, stamped=True, gap=1 / _CROWD_RATE)
    for crowd in _CROWDS[:1] if quick else _CROWDS:
        direct, perdure = await _crowd(_directly, rig, crowd, count), await _crowd(through_perdure, rig, crowd, count)
        step()
        together = f"{crowd} at {_CROWD_RATE}/s"
        rows += _rows(f"directly, {together}", direct)
        rows += _rows(f"Perdure, {together}", perdure)
        rows += _added(together, perdure, direct, (None, None))
    return rows


async def _crowd(path: Path, rig: Rig, sessions: int, count: int) -> list[float]:
    """Delays while all of them stream. They start one after the other, so that their tokens do not come in bursts."""
    begin = asyncio.get_running_loop().time() + _CONNECT_S * sessions
    pause = (1 + 1 / sessions) / _CROWD_RATE
    answers = await asyncio.gather(*(path(rig, count, begin + at * pause) for at in range(sessions)))
    since = max(tokens[0].sent for tokens in answers) + 0.5
    until = min(tokens[-1].sent for tokens in answers)
    return delays([token for tokens in answers for token in tokens if since <= token.sent <= until])


async def _directly(rig: Rig, count: int, at: float) -> list[Token]:
    question = [{"role": "user", "content": [{"type": "text", "text": "Go on."}]}]
    body = {"model": _MODEL, "max_tokens": 4096, "stream": True, "messages": question}
    await _until(at)
    async with reading(f"{rig.provider.url}/v1/messages", "content_block_delta", "POST", body) as tokens:
        await tokens.until_tokens(count)
        return tokens.came


async def _by_sdk(rig: Rig, count: int, at: float) -> list[Token]:
    await _until(at)
    return [Token(float(token), time.time()) async for token in sdk_tokens(rig.provider.url)]


async def through_perdure(rig: Rig, count: int, at: float) -> list[Token]:
    """Of a new session, whose message is sent at `at`, or now if that is past."""
    session = await rig.create()
    async with rig.watching(session) as tokens:
        await _until(at)
        await rig.post(session, "Go on.")
        await tokens.until("turn.finished")
        return tokens.came


async def _through_streams(rig: Rig, count: int, at: float) -> list[Token]:
    tokens: list[Token] = []
    async with bare_worker(rig.client, rig.settings):
        await _until(at)
        handle = await rig.client.start_workflow(
            Streamed.run, rig.provider.url, id=f"bench-{uuid.uuid4().hex}", task_queue=TASK_QUEUE
        )
        stream = WorkflowStreamClient.create(rig.client, handle.id)
        async for item in stream.subscribe([TOPIC], result_type=str):
            tokens.append(Token(float(item.data), time.time()))
            if len(tokens) == count:
                break
        await handle.signal(Streamed.close)
        await handle.result()
    return tokens


async def _until(at: float) -> None:
    await asyncio.sleep(at - asyncio.get_running_loop().time())


def delays(tokens: list[Token]) -> list[float]:
    """In milliseconds."""
    return [(token.arrived - token.sent) * 1000 for token in tokens]


def _rows(name: str, values: list[float]) -> list[Row]:
    details = spread(values)
    return [
        Row(
            group=GROUP,
            name=f"{name}, p{percent}",
            value=round(percentile(values, percent), 3),
            unit="ms",
            details={**details, "who": name, "curve": curve(values)} if percent == 50 else details,
        )
        for percent in (50, 95)
    ]


def _added(
    which: str, perdure: list[float], direct: list[float], targets: tuple[Target | None, Target | None]
) -> list[Row]:
    return [
        Row(
            group=GROUP,
            name=f"added by Perdure, {which}, p{percent}",
            value=round(percentile(perdure, percent) - percentile(direct, percent), 3),
            unit="ms",
            target=target,
        )
        for percent, target in zip((50, 95), targets, strict=True)
    ]
