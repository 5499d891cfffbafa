"""Creating a session is a plain start of a workflow: Temporal itself refuses the second of two, also of two at the same
moment, and the sha256 of the request in the memo tells a repeat from another create.
"""

import uuid
from dataclasses import dataclass

from perdure.temporal.definitions.inputs import InputProblem, check_inputs
from perdure.temporal.definitions.store import Definitions
from perdure.temporal.server.deliveries import is_for_schedule
from perdure.temporal.sessions.backend import Backend
from perdure.temporal.sessions.configuring import check_role
from perdure.temporal.sessions.content import content_sha256, new_message
from perdure.temporal.sessions.errors import Forbidden, IdConflict, InvalidRequest
from perdure.temporal.sessions.message_files import MessageFiles
from perdure.temporal.sessions.named_agent import named_agent
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.requests import CreateSession
from perdure.temporal.sessions.starting import Start
from perdure.temporal.sessions.timezone import timezone_in
from perdure.temporal.stores.blobs import BlobStore
from perdure.workflows.core.runs import SessionInput
from perdure.workflows.core.titles import title_of
from perdure.workflows.protocol.signals import BEHAVIOR, NewSession
from perdure.workflows.vocabulary.questions import LOCAL


@dataclass(frozen=True, slots=True)
class Created:
    """A session that has started."""

    session_id: str
    workflow_id: str
    #: False: it was there already, created by the same request.
    is_new: bool


class Creator:
    def __init__(
        self,
        backend: Backend,
        blobs: BlobStore,
        definitions: Definitions,
        files: MessageFiles,
        continue_as_new_after: int,
    ) -> None:
        """History events after which a session continues as new."""
        self._backend = backend
        self._files = files
        self._blobs = blobs
        self._definitions = definitions
        self._continue_as_new_after = continue_as_new_after

    async def create(
        self, caller: Principal, request: CreateSession, *, once: bool = False, run_id: str | None = None
    ) -> Created:
        """Starts a session; the same request with the same `session_id` again finds the session that it made. `once`: it
        closes by itself when its agent has answered. `run_id` is what the client calls the run that its message begins.

        Raises `Forbidden`, `InvalidRequest`, `IdConflict` where the id was taken by another request, and what `Backend.start`
        raises."""
        _check(caller, request)
        session_id = request.session_id or uuid.uuid4().hex
        workflow_id = caller.workflow_id(session_id)
        owner = request.user or caller.user
        try:
            if await self._start(caller, request, session_id, owner, once, run_id):
                return Created(session_id, workflow_id, is_new=True)
        except InvalidRequest:
            # A session that could be created yesterday is found, even where its agent has changed since.
            if await self._is_repeat(workflow_id, request, owner):
                return Created(session_id, workflow_id, is_new=False)
            raise
        if not await self._is_repeat(workflow_id, request, owner):
            raise IdConflict(f"The session {session_id} exists and was created with another body.")
        return Created(session_id, workflow_id, is_new=False)

    async def _is_repeat(self, workflow_id: str, request: CreateSession, owner: str | None) -> bool:
        """Whether the session that there is was created by this request, for the same user."""
        if await self._backend.body_sha256(workflow_id) != request.sha256():
            return False
        return (await self._backend.belonging(workflow_id)).user == owner

    async def _start(
        self,
        caller: Principal,
        request: CreateSession,
        session_id: str,
        user: str | None,
        once: bool,
        run_id: str | None,
    ) -> bool:
        """False where a session with this id exists. Raises `InvalidRequest` where the id is kept for a schedule, the agent
        does not take its inputs, or `metadata` name no time zone that there is."""
        if not caller.holds_any("create") and is_for_schedule(self._definitions, caller.tenant, session_id):
            raise InvalidRequest("session_id", "is kept for sessions that a schedule starts; choose another one")
        agent = named_agent(self._definitions, caller, request.agent)
        try:
            inputs = check_inputs(agent.definition, request.inputs)
        except InputProblem as problem:
            raise InvalidRequest(f"inputs.{problem.field}", problem.message) from None
        timezone = timezone_in(request.metadata)
        session = caller.workflow_id(session_id)
        async with self._backend.going_to_work(request.message is not None, session, user) as place:
            message, title = None, ""
            if request.message is not None:
                given, role = request.message.neutral_parts(), request.message.model
                if role is not None:
                    check_role(agent.definition, role, agent.definition.name, "message.model")
                if request.session_id is not None and not self._files.are_short(given) and await self._exists(session):
                    place.leave()
                    return False
                taker = self._files.taker_of(agent.definition, role)
                parts = await self._files.take_in(caller, session, given, taker, "message.")
                title = title_of(parts)
                message = await new_message(
                    self._blobs,
                    session,
                    parts,
                    agent.digest,
                    request.message.message_id,
                    sha256=content_sha256(given, role),
                    model=role,
                    busy=request.message.busy,
                    run_id=run_id,
                )
                message = message.model_copy(update={"traceparent": caller.traceparent, "sender": caller.sender})
            purses = await self._backend.budgets.announced(caller.tenant, user)
            new = NewSession(
                tenant=caller.tenant,
                session_id=session_id,
                agent=agent.definition.name,
                digest=agent.digest,
                inputs=inputs,
                user=user,
                purses=dict.fromkeys(purses, ()),
                metadata=request.metadata,
                timezone=timezone,
                dated=True,
                behavior=BEHAVIOR,
                message=message,
                once=once,
                continue_as_new_after=self._continue_as_new_after,
            )
            start = Start(SessionInput(new=new), agent.digest, title, agent.demo, body_sha256=request.sha256())
            return await self._backend.start(start, place)

    async def _exists(self, session: str) -> bool:
        """Whether a session has this workflow id. Asked where a create would put something into the folder of a session that
        may be another's; from there nothing can be taken back, since that session may keep the same."""
        return await self._backend.body_sha256(session) is not None


def _check(caller: Principal, request: CreateSession) -> None:
    """Raises `Forbidden`. A user's own client says neither whose a session is nor what its instructions are made of."""
    if caller.session is not None:
        raise Forbidden("A session's token reaches that session alone.")
    caller.need_act("create")
    if request.user is not None:
        caller.need_any("create", "To name the user")
        if request.user == LOCAL and not caller.is_trusted:
            raise InvalidRequest(
                "user", f"no user is named {LOCAL}: that is whoever is on a machine without authentication"
            )
    if request.inputs:
        caller.need_any("create", "To give inputs")
    if request.metadata.keys() - {"timezone"}:
        caller.need_act("configure")
