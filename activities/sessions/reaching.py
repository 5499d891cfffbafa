"""What a worker lends the tool `trigger_session`: deliveries to other sessions, through the session service.

Rule 1: a session reaches sessions of its own tenant and user alone; one without a user, those without a user. Any other is
not found, as over HTTP. A session may trigger itself: its trigger waits behind the turn that runs.
Rule 2: however often a call is tried, what it sends arrives once. The id is derived from the session and the call.
"""

import asyncio
import hashlib
from datetime import timedelta
from typing import Any, Final, TypeVar

from pydantic import BaseModel, JsonValue, ValidationError
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from perdure.activities.shipped.other_sessions import DELIVER, Triggered, Wanted
from perdure.temporal.definitions.store import Definitions
from perdure.temporal.server.deliveries import is_for_schedule
from perdure.temporal.sessions.errors import IdConflict, InvalidRequest, LimitReached, SessionError, SessionNotFound
from perdure.temporal.sessions.named_agent import named_agent
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.requests import CreateSession, SessionId, TriggerBody
from perdure.temporal.sessions.service import Sessions
from perdure.temporal.sessions.triggering import TriggerSent, trigger_inputs, triggerable
from perdure.temporal.sessions.validation import from_validation
from perdure.workflows.vocabulary.parts import Frozen
from perdure.workflows.vocabulary.tool_context import ToolContext

M = TypeVar("M", bound=BaseModel)

#: To reach sessions of its own, and to start one with inputs.
_SCOPES: Final = ("session:write", "session:create:any", "agents:read")
#: Codes of what may pass if it is tried again.
_PASSES: Final = frozenset(["no_worker", "overloaded", "temporal_unavailable", "too_many_turns", "rate_limited"])


class _Named(Frozen):
    session_id: SessionId


class Reaching(Interceptor):
    """Made on the loop of its worker."""

    def __init__(self, sessions: Sessions, definitions: Definitions) -> None:
        self._sessions = sessions
        self._definitions = definitions
        self._loop = asyncio.get_running_loop()

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        return _Lending(next, self)

    async def deliver(self, context: ToolContext, wanted: Wanted) -> Triggered:
        """On any loop. Raises ApplicationError, whose type is the code of what is wrong."""
        # The service belongs to the loop of the worker.
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._delivered(context, wanted), self._loop))

    async def _delivered(self, context: ToolContext, wanted: Wanted) -> Triggered:
        try:
            sent = await self._sent(context, wanted)
        except SessionError as error:
            raise failure_of(error, wanted) from error
        return Triggered(session_id=wanted.session_id, trigger_id=sent.trigger_id, seq=sent.cursor)

    async def _sent(self, context: ToolContext, wanted: Wanted) -> TriggerSent:
        actor = f"session:{context.session_id}"
        caller = Principal(context.tenant, context.user, _SCOPES, actor=actor)
        session_id = _request(_Named, {"session_id": wanted.session_id}).session_id
        definition = None
        theirs: dict[str, JsonValue] = {}
        own = wanted.inputs
        if wanted.agent is not None:
            definition = named_agent(self._definitions, caller, wanted.agent).definition
            # As a schedule gives them: by name, to the handler and to a session that is started.
            theirs = {name: value for name, value in own.items() if name in definition.inputs}
            taken = triggerable(definition).get(wanted.name, {})
            own = {name: value for name, value in own.items() if name in taken or name not in theirs}
        body = _request(TriggerBody, {"inputs": own, "trigger_id": trigger_id_of(context)})
        try:
            return await self._sessions.open(caller, session_id).trigger(wanted.name, body)
        except SessionNotFound:
            if definition is None:
                raise
        if is_for_schedule(self._definitions, caller.tenant, session_id):
            raise InvalidRequest("session_id", "is kept for sessions that a schedule starts; choose another one")
        # What would not fit starts no session.
        trigger_inputs(definition, wanted.name, own)
        new: dict[str, Any] = {"agent": wanted.agent, "session_id": session_id, "inputs": theirs}
        if context.timezone != "UTC":
            new["metadata"] = {"timezone": context.timezone}
        try:
            await self._sessions.start(caller, _request(CreateSession, new))
        except IdConflict:
            # Somebody has started one meanwhile, or it is another user's, which now shows.
            pass
        return await self._sessions.open(caller, session_id).trigger(wanted.name, body)


class _Lending(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, reaching: Reaching) -> None:  # noqa: A002 - the SDK's name
        super().__init__(next)
        self._reaching = reaching

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - the SDK's name
        DELIVER.set(self._reaching.deliver)
        return await super().execute_activity(input)


def trigger_id_of(context: ToolContext) -> str:
    """The same for each attempt at a call, and different for each call."""
    return f"from-{hashlib.sha256(context.idempotency_key.encode()).hexdigest()[:32]}"


def failure_of(error: SessionError, wanted: Wanted) -> ApplicationError:
    """As a failure of the tool, whose type is the error's code. Temporal tries again only where that may help."""
    message = error.detail
    if isinstance(error, SessionNotFound):
        message = f"This session can reach no session {wanted.session_id!r}."
        if wanted.agent is None:
            message += " Name the agent, and one is started."
    wait = timedelta(seconds=error.retry_after_s) if isinstance(error, LimitReached) else None
    passes = error.code in _PASSES
    return ApplicationError(message, type=error.code, non_retryable=not passes, next_retry_delay=wait)


def _request(model: type[M], values: dict[str, Any]) -> M:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise from_validation([{**one, "loc": ("call", *one["loc"])} for one in found]) from None
