"""Around each tool that runs on a worker: heartbeats for it, its progress for viewers, and a report of a worker's end.

Rule 1: a tool need not heartbeat by itself. Its worker does, so a dead worker is noticed within seconds and a stop arrives.
Rule 2: what a tool says in a heartbeat of its own is progress. It goes to the live plane and never into history.
Rule 3: only Temporal cancels a tool, in its answer to a heartbeat. So when the live plane reports a stop, a heartbeat is
sent at once, and again until the stop has reached the server. Which turn was meant, and what the tool's end counts as, is
thus decided in one place, whichever report comes first.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

from pydantic_core import to_jsonable_python
from temporalio import activity
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.worker import (
    ActivityInboundInterceptor,
    ActivityOutboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
)

from perdure.activities.tools.errors import tellable_detail
from perdure.temporal.live.protocols import Live
from perdure.temporal.live.tool_progress import read_progress
from perdure.temporal.telemetry.redaction import redacted_json
from perdure.workflows.vocabulary.errors import WORKER_DIED
from perdure.workflows.vocabulary.ids import call_of_activity

HEARTBEAT_S: Final = 2.0
#: How long the SDK of a worker with this runner may hold back a heartbeat: hardly at all, for the runner throttles them
#: itself.
SDK_THROTTLE: Final = timedelta(milliseconds=20)
#: After a stop: seconds until the next heartbeat, and the factor by which each following pause is longer.
_HURRY_S: Final = 0.03
_SLACKEN: Final = 1.5


class ToolRunner(Interceptor):
    """`is_tool` says of an activity's name whether it is a tool. Heartbeats of a tool's own reach the server only after
    `throttle_s` seconds without one."""

    def __init__(self, live: Live, is_tool: Callable[[str], bool], throttle_s: float) -> None:
        self._live = live
        self._is_tool = is_tool
        self._throttle_s = throttle_s

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        return _Inbound(next, self._live, self._is_tool, self._throttle_s)


class _Inbound(ActivityInboundInterceptor):
    def __init__(
        self,
        next: ActivityInboundInterceptor,  # noqa: A002 - the SDK's name
        live: Live,
        is_tool: Callable[[str], bool],
        throttle_s: float,
    ) -> None:
        super().__init__(next)
        self._live = live
        self._is_tool = is_tool
        self._throttle_s = throttle_s

    def init(self, outbound: ActivityOutboundInterceptor) -> None:
        self._outbound = _Outbound(outbound, self._live, self._throttle_s)
        super().init(self._outbound)

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - the SDK's name
        info = activity.info()
        if not self._is_tool(info.activity_type) or info.workflow_id is None:
            return await super().execute_activity(input)
        self._outbound.session = info.workflow_id
        self._outbound.details = tuple(info.heartbeat_details)
        beats = asyncio.create_task(self._beat(info.workflow_id))
        try:
            return await super().execute_activity(input)
        except (asyncio.CancelledError, CancelledError):
            self._outbound.catch_up()
            details = activity.cancellation_details()
            if details is not None and details.worker_shutdown and not details.cancel_requested:
                raise ApplicationError("the worker was shut down while this ran", type=WORKER_DIED) from None
            raise
        except Exception:
            # Another attempt may follow, and it resumes where this one reported to be.
            self._outbound.catch_up()
            raise
        finally:
            beats.cancel()
            self._live.tool_ended(info.workflow_id, call_of_activity(info.activity_id))

    async def _beat(self, session: str) -> None:
        """Heartbeats every `HEARTBEAT_S`, and faster after a stop, until the tool is cancelled."""
        hurry: Iterator[float] = iter(())
        async with self._live.stops(session) as stop_reported:
            while True:
                pause = next(hurry, None)
                with suppress(TimeoutError):
                    async with asyncio.timeout(HEARTBEAT_S - self._outbound.silent_s if pause is None else pause):
                        await stop_reported.wait()
                        stop_reported.clear()
                        hurry, pause = _ever_slower(), 0.0
                if activity.is_cancelled():
                    hurry = iter(())
                if pause is not None or self._outbound.silent_s >= HEARTBEAT_S:
                    # Not by `activity.heartbeat`: for a tool in a thread, it waits for this loop, which would then wait for
                    # itself.
                    self._outbound.beat()


def _plain(detail: Any) -> Any:
    """`detail` as JSON, so that secrets are found in it and viewers can be shown it, whatever type the tool gave it."""
    return detail if isinstance(detail, bytes) else to_jsonable_python(tellable_detail(detail))


def _ever_slower() -> Iterator[float]:
    """Pauses between heartbeats after a stop, which first has to reach the session and then the server."""
    pause = _HURRY_S
    while pause < HEARTBEAT_S:
        yield pause
        pause *= _SLACKEN


class _Outbound(ActivityOutboundInterceptor):
    def __init__(
        self,
        next: ActivityOutboundInterceptor,  # noqa: A002 - the SDK's name
        live: Live,
        throttle_s: float,
    ) -> None:
        super().__init__(next)
        self._live = live
        self._throttle_s = throttle_s
        #: The session of the tool that runs. None: the activity is not a tool.
        self.session: str | None = None
        #: What the tool last reported. The next attempt finds it.
        self.details: tuple[Any, ...] = ()
        self._sent_at = time.monotonic()
        self._first = True
        #: The last report has not been sent to the server.
        self._behind = False

    @property
    def silent_s(self) -> float:
        """Seconds since the last heartbeat was sent."""
        return time.monotonic() - self._sent_at

    def heartbeat(self, *details: Any) -> None:
        if self.session is None:
            super().heartbeat(*details)
            return
        # What cannot be written costs itself, not the tool. Progress is shown to viewers, and the server keeps it until the
        # call ends.
        self.details = details = redacted_json(tuple(map(_plain, details)))
        progress = read_progress(self.info().activity_id, details)
        if progress is not None:
            self._live.tool_progress(self.session, progress)
        self._behind = True
        if self._first or self.silent_s >= self._throttle_s:
            self.beat()

    def beat(self) -> None:
        self._sent_at = time.monotonic()
        self._first = self._behind = False
        super().heartbeat(*self.details)

    def catch_up(self) -> None:
        """Sends the last report, if the server does not have it yet."""
        if self._behind:
            self.beat()
