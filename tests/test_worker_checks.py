"""What `perdure doctor` says of workers."""

import uuid

import pytest
from temporalio import activity
from temporalio.worker import Worker

from perdure.temporal.app.commands.worker_checks import own_workers
from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.server.client import connect
from perdure.temporal.settings import Settings
from perdure.temporal.telemetry.log import runtime

pytestmark = pytest.mark.server


@activity.defn
async def nothing() -> None: ...


async def test_a_worker_that_has_stopped_is_not_counted_though_it_polled_a_moment_ago(
    temporal_server: DevServer,
) -> None:
    client = await connect(Settings(), address=temporal_server.address, runtime=runtime())
    queue = uuid.uuid4().hex
    async with Worker(client, task_queue=queue, activities=[nothing]):
        there = await own_workers(client, "tools", queue)
    gone = await own_workers(client, "tools", queue)
    assert (there.state, there.found) == ("ok", f"1 poll the task queue {queue}")
    assert (gone.state, gone.advice) == ("failed", "perdure worker --queues tools starts one")
