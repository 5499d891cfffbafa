"""One session as a test has it: says something and waits for the turn, reads events and transcript."""

import asyncio
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from temporalio.client import Client, WorkflowHandle, WorkflowHistory

from perdure.temporal.app.testing.model import ScriptedModel, ScriptError
from perdure.temporal.app.testing.questions import Answers, open_questions
from perdure.temporal.app.testing.server import now
from perdure.temporal.app.testing.transcript import Transcript
from perdure.temporal.app.testing.turns import Turn, turn_after, turn_in, turn_of
from perdure.temporal.live.frames import Poke
from perdure.temporal.live.memory import MemoryLive
from perdure.temporal.live.protocols import Subscription
from perdure.temporal.live.streamed import until_streamed
from perdure.temporal.sessions.content import new_message
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.requests import RetryTurn, RewindSession, TriggerBody
from perdure.temporal.sessions.sealed import all_events
from perdure.temporal.sessions.service import Sessions
from perdure.temporal.stores.blobs import BlobStore, unfold
from perdure.workflows.definition.agent import Limits
from perdure.workflows.protocol.branch_queries import BranchesPage
from perdure.workflows.protocol.queries import PageRequest, SnapshotPage
from perdure.workflows.protocol.signals import Configure, NewSession, Stop
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.busy import Busy
from perdure.workflows.vocabulary.events import Event
from perdure.workflows.vocabulary.parts import Text
from perdure.workflows.vocabulary.questions import By, Question

