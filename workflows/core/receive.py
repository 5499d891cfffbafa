"""What a signal means for a session. Pure.

Rule: a signal that is wrong, or repeated, becomes an event that says so, or nothing.
"""

from datetime import datetime
from typing import assert_never

from perdure.workflows.core.calls.asking import answer
from perdure.workflows.core.changes import (
    Accepted,
    Changes,
    CloseRequested,
    CommandSeen,
    Configured,
    StopRequested,
    TimerCancelled,
)
from perdure.workflows.core.draft import Draft
from perdure.workflows.core.lease_changes import LeaseEnded, PurseHasMore
from perdure.workflows.core.pausing import answer as decided
from perdure.workflows.core.review import review
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.protocol.purses import PurseChanged
from perdure.workflows.protocol.signals import Answer, CancelTimer, Close, Configure, SendMessage, Stop
from perdure.workflows.vocabulary.events import MessageQueued, MessageRejected, SessionStarted
from perdure.workflows.vocabulary.parts import Message, as_foreign

Signal = SendMessage | Stop | Answer | CancelTimer | Configure | Close | PurseChanged


def receive(state: SessionState, signal: Signal, now: datetime) -> Changes:
    """The changes that follow from `signal`."""
    draft = Draft(state, now)
    match signal:
        case SendMessage():
            _take_in(draft, signal)
        case Stop() | Answer() | CancelTimer() | Configure() | Close() | PurseChanged():
            if not state.inbox.has_command(signal.id):
                draft.add(CommandSeen(id=signal.id))
                _obey(draft, signal)
        case _:
            assert_never(signal)
    review(draft, signal.by if isinstance(signal, Configure) else None)
    return draft.changes


def started(state: SessionState, message: SendMessage | None, now: datetime) -> Changes:
    """The changes with which a session begins: its first event, unless it has a past, and its first message."""
    draft = Draft(state, now)
    if state.log.seq == 0:
        new = state.new
        draft.add(SessionStarted(**draft.stamp, agent=new.agent, digest=new.digest, inputs=new.inputs))
    if message is not None:
        _accept(draft, message)
    return draft.changes


def _take_in(draft: Draft, command: SendMessage) -> None:
    state = draft.state
    seen = state.inbox.find(command.message_id)
    if seen is not None:
        if not seen.is_of(command.content_sha256):
            _reject(draft, command, "conflict")
    elif state.closing is not None or state.closed:
        _reject(draft, command, "session_closed")
    elif state.room < 1:
        _reject(draft, command, "queue_full")
    else:
        _accept(draft, command)


def _reject(draft: Draft, command: SendMessage, reason: str) -> None:
    # What comes after the last event is dropped.
    if not draft.state.closed:
        draft.add(MessageRejected(**draft.stamp, message_id=command.message_id, reason=reason))


def _accept(draft: Draft, command: SendMessage) -> None:
    busy = draft.state.turn is not None or bool(draft.state.inbox.messages)
    parts = tuple(map(as_foreign, command.parts))
    message = Message(id=command.message_id, role="user", parts=parts, at=draft.now)
    draft.add(
        Accepted(
            message=message,
            content_sha256=command.content_sha256,
            cursor=command.cursor,
            digest=command.digest,
            role=command.model,
            traceparent=command.traceparent,
            purses=command.purses,
        )
    )
    if busy:
        position = len(draft.state.inbox.messages)
        draft.add(MessageQueued(**(draft.stamp | {"turn_id": None}), message_id=message.id, position=position))


def _obey(draft: Draft, command: Stop | Answer | CancelTimer | Configure | Close | PurseChanged) -> None:
    match command:
        case Stop():
            turn = draft.state.turn
            if turn and command.turn_id in (None, turn.turn_id):
                draft.add(StopRequested())
        case Answer():
            turn = draft.state.turn
            pause = turn.pause if turn is not None else None
            if pause is not None and pause.question_id == command.question_id:
                decided(draft, command)
            else:
                answer(draft, command)
        case CancelTimer():
            draft.add(TimerCancelled(timer_id=command.timer_id))
        case Configure():
            draft.add(
                Configured(
                    model=command.model,
                    metadata=command.metadata,
                    timezone=command.timezone,
                    digest=command.digest,
                    limits=command.limits,
                )
            )
        case Close():
            draft.add(CloseRequested(reason=command.reason))
        case PurseChanged(recall=True):
            draft.add(LeaseEnded(scope=command.scope))
        case PurseChanged():
            draft.add(PurseHasMore(scope=command.scope, value=command.value, by=command.by))
        case _:
            assert_never(command)
