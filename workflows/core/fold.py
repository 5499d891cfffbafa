"""The one way in which the state of a session changes.

Rule 1: all changes go through `apply(state, change)`, a pure fold. A change is an event (a numbered fact that viewers
see) or a note (a fact that they do not: a receipt, a stop request, a loaded definition).
Rule 2: nothing here reads a clock, the network or the environment; times come with the changes.
"""

import hashlib
from typing import assert_never

from perdure.workflows.core.binding import still_allowed
from perdure.workflows.core.endings import GOOD, oddity
from perdure.workflows.core.plan import follow, with_args
from perdure.workflows.core.private_changes import (
    Accepted,
    AgentFailed,
    AgentLoaded,
    AgentRenewed,
    CallsPlanned,
    CloseRequested,
    CommandSeen,
    Configured,
    Handoff,
    HandoffAgreed,
    Note,
    QuestionSettled,
    StepOpened,
    StopRequested,
    TimerCancelled,
    TimerDue,
    ToolsChanged,
    TurnBroken,
)
from perdure.workflows.core.state import Answered, Seen, SessionState, Turn
from perdure.workflows.definition.agent import LoadedAgent
from perdure.workflows.protocol.commands import Timer
from perdure.workflows.vocabulary.events import (
    AgentUpdated,
    ApprovalRequested,
    ApprovalResolved,
    Event,
    InputReceived,
    InputRequested,
    MessageAdded,
    MessageQueued,
    MessageRejected,
    ModelSwitched,
    SessionClosed,
    SessionStarted,
    StepFinished,
    StepStarted,
    TimerFired,
    TimerSet,
    ToolFinished,
    ToolStarted,
    TurnFinished,
    TurnStarted,
)
from perdure.workflows.vocabulary.parts import Message, ToolCall, Usage

KEPT_TURNS = 200
KEPT_EVENTS = 4_000
KEPT_MESSAGE_IDS = 10_000
KEPT_COMMAND_IDS = 1_000
KEPT_AGENTS = 8
KEPT_ANSWERS = 200
KEPT_ALLOWED = 200


def apply(state: SessionState, change: Event | Note) -> SessionState:
    """The state after `change`. Pure. Raises ValueError for what cannot happen now; an event bears the next `seq`."""
    if isinstance(change, Note):
        return _apply_note(state, change)
    if state.closed:
        raise ValueError("no event comes after session.closed")
    if change.seq != state.seq + 1:
        raise ValueError(f"event {change.seq} cannot follow {state.seq}")
    return _apply_event(
        state.model_copy(update={"seq": change.seq, "events": (*state.events, change)}),
        change,
    )


def _apply_event(state: SessionState, event: Event) -> SessionState:
    turn = state.turn
    match event:
        case AgentUpdated(agent=str()) if turn is not None and turn.handoff is not None:
            return _take_over(state, turn, turn.handoff)
        case SessionStarted() | MessageQueued() | AgentUpdated() | ModelSwitched():
            return state
        case ToolStarted() | ApprovalRequested() | ApprovalResolved() | InputRequested() | InputReceived():
            return _with(state, turn=_turn(turn, plans=follow(turn.plans, event))) if turn else state
        case TimerSet():
            timer = Timer(timer_id=event.timer_id, due=event.due, note=event.note)
            return _with(state, timers=(*state.timers, timer))
        case TimerFired():
            return _without_timer(state, event.timer_id)
        case MessageRejected(reason="conflict"):
            # Another message wanted this id; the one that has it may still wait for its turn.
            return state
        case MessageRejected():
            return _with(state, inbox=tuple(m for m in state.inbox if m.id != event.message_id))
        case MessageAdded():
            state = _with(state, inbox=tuple(m for m in state.inbox if m.id != event.message.id))
            return say(state, event.message)
        case TurnStarted(turn_id=turn_id) if turn is None and turn_id is not None:
            number = state.turns + 1
            return _with(
                state,
                turns=number,
                turn=Turn(turn_id=turn_id, number=number),
                turn_starts=(*state.turn_starts, event.seq),
            )
        case StepStarted() if turn is not None and turn.step is not None and turn.step.step_id == event.step_id:
            return _with(state, turn=_turn(turn, steps=turn.steps + 1), last_model=event.model)
        case StepFinished() if turn is not None and turn.step is not None and turn.step.step_id == event.step_id:
            return _finish_step(state, turn, event)
        case ToolFinished() if turn is not None and any(call.call_id == event.call_id for call in turn.calls):
            calls = tuple(c for c in turn.calls if c.call_id != event.call_id)
            turn = _turn(turn, calls=calls, plans=follow(turn.plans, event))
            state = _with(state, turn=turn)
            if event.usage is not None:
                state = _spend(state, turn, event.usage, event.cost_usd)
            message = Message(id=event.call_id, role="tool", parts=(event.result,), turn_id=event.turn_id, at=event.at)
            return say(state, message)
        case TurnFinished() if turn is not None and turn.step is None and not turn.calls:
            return _prune(_with(state, turn=None))
        case SessionClosed():
            return _with(state, closed=True, timers=())
        case TurnStarted() | StepStarted() | StepFinished() | ToolFinished() | TurnFinished():
            raise ValueError(f"{event.type} does not fit the session's turn")
        case _:
            assert_never(event)


