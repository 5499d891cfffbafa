"""Forking: a new session that shares the past of another up to one of its turns, under an agent and a model of choice.

Rule 1: a fork stands by itself. What its past keeps in the blob store, files that tools gave included, is copied below
its own name before it starts, and named so, so erasing the session that it came from takes nothing from it.
Rule 2: a blob that is lost costs the fork what it costs the session: that part's middle.
"""

import base64
import uuid
import zlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from pydantic import JsonValue

from perdure.temporal.definitions.inputs import InputProblem, check_inputs
from perdure.temporal.definitions.store import Definitions
from perdure.temporal.sessions.backend import Backend
from perdure.temporal.sessions.budgets import Budgets
from perdure.temporal.sessions.caller import Caller
from perdure.temporal.sessions.content import new_message
from perdure.temporal.sessions.errors import IdConflict, InvalidRequest, TooMany, TurnRunning
from perdure.temporal.sessions.fork_blobs import moved
from perdure.temporal.sessions.requests import ForkSession
from perdure.temporal.sessions.starting import Start, title_of
from perdure.temporal.stores.blobs import BlobStore
from perdure.workflows.core.runs import SessionInput
from perdure.workflows.core.state.session import SessionState, read_state
from perdure.workflows.definition.agent import AgentDefinition
from perdure.workflows.protocol.queries import PastRequest
from perdure.workflows.protocol.signals import BEHAVIOR, ForkedFrom, NewSession
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.events import SessionStarted
from perdure.workflows.vocabulary.parts import Text

#: How often an answer is begun anew whose session moves on while it is read.
_READS: Final = 5


@dataclass(frozen=True, slots=True)
class Forked:
    """A fork that has started."""

    session_id: str
    workflow_id: str
    #: Of the last event of its past.
    seq: int


@dataclass(frozen=True, slots=True)
class Choice:
    """What a fork is to be: its definition, and what of the past it takes over."""

    agent: str
    digest: str
    definition: AgentDefinition | None
    pinned: bool
    inputs: dict[str, JsonValue]
    #: What `configure` would set; None: the definition's own.
    role: str | None

    @property
    def demo(self) -> bool:
        """The model that answers is the demo model."""
        if self.definition is None:
            return False
        models = self.definition.models
        return models[self.role if self.role in models else self.definition.model].provider == "demo"


async def fork(
    backend: Backend,
    blobs: BlobStore,
    definitions: Definitions,
    caller: Caller,
    source: str,
    wanted: ForkSession,
    *,
    continue_as_new_after: int,
    budgets: Budgets | None = None,
) -> Forked:
    """Starts a fork of the session with the id `source`. Raises what `read_past`, `choose` and a start raise.

    An agent of `definitions` must have been published."""
    state = await read_past(backend, caller.workflow_id(source), wanted.turn_id, keep_turn=wanted.text is None)
    choice = await choose(definitions, state, wanted.agent, wanted.model)
    session_id = uuid.uuid4().hex
    session = caller.workflow_id(session_id)
    new = NewSession(
        tenant=caller.tenant,
        session_id=session_id,
        agent=choice.agent,
        digest=choice.digest,
        inputs=choice.inputs,
        user=caller.user or state.new.user,
        metadata=state.metadata,
        continue_as_new_after=continue_as_new_after,
        behavior=BEHAVIOR,
        forked_from=ForkedFrom(session_id=source, turn_id=wanted.turn_id),
    )
    carried = await moved(blobs, as_fork(state, new, choice, datetime.now(UTC)), caller.workflow_id(source), session)
    message = None
    if wanted.text is not None:
        message = await new_message(blobs, session, (Text(text=wanted.text),), choice.digest, cursor=carried.log.seq)
        purses = await budgets.announced(caller.tenant, new.user) if budgets is not None else ()
        message = message.model_copy(update={"traceparent": caller.traceparent, "purses": purses})
    asked = [one.parts for one in carried.transcript.messages if one.role == "user"] + (
        [message.parts] if message else []
    )
    start = Start(
        SessionInput(carried=carried, message=message),
        choice.digest,
        title=title_of(asked[0]) if asked else "",
        demo=choice.demo,
    )
    if not await backend.start(start):
        raise IdConflict("The fork's id is taken; fork again.")
    return Forked(session_id, session, carried.log.seq)


