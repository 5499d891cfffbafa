"""What carrying an action out means: the changes that must be true before anything is awaited, and the effects. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from perdure.workflows.core.actions import (
    AbandonTools,
    Ask,
    AskNextModel,
    CallModel,
    CloseSession,
    DrawLeases,
    EndCalls,
    EndModelCall,
    EndStep,
    FinishTurn,
    GoOn,
    Join,
    LeaveUnasked,
    LoadAgent,
    LookForTools,
    PauseTurn,
    PlanCalls,
    RenewAgent,
    ReturnLeases,
    RunHere,
    RunTools,
    Seal,
    StartTurn,
    TakeBack,
    TakeOver,
    TellBelow,
    UndoNext,
    WakeUp,
    Work,
)
from perdure.workflows.core.agent_changes import AgentLoading, RenewalAsked, ToolsAsked
from perdure.workflows.core.arriving import tell_places
from perdure.workflows.core.calls.asking import put, withdraw
from perdure.workflows.core.calls.call import Asked, Asking, Refused
from perdure.workflows.core.calls.decide import decide
from perdure.workflows.core.calls.results import STOPPED, UNKNOWN, finish
from perdure.workflows.core.calls.running import end, run
from perdure.workflows.core.calls.superseding import leave_unasked, tell_below
from perdure.workflows.core.changes import Changes, StepEnding, StopRequested, TurnBroken
from perdure.workflows.core.context import opening
from perdure.workflows.core.context_actions import AskNextSummarizer, Compact, DropOldest, EndCompaction, TrimResults
from perdure.workflows.core.context_changes import CompactionEnding
from perdure.workflows.core.draft import Draft
from perdure.workflows.core.effects import CompareTools, Effect, FindDefinition, LoadDefinition, SealPart
from perdure.workflows.core.handler_actions import HandlerAction
from perdure.workflows.core.handlers import asking
from perdure.workflows.core.handlers.begin import begin_of_handler
from perdure.workflows.core.handlers.carrying_on import begin_handler, handler_of_messages, start_triggered
from perdure.workflows.core.handlers.triggers import triggered
from perdure.workflows.core.leases import ask, end_leases, give_back
from perdure.workflows.core.loops import insists
from perdure.workflows.core.model_calls import ask_next_model, call_model, end_step
from perdure.workflows.core.pausing import put as pause
from perdure.workflows.core.purses_asked import asked_purses
from perdure.workflows.core.rewind_changes import RewindDropped
from perdure.workflows.core.rewinds.begin import cut, give_up_rewind, reject, take_back, undo_next
from perdure.workflows.core.sealing import seal_input
from perdure.workflows.core.sealing_changes import SealingBegun
from perdure.workflows.core.session_tools import carry_out
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.core.working import keep_time
from perdure.workflows.protocol.activities import LoadAgentInput, ToolsChangedInput
from perdure.workflows.protocol.current_agent import CurrentAgentInput
from perdure.workflows.protocol.queries import Timer
from perdure.workflows.vocabulary.errors import REPEATED_CALL
from perdure.workflows.vocabulary.events import (
    AgentUpdated,
    MessageAdded,
    MessageRejected,
    SessionClosed,
    TimerFired,
    TurnFinished,
    TurnStarted,
)
from perdure.workflows.vocabulary.ids import turn_id, wake_up_id
from perdure.workflows.vocabulary.parts import Data, Message, ToolCall


@dataclass(frozen=True)
class Begun:
    changes: Changes
    #: To be started once the changes are true.
    effects: tuple[Effect, ...] = ()
    #: Keys of open effects that shall end.
    ends: tuple[str, ...] = ()
    #: Keys of sub-agents' sessions that are to be told that nobody will answer them.
    tells: tuple[str, ...] = ()


def begin(state: SessionState, action: Work, now: datetime) -> Begun:
    """What it means to carry `action` out, which is what `next_action` says of `state`."""
    draft = Draft(state, now)
    effects: tuple[Effect, ...] = ()
    ends: tuple[str, ...] = ()
    tells: tuple[str, ...] = ()
    if isinstance(action, HandlerAction):
        gone_on = begin_of_handler(draft, action)
        if gone_on.parked:
            _finish_turn(draft, FinishTurn("parked"))
        keep_time(draft)
        return Begun(draft.changes, gone_on.effects)
    match action:
        case LoadAgent():
            draft.add(AgentLoading())
            # Between two turns, it is loaded for the next one.
            needed = state.turn_id or turn_id(state.turns + 1)
            request = LoadAgentInput(name=state.agent, digest=action.digest, turn_id=needed)
            effects = (LoadDefinition(request),)
        case RenewAgent():
            draft.add(RenewalAsked(timer_id=action.timer.timer_id))
            effects = (FindDefinition(CurrentAgentInput(name=state.agent, user=state.new.user)),)
        case StartTurn():
            wanted = triggered(action.message)
            if wanted is None:
                _start_turn(draft, action.message)
            else:
                start_triggered(draft, action.message, wanted)
        case Join():
            for message in action.messages:
                draft.add(MessageAdded(**draft.stamp, message=message.of_turn(draft.turn.turn_id)))
        case WakeUp():
            _wake_up(draft, action.timer)
        case LookForTools():
            draft.add(ToolsAsked())
            effects = _compare_tools(state)
        case DrawLeases():
            effects = ask(draft, action.needs)
        case ReturnLeases():
            effects = give_back(draft)
        case CallModel():
            effects = call_model(draft, action)
        case AskNextModel():
            effects = ask_next_model(draft)
        case EndStep():
            end_step(draft)
        case EndModelCall():
            draft.add(StepEnding())
            ends = (action.step_id,)
        case PlanCalls():
            _plan_calls(draft, action)
        case Ask():
            for call in draft.calls(_ids(action.calls)):
                put(draft, call)
        case LeaveUnasked():
            leave_unasked(draft, _ids(action.calls))
        case TellBelow():
            tells = tell_below(draft, _ids(action.calls))
        case RunHere():
            for call in draft.calls(_ids(action.calls)):
                carry_out(draft, call)
        case RunTools():
            effects = run(draft, action.calls)
        case EndCalls():
            ends = end(draft, action.calls)
        case AbandonTools():
            _abandon(draft, action.calls)
        case TakeOver():
            _take_over(draft, action)
        case PauseTurn():
            pause(draft, action.short)
        case TakeBack():
            take_back(draft)
        case UndoNext():
            undo_next(draft)
        case GoOn():
            cut(draft)
        case FinishTurn():
            _finish_turn(draft, action)
        case CloseSession():
            _close(draft, action.reason)
        case TrimResults():
            opening.trim(draft, action.trim)
        case Compact():
            effects = opening.compact(draft, action)
        case AskNextSummarizer():
            effects = opening.ask_next(draft)
        case EndCompaction():
            draft.add(CompactionEnding())
            ends = (action.step_id,)
        case DropOldest():
            opening.drop(draft, action.before)
        case Seal():
            draft.add(SealingBegun(cut=action.cut))
            effects = (SealPart(seal_input(draft.state)),)
        case _:
            assert_never(action)
    keep_time(draft)
    return Begun(draft.changes, effects, ends, tells)


def _ids(calls: tuple[ToolCall, ...]) -> list[str]:
    return [call.call_id for call in calls]


def _start_turn(draft: Draft, message: Message) -> None:
    turn = turn_id(draft.state.turns + 1)
    handler = handler_of_messages(draft.state)
    draft.add(TurnStarted(**(draft.stamp | {"turn_id": turn}), cause="message", handler=handler))
    draft.add(MessageAdded(**draft.stamp, message=message.of_turn(turn)))
    begin_handler(draft, handler, message)
    if draft.state.inbox.interrupts:
        # It came after this one, while no turn ran that it could interrupt.
        draft.add(StopRequested(interrupted=True))


def _wake_up(draft: Draft, timer: Timer) -> None:
    turn = turn_id(draft.state.turns + 1)
    draft.add(TimerFired(**draft.stamp, timer_id=timer.timer_id))
    draft.add(TurnStarted(**(draft.stamp | {"turn_id": turn}), cause="timer"))
    part = Data(name="timer", value={"timer_id": timer.timer_id, "due": timer.due.isoformat(), "note": timer.note})
    message = Message(id=wake_up_id(timer.timer_id), role="user", parts=(part,), turn_id=turn, at=draft.now, own=True)
    draft.add(MessageAdded(**draft.stamp, message=message))


def _compare_tools(state: SessionState) -> tuple[Effect, ...]:
    loaded = state.slot.loaded
    assert loaded is not None
    request = ToolsChangedInput(digest=loaded.digest, mcp_digest=loaded.mcp_digest, turn_id=state.turn_id)
    return (CompareTools(request),)


def _plan_calls(draft: Draft, action: PlanCalls) -> None:
    if asked_purses(draft.state) and end_leases(draft):
        return
    calls = tuple(draft.calls(_ids(action.calls)))
    insisted = insists(draft.state, calls)
    for call in decide(draft.state, calls):
        draft.change(call)
    if insisted is not None:
        draft.add(TurnBroken(error=insisted))


def _abandon(draft: Draft, calls: tuple[ToolCall, ...]) -> None:
    """Gives calls that do not run a result that says that they were stopped."""
    # Nobody has said yet what became of these, and now nobody will.
    unknown = {call.call_id for call in draft.calls(_ids(calls)) if _asks_outcome(draft, call.call_id)}
    withdraw(draft, _ids(calls))
    for call in draft.calls(_ids(calls)):
        refused = call.stage.error if isinstance(call.stage, Refused) else None
        told = refused if refused is not None and refused.type == REPEATED_CALL else STOPPED
        finish(draft, call, UNKNOWN if call.call_id in unknown else told)


def _asks_outcome(draft: Draft, call_id: str) -> bool:
    call = draft.turn.call(call_id)
    return call is not None and isinstance(call.stage, Asking | Asked) and call.stage.asks == "outcome"


def _take_over(draft: Draft, action: TakeOver) -> None:
    loaded, agent = draft.state.slot.loaded, action.handoff.agent
    assert loaded is not None
    draft.add(AgentUpdated(**draft.stamp, old=loaded.digest, new=agent.digest, agent=agent.definition.name))


def _finish_turn(draft: Draft, action: FinishTurn) -> None:
    give_up_rewind(draft, action.reason)
    books, steered = draft.turn.books, draft.state.inbox.joining
    draft.add(
        TurnFinished(
            **draft.stamp,
            reason=action.reason,
            error=action.error,
            usage=books.usage,
            cost_usd=books.cost_usd,
            result=draft.turn.result if action.reason == "done" else None,
        )
    )
    tell_places(draft, steered)


def _close(draft: Draft, reason: str) -> None:
    if draft.state.rewinding is not None:
        reject(draft, draft.state.rewinding)
        draft.add(RewindDropped())
    waiting = [message.id for message in draft.state.inbox.messages]
    for message_id in (*waiting, *(event.event_id for event in draft.state.handlers.events)):
        draft.add(MessageRejected(**draft.stamp, message_id=message_id, reason="session_closed"))
    asking.withdraw(draft, "stopped")
    draft.add(SessionClosed(**draft.stamp, reason=reason))