def _apply_note(state: SessionState, note: Note) -> SessionState:
    match note:
        case Accepted():
            seen = {**state.seen, note.message.id: Seen(content_sha256=note.content_sha256, cursor=note.cursor)}
            if len(seen) > KEPT_MESSAGE_IDS:
                del seen[next(iter(seen))]
            fresh = note.digest and not state.pinned and note.cursor >= state.taken_at
            digest = note.digest if note.digest and fresh else state.digest
            # A definition that could not be loaded is tried again with every message.
            return _with(state, inbox=(*state.inbox, note.message), seen=seen, digest=digest, load_error=None)
        case StopRequested():
            return _with(state, turn=_turn(state.turn, stopping=True)) if state.turn else state
        case CloseRequested():
            state = _with(state, closing=state.closing or note.reason)
            return _with(state, turn=_turn(state.turn, stopping=True)) if state.turn else state
        case Configured():
            return _with(
                state,
                role=note.model or state.role,
                metadata=state.metadata if note.metadata is None else note.metadata,
                digest=note.digest or state.digest,
                pinned=state.pinned or note.digest is not None,
                limits=note.limits or state.limits,
            )
        case CommandSeen():
            return _with(state, command_ids=(*state.command_ids, note.id)[-KEPT_COMMAND_IDS:])
        case AgentLoaded():
            return _load(state, note.agent)
        case AgentFailed():
            # Asking for the old digest again keeps the session from loading the broken one again and again. Within a
            # turn, only the old one is loaded, and a newer one still waits.
            digest = state.loaded.digest if state.loaded and state.turn is None else state.digest
            error = None if state.loaded else note.error
            return _with(state, digest=digest, stale=False, load_error=error)
        case AgentRenewed():
            return state if state.pinned else _with(state, digest=note.digest)
        case ToolsChanged():
            return _with(state, stale=True)
        case CallsPlanned() if state.turn is not None:
            return _with(state, turn=_turn(state.turn, plans={**state.turn.plans, **note.plans}))
        case QuestionSettled():
            return _settle(state, note)
        case TimerDue():
            timers = tuple(
                timer.model_copy(update={"fires": True}) if timer.timer_id == note.timer_id else timer
                for timer in state.timers
            )
            return _with(state, timers=timers)
        case TimerCancelled():
            return _without_timer(state, note.timer_id)
        case HandoffAgreed() if state.turn is not None:
            return _with(state, turn=_turn(state.turn, handoff=note.handoff))
        case StepOpened() if state.turn is not None and state.turn.step is None:
            return _with(state, turn=_turn(state.turn, step=note.record), steps=(*state.steps, note.record))
        case TurnBroken() if state.turn is not None:
            return _with(state, turn=_turn(state.turn, error=note.error))
        case StepOpened() | TurnBroken() | CallsPlanned() | HandoffAgreed():
            raise ValueError(f"{type(note).__name__} does not fit the session's turn")
        case _:
            assert_never(note)


