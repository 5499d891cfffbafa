"""One session as a test has it: says something and waits for the turn, reads events and transcript."""

import asyncio
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from temporalio.client import Client, WorkflowHandle, WorkflowHistory
from temporalio.service import RPCError, RPCStatusCode

from perdure.temporal.app.testing.model import ScriptedModel, ScriptError
from perdure.temporal.app.testing.questions import Answers, open_questions, waits
from perdure.temporal.app.testing.server import now
from perdure.temporal.app.testing.transcript import Transcript
from perdure.temporal.live.frames import Poke
from perdure.temporal.live.memory import MemoryLive
from perdure.temporal.live.protocols import Subscription
from perdure.temporal.live.streamed import until_streamed
from perdure.temporal.sessions.caller import Caller
from perdure.temporal.sessions.content import new_message
from perdure.temporal.sessions.service import Sessions
from perdure.temporal.stores.blobs import BlobStore, unfold
from perdure.workflows.definition.agent import Limits
from perdure.workflows.protocol.queries import PageRequest, SnapshotPage
from perdure.workflows.protocol.signals import Configure, NewSession, Stop
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.events import Event, StepFinished, TurnFinished
from perdure.workflows.vocabulary.parts import Message, Text, ToolError, Usage
from perdure.workflows.vocabulary.questions import Question

#: Real seconds after which a test gives up waiting.
PATIENCE_S: Final = 30


@dataclass(frozen=True)
class Turn:
    """A turn that has ended, or waits for answers."""

    #: What the model said last; empty where it said nothing.
    text: str
    #: `done`, `stopped`, `budget`, `max_steps`, `failed`, …; `waiting` while questions are open.
    reason: str
    error: ToolError | None
    #: Dollars, by the prices of the models that the agent names; None where one is unknown.
    cost_usd: float | None
    usage: Usage
    events: tuple[Event, ...]
    #: What it waits for.
    questions: tuple[Question, ...] = ()

    @property
    def waiting(self) -> bool:
        return bool(self.questions)


