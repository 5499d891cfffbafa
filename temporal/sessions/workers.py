"""Which workers live: so that a session whose worker is only busy is told from one that nobody answers for.

Rule 1: a worker lives while its heartbeats go on. The SDK's core sends them from threads of its own, so a worker that is
busy, or held up by a tool, still does; one that was killed or stopped does not.
Rule 2: silence is measured by this process's clock, between two looks. A heartbeat's own time is another machine's, and
is believed only where it is long past.
Rule 3: a worker that says that it shuts down takes nothing more. One of another build than the session's is no help.
Rule 4: where the server keeps no heartbeats, whoever polled within the last 70 s lives: a long poll lasts a minute.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import TaskQueueType, VersioningBehavior, WorkerStatus
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.worker.v1 import WorkerHeartbeat
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    DescribeTaskQueueResponse,
    DescribeWorkflowExecutionRequest,
    ListWorkersRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from perdure.temporal.telemetry.log import WORKER_HEARTBEAT
from perdure.workflows.protocol.activities import TASK_QUEUE

log = structlog.get_logger(__name__)

#: Seconds between two looks of a gateway at its workers.
LOOK_S: Final = 1.0
#: Seconds without a heartbeat after which a worker is taken for dead, and after which it is suspected to be.
DEAD_S: Final = 3.0
SUSPECT_S: Final = 1.5
#: The same for workers that send heartbeats more rarely: as many times their own interval.
_DEAD_INTERVALS: Final = 2.5
_SUSPECT_INTERVALS: Final = 1.5
#: Of a worker that has sent a single one: what Perdure's workers do.
_USUAL_INTERVAL_S: Final = WORKER_HEARTBEAT.total_seconds()
#: Temporal gives a worker's tasks to others by itself once it has not polled for 10 s.
_NOTICED_S: Final = 15.0
#: How far apart the clocks of two machines may be.
SKEW_S: Final = 30.0
_POLLED_WITHIN_S: Final = 70.0
_PAGE: Final = 200
#: A worker that starts with the gateway is seen some seconds later.
_STARTING_S: Final = 6.0

#: What a worker says of itself that takes nothing more.
SHUT: Final = (WorkerStatus.WORKER_STATUS_SHUTTING_DOWN, WorkerStatus.WORKER_STATUS_SHUTDOWN)

#: Name of a deployment and its build; None: without versions.
Version = tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class _Seen:
    """A worker as of the last look. `since` is when its last heartbeat was first seen, by this process's clock."""

    told: int
    since: float
    interval_s: float
    shut: bool
    version: Version

    def silent(self, now: float, seconds: float, intervals: float) -> bool:
        return self.shut or now - self.since >= max(seconds, intervals * self.interval_s)


