"""What viewers are told of a model call that fails and is tried again: why, and when. It is Temporal that knows.

Rule 1: a session is looked at only while a step is open of which nothing has been heard for some seconds, and more rarely the
longer that lasts without any trouble. Looks that its watch takes for other reasons count.
Rule 2: trouble is over with the first sign of an answer. Nothing here ends a stream.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from perdure.temporal.live.frames import StepDelta, StepProgress
from perdure.temporal.sessions.look import Look, StepRetrying
from perdure.workflows.vocabulary.events import Event, StepFinished, StepStarted

log = structlog.get_logger(__name__)

#: Seconds of silence before the first look, and at most between two.
SILENT_S: Final = 1.5
LONGEST_S: Final = 12.0


class Trouble:
    """Of one session. `step` is the one that is open, as far as viewers know; `tell` is given what is new."""

    def __init__(
        self, step: str | None, look: Callable[[], Awaitable[Look]], tell: Callable[[StepRetrying], None]
    ) -> None:
        self._step = step
        self._look = look
        self._tell = tell
        self._told: StepRetrying | None = None
        #: Something was heard of the step since the last look.
        self._heard = False
        self._open = asyncio.Event()
        if step is not None:
            self._open.set()

    def follow(self, event: Event) -> None:
        """An event is out."""
        match event:
            case StepStarted():
                self._step, self._told = event.step_id, None
                self._open.set()
            case StepFinished():
                self._step = self._told = None
                self._open.clear()
            case _:
                pass

    def hear(self, frame: StepDelta | StepProgress) -> None:
        """The step streams; an attempt that only begins says nothing."""
        if isinstance(frame, StepDelta) or frame.n:
            self._heard, self._told = True, None

    def take(self, look: Look) -> None:
        """What a look has found."""
        found = next((one for one in look.retrying if one.step_id == self._step), None)
        if found is not None and found != self._told:
            self._told = found
            self._tell(found)

    def so_far(self) -> list[StepRetrying]:
        """What somebody who comes now is told."""
        return [] if self._told is None else [self._told]

    async def run(self) -> None:
        """Never ends."""
        pause = SILENT_S
        while True:
            if not self._open.is_set():
                await self._open.wait()
                pause = SILENT_S
            self._heard = False
            await asyncio.sleep(pause)
            if self._heard or not self._open.is_set():
                pause = SILENT_S
                continue
            try:
                self.take(await self._look())
            except Exception as error:
                log.warning("trouble_waits", error=str(error))
            pause = SILENT_S if self._told is not None else min(pause * 2, LONGEST_S)
