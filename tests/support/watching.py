"""A session, its viewers and their checks of the stream, for tests of watches."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from perdure.gateway.http.sse import StreamCut
from perdure.gateway.live.items import Item
from perdure.gateway.live.watch import Patience
from perdure.gateway.live.watches import Watches
from perdure.temporal.live.frames import Frame, Poke, StepDelta, ToolProgress
from perdure.temporal.live.memory import MemoryLive
from perdure.temporal.live.protocols import LiveState
from perdure.temporal.sessions.errors import SessionError, SessionNotFound
from perdure.temporal.sessions.look import Look
from perdure.temporal.sessions.sealed import Sealed
from perdure.temporal.sessions.snapshot import Snapshot
from perdure.temporal.stores.blobs import LocalBlobs
from perdure.workflows.core import answers
from perdure.workflows.protocol.queries import EventsPage, PageRequest
from perdure.workflows.vocabulary.events import StepFinished, StepStarted
from perdure.workflows.vocabulary.parts import Text
from tests.support.core import Story
from tests.support.items import written
from tests.support.virtual_time import run

SESSION = "acme/s1"
#: Seconds within which everything that was published is received; after that, nothing happens by itself for a while.
SOON = 0.2
TURN = ["turn.started", "message.added"]
DONE = ["step.finished", "turn.finished"]


class LossyLive(MemoryLive):
    """Loses and repeats frames on request, as a live plane may."""

    loses_pokes = False
    loses_frames = False
    is_at: LiveState = "ok"

    @property
    def state(self) -> LiveState:
        return self.is_at

    def _send(self, session: str, frame: Frame) -> None:
        lost = self.loses_pokes if isinstance(frame, Poke) else self.loses_frames
        if not lost:
            super()._send(session, frame)

    def repeat(self, session: str, frame: Frame) -> None:
        super()._send(session, frame)


class Session:
    """A real session without Temporal: its state, its queries, and a worker that can be unavailable."""

    def __init__(self, story: Story | None = None) -> None:
        self.story = story or Story.new().loaded()
        self.live = LossyLive(asyncio.get_running_loop())
        self.trouble: type[SessionError] | None = None
        #: Seconds that a query takes.
        self.delay = 0.01
        #: The cursors of the queries so far.
        self.asked: list[int] = []
        self.asking = 0
        self.most_asking = 0
        self.snapshots = 0
        self.looks = 0
        #: Calls on Perdure's workers, and calls on other workers with their latest progress.
        self.own: set[str] = set()
        self.remote: dict[str, ToolProgress | None] = {}
        self.attempt = 0
        #: The fragments of each attempt at each step.
        self.said: dict[tuple[str, int], list[str]] = {}

    @property
    def seq(self) -> int:
        return self.story.state.log.seq

    # The gateway's queries.

    async def ask(self, session: str, after: int) -> EventsPage:
        self.asked.append(after)
        self.asking += 1
        self.most_asking = max(self.most_asking, self.asking)
        try:
            # Time passes before the session reads its state, and before its answer arrives.
            await asyncio.sleep(self.delay / 2)
            self._check(session)
            page = answers.events(self.story.state, after)
            await asyncio.sleep(self.delay / 2)
        finally:
            self.asking -= 1
        return EventsPage.model_validate_json(page.model_dump_json())

    async def look(self, session: str) -> Look:
        self.looks += 1
        await asyncio.sleep(0.002)
        self._check(session)
        return Look("run", self.seq, frozenset(self.own), dict(self.remote))

    async def snapshot(self, session: str) -> Snapshot:
        await asyncio.sleep(self.delay)
        self._check(session)
        self.snapshots += 1
        page = answers.snapshot(self.story.state, SESSION, PageRequest())
        return Snapshot(page, page.messages)

    def _check(self, session: str) -> None:
        if session != SESSION:
            raise SessionNotFound
        if self.trouble is not None:
            raise self.trouble

    # Actions of the session.

    def poke(self) -> None:
        self.live.poke(SESSION, self.seq)

    def turn(self, text: str = "hi") -> None:
        self.story.turn(text)
        self.poke()

    def open(self) -> str:
        """Starts a step; its model call does not stream yet."""
        step_id = self.story.open().step_id
        self.attempt = 0
        self.poke()
        return step_id

    def begin(self) -> None:
        """The next attempt at the open step begins to stream."""
        self.attempt += 1
        self.said[self.step, self.attempt] = []
        self.live.begin(SESSION, self.step, self.attempt)

    def say(self, *fragments: str) -> None:
        for fragment in fragments:
            said = self.said[self.step, self.attempt]
            delta = StepDelta(self.step, self.attempt, len(said), 0, "text", fragment)
            said.append(fragment)
            self.live.delta(SESSION, delta)

    def say_late(self, number: int) -> None:
        """Repeats a frame of an earlier attempt: a fragment, or its end, possibly of an attempt that was given up."""
        step, attempt = list(self.said)[number % len(self.said)]
        said = self.said[step, attempt]
        n = number % (len(said) + 1)
        if n < len(said):
            self.live.repeat(SESSION, StepDelta(step, attempt, n, 0, "text", said[n]))
        elif (step, attempt + 1) in self.said:
            self.live.delta(SESSION, StepDelta(step, attempt, n, 0, "text", "late"))
        if self.open_at(self.seq) != step or attempt != self.attempt:
            self.live.end(SESSION, step, attempt)

    def answered(self) -> None:
        """Finishes the open step with the fragments of its last attempt."""
        said = "".join(self.said.get((self.step, self.attempt), []))
        self.live.end(SESSION, self.step, self.attempt)
        self.story.answered(Text(text=said))
        self.poke()

    def finished(self) -> None:
        self.story.finished()
        self.poke()

    def close(self) -> None:
        self.story.event("session.closed", reason="enough", turn_id=None)
        self.poke()

    @property
    def step(self) -> str:
        turn = self.story.state.turn
        assert turn is not None
        assert turn.step is not None
        return turn.step.step_id

    def open_at(self, cursor: int) -> str | None:
        """The step that is open as of the events up to `cursor`."""
        step: str | None = None
        for event in self.story.state.log.events:
            if event.seq > cursor:
                break
            if isinstance(event, StepStarted):
                step = event.step_id
            elif isinstance(event, StepFinished):
                step = None
        return step


def watches(session: Session, folder: Path, *, viewer_queue: int = 1000, patience: Patience = Patience()) -> Watches:
    return Watches(
        live=session.live,
        blobs=LocalBlobs(folder),
        sealed=Sealed(LocalBlobs(folder)),
        ask=session.ask,
        look=session.look,
        snapshot=session.snapshot,
        viewer_queue=viewer_queue,
        patience=patience,
    )


def play(folder: Path, scene: Callable[[Session, Watches], Coroutine[Any, Any, None]], **options: Any) -> None:
    """Plays a scene, in virtual time, with a new session and a gateway created with `options`."""

    async def whole() -> None:
        session = Session()
        await scene(session, watches(session, folder, **options))

    run(whole())


@dataclass
class ClientView:
    """A client's view of one or more streams. Fails on everything that the API's contract does not allow."""

    session: Session
    cursor: int = 0
    step: str | None = None
    attempt: int = 0
    n: int = 0
    text: str = ""
    #: A short form: types of events, `+text` for deltas, `=text` for step snapshots.
    short: list[str] = field(default_factory=list)

    def connect(self) -> None:
        self.step = self.session.open_at(self.cursor)

    def take(self, item: Item) -> None:
        kind, data = written(item)
        self.short.append({"step.delta": "+", "step.snapshot": "="}.get(kind, kind))
        match kind:
            case "session.snapshot":
                self.cursor = data["seq"]
                self.attempt, self.n, self.text = 0, 0, ""
                self.connect()
            case "step.snapshot":
                self._check(data)
                self.text = "".join(part["text"] for part in data["parts"])
                self.attempt, self.n = data["attempt"], data["n"]
                self.short[-1] += self.text
                self._compare()
            case "step.delta":
                self._check(data)
                fresh = self.n == 0 and self.attempt == 0
                assert (data["attempt"], data["n"]) == ((1, 0) if fresh else (self.attempt, self.n))
                self.text += data["delta"]
                self.attempt, self.n = data["attempt"], data["n"] + 1
                self.short[-1] += data["delta"]
                self._compare()
            case "tool.progress":
                self.short[-1] = f"~{data['call_id']} {data.get('message')}"
            case _:
                assert item.seq == self.cursor + 1
                self.cursor = item.seq
                self._event(data)

    def _event(self, data: dict[str, Any]) -> None:
        if data["type"] == "step.started":
            self.step, self.attempt, self.n, self.text = data["step_id"], 0, 0, ""
        elif data["type"] == "step.finished":
            assert data["step_id"] == self.step
            self.step, self.attempt, self.n = None, 0, 0

    def _check(self, data: dict[str, Any]) -> None:
        """A live frame belongs to the open step, and never to an attempt below the highest seen."""
        assert data["step_id"] == self.step
        assert data["attempt"] >= self.attempt

    def _compare(self) -> None:
        """The text shown is what the attempt streamed, up to some fragment."""
        assert self.step is not None
        assert self.text == "".join(self.session.said[self.step, self.attempt][: self.n])


class Viewer:
    """A client that reads until it disconnects. `comes_again`: it reconnects with its cursor."""

    def __init__(
        self,
        session: Session,
        gateway: Watches,
        after: int | None = None,
        *,
        name: str = SESSION,
        pause: float = 0,
        comes_again: bool = False,
    ) -> None:
        self.view = ClientView(session, after or 0)
        self.items: list[Item] = []
        #: How each connection ended: `end`, `cut`, or a problem's code.
        self.ends: list[str] = []
        self.pause = pause
        self._gateway = gateway
        self._name = name
        self._after = after
        self._comes_again = comes_again
        self.task = asyncio.create_task(self._read())

    @property
    def short(self) -> list[str]:
        return self.view.short

    @property
    def seqs(self) -> list[int]:
        return [item.seq for item in self.items if item.seq is not None]

    async def go(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    def check(self) -> None:
        """Fails if an unexpected error ended the reading."""
        if self.task.done():
            self.task.result()

    async def _read(self) -> None:
        after = self._after
        while True:
            self.view.connect()
            try:
                await self._follow(self._gateway.follow(self._name, after))
                self.ends.append("end")
            except StreamCut:
                self.ends.append("cut")
            except SessionError as error:
                self.ends.append(error.code)
            if not self._comes_again or self.ends[-1] == "end":
                return
            after = self.view.cursor
            await asyncio.sleep(0.5)

    async def _follow(self, items: AsyncGenerator[Item]) -> None:
        async with aclosing(items):
            async for item in items:
                self.items.append(item)
                self.view.take(item)
                if self.pause:
                    await asyncio.sleep(self.pause)
