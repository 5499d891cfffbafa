"""Messages that come, and what is changed of those that wait. Pure.

Rule 1: each message that was taken in ends with exactly one `message.added` or `message.rejected`.
Rule 2: what the message says of itself (`busy`) counts before what the definition says.
"""

from perdure.workflows.core.calls.superseding import supersede
from perdure.workflows.core.changes import Accepted, MessageEdited, StopRequested, Withdrawn
from perdure.workflows.core.draft import Draft
from perdure.workflows.core.handlers import events
from perdure.workflows.core.handlers.triggers import as_message, triggered
from perdure.workflows.core.rewinds.receive import supersede_rewind
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.protocol.signals import EditMessage, SendMessage, Trigger, WithdrawMessage
from perdure.workflows.vocabulary.busy import Busy
from perdure.workflows.vocabulary.events import MessageQueued, MessageRejected
from perdure.workflows.vocabulary.parts import Message, as_foreign


def take_in(draft: Draft, command: SendMessage) -> None:
    """A message has come."""
    state = draft.state
    seen = state.inbox.taken_in(command.message_id)
    if seen is not None:
        if not seen.is_of(command.content_sha256):
            _reject(draft, command.message_id, "conflict")
    elif state.closing is not None or state.closed:
        _reject(draft, command.message_id, "session_closed")
    elif state.is_busy and busy_policy(state, command) == "reject":
        _reject(draft, command.message_id, "busy")
    elif state.room < 1:
        _reject(draft, command.message_id, "queue_full")
    else:
        accept(draft, command)


def take_trigger_in(draft: Draft, command: Trigger) -> None:
    """A trigger has come: it waits for its turn, whatever the definition says of messages. An event is kept for a handler."""
    state = draft.state
    seen = state.inbox.taken_in(command.id)
    reason = None
    if seen is not None:
        reason = None if seen.is_of(command.content_sha256) else "conflict"
    elif state.closing is not None or state.closed:
        reason = "session_closed"
    elif command.event:
        reason = events.TOO_MANY if events.event_room(state) < 1 else None
    elif state.room < 1:
        reason = "queue_full"
    if reason is not None:
        _reject(draft, command.id, reason)
    if seen is not None or reason is not None:
        return
    if command.event:
        draft.add(events.came(command))
        return
    message = as_message(command, Message(id=command.id, role="user", parts=(), at=draft.now))
    draft.add(
        Accepted(
            message=message,
            content_sha256=command.content_sha256,
            cursor=command.cursor,
            digest=command.digest,
            traceparent=command.traceparent,
        )
    )
    if state.is_busy:
        _tell_place(draft, message)


def accept(draft: Draft, command: SendMessage) -> None:
    """Takes a message in that nothing speaks against."""
    state = draft.state
    busy: Busy = busy_policy(state, command) if state.is_busy else "queue"
    parts = tuple(map(as_foreign, command.parts))
    message = Message(id=command.message_id, role="user", parts=parts, at=draft.now, run_id=command.run_id)
    draft.add(
        Accepted(
            message=message,
            content_sha256=command.content_sha256,
            cursor=command.cursor,
            digest=command.digest,
            role=command.model,
            traceparent=command.traceparent,
            busy=busy,
        )
    )
    if not state.is_busy:
        return
    _tell_place(draft, message)
    if busy in ("steer", "interrupt"):
        supersede(draft)
        supersede_rewind(draft)
    if busy == "interrupt" and draft.state.turn is not None and not draft.state.turn.stopping:
        draft.add(StopRequested(interrupted=True))


def edit(draft: Draft, command: EditMessage) -> None:
    """Other parts for a message; nothing where it does not wait any more."""
    found = draft.state.inbox.find(command.message_id)
    if found is None or triggered(found) is not None:
        return
    parts = tuple(map(as_foreign, command.parts))
    draft.add(MessageEdited(message_id=command.message_id, parts=parts, command_id=command.id))
    message = draft.state.inbox.find(command.message_id)
    assert message is not None
    _tell_place(draft, message, edited=True)


def withdraw(draft: Draft, command: WithdrawMessage) -> None:
    """Takes a message or an event back; nothing where it does not wait any more."""
    state = draft.state
    if state.inbox.find(command.message_id) is not None or state.handlers.keeps(command.message_id):
        draft.add(Withdrawn(message_id=command.message_id))
        draft.add(MessageRejected(**draft.stamp, message_id=command.message_id, reason="withdrawn"))


def tell_places(draft: Draft, messages: tuple[Message, ...]) -> None:
    """These messages came to join a turn that has ended, and wait for turns of their own."""
    for message in messages:
        _tell_place(draft, message)


def busy_policy(state: SessionState, command: SendMessage) -> Busy:
    return command.busy or state.busy


def _tell_place(draft: Draft, message: Message, *, edited: bool = False) -> None:
    inbox = draft.state.inbox
    ahead = inbox.ahead.get(message.id)
    draft.add(
        MessageQueued(
            **(draft.stamp | {"turn_id": None}),
            message_id=message.id,
            position=inbox.position(message.id) or 1,
            busy=None if ahead == "steer" and message.id not in inbox.steering else ahead,
            message=message if edited else None,
        )
    )


def _reject(draft: Draft, message_id: str, reason: str) -> None:
    # What comes after the last event is dropped.
    if not draft.state.closed:
        draft.add(MessageRejected(**draft.stamp, message_id=message_id, reason=reason))
