"""Around each tool that runs on a worker: a heartbeat for it, its progress to viewers, and a word on a worker's end.

Rule 1: a tool need not heartbeat by itself: its worker does, so a dead worker is noticed in seconds and a stop is heard.
Rule 2: what a tool says in a heartbeat of its own is progress. It goes to the live plane and never into history.
"""

import asyncio
import math
from collections.abc import Callable
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
        self._outbound = _Outbound(outbound, self._live)
        super().init(self._outbound)

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - the SDK's name
        info = activity.info()
        if not self._is_tool(info.activity_type) or info.workflow_id is None:
            return await super().execute_activity(input)
        self._outbound.session = info.workflow_id
        self._outbound.details = tuple(info.heartbeat_details)
        beats = asyncio.create_task(self._beat())
        try:
            return await super().execute_activity(input)
        except (asyncio.CancelledError, CancelledError):
            details = activity.cancellation_details()
            if details is not None and details.worker_shutdown and not details.cancel_requested:
                raise ApplicationError("the worker was shut down while this ran", type=WORKER_DIED) from None
            raise
        finally:
            beats.cancel()
            self._live.tool_ended(info.workflow_id, info.activity_id.removesuffix(".fallback"))

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            # Not by `activity.heartbeat`: for a tool in a thread that waits for this loop, which would wait for itself.
            self._outbound.beat()


class _Outbound(ActivityOutboundInterceptor):
    def __init__(self, next: ActivityOutboundInterceptor, live: Live) -> None:  # noqa: A002 - the SDK's name
        super().__init__(next)
        self._live = live
        #: Of the tool that runs; None: it is none.
        self.session: str | None = None
        #: What the tool last said of itself; an attempt that follows finds it.
        self.details: tuple[Any, ...] = ()

    def heartbeat(self, *details: Any) -> None:
        self.details = details
        if self.session is not None:
            progress = read_progress(self.info().activity_id, details)
            if progress is not None:
                self._live.tool_progress(self.session, progress)
        super().heartbeat(*details)

    def beat(self) -> None:
        super().heartbeat(*self.details)


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
