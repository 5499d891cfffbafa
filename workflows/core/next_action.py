"""What a session does next: a pure function of its state. A turn is data, not a call stack.

Because the answer depends on the state alone, a session can continue as new between any two actions.
"""

from datetime import datetime

from perdure.workflows.core.actions import (
    Action,
    CloseSession,
    DrawLeases,
    EndModelCall,
    EndStep,
    Exit,
    FinishTurn,
    LoadAgent,
    LookForTools,
    RenewAgent,
    Rest,
    ReturnLeases,
    Seal,
    StartTurn,
    TakeOver,
    TellBelow,
    Wait,
    WakeUp,
)
from perdure.workflows.core.at_limit import reason_of
from perdure.workflows.core.calls.superseding import untold
from perdure.workflows.core.context import relief
from perdure.workflows.core.effects import AGENT, PURSES, RENEWAL, RESULT, SEAL, TOOLS
from perdure.workflows.core.handler_actions import (
    BeginBranches,
    CallTool,
    CarryOn,
    CatchError,
    CheckResult,
    EndBranches,
    ParkHandler,
    TakeBack,
)
from perdure.workflows.core.handlers.asking import next_expiry
from perdure.workflows.core.handlers.branching import begins_more
from perdure.workflows.core.handlers.interpreter import caught
from perdure.workflows.core.handlers.naming import after_turn
from perdure.workflows.core.handlers.next_of_parked import next_of_parked
from perdure.workflows.core.idle import closes_at
from perdure.workflows.core.leases import has_leases, to_ask_again, waits_in_vain
from perdure.workflows.core.next_of_calls import give_up, made_of, next_of_calls
from perdure.workflows.core.next_of_steps import next_call, next_model, next_step
from perdure.workflows.core.rewinds.next_action import next_of_rewind, next_of_undoing
from perdure.workflows.core.state.compensating import Compensating
from perdure.workflows.core.state.handlers import (
    Asking,
    AskingPerson,
    Calling,
    Finishing,
    HandlerRun,
    Responding,
    Waiting,
)
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.core.state.together import CallingMany
from perdure.workflows.core.state.turn import Turn
from perdure.workflows.core.working import ends_at
from perdure.workflows.protocol.amounts import Amounts


def next_action(state: SessionState) -> Action:
    action = _next(state)
    # Last of all, so that nothing waits for it.
    rests = state.seals and isinstance(action, Wait | Rest)
    cut = state.sealing.due(len(state.log.steps)) if rests else None
    return action if cut is None else Seal(cut)


def _next(state: SessionState) -> Action:
    if state.closed:
        return Exit()
    if state.slot.loading:
        return Wait(frozenset([AGENT]))
    compaction = relief.of_open(state)
    if compaction is not None and not (isinstance(compaction, Wait) and state.turn is not None):
        return compaction
    if state.turn is not None:
        return _next_in_turn(state, state.turn)
    if state.slot.renewal is not None and state.slot.renewal.open:
        return Wait(frozenset([RENEWAL]))
    if state.closing is not None:
        return _close(state, state.closing)
    if state.slot.needs_loading:
        return LoadAgent(state.slot.digest)
    if state.rewinding is not None:
        return next_of_rewind(state, state.rewinding)
    if state.inbox.messages:
        return StartTurn(state.inbox.messages[0])
    parked = next_of_parked(state)
    if parked is not None:
        return parked
    due = state.timers.due
    if due is not None:
        renewed = state.slot.renewal is not None and state.slot.renewal.timer_id == due.timer_id
        return WakeUp(due) if renewed else RenewAgent(due)
    if _has_answered(state):
        return _close(state, "answered")
    if state.context.open is not None:
        return Wait(frozenset([state.context.open.record.step_id]), until=_wakes_at(state))
    if waits_in_vain(state):
        return DrawLeases(Amounts())
    return relief.at_rest(state) or Rest(_wakes_at(state), closes_at(state))


def _wakes_at(state: SessionState) -> datetime | None:
    """When time itself changes something in a session that rests."""
    times = (state.timers.next_at, next_expiry(state))
    return min((one for one in times if one is not None), default=None)


def _has_answered(state: SessionState) -> bool:
    """Whether a session that somebody waits for has nothing more to do."""
    waited_for = state.new.parent is not None or state.new.once
    return waited_for and state.turns > 0 and not state.timers.pending and not state.handlers.parked


def _close(state: SessionState, reason: str) -> Action:
    if state.leases.drawing is not None:
        return Wait(frozenset([PURSES]))
    if has_leases(state):
        return ReturnLeases()
    # The last run is a fresh one, and a run ends only where nothing is open.
    return CloseSession(reason) if state.sealing.open is None else Wait(frozenset([SEAL]))


def _next_in_turn(state: SessionState, turn: Turn) -> Action:
    action = after_turn(state, turn, _next_of_turn(state, turn))
    error = action.error if isinstance(action, FinishTurn) else None
    return action if error is None or turn.run is None or caught(turn.run, error) is None else CatchError(error)


def _next_of_turn(state: SessionState, turn: Turn) -> Action:
    if turn.tools == "asking":
        return Wait(frozenset([TOOLS]))
    if turn.tools == "unknown":
        return LookForTools()
    if turn.run is not None and isinstance(turn.run.doing, Finishing) and turn.run.doing.asked:
        return Wait(frozenset([RESULT]))
    if turn.step is not None and turn.between_models:
        return EndStep(turn.step.step_id) if turn.stopping else next_model(state, turn, turn.step)
    if turn.step is not None:
        if (turn.stopping or turn.overtime) and not turn.step_ending:
            return EndModelCall(turn.step.step_id)
        return Wait(frozenset([turn.step.step_id]), ends_at=ends_at(state))
    if turn.handoff is not None and not turn.calls:
        # Also where the turn is being stopped: its call has been told that the other agent takes over.
        return TakeOver(turn.handoff)
    if turn.stopping:
        below = untold(state) if turn.interrupted else ()
        if below:
            return TellBelow(made_of(below))
        return give_up(turn) or FinishTurn("interrupted" if turn.interrupted else "stopped")
    if turn.error is not None:
        return give_up(turn) or FinishTurn(reason_of(turn.error), turn.error)
    if state.slot.error is not None:
        return FinishTurn("failed", state.slot.error)
    again = to_ask_again(state)
    if again is not None:
        return DrawLeases(again)
    if turn.pause is not None:
        return Wait(questions=(turn.pause.question_id,))
    if turn.calls:
        return BeginBranches() if begins_more(state, turn) else next_of_calls(state, turn)
    if turn.undoing is not None:
        return next_of_undoing(turn, turn.undoing)
    return next_step(state, turn) if turn.run is None else _next_of_run(state, turn, turn.run)


def _next_of_run(state: SessionState, turn: Turn, run: HandlerRun) -> Action:
    """What the handler wants next that the turn carries out."""
    if run.over:
        return FinishTurn("done")
    match run.doing:
        case Responding():
            return next_step(state, turn)
        case Asking():
            return next_call(state, turn)
        case Calling():
            return CallTool()
        case CallingMany():
            return BeginBranches() if begins_more(state, turn) else EndBranches()
        case Compensating():
            return TakeBack()
        case Waiting() | AskingPerson():
            return ParkHandler()
        case Finishing():
            return CheckResult()
        case _:
            return CarryOn()