class Workers:
    """The workers of a task queue: that of sessions, or another that takes activities alone. `here` says that there is one
    and it is in this process, so it lives."""

    def __init__(self, client: Client, *, here: bool = False, queue: str = TASK_QUEUE) -> None:
        self._client = client
        self._here = here
        self._name = queue
        self._seen: Mapping[str, _Seen] = {}
        self._looked_at = float("-inf")
        self._told = True
        self._unpolled_since: float | None = None
        self._looking = asyncio.Lock()

    async def any_for(self, session: str) -> bool:
        """Whether a worker lives that could answer for the session (a workflow id). Raises RPCError."""
        if self._here:
            return True
        await self._look()
        now = time.monotonic()
        if not self._told or not self._seen:
            return bool(_polled(await self._queue()))
        versions = {seen.version for seen in self._seen.values() if not seen.silent(now, DEAD_S, _DEAD_INTERVALS)}
        if not versions:
            return False
        wanted = await self._wanted(session)
        return not versions.isdisjoint(wanted)

    async def any_dead(self) -> bool:
        """Whether a worker is suspected to have died a moment ago; of one that is dead for longer Temporal knows.

        Raises RPCError."""
        if self._here:
            return False
        await self._look()
        now = time.monotonic()
        return any(
            not seen.shut and seen.silent(now, SUSPECT_S, _SUSPECT_INTERVALS) and now - seen.since < _NOTICED_S
            for seen in self._seen.values()
        )

    async def any_polls(self) -> bool:
        """Whether anybody polls the queue, whichever build it is. Raises RPCError."""
        polled = _polled(await self._queue())
        if self._here or not polled:
            return polled
        await self._look()
        return not self._seen or not self._all_silent

    async def all_gone(self) -> bool:
        """Whether no worker lives, whichever build it would be. To be asked each `LOOK_S`, so that a silence is known when
        it matters; costs one call to Temporal. Raises RPCError."""
        if self._here:
            return False
        await self._look()
        if self._told and self._seen:
            return self._all_silent
        if _polled(await self._queue()):
            self._unpolled_since = None
            return False
        now = time.monotonic()
        if self._unpolled_since is None:
            self._unpolled_since = now
        return now - self._unpolled_since >= _STARTING_S

    @property
    def _all_silent(self) -> bool:
        now = time.monotonic()
        return all(seen.silent(now, DEAD_S, _DEAD_INTERVALS) for seen in self._seen.values())

    async def _look(self) -> None:
        async with self._looking:
            if not self._told or time.monotonic() - self._looked_at < LOOK_S / 4:
                return
            beats = await heartbeats(self._client, self._name)
            if beats is None:
                self._told = False
                return
            self._seen = {beat.worker_instance_key: self._noted(beat) for beat in beats}
            self._looked_at = time.monotonic()

    def _noted(self, beat: WorkerHeartbeat) -> _Seen:
        before = self._seen.get(beat.worker_instance_key)
        told = beat.heartbeat_time.ToNanoseconds()
        now = time.monotonic()
        if before is not None and before.told == told:
            since = before.since
        else:
            age = (datetime.now(UTC) - beat.heartbeat_time.ToDatetime(tzinfo=UTC)).total_seconds()
            since = now - age if before is None and age > SKEW_S else now
        interval = beat.elapsed_since_last_heartbeat.ToNanoseconds() / 1e9 or _USUAL_INTERVAL_S
        deployment = beat.deployment_version
        version = (deployment.deployment_name, deployment.build_id) if deployment.deployment_name else None
        return _Seen(told, since, interval, beat.status in SHUT, version)

    async def _wanted(self, session: str) -> set[Version]:
        """The builds that could carry the session on."""
        described = await self._client.workflow_service.describe_workflow_execution(
            DescribeWorkflowExecutionRequest(
                namespace=self._client.namespace, execution=WorkflowExecution(workflow_id=session)
            )
        )
        versioning = described.workflow_execution_info.versioning_info
        pinned = versioning.versioning_override.pinned.version
        if not pinned.deployment_name and versioning.behavior == VersioningBehavior.VERSIONING_BEHAVIOR_PINNED:
            pinned = versioning.deployment_version
        if pinned.deployment_name:
            return {(pinned.deployment_name, pinned.build_id)}
        queue = (await self._queue()).versioning_info
        current = queue.current_deployment_version
        wanted: set[Version] = {(current.deployment_name, current.build_id) if current.deployment_name else None}
        if queue.ramping_version_percentage > 0:
            ramping = queue.ramping_deployment_version
            wanted.add((ramping.deployment_name, ramping.build_id) if ramping.deployment_name else None)
        return wanted

    async def _queue(self) -> DescribeTaskQueueResponse:
        sessions = self._name == TASK_QUEUE
        kind = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW if sessions else TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
        request = DescribeTaskQueueRequest(
            namespace=self._client.namespace, task_queue=TaskQueue(name=self._name), task_queue_type=kind
        )
        return await self._client.workflow_service.describe_task_queue(request)


async def heartbeats(client: Client, queue: str) -> list[WorkerHeartbeat] | None:
    """The last of each worker of a task queue, also of some that are gone; None where the server keeps none.
    Raises RPCError."""
    found: list[WorkerHeartbeat] = []
    token = b""
    while True:
        request = ListWorkersRequest(
            namespace=client.namespace,
            page_size=_PAGE,
            next_page_token=token,
            query=f"TaskQueue = {_quoted(queue)}",
        )
        try:
            page = await client.workflow_service.list_workers(request)
        except RPCError as error:
            if error.status is RPCStatusCode.UNIMPLEMENTED:
                return None
            raise
        found += (info.worker_heartbeat for info in page.workers_info)
        token = page.next_page_token
        if not token:
            return found


def _quoted(name: str) -> str:
    """For a query; the names of task queues come from settings, which refuse what is no plain text."""
    return "'" + name.replace("'", "''") + "'"


def _polled(queue: DescribeTaskQueueResponse) -> bool:
    since = datetime.now(UTC).timestamp() - _POLLED_WITHIN_S
    return any(_seconds(poller.last_access_time) > since for poller in queue.pollers)


def _seconds(timestamp: Any) -> float:
    return float(timestamp.ToNanoseconds()) / 1e9