class Session:
    def __init__(
        self,
        client: Client,
        handle: WorkflowHandle[SessionWorkflow, str],
        new: NewSession,
        live: MemoryLive,
        blobs: BlobStore,
        model: ScriptedModel,
        service: Sessions,
    ) -> None:
        #: The workflow, for what the kit has no word for: signals, queries, its history.
        self.handle = handle
        #: What it was started with.
        self.new = new
        self._client = client
        self._live = live
        self._blobs = blobs
        self._model = model
        self._events: list[Event] = []
        self._service = service
        self._answers = Answers(service, new, self._until)

    async def say(self, text: str) -> Turn:
        """Says something as the user, and returns the turn of it once that has ended, or waits for an answer."""
        return await self.turn(await self.send(text))

    async def send(self, text: str, message_id: str | None = None) -> str:
        """Says something and does not wait; returns the message's id. The same id again is the same message."""
        message = await new_message(self._blobs, self.handle.id, (Text(text=text),), self.new.digest, message_id)
        purses = await self._service.budgets.announced(self.new.tenant, self.new.user)
        await self.handle.signal(SessionWorkflow.send_message, message.model_copy(update={"purses": purses}))
        return message.message_id

    async def turn(self, message_id: str | None = None) -> Turn:
        """The turn of a message, by itself the last one, once it has ended or waits for an answer and nothing of it runs.
        Raises `ScriptError` if the model had nothing to say, and `AssertionError` if the message was rejected."""
        at = await now(self._client)

        def rejected(event: Event) -> bool:
            return event.type == "message.rejected" and event.message_id == message_id

        def over(events: list[Event]) -> bool:
            return _turn_of(events, message_id, at) is not None or any(map(rejected, events))

        what = "the end of the last turn" if message_id is None else f"the end of the turn of message {message_id}"
        events = await self._until(over, what)
        turn = _turn_of(events, message_id, at)
        if self._model.problem is not None:
            raise ScriptError(self._model.problem)
        if turn is None:
            raise AssertionError(f"the message was rejected: {[event for event in events if rejected(event)][-1]!r}")
        return turn

    async def questions(self) -> tuple[Question, ...]:
        """The open ones, oldest first."""
        return open_questions(await self.events(), await now(self._client))

    async def approve(
        self,
        which: str | None = None,
        *,
        args: dict[str, Any] | None = None,
        remember: bool | None = None,
        by: str | None = None,
    ) -> Turn:
        """Allows a call, with other arguments than the model's if `args` is given, and returns the turn as it goes on.

        `which` is the tool's name or the question's id, where more than one is open; `remember` allows the tool for the
        rest of the session; `by` is the user who answers. Raises `LookupError` where that is not exactly one open
        question, and `AnswerRefused` where the answer does not fit it."""
        return await self._answer(which, by, approved=True, args=args, remember=remember)

    async def deny(self, which: str | None = None, *, reason: str | None = None, by: str | None = None) -> Turn:
        """Does not allow a call, or declines what a client tool asks; else as `approve`."""
        return await self._answer(which, by, approved=False, reason=reason)

    async def answer(self, result: Any, which: str | None = None, *, by: str | None = None) -> Turn:
        """Answers as a client tool: `result` is its result; else as `approve`."""
        return await self._answer(which, by, result=result)

    async def _answer(self, which: str | None, by: str | None, **answer: Any) -> Turn:
        await self._answers.give(await self.questions(), which, by, **answer)
        return await self.turn()

    async def until(self, kind: str, count: int = 1) -> list[Event]:
        """All events, once there are `count` of this type: `tool.started`."""
        return await self._until(
            lambda events: sum(event.type == kind for event in events) >= count, f"{count} × {kind}"
        )

    async def streamed(self, text: str) -> None:
        """Returns once the answer that streams holds `text`."""
        try:
            async with asyncio.timeout(PATIENCE_S), self._live.subscribe(self.handle.id) as frames:
                await until_streamed(frames, lambda progress: any(text in part.text for part in progress.parts))
        except TimeoutError:
            raise AssertionError(f"no answer streamed {text!r} within {PATIENCE_S} s") from None

    async def stop(self) -> Turn:
        """Stops the turn that runs, and returns it as it ended. Raises `AssertionError` if none runs."""
        events = await self.events()
        ended = {event.turn_id for event in events if event.type == "turn.finished"}
        running = [event.turn_id for event in events if event.type == "turn.started" and event.turn_id not in ended]
        if not running:
            raise AssertionError("no turn runs that could be stopped")
        await self.ask_to_stop(running[-1])
        found = await self._until(lambda events: _turn(events, running[-1]) is not None, "the end of a stopped turn")
        turn = _turn(found, running[-1])
        assert turn is not None
        return turn

    async def ask_to_stop(self, turn_id: str | None = None, stop_id: str | None = None) -> None:
        """Stops a turn, if not any that runs, and does not wait. The same id again is the same stop."""
        await self.handle.signal(SessionWorkflow.stop, Stop(id=stop_id or uuid.uuid4().hex, turn_id=turn_id))
        self._live.stop(self.handle.id)

    async def configure(
        self, *, model: str | None = None, metadata: dict[str, Any] | None = None, limits: Limits | None = None
    ) -> None:
        """Switches to another of the agent's models, sets metadata, or other limits than the agent's."""
        change = Configure(id=uuid.uuid4().hex, model=model, metadata=metadata, limits=limits)
        await self.handle.signal(SessionWorkflow.configure, change)

    async def close(self, reason: str = "closed") -> None:
        """Closes it for good; returns once it is."""
        await self._service.open(Caller(self.new.tenant), self.new.session_id).close(reason)
        await self.until("session.closed")

    async def events(self) -> list[Event]:
        """Every event so far, oldest first."""
        more = True
        while more:
            after = self._events[-1].seq if self._events else 0
            page = await self.handle.query(SessionWorkflow.events, after)
            self._events += [event for event in page.events if event.seq > after]
            more = page.more
        return list(self._events)

    async def transcript(self) -> Transcript:
        """The whole conversation; compare it with a list of `user(...)`, `assistant(...)`, `result(...)`."""
        messages: list[Message] = []
        request = PageRequest()
        while request.until is None or len(messages) < request.until:
            page = await self.snapshot(request)
            messages += page.messages
            request = PageRequest(after=len(messages), until=page.count, path=page.path)
        whole = [m.model_copy(update={"parts": await unfold(self._blobs, m.parts)}) for m in messages]
        return Transcript.of(whole)

    async def snapshot(self, request: PageRequest | None = None) -> SnapshotPage:
        """The session as a whole: status, cost, usage, model, limits; its messages a page at a time."""
        return await self.handle.query(SessionWorkflow.snapshot, request or PageRequest())

    async def runs(self) -> list[WorkflowHistory]:
        """The history of each of its runs, the first one first; there are several once it has continued as new."""
        found = [await self.handle.fetch_history()]
        while before := found[0].events[0].workflow_execution_started_event_attributes.continued_execution_run_id:
            found.insert(0, await self._client.get_workflow_handle(self.handle.id, run_id=before).fetch_history())
        return found

    async def _until(self, done: Callable[[list[Event]], bool], what: str) -> list[Event]:
        events: list[Event] = []
        try:
            async with asyncio.timeout(PATIENCE_S), self._live.subscribe(self.handle.id) as frames:
                while True:
                    events = await self.events()
                    if done(events):
                        return events
                    await _news(frames, events[-1].seq if events else 0)
        except TimeoutError:
            last = "".join(f"\n    {event!r}" for event in events[-5:])
            raise AssertionError(f"{what} did not come within {PATIENCE_S} s; the last events:{last}") from None


