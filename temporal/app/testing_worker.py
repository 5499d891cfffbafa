"""A worker that can be killed at a named point, and whose failed attempts are tried again without waiting.

What a kill is here: every call of an activity on the worker is cut at the point, none of them reports a result, the
worker is shut down without grace, and a fresh one that remembers nothing takes its place. Unlike a process that was
killed, the worker still tells Temporal that its attempts are lost, so nobody waits for a heartbeat time-out.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import temporalio.client
import temporalio.worker
from temporalio import activity
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, OutboundInterceptor, QueryWorkflowInput, SignalWorkflowInput
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Worker

from temporal.app.testing_server import skip
from workflows.errors import WORKER_DIED

#: `started`: a worker has the call and has done nothing yet. `streaming`: the answer has begun. `finished`: all is done,
#: and Temporal does not know it yet, so it will be done again.
Point = Literal["step.started", "step.streaming", "step.finished", "tool.started", "tool.finished"]

#: Of a workflow task: one that is lost is back this soon.
TASK_TIMEOUT = timedelta(seconds=1)

_TASK_OPEN = (EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED, EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED)
_CANCELLED_S = 0.05
_STOP_S = 15
_QUESTION_S = 0.25
_QUESTIONS = 20
_LOOK_S = 0.002
#: Looks at an attempt until the server has taken in that it failed.
_LOOKS = 2_500


@dataclass(frozen=True)
class _Trap:
    point: Point
    tool: str | None


class Points(temporalio.client.Interceptor, temporalio.worker.Interceptor):
    """Sees every activity of the worker. Give it to the client that the worker is made with.

    `stand_in(name)` is called in place of the tool `name`, if it is not None.
    """

    def __init__(self, stand_in: Callable[[str], Callable[..., Any] | None]) -> None:
        self.stand_in = stand_in
        self.killed = asyncio.Event()
        #: Set once the killed worker takes nothing new.
        self.gone = asyncio.Event()
        self.client: Client | None = None
        #: Held by every question and signal, and while a worker goes and another comes.
        self.quiet = asyncio.Lock()
        self._trap: _Trap | None = None
        self._skips: set[asyncio.Task[None]] = set()

    def arm(self, point: Point, tool: str | None) -> None:
        self._trap = _Trap(point, tool)

    @property
    def armed(self) -> Point | None:
        return self._trap.point if self._trap else None

    async def reached(self, point: Point, tool: str | None = None) -> None:
        """Does not return if the worker dies here, or is dying."""
        trap = self._trap
        if trap is not None and trap.point == point and trap.tool in (None, tool):
            self._trap = None
            self.killed.set()
        if self.killed.is_set():
            # The SDK cancels a call that is still there, and warns of one that is not; but only of an `async` function
            # does it end the call by that.
            await self.gone.wait()
            await asyncio.sleep(_CANCELLED_S)
            raise _died()

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002 - the SDK's name
        return _OneAtATime(next, self)

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        return _Activity(next, self)

    def failed(self, info: activity.Info, error: BaseException) -> None:
        """Skips the time until the attempt after this one."""
        delay = _delay(info, error)
        if delay is not None:
            task = asyncio.create_task(self._skip(info, delay))
            self._skips.add(task)
            task.add_done_callback(self._skips.discard)

    async def at_work(self, workflow_id: str) -> bool:
        """Whether a worker has a task of this workflow. `describe` does not say so on this server."""
        assert self.client is not None
        last = (await self.client.get_workflow_handle(workflow_id).fetch_history()).events[-1]
        return last.event_type in _TASK_OPEN

    async def close(self) -> None:
        for task in self._skips:
            task.cancel()
        await asyncio.gather(*self._skips, return_exceptions=True)

    async def _skip(self, info: activity.Info, delay: timedelta) -> None:
        assert self.client is not None
        assert info.workflow_id is not None
        handle = self.client.get_workflow_handle(info.workflow_id, run_id=info.workflow_run_id)
        for _ in range(_LOOKS):
            described = (await handle.describe()).raw_description
            pending = [call for call in described.pending_activities if call.activity_id == info.activity_id]
            if not pending:
                return  # it was the last attempt
            if pending[0].attempt > info.attempt:
                async with self.quiet:
                    pass  # not while a worker goes, which would take the attempt with it
                await skip(self.client, delay)
                return
            await asyncio.sleep(_LOOK_S)


class _OneAtATime(OutboundInterceptor):
    """A worker without memory loses a question that meets another task of the same workflow, and a worker that goes
    loses what it has. So they are kept apart, and a question that was lost nevertheless is asked again."""

    def __init__(self, next: OutboundInterceptor, points: Points) -> None:  # noqa: A002 - the SDK's name
        super().__init__(next)
        self._points = points

    async def query_workflow(self, input: QueryWorkflowInput) -> Any:  # noqa: A002 - the SDK's name
        async with self._points.quiet:
            for _ in range(_QUESTIONS):
                for _ in range(_LOOKS):
                    if not await self._points.at_work(input.id):
                        break
                    await asyncio.sleep(_LOOK_S)
                try:
                    async with asyncio.timeout(_QUESTION_S):
                        return await super().query_workflow(input)
                except TimeoutError:
                    continue
        return await super().query_workflow(input)

    async def signal_workflow(self, input: SignalWorkflowInput) -> None:  # noqa: A002 - the SDK's name
        async with self._points.quiet:
            await super().signal_workflow(input)


class _Activity(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, points: Points) -> None:  # noqa: A002 - the SDK's name
        super().__init__(next)
        self._points = points

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - the SDK's name
        info = activity.info()
        if info.is_local:
            return await super().execute_activity(input)
        model = info.activity_type == "call_model"
        name = None if model else info.activity_type
        try:
            await self._points.reached("step.started" if model else "tool.started", name)
            stand_in = None if name is None else self._points.stand_in(name)
            output = await (super().execute_activity(input) if stand_in is None else stand_in(*input.args))
            await self._points.reached("step.finished" if model else "tool.finished", name)
        except BaseException as error:
            died = _died() if self._points.gone.is_set() else None
            self._points.failed(info, died or error)
            if died is not None:
                raise died from error
            raise
        return output


def _died() -> ApplicationError:
    """Its delay keeps the next attempt away from the worker that goes; it is skipped once another is there."""
    return ApplicationError("the worker was killed", type=WORKER_DIED, next_retry_delay=timedelta(seconds=10))


def _delay(info: activity.Info, error: BaseException) -> timedelta | None:
    """How long Temporal waits after this failure; None if it does not try again."""
    policy = info.retry_policy or RetryPolicy()
    if isinstance(error, ApplicationError):
        if error.non_retryable:
            return None
        if error.next_retry_delay is not None:
            return error.next_retry_delay
    delay = policy.initial_interval * policy.backoff_coefficient ** (info.attempt - 1)
    return min(delay, policy.maximum_interval or 100 * policy.initial_interval)


class Workers:
    """One worker at a time, each made by `make`."""

    def __init__(self, make: Callable[[], Worker], points: Points, working: Callable[[], Awaitable[bool]]) -> None:
        """`working` says whether a session's workflow is at work on this worker."""
        self._working = working
        self._make = make
        self._points = points
        self._worker: Worker | None = None
        self._run: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        self._start()
        watch = asyncio.create_task(self._replace_killed())
        try:
            yield
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
            await self._stop()

    async def replace(self) -> None:
        """A fresh worker in the place of the one that runs."""
        async with self._points.quiet:
            for _ in range(_LOOKS):
                if not await self._working():
                    break
                await asyncio.sleep(_LOOK_S)
            await self._stop()
            self._points.killed.clear()
            self._points.gone.clear()
            self._start()

    async def _replace_killed(self) -> None:
        while True:
            await self._points.killed.wait()
            await self.replace()

    def _start(self) -> None:
        self._worker = self._make()
        self._run = asyncio.create_task(self._worker.run())

    async def _stop(self) -> None:
        assert self._worker is not None
        assert self._run is not None
        going = asyncio.create_task(self._worker.shutdown())
        await asyncio.sleep(0)
        self._points.gone.set()
        # A worker that broke down must not hold up the run of pytest.
        async with asyncio.timeout(_STOP_S):
            await going
            await self._run
