"""One session as its caller has it. Made by `Sessions.open`, which puts it below the caller's tenant.

Rule: each method that asks the session or tells it something says what the caller `needs` (see `access.py`).
"""

import uuid
from collections.abc import AsyncIterator

from pydantic import JsonValue

from perdure.temporal.definitions.store import Definitions
from perdure.temporal.sessions import access
from perdure.temporal.sessions.access import Belonging, Belongings, needs, stream_needs
from perdure.temporal.sessions.answering import answer_question
from perdure.temporal.sessions.collaborators import Collaborators
from perdure.temporal.sessions.configuring import configured, limited, limits_of
from perdure.temporal.sessions.erase import Erased
from perdure.temporal.sessions.errors import SessionClosed
from perdure.temporal.sessions.feedback import give_feedback
from perdure.temporal.sessions.fork import Forked, fork
from perdure.temporal.sessions.look import Look
from perdure.temporal.sessions.pasts import in_whole, read_past
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.requests import (
    AnswerBody,
    ConfigureSession,
    FeedbackBody,
    ForkSession,
    RetryTurn,
    RewindSession,
    TriggerBody,
)
from perdure.temporal.sessions.rewinding import Rewound
from perdure.temporal.sessions.scopes import Act
from perdure.temporal.sessions.sealed import Shown, all_events
from perdure.temporal.sessions.sending import KnownReceipt, Sent
from perdure.temporal.sessions.snapshot import (
    Excerpt,
    Snapshot,
    SubQuestion,
    branch_page,
    message_page,
    open_questions,
    read_facts,
    read_snapshot,
    sub_questions,
    whole_snapshot,
)
from perdure.temporal.sessions.timers import cancel_timer
from perdure.temporal.sessions.trace import RebuildRequest, TraceReader, find_step, kept_steps, last_steps
from perdure.temporal.sessions.triggering import TriggerSent
from perdure.temporal.stores.files import get_file
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.definition.agent import Limits
from perdure.workflows.protocol.branch_queries import BranchesPage
from perdure.workflows.protocol.queries import EventsPage, Receipt, SnapshotPage, TimersPage
from perdure.workflows.protocol.signals import Spending, Stop
from perdure.workflows.protocol.traces import TraceStep
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.busy import Busy
from perdure.workflows.vocabulary.events import Event
from perdure.workflows.vocabulary.parts import Message, Part
from perdure.workflows.vocabulary.questions import Question


