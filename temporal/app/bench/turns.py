"""Two short ways: from a user's message to the provider's request, and from a user's stop to the end of its stream."""

import time
import uuid
from collections.abc import Callable
from typing import Final

from temporal.app.bench.bare import TASK_QUEUE, Signalled, bare_worker
from temporal.app.bench.report import Row, Target, percentile, spread
from temporal.app.bench.rig import Rig
from temporal.app.bench.wire import request

FIRST: Final = "first"
STOP: Final = "stop"
#: Turns before the ones that count, so that connections and caches are there.
_WARM_UP: Final = 3


async def measure_first(rig: Rig, quick: bool, step: Callable[[], None]) -> list[Row]:
    """Message and bare signal take turns, so that both meet the same machine."""
    turns = 10 if quick else 30
    await rig.provider.answer(text="Yes.")
    session = await rig.create()
    perdure: list[float] = []
    bare: list[float] = []
    async with bare_worker(rig.client, rig.settings) as worker, rig.watching(session) as events:
        handle = await rig.client.start_workflow(Signalled.run, id=f"bench-{uuid.uuid4().hex}", task_queue=TASK_QUEUE)
        for turn in range(turns + _WARM_UP):
            await rig.provider.forget()
            sent = time.time()
            await rig.post(session, "Go on?")
            await events.until("turn.finished")
            arrived = await rig.provider.call(0)
            signalled = time.time()
            await handle.signal(Signalled.ask)
            ran = await worker.arrivals.get()
            if turn >= _WARM_UP:
                perdure.append((arrived - sent) * 1000)
                bare.append((ran - signalled) * 1000)
            step()
        await handle.signal(Signalled.close)
        await handle.result()
    rows = _rows(FIRST, "from POST message to the provider's request", perdure, (None, None))
    rows += _rows(FIRST, "from a bare signal to its activity", bare, (None, None))
    rows.append(
        Row(
            group=FIRST,
            name="POST to request as a multiple of signal to activity, p50",
            value=round(percentile(perdure, 50) / percentile(bare, 50), 2),
            unit="times",
            target=Target(bound="at most", value=2),
        )
    )
    return rows


async def measure_stop(rig: Rig, quick: bool, step: Callable[[], None]) -> list[Row]:
    await rig.provider.answer(text="x " * 3000, stamped=True, gap=0.02)
    session = await rig.create()
    closed: list[float] = []
    async with rig.watching(session) as events:
        for _ in range(5 if quick else 20):
            await rig.provider.forget()
            await rig.post(session, "Go on.")
            await events.until_tokens(len(events.delays) + 5)
            sent = time.time()
            await request(rig.at(session, "stop"), "POST", {})
            closed.append((await rig.provider.call(0, "closed_at") - sent) * 1000)
            await events.until("turn.finished")
            step()
    return _rows(
        STOP, "from POST stop to the provider's stream closed", closed, (None, Target(bound="at most", value=100))
    )


def _rows(group: str, name: str, values: list[float], targets: tuple[Target | None, Target | None]) -> list[Row]:
    details = spread(values)
    return [
        Row(
            group=group,
            name=f"{name}, p{percent}",
            value=round(percentile(values, percent), 2),
            unit="ms",
            target=target,
            details=details,
        )
        for percent, target in zip((50, 95), targets, strict=True)
    ]
