"""The points at which a worker can be killed, and what is seen there of each of its calls, questions and signals.

This test server loses a call that was asked to cancel and then fails in a way that may be tried again: there is neither
another attempt nor an end. A real server does not try such a call again, so here its failure is made its last one.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal, get_args

import temporalio.client
import temporalio.worker
from temporalio import activity
from temporalio.client import Client, OutboundInterceptor, QueryWorkflowInput, SignalWorkflowInput, WorkflowHandle
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from perdure.temporal.app.testing.histories import cancelled_calls, open_calls
from perdure.temporal.app.testing.server import rests, skip
from perdure.workflows.protocol.document_activities import ReadDocumentsInput
from perdure.workflows.vocabulary.errors import WORKER_DIED

#: `started`: a worker has the call and has done nothing yet. `streaming`: the answer has begun. `finished`: all is done,
#: and Temporal does not know it yet, so it will be done again.
Point = Literal["step.started", "step.streaming", "step.finished", "tool.started", "tool.finished"]
POINTS: Final = get_args(Point)

#: What sessions and purses have with each other: no tool, and no place to be killed at.
_BETWEEN: Final = frozenset(["draw_leases", "visit_sessions"])
#: Activities that no test means unless it names them: they run beside the turn, whenever they like.
_BESIDE: Final = frozenset({"seal_past"})

_STOP_S: Final = 15
_QUESTION_S: Final = 1
_QUESTIONS: Final = 20
#: An answer that comes after the end of its session is never taken in.
_LOOKS_AT_ANSWERS: Final = 100
_LOOK_S: Final = 0.002
#: Looks at an attempt until the server has taken in that it failed.
_LOOKS: Final = 2_500
#: Until the attempt after one that was killed.
_AGAIN: Final = timedelta(milliseconds=20)


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
        #: While the worker is dead the one is set, else the other.
        self.killed = asyncio.Event()
        self.alive = asyncio.Event()
        self.alive.set()
        #: The test has come to its end: whatever is at work fails, and nothing is begun.
        self.over = asyncio.Event()
        self.client: Client | None = None
        #: Held by every question and signal, and while a killed worker comes back.
        self.quiet = asyncio.Lock()
        #: Calls that have an answer which the server may not have yet, by workflow.
        self._answered: dict[str, set[str]] = {}
        self._trap: _Trap | None = None
        self._skips: set[asyncio.Task[None]] = set()

    def arm(self, point: Point, tool: str | None) -> None:
        self._trap = _Trap(point, tool)

    def kill(self) -> None:
        self.alive.clear()
        self.killed.set()

    def finish(self) -> None:
        """The test is over: every call fails for good."""
        self.over.set()
        self.alive.set()

    @property
    def armed(self) -> Point | None:
        return self._trap.point if self._trap else None

    async def cut(self) -> None:
        """Returns when the worker is killed, or the test is over."""
        ends = [asyncio.create_task(event.wait()) for event in (self.killed, self.over)]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in ends:
                one.cancel()

    async def reached(self, point: Point, tool: str | None = None) -> None:
        """Does not return if the worker dies here, or is dead: the call is cut."""
        trap = self._trap
        meant = trap is not None and (trap.tool == tool if trap.tool or tool in _BESIDE else True)
        if trap is not None and meant and trap.point == point:
            self._trap = None
            self.kill()
        if self.killed.is_set() or self.over.is_set():
            await asyncio.Event().wait()

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002 - the SDK's name
        return _NotWhileDead(next, self)

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        return _Activity(next, self)

    def failed(self, info: activity.Info, error: BaseException) -> None:
        """Skips the time until the attempt after this one."""
        delay = _delay(info, error)
        if delay is not None and delay != _AGAIN:
            task = asyncio.create_task(self._skip(info, delay))
            self._skips.add(task)
            task.add_done_callback(self._skips.discard)

    async def is_cancelled(self, info: activity.Info) -> bool:
        """Whether the session has asked the call to cancel, and does not do so in a task that is open."""
        handle = self._session_of(info)
        await rests(handle)
        return info.activity_id in cancelled_calls((await handle.fetch_history()).events)

    async def answered(self, info: activity.Info) -> None:
        """Returns when no question is under way; the next one waits until the server has this call's answer."""
        async with self.quiet:
            self._answered.setdefault(info.workflow_id or "", set()).add(info.activity_id)

    async def settled(self, handle: WorkflowHandle[Any, Any]) -> None:
        """Returns once the server has every answer that was given, and has no task of the workflow open."""
        waiting = self._answered.pop(handle.id, set())
        for _ in range(_LOOKS_AT_ANSWERS):
            if not waiting:
                break
            waiting &= open_calls((await handle.fetch_history()).events)
            await asyncio.sleep(_LOOK_S if waiting else 0)
        await rests(handle)

    async def close(self) -> None:
        """For when the sessions have ended. A skip that were cut off would leave the server's clock standing for good."""
        self.alive.set()
        if self._skips:
            await asyncio.wait(self._skips, timeout=_STOP_S)
        for task in self._skips:
            task.cancel()
        await asyncio.gather(*self._skips, return_exceptions=True)

    def _session_of(self, info: activity.Info) -> WorkflowHandle[Any, Any]:
        assert self.client is not None
        assert info.workflow_id is not None
        return self.client.get_workflow_handle(info.workflow_id, run_id=info.workflow_run_id)

    async def _skip(self, info: activity.Info, delay: timedelta) -> None:
        assert self.client is not None
        handle = self._session_of(info)
        for _ in range(_LOOKS):
            described = (await handle.describe()).raw_description
            pending = [call for call in described.pending_activities if call.activity_id == info.activity_id]
            if not pending:
                return  # it was the last attempt
            if pending[0].attempt > info.attempt:
                await self.alive.wait()
                await skip(self.client, delay)
                return
            await asyncio.sleep(_LOOK_S)


