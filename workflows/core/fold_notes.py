"""What notes, the changes that viewers do not see, make of a session's state. Pure."""

from typing import assert_never

from perdure.workflows.core import fold_leases
from perdure.workflows.core.agent_changes import (
    AgentFailed,
    AgentLoaded,
    AgentLoading,
    AgentRenewed,
    RenewalAsked,
    ToolsAsked,
    ToolsChanged,
    ToolsKnown,
)
from perdure.workflows.core.approvers import Requested, with_requester
from perdure.workflows.core.calls.fold import move, settled
from perdure.workflows.core.changes import (
    Accepted,
    AnswerRead,
    CallChanged,
    CallerTraced,
    CloseRequested,
    CommandSeen,
    Configured,
    ExchangeDeclined,
    HandoffAgreed,
    MessageEdited,
    ModelGivenUp,
    Muted,
    Note,
    QuestionSettled,
    StepEnding,
    StepOpened,
    StepPassedOn,
    StopRequested,
    TimerCancelled,
    TimerDue,
    TurnBroken,
    Withdrawn,
)
from perdure.workflows.core.context import folding
from perdure.workflows.core.context.windows import outgrown
from perdure.workflows.core.context_changes import (
    CompactionAbandoned,
    CompactionEnding,
    CompactionGivenUp,
    CompactionOpened,
    CompactionPassedOn,
    ContextMeasured,
    Overflowed,
)
from perdure.workflows.core.event_changes import EventChange
from perdure.workflows.core.fold_agent import failed, loaded
from perdure.workflows.core.fold_limits import counted, limits_changed, turned, unpaused
from perdure.workflows.core.fold_turn import (
    given_up,
    opened_step,
    passed_on,
)
from perdure.workflows.core.handler_changes import (
    BlockAnswered,
    BlockCalled,
    BranchesCalled,
    ErrorCaught,
    HandlerAnswered,
    HandlerMoved,
    HandlerResumed,
    TriggerTaken,
    VariablesSet,
)
from perdure.workflows.core.handlers import fold as handlers
from perdure.workflows.core.handlers import fold_events
from perdure.workflows.core.lease_changes import LeaseChange
from perdure.workflows.core.limit_changes import (
    CallsCounted,
    ClockTurned,
    QuotaPassed,
    SetAside,
    StepUndone,
    TimeUsedUp,
    TurnCheapened,
)
from perdure.workflows.core.rewind_changes import RewindDropped, RewindTaken, UndoBegun, UndoStarted
from perdure.workflows.core.rewinds import fold as rewinds
from perdure.workflows.core.sealing import without_sealed
from perdure.workflows.core.sealing_changes import PartSealed, SealingBegun, SealingFailed
from perdure.workflows.core.session_variables import only_declared, with_values
from perdure.workflows.core.state.agent_slot import Renewal
from perdure.workflows.core.state.inbox import Seen
from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.session import SessionState, in_turn, with_turn


