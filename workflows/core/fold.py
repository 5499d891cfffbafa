"""The one way in which the state of a session changes.

Rule 1: all changes go through `apply(state, change)`, a pure fold.
Rule 2: nothing here reads a clock, the network or the environment; times come with the changes.
"""

from typing import assert_never

from perdure.workflows.core import fold_leases
from perdure.workflows.core.calls.fold import follow
from perdure.workflows.core.changes import Change, Note
from perdure.workflows.core.context import folding
from perdure.workflows.core.context.index import indexed
from perdure.workflows.core.cuts import with_event
from perdure.workflows.core.dates import turn_start
from perdure.workflows.core.fold_agent import taken_over
from perdure.workflows.core.fold_limits import allowed, paused
from perdure.workflows.core.fold_notes import apply_note
from perdure.workflows.core.fold_todo import with_todo
from perdure.workflows.core.fold_turn import finished_call, finished_step, started_turn
from perdure.workflows.core.handlers import fold as handlers
from perdure.workflows.core.rewinds import fold as rewinds
from perdure.workflows.core.state.handlers import Handlers
from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.core.state.timers import Timers
from perdure.workflows.protocol.queries import Timer
from perdure.workflows.vocabulary.budget_events import BudgetPaused, BudgetRaised
from perdure.workflows.vocabulary.events import (
    AgentUpdated,
    ContextCompacted,
    Event,
    FeedbackGiven,
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
    TodoUpdated,
    ToolFinished,
    ToolStarted,
    TurnFinished,
    TurnStarted,
)
from perdure.workflows.vocabulary.question_events import (
    ApprovalRequested,
    ApprovalResolved,
    InputReceived,
    InputRequested,
)
from perdure.workflows.vocabulary.rewinds import TranscriptRewound
from perdure.workflows.vocabulary.zones import day_of


def apply(state: SessionState, change: Change) -> SessionState:
    """The state after `change`. Pure. Raises ValueError for what cannot happen now; an event bears the next `seq`."""
    after = _apply(state, change)
    return after if after.transcript is state.transcript else indexed(after)


def _apply(state: SessionState, change: Change) -> SessionState:
    if isinstance(change, Note):
        return apply_note(state, change)
    if state.closed:
        raise ValueError("no event comes after session.closed")
    after = _apply_event(replace(state, log=state.log.appended(change)), change)
    return with_event(after, change) if state.seals else after


def _apply_event(state: SessionState, event: Event) -> SessionState:
    turn = state.turn
    match event:
        case AgentUpdated(agent=str()) if turn is not None and turn.handoff is not None:
            return taken_over(state, turn, turn.handoff)
        case SessionStarted() | MessageQueued() | AgentUpdated():
            return state
        case ModelSwitched() if turn is not None and turn.step is not None and turn.step.asks:
            # What a handler asks aside is another matter than who answers.
            return state
        case ModelSwitched():
            return replace(state, slot=replace(state.slot, last_model=event.to))
        case ApprovalRequested(subject="rewind"):
            return rewinds.asked(state, event)
        case ApprovalResolved() if (settled_rewind := rewinds.answered(state, event)) is not None:
            return settled_rewind
        case InputRequested(subject="handler"):
            return replace(state, questions=state.questions.asked(event.question))
        case ToolStarted() | ApprovalRequested() | ApprovalResolved() | InputRequested() | InputReceived():
            return follow(state, event)
        case BudgetPaused():
            return paused(state, event)
        case BudgetRaised():
            return allowed(state, event)
        case TimerSet():
            timer = Timer(timer_id=event.timer_id, due=event.due, note=event.note)
            return replace(state, timers=state.timers.with_timer(timer))
        case TimerFired():
            return replace(state, timers=state.timers.without(event.timer_id))
        case MessageRejected(reason="conflict"):
            # Another message wanted this id; the one that has it may still wait for its turn.
            return state
        case MessageRejected():
            return replace(state, inbox=state.inbox.without(event.message_id))
        case MessageAdded():
            role = state.inbox.roles.get(event.message.id)
            turn = replace(turn, role=role) if turn is not None and role is not None else turn
            trace = state.inbox.traces.get(event.message.id)
            turn = turn.traced(trace) if trace is not None and turn is not None else turn
            turn = turn.joined() if turn is not None else turn
            at = turn_start(state, turn.turn_id) if turn is not None else None
            day = day_of(at or event.at, state.timezone)
            dates = state.dates
            if event.message.role == "user":
                dates = dates.told(event.message, day, state.transcript.total)
            inbox, transcript = state.inbox.without(event.message.id), state.transcript.said(event.message)
            turn = replace(turn, sound=transcript.count) if turn is not None else None
            branches = rewinds.added(state.branches, state.transcript.count, event.message.id)
            return replace(state, inbox=inbox, turn=turn, transcript=transcript, dates=dates, branches=branches)
        case TurnStarted(turn_id=turn_id) if turn is None and turn_id is not None:
            return rewinds.started(started_turn(state, turn_id, event.at), event)
        case StepStarted() if turn is not None and turn.step is not None and turn.step.step_id == event.step_id:
            slot = state.slot if turn.step.asks else replace(state.slot, last_model=event.model)
            return replace(state, slot=slot, turn=replace(turn, steps=turn.steps + 1))
        case StepFinished() if turn is not None and turn.step is not None and turn.step.step_id == event.step_id:
            return finished_step(state, turn, event)
        case ToolFinished() if turn is not None and turn.call(event.call_id) is not None:
            return finished_call(state, turn, event)
        case TurnFinished() if turn is not None and turn.step is None and not turn.calls:
            state = handlers.ended(rewinds.ended(state, turn, event), turn, event)
            log = state.log if state.seals else state.log.pruned()
            leases = fold_leases.rested(state.leases)
            return replace(state, turn=None, log=log, inbox=state.inbox.after_turn(), leases=leases)
        case TranscriptRewound() if turn is None:
            return rewinds.rewound(state, event)
        case SessionClosed():
            return replace(state, closed=True, timers=Timers(), handlers=Handlers(), rewinding=None)
        case TodoUpdated():
            return with_todo(state, event)
        case FeedbackGiven():
            return replace(state, feedback=state.feedback.with_event(event))
        case ContextCompacted():
            return folding.compacted(state, event)
        case TurnStarted() | StepStarted() | StepFinished() | ToolFinished() | TurnFinished() | TranscriptRewound():
            raise ValueError(f"{event.type} does not fit the session's turn")
        case _:
            assert_never(event)
