"""Token delay: from the provider's sending to the reader, through Perdure, directly, and through `workflow_streams`.

All paths read the same provider, one after the other in the same run, with the same clock.
"""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Final

from temporalio.contrib.workflow_streams import WorkflowStreamClient

from temporal.app.bench.bare import BATCH, TASK_QUEUE, TOPIC, Streamed, bare_worker, sdk_tokens
from temporal.app.bench.report import Row, Target, percentile, spread
from temporal.app.bench.rig import Rig
from temporal.app.bench.wire import reading

GROUP: Final = "tokens"
_RATE: Final = 50
_CROWD_RATE: Final = 20
_CROWDS: Final = (20, 50)

#: Milliseconds from sending to arrival, of all tokens of `sessions` answers of `count` tokens each.
Path = Callable[[Rig, int, int], Awaitable[list[float]]]


async def measure(rig: Rig, quick: bool, step: Callable[[], None]) -> list[Row]:
    count = 200 if quick else 1000
    await rig.provider.answer(text="x " * count, stamped=True, gap=1 / _RATE)
    found: dict[str, list[float]] = {}
    paths: tuple[tuple[str, Path], ...] = (
        ("directly", _directly),
        ("by Anthropic's SDK", _by_sdk),
        ("through Perdure", _through_perdure),
        ("through workflow_streams", _through_streams),
    )
    for name, path in paths:
        found[name] = await path(rig, 1, count)
        step()
    alone = f"1 session at {_RATE}/s"
    rows = [row for name, delays in found.items() for row in _rows(f"token delay {name}, {alone}", delays)]
    perdure, direct = found["through Perdure"], found["directly"]
    rows += _added(alone, perdure, direct, (Target(bound="at most", value=2), Target(bound="at most", value=5)))
    streams = percentile(found["through workflow_streams"], 50)
    rows.append(
        Row(
            group=GROUP,
            name="workflow_streams' token delay as a multiple of Perdure's, p50",
            value=round(streams / percentile(perdure, 50), 1),
            unit="times",
            target=Target(bound="at least", value=30),
            details={"batch_ms": BATCH.total_seconds() * 1000, "subscribers": 1},
        )
    )
    count = 60 if quick else 200
    await rig.provider.answer(text="x " * count, stamped=True, gap=1 / _CROWD_RATE)
    for crowd in _CROWDS:
        direct, perdure = await _directly(rig, crowd, count), await _through_perdure(rig, crowd, count)
        step()
        together = f"{crowd} sessions at {_CROWD_RATE}/s"
        rows += _rows(f"token delay directly, {together}", direct)
        rows += _rows(f"token delay through Perdure, {together}", perdure)
        rows += _added(together, perdure, direct, (None, None))
    return rows


async def _directly(rig: Rig, sessions: int, count: int) -> list[float]:
    body = {"model": "claude-haiku-5-5", "max_tokens": 4096, "stream": True}
    body |= {"messages": [{"role": "user", "content": [{"type": "text", "text": "Go on."}]}]}

    async def one() -> list[float]:
        url = f"{rig.provider.url}/v1/messages"
        async with reading(url, "content_block_delta", "POST", body) as tokens:
            await tokens.until_tokens(count)
            return tokens.delays

    return await _together([one() for _ in range(sessions)])


async def _by_sdk(rig: Rig, sessions: int, count: int) -> list[float]:
    async def one() -> list[float]:
        return [time.time() - float(token) async for token in sdk_tokens(rig.provider.url)]

    return await _together([one() for _ in range(sessions)])


async def _through_perdure(rig: Rig, sessions: int, count: int) -> list[float]:
    async def one(session: str) -> list[float]:
        async with rig.watching(session) as tokens:
            await rig.post(session, "Go on.")
            await tokens.until("turn.finished")
            return tokens.delays

    return await _together([one(await rig.create()) for _ in range(sessions)])


async def _through_streams(rig: Rig, sessions: int, count: int) -> list[float]:
    async def one() -> list[float]:
        handle = await rig.client.start_workflow(
            Streamed.run, rig.provider.url, id=f"bench-{uuid.uuid4().hex}", task_queue=TASK_QUEUE
        )
        delays: list[float] = []
        stream = WorkflowStreamClient.create(rig.client, handle.id)
        async for item in stream.subscribe([TOPIC], result_type=str):
            delays.append(time.time() - float(item.data))
            if len(delays) == count:
                break
        await handle.signal(Streamed.close)
        await handle.result()
        return delays

    async with bare_worker(rig.client, rig.settings):
        return await _together([one() for _ in range(sessions)])


async def _together(answers: list[Awaitable[list[float]]]) -> list[float]:
    return [delay * 1000 for delays in await asyncio.gather(*answers) for delay in delays]


def _rows(name: str, delays: list[float]) -> list[Row]:
    details = spread(delays)
    return [
        Row(
            group=GROUP,
            name=f"{name}, p{percent}",
            value=round(percentile(delays, percent), 3),
            unit="ms",
            details=details,
        )
        for percent in (50, 95)
    ]


def _added(
    which: str, perdure: list[float], direct: list[float], targets: tuple[Target | None, Target | None]
) -> list[Row]:
    return [
        Row(
            group=GROUP,
            name=f"token delay added by Perdure, {which}, p{percent}",
            value=round(percentile(perdure, percent) - percentile(direct, percent), 3),
            unit="ms",
            target=target,
        )
        for percent, target in zip((50, 95), targets, strict=True)
    ]
