"""What waits to be written to Redis. Nothing here waits or fails, and none of it grows without a bound.

Rule 1: what replaces itself waits once: a session's poke, its stop, the last word of a tool. Fragments wait in order.
Rule 2: where more waits than may, or what was written may not have arrived, all fragments are dropped, and each attempt
that streams says once what it has streamed so far: readers then have the whole again.
Rule 3: a stream in Redis is cut at its beginning, so each attempt writes the whole into it now and then, and after it was
silent for a while, for a stream expires.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from perdure.temporal.live.frames import Poke, StepDelta, StepProgress, ToolProgress
from perdure.temporal.live.redis_frames import StepEnded, ToolEnded, read, written
from perdure.temporal.telemetry.metrics import Metrics

#: Fragments that wait at most, and their bytes.
FRAGMENTS: Final = 5_000
BYTES: Final = 8 * 1024 * 1024
#: Sessions with a poke or a stop that waits, and tools whose word does; further ones are dropped.
WORDS: Final = 20_000
#: Fragments of an attempt from one whole in its stream to the next.
WHOLE_EACH: Final = 400
#: Seconds of silence after which an attempt or a tool says again what it said last.
RENEW_S: Final = 20.0

#: `stop` and `ask`, a poke that tells no number, are told and not kept; `keep` is kept and not told; all others are both.
Kind = Literal["stop", "ask", "poke", "add", "keep", "end", "tool", "over"]


@dataclass(frozen=True, slots=True)
class Write:
    kind: Kind
    session: str
    payload: bytes
    #: Of a tool.
    call_id: str = ""


@dataclass(slots=True)
class _Attempt:
    """One that streams, of a session."""

    session: str
    progress: StepProgress
    #: Fragments since the last whole.
    since: int = 0
    written_at: float = field(default_factory=time.monotonic)


_Key = tuple[str, str, int]


class Outgoing:
    """Not thread-safe: it belongs to one event loop."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._some = asyncio.Event()
        #: What was taken last is on its way.
        self._under_way = False
        self._settled = asyncio.Event()
        self._pokes: dict[str, int] = {}
        self._stops: dict[str, bytes] = {}
        self._fragments: deque[Write] = deque()
        self._bytes = 0
        self._attempts: dict[_Key, _Attempt] = {}
        #: The attempts whose whole is to be written, and whether readers are told.
        self._wholes: dict[_Key, bool] = {}
        #: The last word of each tool that runs, and when it was written.
        self._tools: dict[tuple[str, str], tuple[ToolProgress, float]] = {}
        self._words: dict[tuple[str, str], ToolProgress | None] = {}

    def poke(self, session: str, seq: int) -> None:
        before = self._pokes.get(session, seq)
        if len(self._pokes) < WORDS or session in self._pokes:
            # 0 has readers ask, however far they are.
            self._pokes[session] = min(before, seq) and max(before, seq)
        self._some.set()

    def stop(self, session: str, payload: bytes) -> None:
        if len(self._stops) < WORDS:
            self._stops[session] = payload
        self._some.set()

    def begin(self, session: str, step_id: str, attempt: int) -> None:
        progress = StepProgress(step_id, attempt)
        self._attempts[session, step_id, attempt] = _Attempt(session, progress)
        self._append(Write("add", session, written(progress)))

    def delta(self, session: str, delta: StepDelta) -> None:
        key = (session, delta.step_id, delta.attempt)
        attempt = self._attempts.get(key)
        if attempt is not None:
            attempt.progress.add(delta)
            attempt.since += 1
            attempt.written_at = time.monotonic()
            if self._wholes.get(key):
                return  # it is in the whole
        self._append(Write("add", session, written(delta)))
        if attempt is not None and attempt.since >= WHOLE_EACH:
            attempt.since = 0
            self._append(Write("keep", session, written(attempt.progress)))

    def end(self, session: str, step_id: str, attempt: int) -> None:
        key = (session, step_id, attempt)
        self._attempts.pop(key, None)
        self._wholes.pop(key, None)
        self._append(Write("end", session, written(StepEnded(step_id, attempt))))

    def tool_progress(self, session: str, progress: ToolProgress) -> None:
        key = (session, progress.call_id)
        before = self._tools.get(key)
        if before is None and len(self._tools) >= WORDS:
            return
        if before is not None and progress.message is None:
            # A tool that tells only a share has its last message still.
            progress = ToolProgress(progress.call_id, before[0].message, progress.fraction)
        self._tools[key] = progress, time.monotonic()
        self._words[key] = progress
        self._some.set()

    def tool_ended(self, session: str, call_id: str) -> None:
        if self._tools.pop((session, call_id), None) is not None:
            self._words[session, call_id] = None
            self._some.set()

    @property
    def waits(self) -> bool:
        """Something is to be written."""
        return bool(self._stops or self._pokes or self._wholes or self._words or self._fragments)

    async def wait(self) -> None:
        """Returns once something is to be written."""
        if not self.waits:
            self._some.clear()
            await self._some.wait()

    async def written(self) -> None:
        """Returns once all is written."""
        while self.waits or self._under_way:
            self._settled.clear()
            await self._settled.wait()

    def settled(self) -> None:
        """What was taken last is written."""
        self._under_way = False
        self._settled.set()

    def take(self, count: int) -> list[Write]:
        """What is to be written next, `count` of it at most."""
        taken: list[Write] = []
        for write in self._next():
            taken.append(write)
            if len(taken) >= count:
                break
        self._under_way = bool(taken)
        return taken

    def lost(self, taken: Sequence[Write] = ()) -> None:
        """What was `taken`, or waits, will not or may not arrive."""
        for write in taken:
            if write.kind == "stop":
                self.stop(write.session, write.payload)
            elif isinstance(poke := read(write.payload), Poke):
                self.poke(write.session, poke.seq)
        self._metrics.live_dropped(len(self._fragments) + sum(write.kind == "add" for write in taken))
        self._fragments.clear()
        self._bytes = 0
        self._wholes = dict.fromkeys(self._attempts, True)
        for key, (word, _) in self._tools.items():
            self._words[key] = word

    def refused(self) -> None:
        """Something was told and not kept: a stream has a gap, and who comes late lacks what is before it."""
        for key in self._attempts:
            self._wholes.setdefault(key, True)
        self.renew(0)

    def renew(self, silent_s: float = RENEW_S) -> None:
        """Has attempts and tools that wrote nothing for so long write again what they wrote last, so that it lasts."""
        since = time.monotonic() - silent_s
        for key, attempt in self._attempts.items():
            if attempt.written_at <= since:
                self._wholes.setdefault(key, False)
        for tool, (word, at) in self._tools.items():
            if at <= since:
                self._words.setdefault(tool, word)
                self._tools[tool] = word, time.monotonic()
        self._some.set()

    def _append(self, write: Write) -> None:
        if len(self._fragments) >= FRAGMENTS or self._bytes + len(write.payload) > BYTES:
            self.lost()
            if write.kind != "end":
                return
        self._fragments.append(write)
        self._bytes += len(write.payload)
        self._some.set()

    def _next(self) -> Iterator[Write]:
        while self._stops:
            session, payload = self._stops.popitem()
            yield Write("stop", session, payload)
        while self._pokes:
            session, seq = self._pokes.popitem()
            yield Write("poke" if seq else "ask", session, written(Poke(seq)))
        while self._fragments:
            write = self._fragments.popleft()
            self._bytes -= len(write.payload)
            yield write
        # Behind the fragments, which they hold.
        while self._wholes:
            key, told = self._wholes.popitem()
            attempt = self._attempts[key]
            attempt.since, attempt.written_at = 0, time.monotonic()
            yield Write("add" if told else "keep", attempt.session, written(attempt.progress))
        while self._words:
            (session, call_id), word = self._words.popitem()
            frame = ToolEnded(call_id) if word is None else word
            yield Write("over" if word is None else "tool", session, written(frame), call_id)
