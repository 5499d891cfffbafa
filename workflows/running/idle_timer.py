"""The timer that closes a session which rests for too long.

Rule: there is one a run, and it is set anew only when it fires: a timer for each rest would cost two events a turn.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime

from temporalio import workflow

from perdure.workflows.core.actions import Rest
from perdure.workflows.core.idle import closes_at
from perdure.workflows.core.state.session import SessionState


class IdleTimer:
    def __init__(self, state: Callable[[], SessionState], time_passed: Callable[[], None]) -> None:
        """`time_passed` is called when the session has rested for long enough."""
        self._state = state
        self._time_passed = time_passed
        #: When it fires.
        self._at: datetime | None = None
        self._task: asyncio.Task[None] | None = None

    def rests(self, action: Rest) -> None:
        """The session rests. Sets the timer, unless one is set that fires early enough."""
        if action.closes_at is None or (self._at is not None and self._at <= action.closes_at):
            return
        if self._task is not None:
            self._task.cancel()
        self._at = action.closes_at
        self._task = asyncio.create_task(self._run(action.closes_at))

    async def _run(self, at: datetime) -> None:
        left = at - workflow.now()
        while left.total_seconds() > 0:
            await workflow.sleep(left, summary="closes where nothing happens")
            due = closes_at(self._state())
            if due is None:
                # It works, or waits: where it comes to rest, it sets the timer anew.
                break
            self._at, left = due, due - workflow.now()
        else:
            self._time_passed()
        self._at = self._task = None
