"""What a run of AG-UI asks of its session: a message, answers, results of client tools; and the frames sent back.

Rule 1: what a client says of the conversation is not believed. A message is new where the session does not know its id, and
an answer counts for the session's own open question.
Rule 2: a run whose client may not have all that the session has begins with a snapshot.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Collection
from contextlib import aclosing
from typing import Any

from pydantic import ValidationError

from perdure.gateway.http.ag_ui_body import AgUiMessage, AgUiResume, RunAgentInput
from perdure.gateway.http.ag_ui_parts import Place, answer_to, message_of, renamed, results_of
from perdure.gateway.http.problems import Problem
from perdure.gateway.http.sse import json_line
from perdure.gateway.live.items import Item
from perdure.gateway.projections.ag_ui import Run
from perdure.gateway.projections.ag_ui_events import AgUiEvent
from perdure.gateway.projections.ag_ui_messages import native
from perdure.gateway.projections.ag_ui_questions import Asked, is_of_client, read_interrupt_id
from perdure.gateway.projections.ag_ui_run_of import RunOf, answer_id, last_run
from perdure.gateway.projections.ag_ui_state import FIELDS, State
from perdure.gateway.routes.context import Gateway
from perdure.temporal.schemas.yaml_source import field_name
from perdure.temporal.sessions.errors import AlreadyAnswered, IdConflict, InvalidRequest, SessionNotFound
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.requests import AnswerBody, CreateSession
from perdure.temporal.sessions.snapshot import Snapshot
from perdure.temporal.sessions.validation import from_validation
from perdure.workflows.definition.tools import ClientTool
from perdure.workflows.protocol.queries import Receipt


class Thread:
    """The thread `thread_id` of `agent`, for one request of its client."""

    def __init__(self, app: Gateway, caller: Principal, agent: str, thread_id: str) -> None:
        self._app = app
        self._caller = caller
        self._agent = agent
        self._session = app.sessions.open(caller, thread_id)

    async def run(self, wanted: RunAgentInput) -> AsyncIterator[bytes]:
        """The frames of a run. Raises as the session service does, and Problem."""
        said = next((message for message in reversed(wanted.messages) if message.role == "user"), None)
        receipt = await self._receipt(said.id if said is not None else "")
        if receipt is None:
            return await self._start(wanted, said)
        await self._session.check("read")
        results = await self._client_tools(receipt.digest)
        ignored = _ignored(wanted, results)
        begins: Snapshot | None = None
        answered: frozenset[str] = frozenset()
        if wanted.resume or (receipt.waiting_for and _results(wanted)):
            # From before what is answered, so that what comes of it is told as it comes.
            begins = await self._session.snapshot()
            answered = await self._answer(wanted, begins, ignored)
        is_new = said is not None and receipt.content_sha256 is None
        if said is not None and is_new:
            parts = message_of(said, _place(wanted, said)).neutral_parts()
            sent = await self._session.send(parts, said.id, follows=True, run_id=wanted.runId)
            if not answered and receipt.status == "idle" and not receipt.queued and sent.position is None:
                return await self._from_message(_of(wanted, said.id, ignored, results), wanted, sent.cursor)
        if begins is None or not answered or begins.page.turn_id is None:
            # What begins anew with an answer may have ended by now, or may never come.
            begins, answered = await self._session.snapshot(), frozenset()
        if said is not None and said is wanted.messages[-1] and _is_other(said, begins):
            raise IdConflict(
                "This id was used for a message with other content. Give what is said anew an id of its own."
            )
        waits = said is not None and (is_new or any(one.id == said.id for one in begins.page.queued))
        of = _of(wanted, said.id if said is not None and waits else None, ignored, results, answered)
        return self._frames(Run(of, self._state), begins)

    async def follow(self) -> AsyncIterator[bytes]:
        """The frames of the run that goes on, or of the last one."""
        if await self._receipt() is None:
            raise SessionNotFound
        snapshot = await self._session.snapshot()
        return self._frames(Run(last_run(snapshot), self._state), snapshot)

    async def _receipt(self, message_id: str = "") -> Receipt | None:
        """None where there is no session. Raises `SessionNotFound` where the session is another agent's."""
        try:
            receipt = await self._session.receipt(message_id)
        except SessionNotFound:
            return None
        if self._agent not in (receipt.agent, receipt.started_as):
            raise SessionNotFound(
                f"The thread {self._session.session_id} is not one of the agent {self._agent}; "
                f"its agent is {receipt.agent}."
            )
        return receipt

    async def _start(self, wanted: RunAgentInput, said: AgUiMessage | None) -> AsyncIterator[bytes]:
        """Starts the session with its first message."""
        agent = self._app.definitions.current(self._agent, self._caller.tenant)
        if agent is None:
            raise Problem("agent_not_found", f"There is no agent {self._agent}.")
        if wanted.resume:
            raise SessionNotFound("There is no such thread, so nothing of it can be resumed.")
        self._caller.need_act("read")
        if said is None:
            raise InvalidRequest("messages", "have no message of the user, with which the thread could begin")
        message, place = message_of(said, _place(wanted, said)), ("forwardedProps", "inputs")
        inputs = wanted.forwardedProps.get("inputs", {}) if isinstance(wanted.forwardedProps, dict) else {}
        if not isinstance(inputs, dict):
            raise InvalidRequest(field_name(place), "must be a JSON object")
        try:
            create = CreateSession.model_validate(
                {"agent": self._agent, "inputs": inputs, "session_id": wanted.threadId, "message": message}
            )
            await self._app.sessions.start(self._caller, create, run_id=wanted.runId)
        except ValidationError as error:
            # The message is one already.
            at = {"session_id": ("threadId",), "inputs": place}
            raise from_validation(
                [{**one, "loc": ("body", *at.get(str(one["loc"][0]), one["loc"]))} for one in error.errors()]
            ) from None
        except InvalidRequest as error:
            ours = bool(error.errors) and error.errors[0].field.startswith("inputs")
            raise (renamed(error, place, "inputs") if ours else error) from None
        except IdConflict:
            # Another request was first, or it is somebody else's.
            if await self._receipt() is None:
                raise SessionNotFound from None
            await self._session.send(message.neutral_parts(), said.id, follows=True, run_id=wanted.runId)
        await self._session.check("read")
        results = await self._client_tools(agent.digest)
        ignored = _ignored(wanted, results)
        return await self._from_message(_of(wanted, said.id, ignored, results), wanted, 0)

    async def _answer(self, wanted: RunAgentInput, begins: Snapshot, ignored: dict[str, Any]) -> frozenset[str]:
        """Answers what the run answers of what is open as of `begins`. Returns the interrupts that are open no more."""
        below = (Asked(one.question, one.session_id) for one in begins.sub_questions)
        open_ones = {one.id: one for one in (*map(Asked, begins.page.questions), *below)}
        answered: set[str] = set()
        late: list[str] = []
        for number, given in enumerate(wanted.resume):
            asked, place = open_ones.get(given.interruptId), ("resume", number)
            if not await self._resume(asked, given, place, answer_id(wanted.runId, number)):
                late.append(given.interruptId)
            if asked is not None:
                answered.add(asked.id)
        results = _results(wanted)
        for asked in open_ones.values():
            result = results.get(asked.question.call_id or "") if asked.session_id is None else None
            if result is not None and is_of_client(asked.question) and asked.id not in answered:
                await self._give(asked.question.question_id, result, answer_id(wanted.runId, len(answered)))
                answered.add(asked.id)
        if late:
            ignored["answered_before"] = late
        return frozenset(answered)

    async def _resume(self, asked: Asked | None, given: AgUiResume, place: Place, named: str) -> bool:
        """Whether it was not answered before."""
        try:
            if asked is None:
                await self._say_why_not_open(given, place)
                return False
            answer = answer_to(asked.question, given, (*place, "payload"))
            session = self._session
            if asked.session_id is not None:
                session = self._app.sessions.open(self._caller, asked.session_id)
            try:
                await session.answer(answer, named)
            except InvalidRequest as error:
                raise renamed(error, (*place, "payload"), "result") from None
        except AlreadyAnswered:
            return False
        return True

    async def _say_why_not_open(self, given: AgUiResume, place: Place) -> None:
        """Raises `AlreadyAnswered`, or `InvalidRequest` where nothing has ever been asked under this id."""
        above, question_id = read_interrupt_id(given.interruptId)
        if above is not None:
            # Sub-agents that have ended cannot be asked.
            raise AlreadyAnswered
        try:
            # It answers nothing, so it is refused for what the question is.
            await self._session.answer(AnswerBody(question_id=question_id))
        except InvalidRequest:
            raise InvalidRequest(field_name((*place, "interruptId")), "is no interrupt of this thread") from None

    async def _give(self, question_id: str, result: AgUiMessage, named: str) -> None:
        """The result of a client tool, as the first of its readings that fits."""
        readings = results_of(result, question_id)
        for place, answer in enumerate(readings):
            try:
                await self._session.answer(answer, named)
                return
            except AlreadyAnswered:
                return
            except InvalidRequest:
                if place + 1 == len(readings):
                    raise

    async def _client_tools(self, digest: str) -> dict[str, Any]:
        """Those that the agent leaves to its clients, and JSON Schemas of their results."""
        definition = await self._app.definitions.by_digest(digest, self._caller.tenant)
        tools = definition.tools if definition is not None else ()
        return {tool.name: tool.output for tool in tools if isinstance(tool, ClientTool)}

    @property
    def _state(self) -> State:
        return State(self._session.session_id, self._agent)

    async def _from_message(self, of: RunOf, wanted: RunAgentInput, cursor: int) -> AsyncIterator[bytes]:
        """The run begins at a cursor, with the messages that its client has."""
        state = self._state
        state.reset(await self._session.facts())
        state.status = "working"
        had = [message.as_sent() for message in wanted.messages if message.role != "activity"]
        return self._frames(Run(of, state, had), cursor)

    async def _frames(self, run: Run, begins: Snapshot | int) -> AsyncGenerator[bytes]:
        """`begins`: the snapshot with which the run begins, or a cursor."""
        first = run.take(begins) if isinstance(begins, Snapshot) else run.show_state()
        for event in (*run.begin(), *first):
            yield _frame(event)
        if run.over:
            return
        cursor = begins.page.seq if isinstance(begins, Snapshot) else begins
        async with aclosing(self._app.watches.follow(self._session.workflow_id, cursor, patient=True)) as items:
            async for item in items:
                for event in await self._take(run, item):
                    yield _frame(event)
                if run.over:
                    return
        for event in run.broken_off():
            yield _frame(event)

    async def _take(self, run: Run, item: Item) -> list[AgUiEvent]:
        made = run.take(item.value)
        if run.is_stale and not run.over:
            made += run.take(await self._session.snapshot())
        if run.asks_below and not run.over:
            made += run.take_below(await self._session.sub_questions())
        return made


