"""What the events of a turn, its steps and its calls make of a session's state."""

from datetime import datetime
from typing import Literal

from perdure.workflows.core import fold_leases
from perdure.workflows.core.calls.call import Call
from perdure.workflows.core.endings import GOOD, oddity
from perdure.workflows.core.fold_limits import counted
from perdure.workflows.core.handlers import fold as handlers
from perdure.workflows.core.loops import remembering
from perdure.workflows.core.rewinds.fold import finished_undo
from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.session import SessionState, in_turn, with_turn
from perdure.workflows.core.state.turn import Turn
from perdure.workflows.definition.variables import bytes_of
from perdure.workflows.protocol.segments import message_in
from perdure.workflows.protocol.steps import StepRecord, Tried
from perdure.workflows.vocabulary.events import StepFinished, ToolFinished
from perdure.workflows.vocabulary.parts import ToolCall, Usage


def started_turn(state: SessionState, turn_id: str, at: datetime) -> SessionState:
    number = state.turns + 1
    loaded = state.slot.loaded
    asks = loaded is not None and loaded.definition.uses_mcp and not state.rehearsal
    tools: Literal["unknown", "known"] = "unknown" if asks else "known"
    turn = Turn(turn_id=turn_id, number=number, started_at=at, tools=tools, sound=state.transcript.count)
    return replace(state, turns=number, turn=turn)


def opened_step(state: SessionState, record: StepRecord) -> SessionState:
    if state.turn is None or state.turn.step is not None:
        raise ValueError("StepOpened does not fit the session's turn")
    log = replace(state.log, steps=(*state.log.steps, record))
    # No event tells of them, so nobody else counts them.
    told = sum(map(bytes_of, (record.variables or {}).values()))
    state = replace(state, sealing=state.sealing.grown(told)) if told else state
    return replace(state, log=log, turn=replace(in_turn(state), step=record, step_ending=False))


def given_up(state: SessionState, tried: Tried) -> SessionState:
    turn = in_turn(state)
    if turn.step is None:
        raise ValueError("ModelGivenUp does not fit a turn without an open step")
    record = turn.step.model_copy(update={"tried": (*turn.step.tried, tried)})
    state = fold_leases.given_up(state, record.step_id, (one.spent for one in record.tried))
    return _with_record(state, replace(turn, step_ending=False, between_models=True), record)


def passed_on(state: SessionState, record: StepRecord) -> SessionState:
    return _with_record(state, replace(in_turn(state), between_models=False), record)


def _with_record(state: SessionState, turn: Turn, record: StepRecord) -> SessionState:
    """The step that is open, with another record."""
    return replace(state, log=state.log.with_step(record), turn=replace(turn, step=record))


def finished_step(state: SessionState, turn: Turn, event: StepFinished) -> SessionState:
    if turn.step is not None and turn.step.asks:
        return _finished_asking(state, turn, event)
    calls = tuple(Call(part) for part in event.message.parts if isinstance(part, ToolCall))
    stop = event.stop
    if stop == "tool_calls" and not calls:
        # A model that says it calls tools and names none would be asked again and again.
        stop = "end"
    elif calls and stop in GOOD:
        # Whatever it says, it waits for their results.
        stop = "tool_calls"
    odd = oddity(event.message.parts, stop, event.misfit)
    turn = replace(
        turn,
        step=None,
        overflow=None,
        step_ending=False,
        between_models=False,
        stop=stop,
        stop_raw=event.stop_raw,
        bound=turn.step.bound if turn.step is not None else None,
        odd=(*turn.odd, odd) if odd else (),
        result=None,
        # A step that failed may be gone back on; the next one then has the same to say.
        misfit=turn.misfit if stop == "error" else event.misfit,
        calls=calls,
    )
    state = _spent(state, turn, event.usage, event.cost_usd)
    state = fold_leases.charged(state, event.step_id, event.usage, event.cost_usd)
    message = message_in(event)
    if message is None:
        return state
    state = replace(state, transcript=state.transcript.said(message))
    return _sound(state) if not odd and stop in GOOD else state


def _finished_asking(state: SessionState, turn: Turn, event: StepFinished) -> SessionState:
    """What it means to the handler follows from its answer, which the event may not hold."""
    turn = replace(turn, step=None, overflow=None, step_ending=False, between_models=False)
    state = _spent(state, turn, event.usage, event.cost_usd)
    state = fold_leases.charged(state, event.step_id, event.usage, event.cost_usd)
    message = message_in(event)
    return state if message is None else _sound(replace(state, transcript=state.transcript.said(message)))


def finished_call(state: SessionState, turn: Turn, event: ToolFinished) -> SessionState:
    call = turn.call(event.call_id)
    assert call is not None
    # A handler that makes the same call again means to.
    turn = remembering(turn, call, event.result) if call.block is None else turn
    turn = replace(turn, calls=tuple(call for call in turn.calls if call.call_id != event.call_id))
    aside = state.books.calls_aside.get(event.call_id, 0)
    state = replace(state, turn=turn, books=state.books.released(event.call_id))
    if turn.undoing is not None:
        return finished_undo(state, event)
    if event.usage is not None:
        # Nobody knows how many calls a sub-agent made whose session said nothing.
        state = counted(_spent(state, turn, event.usage, event.cost_usd), aside)
    if call.block is not None:
        return handlers.finished_call(state, event.result)
    message = message_in(event)
    assert message is not None
    state = replace(state, transcript=state.transcript.said(message))
    return _sound(state) if turn.stop in GOOD else state


def _sound(state: SessionState) -> SessionState:
    """What has been said so far, the turn can be run on from."""
    return with_turn(state, replace(in_turn(state), sound=state.transcript.count))


def _spent(state: SessionState, turn: Turn, usage: Usage, cost_usd: float | None) -> SessionState:
    turn = replace(turn, books=turn.books.spent(usage, cost_usd))
    return replace(state, turn=turn, books=state.books.spent(usage, cost_usd))
