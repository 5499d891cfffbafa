"""What the blocks of a handler make of a session's state. Pure."""

from perdure.workflows.core.calls.call import Call
from perdure.workflows.core.fold_agent import loaded
from perdure.workflows.core.handler_changes import HandlerResumed
from perdure.workflows.core.handlers.compensation import tried
from perdure.workflows.core.handlers.interpreter import advanced
from perdure.workflows.core.handlers.landing import landed
from perdure.workflows.core.handlers.together import error_of, finished
from perdure.workflows.core.state.compensating import Compensating
from perdure.workflows.core.state.handlers import AskingPerson, Calling, HandlerRun, Reply, Responding, Waiting
from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.session import SessionState, in_turn, with_turn
from perdure.workflows.core.state.together import CallingMany
from perdure.workflows.core.state.turn import Turn
from perdure.workflows.core.titles import title_said
from perdure.workflows.definition.agent import LoadedAgent
from perdure.workflows.vocabulary.errors import AGENT_UNAVAILABLE
from perdure.workflows.vocabulary.events import TurnFinished
from perdure.workflows.vocabulary.parts import Part, ToolError, ToolResult


def moved(state: SessionState, run: HandlerRun) -> SessionState:
    turn = replace(in_turn(state), run=run)
    if isinstance(run.doing, Responding):
        # However the last answer ended, this is another one.
        turn = replace(turn, stop=None, stop_raw=None, bound=None, odd=(), result=None, misfit=None)
    # What somebody has called it meanwhile stays.
    if turn.names_session and "title" in run.variables and not state.title:
        state = replace(state, title=title_said(str(run.variables["title"])))
    return with_turn(state, turn)


def resumed(state: SessionState, note: HandlerResumed) -> SessionState:
    """A parked run goes on behind its block, with the definition that it began with."""
    run = note.run
    agent, loaded = state.slot.kept.get(run.digest), state.slot.loaded
    state = replace(state, handlers=state.handlers.without(run))
    if note.event_id is not None:
        # It has come in time.
        timer = run.doing.timer_id if isinstance(run.doing, Waiting) else None
        timers = state.timers if timer is None else state.timers.without(timer)
        state = replace(state, handlers=state.handlers.giving(note.event_id), timers=timers)
    turn = in_turn(state)
    if agent is None:
        message = f"The definition {run.digest[:12]} that the handler {run.handler} began with is no longer kept."
        return with_turn(state, replace(turn, error=ToolError(type=AGENT_UNAVAILABLE, message=message)))
    state = _taken_up(state, turn, run, note.reply, agent)
    if loaded is None or agent.digest == loaded.digest:
        return state
    return _running(with_turn(state, replace(in_turn(state), lent=loaded.digest)), agent)


def _taken_up(
    state: SessionState, turn: Turn, run: HandlerRun, reply: Reply | None, agent: LoadedAgent
) -> SessionState:
    """The turn goes on with the run behind its block, or fails at it."""
    doing = run.doing
    if isinstance(doing, AskingPerson):
        reply = doing.reply
    if not isinstance(doing, AskingPerson | Waiting) or reply is None:
        return with_turn(state, replace(turn, run=advanced(run)))
    if reply.error is not None:
        return with_turn(state, replace(turn, run=run, error=reply.error))
    return landed(state, turn, run, doing.into, reply.value, doing.at, agent)


def ended(state: SessionState, turn: Turn, event: TurnFinished) -> SessionState:
    """The turn of a handler has ended, and with it the run, unless that is parked."""
    if event.reason == "parked" and turn.run is not None:
        state = replace(state, handlers=replace(state.handlers, parked=(*state.handlers.parked, turn.run)))
    before = state.slot.kept.get(turn.lent) if turn.lent is not None else None
    return state if before is None else _running(state, before)


def cut_off(state: SessionState, number: int) -> SessionState:
    """The messages from this number on have been cut off, and the parked runs end that began behind it."""
    gone = [run for run in state.handlers.parked if run.began >= number]
    handlers, timers = state.handlers, state.timers
    for run in gone:
        handlers = handlers.without(run)
        timers = timers.without(run.doing.timer_id or "") if isinstance(run.doing, Waiting) else timers
    return replace(state, handlers=handlers, timers=timers)


def _running(state: SessionState, agent: LoadedAgent) -> SessionState:
    stale = state.slot.stale
    state = loaded(state, agent)
    return replace(state, slot=replace(state.slot, stale=stale))


def caught(state: SessionState, run: HandlerRun) -> SessionState:
    turn = replace(in_turn(state), error=None, quota=None, overflow=None, stop=None, stop_raw=None, bound=None, odd=())
    return with_turn(state, replace(turn, run=run))


def called(state: SessionState, call: Call) -> SessionState:
    turn = in_turn(state)
    run = turn.run
    if run is None or not isinstance(run.doing, Calling | Compensating) or turn.calls:
        raise ValueError("BlockCalled does not fit the session's turn")
    run = replace(run, doing=replace(run.doing, call_id=call.call_id), calls=run.calls + 1)
    return with_turn(state, replace(turn, run=run, calls=(call,), stop=None, odd=()))


def called_together(state: SessionState, calls: tuple[Call, ...]) -> SessionState:
    turn = in_turn(state)
    run = turn.run
    if run is None or not isinstance(run.doing, CallingMany):
        raise ValueError("BranchesCalled does not fit the session's turn")
    run = replace(run, doing=run.doing.begun(tuple(call.call_id for call in calls)), calls=run.calls + len(calls))
    return with_turn(state, replace(turn, run=run, calls=(*turn.calls, *calls), stop=None, odd=()))


def answered(state: SessionState, step_id: str, parts: tuple[Part, ...]) -> SessionState:
    record = state.log.step(step_id)
    if record is None or record.block is None:
        raise ValueError("BlockAnswered does not fit a step that carries out no block")
    block = record.block.model_copy(update={"answer": parts})
    state = replace(state, log=state.log.with_step(record.model_copy(update={"block": block})))
    # No event tells of it, so nobody else counts it.
    return replace(state, sealing=state.sealing.grown(len(block.model_dump_json().encode())))


def finished_call(state: SessionState, result: ToolResult) -> SessionState:
    """The call of the handler's block has its result, which goes to the variable, or ends the turn."""
    turn = in_turn(state)
    run = turn.run
    if run is not None and isinstance(run.doing, CallingMany):
        return with_turn(state, replace(turn, run=finished(run, run.doing, result)))
    if run is not None and isinstance(run.doing, Compensating):
        cut = turn.stopping or turn.error is not None
        return with_turn(state, replace(turn, run=tried(run, run.doing, result, cut=cut)))
    if run is None or not isinstance(run.doing, Calling):
        raise ValueError(f"{result.call_id} does not fit a turn whose handler calls nothing")
    error = error_of(result, run.doing.into)
    if error is not None:
        error = error.saying(f"{run.doing.block.at}: {error.message}")
        return with_turn(state, replace(turn, error=turn.error or error))
    return landed(state, turn, run, run.doing.into, result.output, run.doing.block.at, state.slot.loaded)
