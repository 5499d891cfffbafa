"""The same workloads on Temporal alone, on the same server and with the same worker settings, for comparison.

`Signalled` runs one activity per signal and nothing else. `Streamed` sends a model's tokens through Temporal itself,
with the SDK's `workflow_streams`.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Final

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.contrib.workflow_streams import WorkflowStream, WorkflowStreamClient
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from perdure.temporal.settings import Settings

TASK_QUEUE: Final = "bench"
TOPIC: Final = "token"
BATCH: Final = timedelta(milliseconds=100)
_LONG: Final = timedelta(minutes=5)


@workflow.defn
class Signalled:
    def __init__(self) -> None:
        self._open = 0
        self._closed = False

    @workflow.run
    async def run(self) -> None:
        while True:
            await workflow.wait_condition(lambda: self._closed or self._open > 0)
            if self._closed:
                return
            self._open -= 1
            await workflow.execute_activity_method(Bare.arrive, start_to_close_timeout=_LONG)

    @workflow.signal
    def ask(self) -> None:
        self._open += 1

    @workflow.signal
    def close(self) -> None:
        self._closed = True


@workflow.defn
class Streamed:
    @workflow.init
    def __init__(self, provider: str) -> None:
        self._stream = WorkflowStream()
        self._closed = False

    @workflow.run
    async def run(self, provider: str) -> None:
        await workflow.execute_activity_method(Bare.publish, provider, start_to_close_timeout=_LONG)
        await workflow.wait_condition(lambda: self._closed)
        self._stream.detach_pollers()
        await workflow.wait_condition(workflow.all_handlers_finished)

    @workflow.signal
    def close(self) -> None:
        self._closed = True


class Bare:
    """The activities."""

    def __init__(self) -> None:
        #: When `arrive` ran.
        self.arrivals: asyncio.Queue[float] = asyncio.Queue()

    @activity.defn
    async def arrive(self) -> None:
        self.arrivals.put_nowait(time.time())

    @activity.defn
    async def publish(self, provider: str) -> None:
        stream = WorkflowStreamClient.from_within_activity(batch_interval=BATCH)
        topic = stream.topic(TOPIC, type=str)
        async with stream:
            async for token in sdk_tokens(provider):
                topic.publish(token)


async def sdk_tokens(provider: str) -> AsyncIterator[str]:
    """The text of one answer of the provider at this URL, through Anthropic's SDK."""
    # Imported here, because the command line imports this module and must not wait for an SDK.
    from anthropic import AsyncAnthropic

    async with AsyncAnthropic(base_url=provider, api_key="none", max_retries=0) as client:
        events = await client.messages.create(
            model="claude-haiku-5-5",
            max_tokens=4096,
            messages=[{"role": "user", "content": [{"type": "text", "text": "Go on."}]}],
            stream=True,
        )
        async for event in events:
            if event.type == "content_block_delta" and event.delta.type == "text_delta":
                yield event.delta.text


@asynccontextmanager
async def bare_worker(client: Client, settings: Settings) -> AsyncIterator[Bare]:
    bare = Bare()
    throttle = timedelta(seconds=settings.heartbeat_throttle_s)
    worker = Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=[Signalled, Streamed],
        activities=[bare.arrive, bare.publish],
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_concurrent_activities=settings.activity_slots,
        max_cached_workflows=settings.cached_workflows,
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=settings.sticky_schedule_to_start_s),
        max_heartbeat_throttle_interval=throttle,
        default_heartbeat_throttle_interval=throttle,
    )
    running = asyncio.create_task(worker.run())
    try:
        yield bare
    finally:
        await worker.shutdown()
        with suppress(asyncio.CancelledError):
            await running