def apply_note(state: SessionState, note: Note) -> SessionState:
    """The state after `note`. Raises ValueError for what cannot happen now."""
    match note:
        case Accepted():
            return _accept(state, note)
        case MessageEdited():
            return replace(state, inbox=state.inbox.with_parts(note.message_id, note.parts, note.command_id))
        case Withdrawn():
            kept = state.handlers.giving(note.message_id)
            return replace(state, inbox=state.inbox.withdrawing(note.message_id), handlers=kept)
        case Muted():
            return replace(state, questions=replace(state.questions, muted=True))
        case StopRequested():
            if state.turn is None:
                return state
            interrupted = state.turn.interrupted or (note.interrupted and not state.turn.stopping)
            return with_turn(state, replace(state.turn, stopping=True, interrupted=interrupted))
        case CloseRequested():
            turn = replace(state.turn, stopping=True) if state.turn else None
            return replace(state, closing=state.closing or note.reason, turn=turn)
        case Configured():
            return _configure(state, note)
        case CommandSeen():
            return replace(state, inbox=state.inbox.with_command(note.id))
        case AgentLoading():
            return replace(state, slot=replace(state.slot, loading=True))
        case AgentLoaded():
            return only_declared(loaded(state, note.agent))
        case AgentFailed():
            return failed(state, note.error)
        case RenewalAsked():
            return replace(state, slot=replace(state.slot, renewal=Renewal(timer_id=note.timer_id)))
        case AgentRenewed():
            return _renew(state, note.digest)
        case ToolsAsked():
            return with_turn(state, replace(in_turn(state), tools="asking"))
        case ToolsKnown():
            state = with_turn(state, replace(in_turn(state), tools="known"))
            return replace(state, slot=replace(state.slot, stale=state.slot.stale or note.changed))
        case ToolsChanged():
            return replace(state, slot=replace(state.slot, stale=True))
        case CallChanged():
            return move(state, note.call)
        case QuestionSettled():
            return unpaused(settled(state, note.question_id, note.answer_id, note.given, note.allow), note.question_id)
        case SetAside():
            books = state.books.reserved(note.call_id, note.usd, note.tokens, note.tool_calls)
            return replace(state, books=books)
        case TimerDue():
            return replace(state, timers=state.timers.firing(note.timer_id))
        case TimerCancelled():
            waiting = state.handlers.waiting_for(note.timer_id)
            ended = state.handlers.without(waiting)
            return replace(state, timers=state.timers.without(note.timer_id), handlers=ended)
        case HandoffAgreed():
            return with_turn(state, replace(in_turn(state), handoff=note.handoff))
        case StepOpened():
            return opened_step(state, note.record)
        case CallerTraced():
            return with_turn(state, state.turn.traced(note.traceparent)) if state.turn else state
        case Requested():
            return replace(state, requesters=with_requester(state.requesters, note.subject))
        case StepEnding():
            return with_turn(state, replace(in_turn(state), step_ending=True))
        case ModelGivenUp():
            return given_up(state, note.tried)
        case StepPassedOn():
            return passed_on(state, note.record)
        case StepUndone():
            turn = in_turn(state)
            return with_turn(
                state, replace(turn, stop=note.stop, odd=note.odd, quota=note.quota, undone=turn.undone + 1)
            )
        case TurnCheapened():
            return with_turn(state, replace(in_turn(state), cheaper=True))
        case ClockTurned():
            return turned(state, note.at)
        case QuotaPassed():
            return with_turn(state, replace(in_turn(state), quota=None))
        case TimeUsedUp():
            return with_turn(state, replace(in_turn(state), overtime=True))
        case CallsCounted():
            return counted(replace(state, books=state.books.called_by(note.call_id)), note.count)
        case ExchangeDeclined():
            return replace(state, transcript=state.transcript.leaving_out(note.left_out))
        case AnswerRead():
            return with_turn(state, replace(in_turn(state), result=note.value))
        case _ if isinstance(note, LeaseChange):
            return fold_leases.changed(state, note)
        case RewindTaken():
            return rewinds.taken(state, note)
        case UndoBegun():
            return rewinds.began_undoing(state, note)
        case UndoStarted():
            return rewinds.started_undo(state)
        case RewindDropped():
            return rewinds.dropped(state)
        case TurnBroken():
            return with_turn(state, replace(in_turn(state), error=note.error))
        case ContextMeasured():
            context = outgrown(state.context, note.measured.model, note.measured.input)
            return replace(state, context=replace(context, measured=note.measured))
        case Overflowed():
            return folding.overflowed(state, note)
        case CompactionOpened():
            return folding.opened(state, note)
        case CompactionGivenUp():
            return folding.given_up(state, note)
        case CompactionPassedOn():
            return folding.passed_on(state, note)
        case CompactionEnding():
            return folding.ending(state)
        case CompactionAbandoned():
            return folding.abandoned(state, note)
        case SealingBegun():
            return replace(state, sealing=replace(state.sealing, open=note.cut))
        case PartSealed():
            return without_sealed(state, note.sealed)
        case SealingFailed():
            return replace(state, sealing=state.sealing.failed())
        case HandlerMoved():
            return handlers.moved(state, note.run)
        case VariablesSet():
            return with_values(state, note.values)
        case TriggerTaken():
            return replace(state, inbox=state.inbox.without(note.trigger_id))
        case _ if isinstance(note, EventChange):
            return fold_events.changed(state, note)
        case HandlerResumed():
            return handlers.resumed(state, note)
        case HandlerAnswered():
            return replace(state, handlers=state.handlers.with_reply(note.question_id, note.reply))
        case ErrorCaught():
            return handlers.caught(state, note.run)
        case BlockCalled():
            return handlers.called(state, note.call)
        case BranchesCalled():
            return handlers.called_together(state, note.calls)
        case BlockAnswered():
            return handlers.answered(state, note.step_id, note.parts)
        case _:
            assert_never(note)


def _accept(state: SessionState, note: Accepted) -> SessionState:
    slot = state.slot
    fresh = not slot.pinned and (slot.taken is None or note.cursor >= slot.taken.at)
    digest = note.digest if note.digest and fresh else slot.digest
    seen = Seen(content_sha256=note.content_sha256, cursor=note.cursor)
    inbox = state.inbox.with_message(
        note.message, seen, note.role, note.traceparent, note.busy, in_turn=state.turn is not None
    )
    # A definition that could not be loaded is tried again with every message, except while a turn that has none ends.
    ending = state.turn is not None and slot.loaded is None
    slot = replace(slot, digest=digest, error=slot.error if ending else None)
    return replace(state, inbox=inbox, slot=slot)


def _configure(state: SessionState, note: Configured) -> SessionState:
    slot = replace(
        state.slot,
        role=note.model or state.slot.role,
        digest=note.digest or state.slot.digest,
        pinned=state.slot.pinned or note.digest is not None,
    )
    if note.metadata is not None:
        state = replace(state, metadata=note.metadata, timezone=note.timezone)
    if note.title is not None:
        state = replace(state, title=note.title)
    if note.limits is not None:
        state = replace(state, limits=note.limits, limit_changes={})
    return limits_changed(replace(state, slot=slot), note.limit_changes)


def _renew(state: SessionState, digest: str | None) -> SessionState:
    slot = state.slot
    renewal = replace(slot.renewal, open=False) if slot.renewal else None
    wanted = slot.digest if digest is None or slot.pinned else digest
    return replace(state, slot=replace(slot, renewal=renewal, digest=wanted))
