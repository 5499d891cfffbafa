"""From a provider's fragments to frames on the live plane, and to the partial answer that a stop keeps.

Deltas are sent on the leading edge: at once if the last frame is at least `INTERVAL_S` old, else merged into the next
one. So the first token is never delayed, and a fast model does not flood its viewers.
"""

import asyncio
import time

from perdure.activities.models.wire import Delta
from perdure.temporal.live.frames import StepDelta, StepProgress
from perdure.temporal.live.protocols import LivePublisher
from perdure.workflows.vocabulary.parts import Part, Reasoning, Text

INTERVAL_S = 0.015
#: Characters of a partial answer that a heartbeat carries.
HEARTBEAT_TAIL = 24_000


class DeltaWriter:
    """Writes one attempt at one step to `live`. Not thread-safe: it belongs to one event loop."""

    def __init__(self, live: LivePublisher, session: str, step_id: str, attempt: int) -> None:
        self._live = live
        self._session = session
        self._loop = asyncio.get_running_loop()
        self._progress = StepProgress(step_id, attempt)
        self._pending: Delta | None = None
        self._flushed_at = float("-inf")
        self._timer: asyncio.TimerHandle | None = None
        live.begin(session, step_id, attempt)

    def write(self, delta: Delta) -> None:
        waiting = self._pending
        if waiting is not None and (waiting.part, waiting.kind) == (delta.part, delta.kind):
            self._pending = Delta(
                delta.part, delta.kind, waiting.text + delta.text, waiting.tool_name or delta.tool_name
            )
            return
        if waiting is not None:
            self._flush()
        self._pending = delta
        wait = self._flushed_at + INTERVAL_S - self._loop.time()
        if wait <= 0:
            self._flush()
        else:
            self._timer = self._loop.call_later(wait, self._flush)

    def close(self) -> None:
        """Sends what is pending, and ends the stream of this attempt."""
        self._flush()
        self._live.end(self._session, self._progress.step_id, self._progress.attempt)

    def partial(self, tail: int | None = None) -> tuple[Part, ...]:
        """Text and reasoning so far, or the last `tail` characters of them. Half a tool call is of no use.

        What is pending is sent, so that viewers have it, too.
        """
        self._flush()
        left = self.characters if tail is None else tail
        parts: list[Part] = []
        for part in reversed(self._progress.parts):
            text = part.text[-left:] if left > 0 else ""
            if not text or part.kind == "tool_input":
                continue
            left -= len(text)
            parts.append(Text(text=text) if part.kind == "text" else Reasoning(text=text))
        return tuple(reversed(parts))

    @property
    def characters(self) -> int:
        """The number of characters streamed, tool input included."""
        waiting = len(self._pending.text) if self._pending else 0
        return waiting + sum(len(part.text) for part in self._progress.parts)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        delta, self._pending = self._pending, None
        if delta is None:
            return
        progress = self._progress
        frame = StepDelta(
            progress.step_id,
            progress.attempt,
            progress.n,
            delta.part,
            delta.kind,
            delta.text,
            delta.tool_name,
            time.time(),
        )
        progress.add(frame)
        self._live.delta(self._session, frame)
        self._flushed_at = self._loop.time()
