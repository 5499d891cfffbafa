"""A timer of which there is one a run, and which is set anew only when it fires.

A timer for each rest, or for each step of a turn with a limit on its time, would cost two events each.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime

from temporalio import workflow


class LoneTimer:
    def __init__(self, due: Callable[[], datetime | None], time_passed: Callable[[], None], summary: str) -> None:
        """`time_passed` is called once it is as late as `due` says; None: nothing is due now. `summary` is for the Web UI."""
        self._due = due
        self._time_passed = time_passed
        self._summary = summary
        #: When it fires.
        self._at: datetime | None = None
        self._task: asyncio.Task[None] | None = None

    def set(self, at: datetime | None) -> None:
        """Something is due then. Nothing is done where the timer fires early enough already."""
        if at is None or (self._at is not None and self._at <= at):
            return
        self.drop()
        self._at = at
        self._task = asyncio.create_task(self._run(at))

    def drop(self) -> None:
        """Nothing is due any more."""
        if self._task is not None:
            self._task.cancel()
        self._at = self._task = None

    async def _run(self, at: datetime) -> None:
        left = at - workflow.now()
        while left.total_seconds() > 0:
            await workflow.sleep(left, summary=self._summary)
            due = self._due()
            if due is None:
                # Whoever needs it sets it anew.
                break
            self._at, left = due, due - workflow.now()
        else:
            self._time_passed()
        self._at = self._task = None
