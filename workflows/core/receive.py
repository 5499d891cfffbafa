"""What a signal means for a session. Pure.

Rule: a signal that is wrong, or repeated, becomes an event that says so, or nothing.
"""

from datetime import datetime
from typing import assert_never

from perdure.workflows.core.approvers import Requested
from perdure.workflows.core.arriving import accept, edit, take_in, take_trigger_in, withdraw
from perdure.workflows.core.calls.asking import answer
from perdure.workflows.core.calls.superseding import SUPERSEDED, supersede
from perdure.workflows.core.changes import (
    Changes,
    CloseRequested,
    CommandSeen,
    Configured,
    Muted,
    StopRequested,
    TimerCancelled,
)
from perdure.workflows.core.draft import Draft
from perdure.workflows.core.feedback import take_feedback
from perdure.workflows.core.handlers import asking
from perdure.workflows.core.lease_changes import LeaseEnded, PurseHasMore
from perdure.workflows.core.leases import announce
from perdure.workflows.core.pausing import answer as decided
from perdure.workflows.core.review import ask_purse_again, pass_quota, review
from perdure.workflows.core.rewinds.receive import answer_rewind, retry, rewind
from perdure.workflows.core.routing import first_hop
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.protocol.purses import PurseChanged
from perdure.workflows.protocol.signals import (
    Answer,
    CancelTimer,
    Close,
    Command,
    Configure,
    EditMessage,
    GiveFeedback,
    Retry,
    Rewind,
    SendMessage,
    Signal,
    SpendingCommand,
    Stop,
    Supersede,
    Trigger,
    WithdrawMessage,
)
from perdure.workflows.vocabulary.events import SessionStarted


def receive(state: SessionState, signal: Signal, now: datetime) -> Changes:
    """The changes that follow from `signal`."""
    draft = Draft(state, now)
    if isinstance(signal, SendMessage | Trigger | EditMessage | Rewind | Retry) and signal.sender is not None:
        draft.add(Requested(subject=signal.sender))
    if isinstance(signal, SpendingCommand):
        announce(draft, signal.purses)
    match signal:
        case SendMessage():
            take_in(draft, signal)
        case Trigger():
            take_trigger_in(draft, signal)
        case _:
            if not state.inbox.has_command(signal.id):
                draft.add(CommandSeen(id=signal.id))
                _obey(draft, signal)
    review(draft, signal.by if isinstance(signal, Configure) else None)
    return draft.changes


def started(state: SessionState, message: SendMessage | None, now: datetime) -> Changes:
    """The changes with which a session begins: its first event, unless it has a past, and its first message."""
    draft = Draft(state, now)
    if state.log.seq == 0:
        new = state.new
        draft.add(SessionStarted(**draft.stamp, agent=new.agent, digest=new.digest, inputs=new.inputs))
    if message is not None and message.sender is not None:
        draft.add(Requested(subject=message.sender))
    if message is not None:
        announce(draft, message.purses)
        accept(draft, message)
    return draft.changes


def _obey(draft: Draft, command: Command) -> None:
    match command:
        case EditMessage():
            edit(draft, command)
        case WithdrawMessage():
            withdraw(draft, command)
        case Supersede():
            draft.add(Muted())
            supersede(draft)
            asking.withdraw(draft, SUPERSEDED)
        case Stop():
            turn = draft.state.turn
            if turn and command.turn_id in (None, turn.turn_id):
                draft.add(StopRequested())
        case Answer():
            turn = draft.state.turn
            pause = turn.pause if turn is not None else None
            if pause is not None and pause.question_id == command.question_id:
                decided(draft, command)
            elif not answer_rewind(draft, command) and not asking.answer(draft, command):
                answer(draft, command)
        case Rewind():
            rewind(draft, command)
        case Retry():
            retry(draft, command)
        case CancelTimer():
            draft.add(TimerCancelled(timer_id=command.timer_id))
        case GiveFeedback():
            take_feedback(draft, command)
        case Configure():
            before = first_hop(draft.state)
            draft.add(
                Configured(
                    model=command.model,
                    metadata=command.metadata,
                    timezone=command.timezone,
                    digest=command.digest,
                    title=command.title,
                    limits=command.limits,
                    limit_changes=command.limit_changes,
                )
            )
            pass_quota(draft, before)
            if command.limits is not None or command.limit_changes:
                ask_purse_again(draft, command.by)
        case Close():
            if command.reason == SUPERSEDED:
                supersede(draft)
            draft.add(CloseRequested(reason=command.reason))
        case PurseChanged(capped=True):
            announce(draft, (command.scope,))
        case PurseChanged(recall=True):
            draft.add(LeaseEnded(scope=command.scope))
        case PurseChanged():
            draft.add(PurseHasMore(scope=command.scope, value=command.value, by=command.by))
        case _:
            assert_never(command)
