"""Two short paths: from a user's message to the provider's request, and from a user's stop to the end of its stream."""

import time
import uuid
from collections.abc import Callable
from typing import Final

from perdure.temporal.app.bench.bare.session import TASK_QUEUE, Signalled, bare_worker
from perdure.temporal.app.bench.report.figures import curve, percentile, spread
from perdure.temporal.app.bench.report.report import Group, Row, Target
from perdure.temporal.app.bench.rig.rig import Rig
from perdure.temporal.app.bench.rig.wire import request
from perdure.temporal.sessions.content import content_sha256
from perdure.workflows.protocol.signals import SendMessage
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.parts import Text

#: Warm-up turns, so that connections and caches are in place.
WARM_UP: Final = 3


async def measure_first(rig: Rig, quick: bool, step: Callable[[], None]) -> list[Row]:
    """The three ways take turns, so that all see the same machine load."""
    posted: list[float] = []
    signalled: list[float] = []
    bare: list[float] = []
    await rig.provider.answer(text="Yes.")
    session = await rig.create()
    digest = (await rig.session(session).query(SessionWorkflow.receipt, "")).digest

    async def post() -> None:
        await rig.post(session, "Go on?")

    async def signal() -> None:
        parts = (Text(text="Go on?"),)
        message = {
            "message_id": uuid.uuid4().hex,
            "content_sha256": content_sha256(parts),
            "cursor": 0,
            "digest": digest,
        }
        command = SendMessage(parts=parts, **message)
        await rig.session(session).signal(SessionWorkflow.send_message, command)

    async with bare_worker(rig.client, rig.settings) as worker, rig.watching(session) as events:
        handle = await rig.client.start_workflow(Signalled.run, id=f"bench-{uuid.uuid4().hex}", task_queue=TASK_QUEUE)
        for turn in range((10 if quick else 30) + WARM_UP):
            for send, found in ((post, posted), (signal, signalled)):
                await rig.provider.forget()
                sent = time.time()
                await send()
                await events.until("turn.finished")
                found.append((await rig.provider.call(0) - sent) * 1000)
            sent = time.time()
            await handle.signal(Signalled.ask)
            bare.append((await worker.arrivals.get() - sent) * 1000)
            if turn + 1 == WARM_UP:
                for found in (posted, signalled, bare):
                    found.clear()
            step()
        await handle.signal(Signalled.close)
        await handle.result()
    rows = _rows("first", "POST message to request", posted, (None, None))
    rows += _rows("first", "signal to request", signalled, (None, None))
    rows += _rows("first", "bare signal to bare activity", bare, (None, None))
    base = percentile(bare, 50)
    for name, found, target in (
        ("POST to request ÷ bare, p50", posted, None),
        ("signal to request ÷ bare, p50", signalled, Target(bound="at most", value=2)),
    ):
        value = round(percentile(found, 50) / base, 2)
        rows.append(Row(group="first", name=name, value=value, unit="times", target=target))
    return rows


async def measure_stop(rig: Rig, quick: bool, step: Callable[[], None]) -> list[Row]:
    closed = await stops(rig, 5 if quick else 20, step)
    return _rows("stop", "POST stop to closed", closed, (None, Target(bound="at most", value=100)))


async def stops(rig: Rig, count: int, step: Callable[[], None]) -> list[float]:
    """Milliseconds from each stop to the end of its stream at the provider."""
    await rig.provider.answer(text="x " * 3000, stamped=True, gap=0.02)
    session = await rig.create()
    closed: list[float] = []
    async with rig.watching(session) as events:
        for _ in range(count):
            await rig.provider.forget()
            await rig.post(session, "Go on.")
            await events.until_tokens(len(events.came) + 5)
            sent = time.time()
            await request(rig.at(session, "stop"), "POST", {})
            closed.append((await rig.provider.call(0, "closed_at") - sent) * 1000)
            await events.until("turn.finished")
            step()
    return closed


def _rows(group: Group, name: str, values: list[float], targets: tuple[Target | None, Target | None]) -> list[Row]:
    details = spread(values)
    return [
        Row(
            group=group,
            name=f"{name}, p{percent}",
            value=round(percentile(values, percent), 2),
            unit="ms",
            target=target,
            details={**details, "who": name, "curve": curve(values)} if percent == 50 else details,
        )
        for percent, target in zip((50, 95), targets, strict=True)
    ]