def _of(
    wanted: RunAgentInput,
    message_id: str | None,
    ignored: dict[str, Any],
    results: dict[str, Any],
    answered: frozenset[str] = frozenset(),
) -> RunOf:
    return RunOf(
        wanted.threadId,
        wanted.runId,
        wanted.parentRunId,
        message_id=message_id,
        answered=answered,
        tools=frozenset(tool.name for tool in wanted.tools),
        results=results,
        ignored=ignored,
    )


def _is_other(said: AgUiMessage, known: Snapshot) -> bool:
    """Whether the session has another text under the id of a text. What else a message may hold, clients have in a form of
    their own after they were sent it."""
    messages = (*known.messages, *known.page.queued)
    was: list[dict[str, Any]] = next((native(message)["parts"] for message in messages if message.id == said.id), [])
    texts = [part["text"] for part in was if part["type"] == "text"]
    return isinstance(said.content, str) and len(texts) == len(was) == 1 and texts[0] != said.content


def _place(wanted: RunAgentInput, message: AgUiMessage) -> Place:
    return ("messages", wanted.messages.index(message))


def _results(wanted: RunAgentInput) -> dict[str, AgUiMessage]:
    """By the calls that they are of."""
    return {one.toolCallId: one for one in wanted.messages if one.role == "tool" and one.toolCallId}


def _ignored(wanted: RunAgentInput, client_tools: Collection[str]) -> dict[str, Any]:
    """What a client asks for and is not done, by what it is."""
    ignored: dict[str, Any] = {}
    if tools := [tool.name for tool in wanted.tools if tool.name not in client_tools]:
        ignored["tools"] = tools
    if wanted.context:
        ignored["context"] = len(wanted.context)
    if roles := sorted({one.role for one in wanted.messages if one.role in ("system", "developer")}):
        ignored["messages"] = roles
    if isinstance(wanted.state, dict) and (fields := sorted(wanted.state.keys() - FIELDS)):
        ignored["state"] = fields
    return ignored


def _frame(event: AgUiEvent) -> bytes:
    return b"data: %s\n\n" % json_line(event)
