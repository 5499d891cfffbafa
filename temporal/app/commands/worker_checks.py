"""What `perdure doctor` says of workers.

Rule: who polls is known from the server, which remembers a poll for a minute; who of them is gone, from heartbeats.
"""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.worker.v1 import WorkerHeartbeat
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from perdure.temporal.app.commands.checkup import Check
from perdure.temporal.sessions.workers import DEAD_S, SHUT, SKEW_S, heartbeats
from perdure.temporal.task_queues import Serves
from perdure.temporal.telemetry.log import WORKER_HEARTBEAT
from perdure.workflows.protocol.activities import TASK_QUEUE

_RPC: Final = timedelta(seconds=10)
#: A worker's long poll lasts a minute, and the server notes its beginning.
_POLLED_WITHIN: Final = timedelta(seconds=70)
_BOTH: Final = (TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY)
_RARE: Final = 2 * WORKER_HEARTBEAT
#: Seconds between two looks at heartbeats, which come each second.
_LOOK_S: Final = 0.25


async def workers(client: Client) -> Check:
    """Raises RPCError."""
    return await _polled(client, TASK_QUEUE, _BOTH, "perdure worker starts one")


async def own_workers(client: Client, kind: Serves, queue: str) -> Check:
    """Calls that are sent to a queue of their own wait for as long as nobody polls it. Raises RPCError."""
    return await _polled(client, queue, _BOTH[1:], f"perdure worker --queues {kind} starts one")


async def _polled(client: Client, queue: str, kinds: Sequence[TaskQueueType.ValueType], advice: str) -> Check:
    """A worker that has just started may not have asked for all kinds of tasks yet."""
    for wait in (0.5, 1.0, 0.0):
        polling = await _polling(client, queue, kinds)
        if polling:
            break
        await asyncio.sleep(wait)
    living = await _living(client, queue, polling) if polling else ()
    if not living:
        return Check("failed", "workers", f"none polls the task queue {queue}", advice)
    return Check("ok", "workers", f"{len(living)} poll the task queue {queue}")


async def _polling(client: Client, queue: str, kinds: Sequence[TaskQueueType.ValueType]) -> set[str]:
    """Workers that asked for all of these kinds of tasks."""
    polling: list[set[str]] = []
    for kind in kinds:
        request = DescribeTaskQueueRequest(
            namespace=client.namespace, task_queue=TaskQueue(name=queue), task_queue_type=kind
        )
        described = await client.workflow_service.describe_task_queue(request, timeout=_RPC)
        since = datetime.now(UTC) - _POLLED_WITHIN
        polling.append({p.identity for p in described.pollers if p.last_access_time.ToDatetime(tzinfo=UTC) > since})
    return set.intersection(*polling)


async def _living(client: Client, queue: str, polling: Collection[str]) -> set[str]:
    """Those of whom a heartbeat comes while it is waited for; one of whom none is known counts as living."""
    first: dict[str, int] | None = None
    until = time.monotonic() + DEAD_S
    while True:
        beats = await heartbeats(client, queue)
        if beats is None:
            return set(polling)
        if first is None:
            first = {beat.worker_instance_key: beat.heartbeat_time.ToNanoseconds() for beat in beats}
        known = {beat.worker_identity for beat in beats}
        awaited = {beat.worker_identity for beat in beats if not _over(beat)}
        living = {beat.worker_identity for beat in beats if not _over(beat) and (_rare(beat) or _moved(beat, first))}
        found = {one for one in polling if one in living or one not in known}
        if found == {one for one in polling if one in awaited or one not in known} or time.monotonic() > until:
            return found
        await asyncio.sleep(_LOOK_S)


def _moved(beat: WorkerHeartbeat, first: Mapping[str, int]) -> bool:
    return first.get(beat.worker_instance_key) != beat.heartbeat_time.ToNanoseconds()


def _rare(beat: WorkerHeartbeat) -> bool:
    """Another program's worker, whose next heartbeat is not worth waiting for."""
    return beat.elapsed_since_last_heartbeat.ToTimedelta() > _RARE


def _over(beat: WorkerHeartbeat) -> bool:
    age = datetime.now(UTC) - beat.heartbeat_time.ToDatetime(tzinfo=UTC)
    return beat.status in SHUT or age.total_seconds() > SKEW_S