async def _news(frames: Subscription, known: int) -> None:
    """Returns once there may be events after `known`."""
    while True:
        frame = await frames.get()
        if isinstance(frame, Poke) and (frame.seq == 0 or frame.seq > known):
            return


async def end(handle: WorkflowHandle[Any, Any]) -> None:
    """Ends it without ceremony, so that nothing of it goes on when the next test moves the clock."""
    try:
        await handle.terminate(rpc_timeout=timedelta(seconds=5))
    except RPCError as error:
        # It closed by itself.
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise


def _turn_of(events: list[Event], message_id: str | None, at: datetime) -> Turn | None:
    """The turn of a message, or the last one, if it has ended or waits."""
    for event in reversed(events):
        if event.type == "turn.started" and message_id is None:
            return _turn(events, event.turn_id, at)
        if event.type == "message.added" and event.message.id == message_id:
            return _turn(events, event.turn_id, at)
    return None


def _turn(events: list[Event], turn_id: str | None, now: datetime | None = None) -> Turn | None:
    """As it ended; with `now`, also as it waits."""
    own = tuple(event for event in events if event.turn_id == turn_id)
    end = next((event for event in own if isinstance(event, TurnFinished)), None)
    steps = [event for event in own if isinstance(event, StepFinished)]
    text = "".join(part.text for part in steps[-1].message.parts if isinstance(part, Text)) if steps else ""
    if end is None:
        asked = waits(own, now) if now is not None else ()
        costs = [step.cost_usd for step in steps]
        cost = sum(one for one in costs if one is not None) if None not in costs else None
        return Turn(text, "waiting", None, cost, _sum(step.usage for step in steps), own, asked) if asked else None
    return Turn(text, end.reason, end.error, end.cost_usd, end.usage, own)


def _sum(usages: Iterable[Usage]) -> Usage:
    return sum(usages, start=Usage())