async def read_past(backend: Backend, session: str, turn_id: str | None, *, keep_turn: bool) -> SessionState:
    """The past of `session` (a workflow id) up to the end of a turn or its beginning; None: the last that has ended.

    Raises `InvalidRequest` naming `turn_id`, `TurnRunning`, and what `Backend.query` raises."""
    data, sha256, reads = b"", None, 0
    while True:
        request = PastRequest(turn_id=turn_id, keep_turn=keep_turn, after=len(data), sha256=sha256)
        page = await backend.query(session, SessionWorkflow.past, request)
        if page.refused == "unknown_turn":
            raise InvalidRequest("turn_id", "is no turn of this session" if turn_id else "no turn has ended yet")
        if page.refused == "turn_running":
            raise TurnRunning(f"{turn_id} has not ended yet, so it cannot be forked.")
        if page.start == 0:
            reads += 1
            if reads > _READS:
                raise TooMany("The session changes faster than its past can be read.")
        sha256, data = page.sha256, data[: page.start] + base64.b64decode(page.data)
        if not page.more:
            return read_state(zlib.decompress(data))


async def choose(
    definitions: Definitions, state: SessionState, agent: str | None = None, role: str | None = None
) -> Choice:
    """What a fork of `state` runs. Raises `InvalidRequest`, naming `agent`, `model` or the input.

    The same agent: what a message to the session would make it run now. A role that was set stays, as far as there is
    one of that name."""
    if agent is None or agent == state.agent:
        known = None if state.slot.pinned else definitions.current(state.agent)
        digest = known.digest if known is not None else state.slot.digest
        definition = known.definition if known is not None else await _definition(definitions, state)
        slot, inputs = state.slot, state.inputs_of(state.agent)
        choice = Choice(state.agent, digest, definition, slot.pinned, inputs, role or slot.role)
    else:
        known = definitions.current(agent)
        if known is None:
            names = ", ".join(definitions.names()) or "none"
            raise InvalidRequest("agent", f"is not known; there are: {names}")
        inputs = inputs_for(known.definition, state.inputs_of(state.agent))
        choice = Choice(agent, known.digest, known.definition, False, inputs, role)
    if role is not None and (choice.definition is None or role not in choice.definition.models):
        there = ", ".join(choice.definition.models) if choice.definition else "unknown"
        raise InvalidRequest("model", f"is not a model of {choice.agent}; its models are: {there}")
    return choice


def inputs_for(definition: AgentDefinition, inputs: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Those of `inputs` that another agent takes, too. Raises `InvalidRequest` where one is missing or wrong."""
    try:
        return check_inputs(definition, {name: value for name, value in inputs.items() if name in definition.inputs})
    except InputProblem as problem:
        raise InvalidRequest(f"inputs.{problem.field}", problem.message) from None


def as_fork(state: SessionState, new: NewSession, choice: Choice, at: datetime) -> SessionState:
    """`state` as the past of the session `new`, which begins at `at`. Pure."""
    events = state.log.events
    if events and isinstance(events[0], SessionStarted):
        started = events[0].model_copy(update={"agent": new.agent, "digest": new.digest, "inputs": new.inputs})
        events = (started, *events[1:])
    slot = replace(state.slot, digest=new.digest, pinned=choice.pinned, role=choice.role)
    log = replace(state.log, events=events)
    return replace(state, new=new, created_at=at, log=log, slot=slot, behavior=new.behavior)


async def _definition(definitions: Definitions, state: SessionState) -> AgentDefinition | None:
    loaded = state.slot.loaded
    if loaded is not None and loaded.digest == state.slot.digest:
        return loaded.definition
    return await definitions.by_digest(state.slot.digest)