def _load(state: SessionState, agent: LoadedAgent) -> SessionState:
    agents = {digest: known for digest, known in state.agents.items() if digest != agent.digest}
    agents[agent.digest] = agent
    while len(agents) > KEPT_AGENTS:
        del agents[next(iter(agents))]
    epoch = state.epoch + (state.loaded is not None)
    allowed = still_allowed(state.allowed, agent)
    return _with(state, loaded=agent, agents=agents, stale=False, load_error=None, epoch=epoch, allowed=allowed)


def _take_over(state: SessionState, turn: Turn, handoff: Handoff) -> SessionState:
    name = handoff.agent.definition.name
    return _with(
        _load(state, handoff.agent),
        turn=_turn(turn, handoff=None),
        digest=handoff.agent.digest,
        pinned=False,
        taken_by=name,
        taken_inputs={**state.taken_inputs, name: handoff.inputs},
        taken_at=state.seq,
        # A person allowed them to the other agent.
        allowed=(),
    )


def _spend(state: SessionState, turn: Turn, usage: Usage, cost_usd: float | None) -> SessionState:
    known = turn.cost_usd is not None and cost_usd is not None
    return _with(
        state,
        turn=_turn(
            turn,
            usage=turn.usage + usage,
            cost_usd=(turn.cost_usd or 0) + (cost_usd or 0) if known else None,
        ),
        usage=state.usage + usage,
        cost_usd=state.cost_usd + (cost_usd or 0),
        cost_known=state.cost_known and cost_usd is not None,
    )


def _without_timer(state: SessionState, timer_id: str) -> SessionState:
    return _with(state, timers=tuple(timer for timer in state.timers if timer.timer_id != timer_id))


def _settle(state: SessionState, note: QuestionSettled) -> SessionState:
    settled = Answered(question_id=note.question_id, answer_id=note.answer_id)
    turn = state.turn
    if turn is not None and note.args is not None:
        turn = _turn(turn, plans=with_args(turn.plans, note.question_id, note.args, note.args_blob))
    allowed = state.allowed
    if note.allow is not None:
        allowed = (*(one for one in allowed if one != note.allow), note.allow)[-KEPT_ALLOWED:]
    return _with(state, turn=turn, answered=(*state.answered, settled)[-KEPT_ANSWERS:], allowed=allowed)


def _finish_step(state: SessionState, turn: Turn, event: StepFinished) -> SessionState:
    calls = tuple(part for part in event.message.parts if isinstance(part, ToolCall))
    stop = event.stop
    if stop == "tool_calls" and not calls:
        # A model that says it calls tools and names none would be asked again and again.
        stop = "end"
    elif calls and stop in GOOD:
        # Whatever it says, it waits for their results.
        stop = "tool_calls"
    odd = oddity(event.message.parts, stop)
    turn = _turn(turn, step=None, stop=stop, stop_raw=event.stop_raw, odd=(*turn.odd, odd) if odd else (), calls=calls)
    state = _spend(state, turn, event.usage, event.cost_usd)
    return say(state, event.message) if event.message.parts else state


def say(state: SessionState, message: Message) -> SessionState:
    """`state` with `message` at the end of its transcript."""
    dumped = message.model_dump_json().encode()
    whole = len(dumped) + sum(part.blob.size for part in message.parts if part.blob)
    return _with(
        state,
        transcript=(*state.transcript, message),
        transcript_bytes=state.transcript_bytes + whole,
        prefix=hashlib.sha256(state.prefix.encode() + dumped).hexdigest()[:32],
    )


def _prune(state: SessionState) -> SessionState:
    """Drops the events of all but the last turns, always whole turns."""
    starts = state.turn_starts
    while len(starts) > 1 and (len(starts) > KEPT_TURNS or state.seq - starts[0] >= KEPT_EVENTS):
        starts = starts[1:]
    if starts == state.turn_starts:
        return state
    events = state.events[starts[0] - state.oldest :]
    first = next(event.turn_id for event in events if isinstance(event, TurnStarted))
    steps = state.steps
    number = int((first or "t0")[1:])
    steps = tuple(step for step in steps if int(step.turn_id[1:]) >= number)
    return _with(state, turn_starts=starts, events=events, steps=steps)


def _with(state: SessionState, **changes: object) -> SessionState:
    return state.model_copy(update=changes)


def _turn(turn: Turn, **changes: object) -> Turn:
    return turn.model_copy(update=changes)