class Session:
    """Whatever is asked of a session or told to it raises `SessionNotFound`, `Forbidden`, `NoWorker`, `Overloaded`,
    `StateLost`, `TemporalSilent`, `TooMany` or `StoreUnavailable`; each method names only what it raises beside."""

    def __init__(self, caller: Principal, session_id: str, shared: Collaborators) -> None:
        self.session_id = session_id
        self.workflow_id = caller.workflow_id(session_id)
        self._caller = caller
        self._shared = shared
        self._backend = shared.backend
        # Made anew for each request.
        self._belongings = Belongings(shared.backend.belonging)

    async def check(self, *acts: Act) -> None:
        """Raises `SessionNotFound` or `Forbidden` unless the caller may do one of these."""
        await access.check(self._belongings, self._caller, self.session_id, *acts)

    async def belonging(self) -> Belonging:
        """Whose the session is."""
        return await self._belongings.of(self.workflow_id)

    @needs("read")
    async def receipt(self, message_id: str = "") -> Receipt:
        """The session's status, and what it knows of a message."""
        return await self._receipt(message_id)

    @needs("write")
    async def send(
        self,
        parts: tuple[Part, ...],
        message_id: str | None = None,
        *,
        known: KnownReceipt = lambda: None,
        model: str | None = None,
        busy: Busy | None = None,
        follows: bool = False,
        run_id: str | None = None,
    ) -> Sent:
        """Sends a message, which the role `model` shall answer, if one is named; returns once it is in the session's history.
        `busy` says what becomes of it while the session works; None: what the agent says. `run_id` is what the client calls
        the run that it begins. Raises as `Sender.send`."""
        sent = await self._shared.sender.send(
            self._caller, self.session_id, parts, message_id, known, model, busy, follows=follows, run_id=run_id
        )
        reads = await access.may(self._belongings, self._caller, self.session_id, "read")
        return sent if reads else sent.without_questions

    @needs("write")
    async def trigger(self, name: str, wanted: TriggerBody) -> TriggerSent:
        """Has a handler of the agent carried out, or sends it an event; returns once that is in the session's history. Raises
        as `Triggerer.trigger`."""
        return await self._shared.triggerer.trigger(self._caller, self.session_id, name, wanted)

    @needs("write")
    async def edit(self, message_id: str, parts: tuple[Part, ...]) -> int | None:
        """Gives a message that waits other parts. Returns and raises as `Queued.edit`."""
        return await self._shared.queued.edit(self._caller, self.session_id, message_id, parts)

    @needs("write")
    async def withdraw(self, message_id: str) -> None:
        """Takes back a message that waits. Raises as `Queued.withdraw`."""
        await self._shared.queued.withdraw(self._caller, self.session_id, message_id)

    @needs("write")
    async def stop(self, turn_id: str | None = None) -> None:
        """Stops a turn, without `turn_id` whichever runs; does nothing where it does not run. Raises `SessionClosed`."""
        if (await self._receipt()).closed:
            raise SessionClosed
        await self._backend.signal(self.workflow_id, Stop(id=uuid.uuid4().hex, turn_id=turn_id))
        self._interrupt()

    @needs("answer", "approve", "limits")
    async def answer(self, answer: AnswerBody, answer_id: str | None = None) -> int:
        """Answers an open question; the first answer counts. Returns and raises as `answer_question`."""
        return await answer_question(self._shared, self._caller, self.workflow_id, answer, self.check, answer_id)

    @needs("configure", "write")
    async def configure(self, changes: ConfigureSession) -> None:
        """Changes what is given, from the next step (`model`) or turn (`digest`) on. Whoever may write in a session may name
        it, too. Raises as `configured`."""
        if changes.model_fields_set != {"title"}:
            await self.check("configure")
        if changes.digest is not None:
            await self.check("pin")
        command = await configured(self._backend, self._shared.definitions, self.workflow_id, changes)
        if command is not None:
            await self._let_spend(command.model_copy(update={"by": self._caller.by}))

    @needs("limits")
    async def limit(self, changes: Limits) -> Limits:
        """Sets the limits that are given; null lifts a cap. Returns all that hold then. Raises as `limited`."""
        command = await limited(self._backend, self._shared.definitions, self.workflow_id, changes)
        if command is not None:
            await self._let_spend(command.model_copy(update={"by": self._caller.by}))
        return await limits_of(self._backend, self._shared.definitions, self.workflow_id)

    @needs("fork")
    async def fork(self, wanted: ForkSession, definitions: Definitions | None = None) -> Forked:
        """Starts a new session with this one's past; `definitions` stand in for the service's own. Raises as `fork`."""
        sends = wanted.text is not None
        await access.check_fork(self._belongings, self._caller, self.session_id, sends=sends)
        return await fork(
            self._backend,
            self._shared.blobs,
            self._shared.sealed,
            definitions or self._shared.definitions,
            self._caller,
            self.session_id,
            wanted,
            continue_as_new_after=self._shared.settings.continue_as_new_after,
        )

    @needs("write")
    async def rewind(self, wanted: RewindSession) -> Rewound:
        """Lets the conversation go on from an earlier message, or on an earlier branch. Raises as `Rewinder.rewind`."""
        if wanted.undo:
            # Whoever says so before being asked allows the calls that take others back.
            await self.check("approve")
        return await self._shared.rewinder.rewind(self._caller, self.workflow_id, wanted)

    @needs("write")
    async def retry(self, wanted: RetryTurn) -> Rewound:
        """Runs the last turn on, which failed or was stopped. Raises as `Rewinder.retry`."""
        return await self._shared.rewinder.retry(self._caller, self.workflow_id, wanted)

    @needs("write")
    async def give_feedback(self, wanted: FeedbackBody) -> int:
        """Keeps what the caller thinks of a turn. Returns and raises as `give_feedback`."""
        shared = self._shared
        return await give_feedback(shared.backend, shared.live, self.workflow_id, wanted, self._caller.by)

    @needs("read")
    async def branches(self) -> BranchesPage:
        """All of them, and where they part from the one that goes on."""
        return await self._shared.branches.branches(self.workflow_id)

    @needs("read")
    async def branch(self, branch: str, before: int | None, limit: int) -> tuple[Excerpt, tuple[Message | Shown, ...]]:
        """The last `limit` messages of a branch before a position (None: of all), everything in them hydrated. Raises
        `BranchNotFound`."""
        path, count = await self._shared.branches.path_of(self.workflow_id, branch)
        stop = count if before is None else min(before, count)
        return await branch_page(
            self._backend, self._shared.blobs, self._shared.sealed, self.workflow_id, path, stop, limit
        )

    @needs("write")
    async def close(self, reason: str = "closed") -> bool:
        """Tells the session to close; False where it was told before."""
        told = await self._backend.close(self.workflow_id, reason)
        if told:
            self._interrupt()
        return told

    @needs("erase")
    async def erase(self, *, terminate: bool = False) -> Erased:
        """Closes the session and deletes its histories and blobs; can be repeated. `terminate`: as for `Eraser.erase`."""
        erased = await self._shared.eraser.erase(self.workflow_id, closing=self._interrupt, terminate=terminate)
        # Viewers that are left learn of it now.
        self._shared.live.poke(self.workflow_id)
        return erased

    @needs("read")
    async def events(self, after: int = 0) -> EventsPage:
        """A page of those greater than `after`; sealed ones are to be read before (`all_events`)."""
        return await self._backend.events(self.workflow_id, after)

    @stream_needs("read")
    async def all_events(self, after: int = 0) -> AsyncIterator[Event]:
        """The events greater than `after` that the session keeps, sealed or not."""
        more = True
        while more:
            page = await self._backend.events(self.workflow_id, after)
            async for events in all_events(self._shared.sealed, self.workflow_id, page, after):
                for event in events:
                    yield event
            more, after = page.more, page.events[-1].seq if page.events else after

    @needs("read")
    async def facts(self) -> SnapshotPage:
        """What a snapshot tells without its messages."""
        return await read_facts(self._backend, self.workflow_id)

    @needs("read")
    async def pages(self) -> tuple[SnapshotPage, tuple[Message, ...]]:
        """Its facts and its transcript, big parts still offloaded."""
        return await read_snapshot(self._backend, self._shared.sealed, self.workflow_id)

    @needs("read")
    async def snapshot(self, last: int | None = None) -> Snapshot:
        """The session with all its messages, or the `last` ones, everything in it hydrated."""
        return await whole_snapshot(self._backend, self._shared.blobs, self._shared.sealed, self.workflow_id, last)

    @needs("read")
    async def messages(self, before: int | None, limit: int) -> tuple[Excerpt, tuple[Message | Shown, ...]]:
        """The last `limit` messages before a position (None: of all), everything in them hydrated."""
        shared = self._shared
        return await message_page(self._backend, shared.blobs, shared.sealed, self.workflow_id, before, limit)

    @needs("read")
    async def questions(self) -> tuple[Question, ...]:
        """The open ones, oldest first."""
        return await open_questions(self._backend, self._shared.blobs, self.workflow_id, await self._receipt())

    @needs("read")
    async def sub_questions(self) -> tuple[SubQuestion, ...]:
        """The open ones of its sub-agents."""
        return await sub_questions(self._backend, self._shared.blobs, self.workflow_id)

    @stream_needs("trace")
    async def steps(self, after: int = 0) -> AsyncIterator[TraceStep]:
        """The steps that the session keeps, oldest first, without the first `after`."""
        async for step in kept_steps(self._backend, self._shared.sealed, self.workflow_id, after):
            yield step

    @needs("trace")
    async def last_steps(self, before: int, limit: int) -> tuple[int, list[TraceStep]]:
        """The last `limit` steps before a number, counted from 0, and the number of the first of them."""
        return await last_steps(self._backend, self._shared.sealed, self.workflow_id, before, limit)

    @needs("trace")
    async def step(self, step_id: str) -> TraceStep | None:
        """The step of this id, where the session keeps it."""
        return await find_step(self._backend, self._shared.sealed, self.workflow_id, step_id)

    def trace(self, rebuild_request: RebuildRequest | None = None) -> TraceReader:
        """Shows its steps, as they were. `rebuild_request` stands in for the service's own."""
        rebuild = rebuild_request or self._shared.rebuild_request
        return TraceReader(self._backend, self._shared.blobs, self._shared.sealed, rebuild, self.workflow_id)

    @needs("trace")
    async def past(self, turn_id: str | None) -> SessionState:
        """Its state at the end of a turn, nothing of it sealed; None: of the last turn that has ended. Raises
        `InvalidRequest` and `TurnRunning`."""
        state = await read_past(self._backend, self._shared.sealed, self.workflow_id, turn_id, keep_turn=True)
        return await in_whole(self._shared.sealed, self.workflow_id, state)

    @needs("read")
    async def timers(self) -> TimersPage:
        return await self._backend.ask(self.workflow_id, SessionWorkflow.timers)

    @needs("read")
    async def variables(self) -> dict[str, JsonValue]:
        """What each session variable holds, by name."""
        return (await self._backend.ask(self.workflow_id, SessionWorkflow.variables)).variables

    @needs("write")
    async def cancel_timer(self, timer_id: str) -> None:
        """Raises `SessionClosed` and `TimerNotFound`."""
        await cancel_timer(self._backend, self._shared.live, self.workflow_id, timer_id)

    @needs("read")
    async def file(self, sha256: str) -> tuple[bytes, str] | None:
        """The bytes and the media type of a file of this session; None where it has no such file."""
        return await get_file(self._shared.blobs, self.workflow_id, sha256)

    @needs("read")
    async def look(self) -> Look:
        return await self._backend.look(self.workflow_id)

    @needs("read")
    async def prefer(self) -> None:
        """Has its tasks taken before others', for somebody looks on. Costs one event."""
        await self._backend.prefer(self.workflow_id)

    async def _receipt(self, message_id: str = "") -> Receipt:
        return await self._backend.query(self.workflow_id, SessionWorkflow.receipt, message_id)

    async def _let_spend(self, command: Spending) -> None:
        await self._backend.let_spend(self.workflow_id, (await self._receipt()).user, command)
        self._shared.live.poke(self.workflow_id)

    def _interrupt(self) -> None:
        # The model call hears it at once, not at its next heartbeat.
        self._shared.live.stop(self.workflow_id)
        self._shared.live.poke(self.workflow_id)
