"""Messages that wait for their turn, and the ids of what was taken in, so that a repeat does nothing."""

from dataclasses import dataclass, field
from typing import Final

from perdure.workflows.core.state.packed_ids import find, pack, pack_ids
from perdure.workflows.core.state.record import Record, replace
from perdure.workflows.vocabulary.content_marks import is_same, mark_of
from perdure.workflows.vocabulary.parts import Message

#: Messages that wait in one session, beyond the one whose turn runs.
MAX_QUEUED: Final = 100
KEPT_MESSAGE_IDS: Final = 10_000
KEPT_COMMAND_IDS: Final = 1_000
#: Ids that are kept whole, the last ones, and those that are packed at a time (`packed_ids`).
WHOLE: Final = 64
PACKED: Final = 64


@dataclass(frozen=True, kw_only=True)
class Seen(Record):
    """A message id that was taken in, so that a repeat is known and answered alike."""

    #: Or its mark, of a message that was taken in long ago.
    content_sha256: str
    cursor: int

    def is_of(self, content_sha256: str) -> bool:
        """Whether this was the content."""
        return is_same(self.content_sha256, content_sha256)


@dataclass(frozen=True, kw_only=True)
class Inbox(Record):
    #: Messages that wait for a turn.
    messages: tuple[Message, ...] = ()
    #: The last ones, by message id.
    seen: dict[str, Seen] = field(default_factory=dict)
    #: Those before them, packed, the oldest first.
    seen_before: tuple[str, ...] = ()
    #: The roles that messages which wait shall be answered by, by message id, where they name one.
    roles: dict[str, str] = field(default_factory=dict)
    #: The last ones of all other commands.
    command_ids: tuple[str, ...] = ()
    #: Those before them, packed, the oldest first.
    commands_before: tuple[str, ...] = ()
    #: Spans of the callers that sent the messages that wait, by message id.
    traces: dict[str, str] = field(default_factory=dict)

    def with_message(
        self, message: Message, seen: Seen, role: str | None = None, traceparent: str | None = None
    ) -> "Inbox":
        known, before = {**self.seen, message.id: seen}, self.seen_before
        while len(known) >= WHOLE + PACKED:
            oldest = list(known)[:PACKED]
            gone = [(one, known.pop(one)) for one in oldest]
            before = (*before, pack([(one, mark_of(it.content_sha256), it.cursor) for one, it in gone]))
        before = before[max(len(before) - (KEPT_MESSAGE_IDS - WHOLE) // PACKED, 0) :]
        roles = self.roles if role is None else {**self.roles, message.id: role}
        traces = self.traces if traceparent is None else {**self.traces, message.id: traceparent}
        return replace(
            self, messages=(*self.messages, message), seen=known, seen_before=before, roles=roles, traces=traces
        )

    def without(self, message_id: str) -> "Inbox":
        """Without the message, which has been dealt with, and all that is kept of it while it waits."""
        return replace(
            self,
            messages=tuple(one for one in self.messages if one.id != message_id),
            roles={known: role for known, role in self.roles.items() if known != message_id},
            traces={known: trace for known, trace in self.traces.items() if known != message_id},
        )

    def find(self, message_id: str) -> Seen | None:
        """What is known of a message that was taken in."""
        if message_id in self.seen:
            return self.seen[message_id]
        before = find(self.seen_before, message_id)
        return None if before is None else Seen(content_sha256=before[0], cursor=before[1])

    def with_command(self, command_id: str) -> "Inbox":
        known, before = (*self.command_ids, command_id), self.commands_before
        while len(known) >= WHOLE + PACKED:
            before = (*before, pack_ids(known[:PACKED]))
            known = known[PACKED:]
        before = before[max(len(before) - (KEPT_COMMAND_IDS - WHOLE) // PACKED, 0) :]
        return replace(self, command_ids=known, commands_before=before)

    def has_command(self, command_id: str) -> bool:
        """A command of this id was taken in."""
        return command_id in self.command_ids or find(self.commands_before, command_id) is not None

    def position(self, message_id: str) -> int | None:
        """Where the message waits, from 1; None where it does not wait."""
        return next((number for number, one in enumerate(self.messages, 1) if one.id == message_id), None)