#: Real seconds after which a test gives up waiting.
PATIENCE_S: Final = 30


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
        self._announcing = partial(service.budgets.announcing, tenant=new.tenant, user=new.user)
        self._opened = service.open(Principal.trusted(new.tenant), new.session_id)
        self._sealed = service.sealed
        self._answers = Answers(service, new, self._until)

    async def say(self, text: str) -> Turn:
        """Sends a message as the user, and returns its turn once that has ended or waits for an answer."""
        return await self.turn(await self.send(text))

    async def send(self, text: str, message_id: str | None = None, *, busy: Busy | None = None) -> str:
        """Sends a message and does not wait; returns the message's id. The same id again is the same message. `busy` says
        what happens to it while a turn runs: `queue`, `steer`, `interrupt` or `reject`; by default, as the agent says."""
        message = await new_message(
            self._blobs, self.handle.id, (Text(text=text),), self.new.digest, message_id, busy=busy
        )
        await self.handle.signal(SessionWorkflow.send_message, await self._announcing(message))
        return message.message_id

    async def trigger(self, name: str, trigger_id: str | None = None, /, **inputs: Any) -> Turn:
        """Has a handler of the agent carried out, and returns its turn once that has ended or waits for an answer. The same
        `trigger_id` again does nothing."""
        wanted = TriggerBody.model_validate({"inputs": inputs, "trigger_id": trigger_id})
        sent = await self._opened.trigger(name, wanted)
        return await self._turn_after(sent.cursor)

    async def send_event(self, name: str, event_id: str | None = None, /, **inputs: Any) -> str:
        """Sends an event that the agent declares, and does not wait; returns the event's id. `trigger` sends one, too, and
        returns the turn of the handler that was waiting for it."""
        wanted = TriggerBody.model_validate({"inputs": inputs, "trigger_id": event_id})
        return (await self._opened.trigger(name, wanted)).trigger_id

    async def steer(self, text: str) -> str:
        """Sends a message that joins the running turn before its next step, and does not wait; returns the message's id.
        `await session.turn(id)` is the turn that it joined."""
        return await self.send(text, busy="steer")

    async def interrupt(self, text: str) -> Turn:
        """Sends a message that stops the running turn, and returns the message's own turn."""
        return await self.turn(await self.send(text, busy="interrupt"))

    async def queued(self) -> dict[str, str]:
        """The texts of the queued messages by their ids, the next one first."""
        waiting = (await self.snapshot()).queued
        return {one.id: "".join(part.text for part in one.parts if isinstance(part, Text)) for one in waiting}

    async def edit(self, message_id: str, text: str) -> None:
        """Replaces the text of a queued message. Raises `SessionError` once it no longer waits."""
        await self._opened.edit(message_id, (Text(text=text),))

    async def withdraw(self, message_id: str) -> None:
        """Withdraws a queued message. Raises `SessionError` once it no longer waits."""
        await self._opened.withdraw(message_id)

    async def turn(self, message_id: str | None = None) -> Turn:
        """The turn of a message, by default the last one, once it has ended, or waits for an answer and nothing of it runs.
        Raises `ScriptError` if the model had nothing to say, and `AssertionError` if the message was rejected."""
        at = await now(self._client)

        def rejected(event: Event) -> bool:
            return event.type == "message.rejected" and event.message_id == message_id

        def over(events: list[Event]) -> bool:
            return turn_of(events, message_id, at) is not None or any(map(rejected, events))

        what = "the end of the last turn" if message_id is None else f"the end of the turn of message {message_id}"
        events = await self._until(over, what)
        turn = turn_of(events, message_id, at)
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
        by: str | By | None = None,
    ) -> Turn:
        """Allows a call, with other arguments than the model's if `args` is given, and returns the turn as it goes on.

        `which`: the tool's name or the question's id, where several are open; `remember` allows the tool from then on;
        `by`: who answers, as a `By` where roles count. Raises `LookupError` where none is meant, and `AnswerRefused`."""
        return await self._answer(which, by, approved=True, args=args, remember=remember)

    async def deny(self, which: str | None = None, *, reason: str | None = None, by: str | By | None = None) -> Turn:
        """Does not allow a call, or declines what a client tool asks; else as `approve`."""
        return await self._answer(which, by, approved=False, reason=reason)

    async def answer(self, result: Any, which: str | None = None, *, by: str | By | None = None) -> Turn:
        """Answers what a client tool, or a handler, asks: `result` is the answer; else as `approve`."""
        return await self._answer(which, by, result=result)

    async def _answer(self, which: str | None, by: str | By | None, **answer: Any) -> Turn:
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
        found = await self._until(lambda events: turn_in(events, running[-1]) is not None, "the end of a stopped turn")
        turn = turn_in(found, running[-1])
        assert turn is not None
        return turn

    async def ask_to_stop(self, turn_id: str | None = None, stop_id: str | None = None) -> None:
        """Stops a turn, by default whichever runs, and does not wait. The same id again is the same stop."""
        await self.handle.signal(SessionWorkflow.stop, Stop(id=stop_id or uuid.uuid4().hex, turn_id=turn_id))
        self._live.stop(self.handle.id)

    async def configure(
        self, *, model: str | None = None, metadata: dict[str, Any] | None = None, limits: Limits | None = None
    ) -> None:
        """Switches to another of the agent's models, sets metadata, or other limits than the agent's."""
        change = Configure(id=uuid.uuid4().hex, model=model, metadata=metadata, limits=limits)
        await self.handle.signal(SessionWorkflow.configure, await self._announcing(change))

    async def rewind(
        self,
        message_id: str | None = None,
        text: str | None = None,
        *,
        model: str | None = None,
        undo: bool | None = None,
    ) -> Turn:
        """Goes back to a message, by default the user's last one: sends it again, or `text` in its place, or has an answer
        given again. Returns the turn that follows, or the one that asks whether calls may be taken back, which `approve` and
        `deny` answer; `undo` decides in advance. Raises `SessionError` if the session cannot go back there."""
        if message_id is None:
            _, said = await self._opened.pages()
            message_id = next(one.id for one in reversed(said) if one.role == "user" and not one.own)
        wanted = RewindSession(message_id=message_id, text=text, model=model, undo=undo)
        return await self._turn_after((await self._opened.rewind(wanted)).cursor)

    async def back(self, branch: str, *, undo: bool | None = None) -> Turn | None:
        """Returns to an earlier branch. Returns the turn that asks whether calls may be taken back, if one asks.
        Raises `SessionError` if there is no such branch."""
        cursor = (await self._opened.rewind(RewindSession(branch=branch, undo=undo))).cursor
        at = await now(self._client)

        def over(events: list[Event]) -> bool:
            moved = any(event.type == "transcript.rewound" and event.seq > cursor for event in events)
            return moved or turn_after(events, cursor, at) is not None

        return turn_after(await self._until(over, f"the branch {branch}"), cursor, at)

    async def retry(self, *, model: str | None = None) -> Turn:
        """Continues the last turn, which failed or was stopped. Raises `SessionError` if it ended well."""
        return await self._turn_after((await self._opened.retry(RetryTurn(model=model))).cursor)

    async def branches(self) -> BranchesPage:
        """The session's branches, and where they part from the current one."""
        return await self._opened.branches()

    async def close(self, reason: str = "closed") -> None:
        """Closes it for good; returns once it is."""
        await self._opened.close(reason)
        await self.until("session.closed")

    async def events(self) -> list[Event]:
        """Every event so far, oldest first."""
        more = True
        while more:
            after = self._events[-1].seq if self._events else 0
            page = await self.handle.query(SessionWorkflow.events, after)
            async for events in all_events(self._sealed, self.handle.id, page, after):
                self._events += [event for event in events if event.seq > after]
            more = page.more
        return list(self._events)

    async def transcript(self) -> Transcript:
        """The whole conversation; compare it with a list of `user(...)`, `assistant(...)`, `result(...)`."""
        _, messages = await self._opened.pages()
        whole = [m.model_copy(update={"parts": await unfold(self._blobs, m.parts)}) for m in messages]
        return Transcript.of(whole)

    async def snapshot(self, request: PageRequest | None = None) -> SnapshotPage:
        """The session as a whole: status, cost, usage, model, limits; its messages a page at a time."""
        return await self.handle.query(SessionWorkflow.snapshot, request or PageRequest())

    async def variables(self) -> dict[str, Any]:
        """What each session variable holds, by name."""
        return await self._opened.variables()

    async def runs(self) -> list[WorkflowHistory]:
        """The history of each of its runs, the first one first; there are several once it has continued as new."""
        found = [await self.handle.fetch_history()]
        while before := found[0].events[0].workflow_execution_started_event_attributes.continued_execution_run_id:
            found.insert(0, await self._client.get_workflow_handle(self.handle.id, run_id=before).fetch_history())
        return found

    async def _turn_after(self, cursor: int) -> Turn:
        """The last turn that started after `cursor`, once it has ended or waits."""
        at = await now(self._client)
        events = await self._until(lambda events: turn_after(events, cursor, at) is not None, "the turn that follows")
        if self._model.problem is not None:
            raise ScriptError(self._model.problem)
        turn = turn_after(events, cursor, at)
        assert turn is not None
        return turn

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
