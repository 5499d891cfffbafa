"""The route of Chat Completions, for programs that know nothing else."""

import uuid
from collections.abc import AsyncGenerator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header
from pydantic import JsonValue, ValidationError
from starlette.responses import JSONResponse, Response

from perdure.gateway.http.chat_bodies import ChatRequest, NamedSession, new_parts, told
from perdure.gateway.http.problems import invalid
from perdure.gateway.http.sse import EventStreamResponse
from perdure.gateway.http.stream_place import stream_place
from perdure.gateway.openapi.openai_answers import REFUSALS, ChatCompletion
from perdure.gateway.projections.openai_chat import ChatChunks, completion, failure
from perdure.gateway.projections.openai_frames import chat_frames
from perdure.gateway.projections.openai_step import StreamEvent
from perdure.gateway.routes.context import App, Caller, Gateway, StillKnown
from perdure.gateway.routes.door import Door
from perdure.gateway.routes.messages import MAX_WAIT_S
from perdure.gateway.routes.openai_asking import checked, first_message, go_on, id_of_key, in_other_words, started
from perdure.gateway.routes.openai_checks import check_format, serving_agent
from perdure.gateway.routes.response_turn import ResponseTurn
from perdure.temporal.sessions.errors import InvalidRequest, SessionNotFound
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.requests import CreateSession, RunAgent
from perdure.workflows.definition.agent import AgentDefinition

#: What changes nothing, beside null. The rest of what a caller can choose is the definition's.
_SAME: Final[dict[str, tuple[JsonValue, ...]]] = {
    "n": (1,),
    "tools": ([],),
    "functions": ([],),
    "tool_choice": ("auto", "none"),
    "function_call": ("auto", "none"),
    "stop": ([],),
    "logprobs": (False,),
    "modalities": (["text"],),
    "audio": (),
}
_STREAM: Final[dict[str, Any]] = {"text/event-stream": {"schema": {"type": "string"}}}

router = APIRouter(prefix="/v1/chat/completions", tags=["responses"], route_class=Door, responses=REFUSALS)

SessionHeader = Annotated[
    str | None, Header(max_length=300, description="The session; it is started where there is none of this id")
]


@router.post("", response_model=None, responses={200: {"model": ChatCompletion, "content": _STREAM}})
async def complete_chat(
    body: ChatRequest,
    app: App,
    caller: Caller,
    known: StillKnown,
    x_session_id: SessionHeader = None,
    x_openwebui_chat_id: Annotated[str | None, Header(max_length=300, description="The same, of Open WebUI")] = None,
    idempotency_key: Annotated[
        str | None, Header(min_length=1, max_length=200, description="The same key again: the same answer")
    ] = None,
) -> Response:
    """Sends the last message of a conversation to an agent, and answers with what it says.

    With a session named, that session goes on, and knows what was said before. Without one, a new session is told the
    conversation in words, and closes once it has answered."""
    caller.need_act("read")
    agent = serving_agent(app, caller, body.model)
    _check(body, agent.definition)
    session_id = _session_id(x_session_id or x_openwebui_chat_id, body)
    async with stream_place(app.limits, caller) as place:
        begin = _Chat(app, caller, body, idempotency_key)
        turn = await (begin.once() if session_id is None else begin.within(session_id))
        id = f"chatcmpl-{str(turn.id).removeprefix('resp_')}"  # noqa: A001
        headers = {"X-Session-Id": turn.id.session_id}
        # What waits behind a question does not end by itself.
        waits = turn.sent.status == "waiting" and turn.sent.position is not None
        if body.stream:
            usage = bool(body.stream_options and body.stream_options.include_usage)
            events = _as_it_is((await turn.at_once()).response) if waits else turn.events()
            return EventStreamResponse(
                chat_frames(events, ChatChunks(id, body.model, usage)),
                keepalive_s=app.settings.keepalive_s,
                headers=headers,
                closed=place.hand_over(),
                until=caller.expires_at,
                known=known,
                plain=True,
            )
        response = (await turn.at_once() if waits else await turn.wait(MAX_WAIT_S)).response
    if response["status"] == "failed":
        # It was tried as often as the definition says.
        return JSONResponse({"error": failure(response)}, 500, {**headers, "x-should-retry": "false"})
    return JSONResponse(completion(response, id) | {"model": body.model}, headers=headers)


class _Chat:
    def __init__(self, app: Gateway, caller: Principal, body: ChatRequest, key: str | None) -> None:
        self._app = app
        self._caller = caller
        self._body = body
        self._key = key
        self._user = None if body.user == caller.user else body.user

    async def once(self) -> ResponseTurn:
        """A session of its own, which closes by itself."""
        body = self._body
        message = first_message(told(body.messages), "messages")
        fields = {"agent": body.model, "message": message, "user": self._user, "metadata": body.known}
        request = checked(RunAgent, {**fields, "idempotency_key": self._key})
        try:
            run = await self._app.sessions.run(self._caller, request)
        except InvalidRequest as refused:
            raise in_other_words(refused, "messages") from None
        return started(self._app, self._caller, run.run_id, body.model, message)

    async def within(self, session_id: str) -> ResponseTurn:
        """The session goes on, or is started."""
        app, caller, body = self._app, self._caller, self._body
        message_id = id_of_key(caller, "m", self._key) or uuid.uuid4().hex
        owner = None if body.user is None else ("user", body.user)
        parts = new_parts(body.messages)
        try:
            session = app.sessions.open(caller, session_id)
            return await go_on(app, session, body.model, owner, parts, message_id, "messages")
        except SessionNotFound:
            pass
        message = first_message(told(body.messages), "messages")
        fields = {"agent": body.model, "message": message, "user": self._user, "metadata": body.known}
        request = checked(CreateSession, {**fields, "session_id": session_id}, session_id="X-Session-Id")
        try:
            await app.sessions.start(caller, request)
        except InvalidRequest as refused:
            raise in_other_words(refused, "messages") from None
        return started(app, caller, session_id, body.model, message)


def _check(body: ChatRequest, agent: AgentDefinition) -> None:
    """Raises Problem `validation`, which names the parameter."""
    for name, same in _SAME.items():
        value: JsonValue = getattr(body, name)
        if value is not None and value not in same:
            raise invalid(name, "cannot be given here: the agent's definition decides it; leave it out")
    check_format(body.response_format, "response_format", agent)


def _session_id(header: str | None, body: ChatRequest) -> str | None:
    given = header if header is not None else body.session_id
    if given is None:
        return None
    field = "X-Session-Id" if header is not None else "metadata.session_id"
    try:
        return NamedSession.model_validate({"session_id": given}).session_id
    except ValidationError:
        raise invalid(field, "must be 1 to 200 letters, digits or any of . _ ~ : -") from None


async def _as_it_is(response: dict[str, Any]) -> AsyncGenerator[StreamEvent]:
    yield {"type": "response.created", "response": response}
    yield {"type": "response.incomplete", "response": response}
