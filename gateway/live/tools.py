"""What viewers are told of the tools that run: their last word on how far they are. No I/O.

Rule: nothing of a call is told before its `tool.started` is out, or after its `tool.finished`.
"""

from collections.abc import Iterable

from perdure.temporal.live.frames import ToolProgress
from perdure.workflows.vocabulary.events import Event, ToolFinished, ToolStarted

#: Calls whose progress came before their `tool.started`.
_HELD = 256


class LiveTools:
    def __init__(self, running: Iterable[str] = ()) -> None:
        """`running` are the calls of which viewers know that they run."""
        self._running = set(running)
        self._last: dict[str, ToolProgress] = {}

    def take(self, progress: ToolProgress) -> list[ToolProgress]:
        """Progress from the live plane; returns what viewers are told: one frame or none."""
        # A tool that tells only a share has its last message still.
        before = self._last.pop(progress.call_id, None)
        if before is not None and progress.message is None:
            progress = ToolProgress(progress.call_id, before.message, progress.fraction)
        self._last[progress.call_id] = progress
        while len(self._last) > _HELD:
            del self._last[next(iter(self._last))]
        return [progress] if progress.call_id in self._running else []

    def follow(self, event: Event) -> list[ToolProgress]:
        """An event is out; returns the progress that waited for it."""
        match event:
            case ToolStarted():
                self._running.add(event.call_id)
                progress = self._last.get(event.call_id)
                return [progress] if progress is not None else []
            case ToolFinished():
                self._running.discard(event.call_id)
                self._last.pop(event.call_id, None)
            case _:
                pass
        return []

    def so_far(self) -> list[ToolProgress]:
        """What somebody who comes now is told."""
        return [self._last[call_id] for call_id in sorted(self._running & self._last.keys())]