class _NotWhileDead(OutboundInterceptor):
    """What meets a session that is just being forgotten could be lost with it.

    And this server never answers a question that meets the task in which the session continues as new, and its clock
    stands still ever after. So none is asked while there is a task, nor while the answer of a call brings one about.
    """

    def __init__(self, next: OutboundInterceptor, points: Points) -> None:  # noqa: A002 - the SDK's name
        super().__init__(next)
        self._points = points

    async def query_workflow(self, input: QueryWorkflowInput) -> Any:  # noqa: A002 - the SDK's name
        assert self._points.client is not None
        handle = self._points.client.get_workflow_handle(input.id, run_id=input.run_id)
        async with self._points.quiet:
            for _ in range(_QUESTIONS):
                await self._points.settled(handle)
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
        if info.is_local or info.activity_type in _BETWEEN:
            return await super().execute_activity(input)
        await self._points.alive.wait()
        if self._points.over.is_set():
            raise _over()
        try:
            output = await self._until_cut(asyncio.create_task(self._attempt(input, info)))
        except BaseException as error:
            again = isinstance(error, Exception) and _delay(info, error) is not None
            if again and await self._points.is_cancelled(info):
                raise _last(error) from error
            self._points.failed(info, error)
            raise
        await self._points.answered(info)
        return output

    async def _attempt(self, input: ExecuteActivityInput, info: activity.Info) -> Any:  # noqa: A002
        model = info.activity_type == "call_model"
        name = None if model else _tool(input.args, info)
        await self._points.reached("step.started" if model else "tool.started", name)
        stand_in = None if name is None else self._points.stand_in(name)
        output = await (super().execute_activity(input) if stand_in is None else stand_in(*input.args))
        await self._points.reached("step.finished" if model else "tool.finished", name)
        return output

    async def _until_cut(self, attempt: "asyncio.Task[Any]") -> Any:
        cut = asyncio.create_task(self._points.cut())
        try:
            await asyncio.wait((attempt, cut), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            # The session's, or the end of the test. What the call makes of it is its own: it may still answer.
            attempt.cancel()
            await asyncio.wait((attempt, cut), return_when=asyncio.FIRST_COMPLETED)
        finally:
            cut.cancel()
        if attempt.done():
            return attempt.result()
        attempt.cancel()
        await asyncio.gather(attempt, return_exceptions=True)
        if self._points.over.is_set():
            raise _over()
        # The next attempt comes almost at once, on a clock that goes on, and waits for the worker to be back.
        raise ApplicationError("the worker was killed", type=WORKER_DIED, next_retry_delay=_AGAIN)


def _tool(args: Sequence[Any], info: activity.Info) -> str:
    """The tool that a call is of: one activity carries out all those that read documents."""
    request = args[0] if args else None
    return request.tool if isinstance(request, ReadDocumentsInput) else info.activity_type


def _over() -> ApplicationError:
    return ApplicationError("the test is over", type=WORKER_DIED, non_retryable=True)


def _last(error: BaseException) -> ApplicationError:
    """The failure, such that no attempt follows it."""
    if isinstance(error, ApplicationError):
        return ApplicationError(error.message, *error.details, type=error.type, non_retryable=True)
    return ApplicationError(str(error), type=type(error).__name__, non_retryable=True)


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
