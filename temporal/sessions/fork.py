"""Forking: a new session that shares the past of another up to one of its turns, under an agent and a model of choice.

Rule 1: a fork stands by itself. What its past keeps in the blob store, files that tools gave included, is copied below
its own name before it starts, and named so, so erasing the session that it came from takes nothing from it.
Rule 2: a blob that is lost costs the fork what it costs the session: that part's middle.
"""

import asyncio
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from pydantic import JsonValue

from perdure.temporal.definitions.inputs import InputProblem, check_inputs
from perdure.temporal.definitions.store import Definitions
from perdure.temporal.sessions.backend import Backend
from perdure.temporal.sessions.content import new_message
from perdure.temporal.sessions.errors import IdConflict, InvalidRequest, StateLost
from perdure.temporal.sessions.fork_blobs import Move
from perdure.temporal.sessions.fork_segments import SegmentMove, begun_as
from perdure.temporal.sessions.named_agent import named_agent
from perdure.temporal.sessions.pasts import read_past
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.requests import ForkSession
from perdure.temporal.sessions.sealed import Sealed
from perdure.temporal.sessions.starting import Start, title_of
from perdure.temporal.stores.blobs import BlobStore
from perdure.workflows.core.fork import retold
from perdure.workflows.core.runs import SessionInput
from perdure.workflows.core.state.leases import Leases
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.definition.agent import AgentDefinition
from perdure.workflows.protocol.paths import Stretch
from perdure.workflows.protocol.signals import BEHAVIOR, ForkedFrom, NewSession
from perdure.workflows.vocabulary.events import SessionStarted
from perdure.workflows.vocabulary.parts import Message, Text


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
    sealed: Sealed,
    definitions: Definitions,
    caller: Principal,
    source: str,
    wanted: ForkSession,
    *,
    continue_as_new_after: int,
) -> Forked:
    """Starts a fork of the session with the id `source`. Raises what `read_past`, `choose` and a start raise.

    An agent of `definitions` must have been published."""
    workflow_id = caller.workflow_id(source)
    state = await read_past(backend, sealed, workflow_id, wanted.turn_id, keep_turn=wanted.text is None)
    choice = await choose(definitions, caller, state, wanted.agent, wanted.model)
    session_id = uuid.uuid4().hex
    session = caller.workflow_id(session_id)
    user = caller.user or state.new.user
    purses = await backend.budgets.announced(caller.tenant, user)
    new = NewSession(
        tenant=caller.tenant,
        session_id=session_id,
        agent=choice.agent,
        digest=choice.digest,
        inputs=choice.inputs,
        user=user,
        metadata=state.metadata,
        continue_as_new_after=continue_as_new_after,
        behavior=BEHAVIOR,
        purses=dict.fromkeys(purses, ()),
        forked_from=ForkedFrom(session_id=source, turn_id=wanted.turn_id),
    )
    async with backend.going_to_work(wanted.text is not None, session, user) as place:
        carried = await moved(blobs, as_fork(state, new, choice, datetime.now(UTC)), workflow_id, session)
        asked = await _first_message(sealed, session, carried)
        message = None
        if wanted.text is not None:
            message = await new_message(
                blobs, session, (Text(text=wanted.text),), choice.digest, cursor=carried.log.seq
            )
            message = message.model_copy(update={"traceparent": caller.traceparent, "sender": caller.sender})
        first = message.parts if asked is None and message is not None else asked.parts if asked is not None else None
        start = Start(
            SessionInput(carried=carried, message=message),
            choice.digest,
            title=title_of(first) if first is not None else "",
            demo=choice.demo,
        )
        if not await backend.start(start, place):
            raise IdConflict("The fork's id is taken; fork again.")
    return Forked(session_id, session, carried.log.seq)


async def choose(
    definitions: Definitions,
    caller: Principal,
    state: SessionState,
    agent: str | None = None,
    role: str | None = None,
) -> Choice:
    """What a fork of `state` runs. Raises `InvalidRequest`, naming `agent`, `model` or the input.

    The same agent: what a message to the session would make it run now. A role that was set stays, as far as there is
    one of that name."""
    if agent is None or agent == state.agent:
        known = None if state.slot.pinned else definitions.current(state.agent, state.new.tenant)
        digest = known.digest if known is not None else state.slot.digest
        definition = known.definition if known is not None else await _definition(definitions, state)
        slot, inputs = state.slot, state.inputs_of(state.agent)
        choice = Choice(state.agent, digest, definition, slot.pinned, inputs, role or slot.role)
    else:
        known = named_agent(definitions, caller, agent)
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
        events = (begun_as(events[0], new), *events[1:])
    slot = replace(state.slot, digest=new.digest, pinned=choice.pinned, role=choice.role)
    log = replace(state.log, events=events, last_at=at)
    leases = Leases().announcing(tuple(new.purses))
    return replace(state, new=new, created_at=at, log=log, slot=slot, leases=leases, behavior=new.behavior)


async def moved(blobs: BlobStore, state: SessionState, source: str, target: str) -> SessionState:
    """`state`, the past of a fork, with everything in the blob store that it speaks of copied from below the workflow id
    `source` to below `target`, and named so."""
    move = Move(blobs, source, target)
    segments = await SegmentMove(blobs, move, source, target, state.new).moved(state.log.segments)
    await move.fold_anew(state.transcript.messages, state.log.events)
    there = await asyncio.to_thread(_told_there, replace(state, log=replace(state.log, segments=segments)), move)
    await move.copy()
    return there


def _told_there(state: SessionState, move: Move) -> SessionState:
    messages, events = map(move.message, state.transcript.messages), map(move.event, state.log.events)
    there = retold(state, tuple(messages), tuple(events))
    return replace(there, context=there.context.with_messages(move.message))


async def _first_message(sealed: Sealed, session: str, state: SessionState) -> Message | None:
    """The first one that a user wrote on the branch that goes on."""
    held = (one for one in state.transcript.messages if one.role == "user")
    if not state.transcript.base:
        return next(held, None)
    number = state.transcript.path.number(0)
    try:
        (first,) = await sealed.messages(session, state.log.segments, (Stretch(start=number, stop=number + 1),))
    except StateLost:
        return None
    return first


async def _definition(definitions: Definitions, state: SessionState) -> AgentDefinition | None:
    loaded = state.slot.loaded
    if loaded is not None and loaded.digest == state.slot.digest:
        return loaded.definition
    return await definitions.by_digest(state.slot.digest, state.new.tenant)
