"""Around each tool that runs on a worker: a heartbeat for it, its progress to viewers, and a word on a worker's end.

Rule 1: a tool need not heartbeat by itself: its worker does, so a dead worker is noticed in seconds and a stop is heard.
Rule 2: what a tool says in a heartbeat of its own is progress. It goes to the live plane and never into history.
"""

import asyncio
import math
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

from temporalio import activity
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.worker import (
    ActivityInboundInterceptor,
    ActivityOutboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
)

from temporal.live import Live, ToolProgress
from workflows.errors import WORKER_DIED

HEARTBEAT_S: Final = 2.0
_MAX_MESSAGE: Final = 500


@dataclass
class _Running:
    #: What the tool last said of itself; an attempt that follows finds it.
    details: tuple[Any, ...] = ()


_running: ContextVar[_Running | None] = ContextVar("perdure_running", default=None)


class ToolRunner(Interceptor):
    """`is_tool` says of an activity's name whether it is a tool."""

    def __init__(self, live: Live, is_tool: Callable[[str], bool]) -> None:
        self._live = live
        self._is_tool = is_tool

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        return _Inbound(next, self._live, self._is_tool)


class _Inbound(ActivityInboundInterceptor):
    def __init__(
        self,
        next: ActivityInboundInterceptor,  # noqa: A002 - the SDK's name
        live: Live,
        is_tool: Callable[[str], bool],
    ) -> None:
        super().__init__(next)
        self._live = live
        self._is_tool = is_tool

    def init(self, outbound: ActivityOutboundInterceptor) -> None:
        super().init(_Outbound(outbound, self._live))

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - the SDK's name
        info = activity.info()
        if not self._is_tool(info.activity_type) or info.workflow_id is None:
            return await super().execute_activity(input)
        running = _Running(tuple(info.heartbeat_details))
        token = _running.set(running)
        beats = asyncio.create_task(_beat(running))
        try:
            return await super().execute_activity(input)
        except (asyncio.CancelledError, CancelledError):
            details = activity.cancellation_details()
            if details is not None and details.worker_shutdown and not details.cancel_requested:
                raise ApplicationError("the worker was shut down while this ran", type=WORKER_DIED) from None
            raise
        finally:
            beats.cancel()
            _running.reset(token)


class _Outbound(ActivityOutboundInterceptor):
    def __init__(self, next: ActivityOutboundInterceptor, live: Live) -> None:  # noqa: A002 - the SDK's name
        super().__init__(next)
        self._live = live

    def heartbeat(self, *details: Any) -> None:
        running = _running.get()
        if running is not None and not (details and details[0] is running):
            running.details = details
            info = activity.info()
            progress = read_progress(info.activity_id, details)
            if progress is not None and info.workflow_id is not None:
                self._live.tool_progress(info.workflow_id, progress)
        super().heartbeat(*(running.details if running is not None else details))


def read_progress(call_id: str, details: tuple[Any, ...]) -> ToolProgress | None:
    """What a heartbeat tells: a text, a fraction from 0 to 1, both, or `{message, fraction}`. None: nothing for people."""
    message: str | None = None
    fraction: float | None = None
    for detail in details:
        said = detail
        if not isinstance(said, dict):
            said = {"message" if isinstance(said, str) else "fraction": said}
        told, share = said.get("message"), said.get("fraction")
        if isinstance(told, str) and told:
            message = told[:_MAX_MESSAGE]
        if isinstance(share, int | float) and not isinstance(share, bool) and math.isfinite(share):
            fraction = min(max(float(share), 0.0), 1.0)
    if message is None and fraction is None:
        return None
    return ToolProgress(call_id.removesuffix(".fallback"), message, fraction)


async def _beat(running: _Running) -> None:
    while True:
        await asyncio.sleep(HEARTBEAT_S)
        # Marked as ours: nothing new is told.
        activity.heartbeat(running)
