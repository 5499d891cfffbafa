"""Messages that wait, and the ids of what was taken in, so that a repeat does nothing.

Rule: messages that interrupt go first, then those that steer, then all others; each kind in the order of its arrival. Where
no turn runs, the first message is as good as begun, so nothing goes before it.
"""

from dataclasses import dataclass, field
from typing import Final

from perdure.workflows.core.state.packed_ids import find, pack, pack_ids
from perdure.workflows.core.state.record import Record, replace
from perdure.workflows.vocabulary.busy import Ahead, Busy
from perdure.workflows.vocabulary.content_marks import is_same, mark_of
from perdure.workflows.vocabulary.parts import Message, Part

#: Messages that wait in one session, beyond the one whose turn runs.
MAX_QUEUED: Final = 100
KEPT_MESSAGE_IDS: Final = 10_000
KEPT_COMMAND_IDS: Final = 1_000
#: Ids that are kept whole, the last ones, and those that are packed at a time (`packed_ids`).
WHOLE: Final = 64
PACKED: Final = 64
#: Of messages that were edited, and of those that were withdrawn.
KEPT_CHANGES: Final = 200

_RANK: Final[dict[Ahead, int]] = {"interrupt": 0, "steer": 1}


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
    #: Messages that wait, the next one first.
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
    #: Of the messages that wait, those that go before the others, by message id.
    ahead: dict[str, Ahead] = field(default_factory=dict)
    #: Ids of those that join the turn that runs, or else the next one, before its next step.
    steering: tuple[str, ...] = ()
    #: The commands by which messages were edited last, by message id.
    edited: dict[str, str] = field(default_factory=dict)
    #: Ids of the last messages that were withdrawn.
    withdrawn: tuple[str, ...] = ()

    def with_message(
        self,
        message: Message,
        seen: Seen,
        role: str | None = None,
        traceparent: str | None = None,
        busy: Busy = "queue",
        *,
        in_turn: bool = True,
    ) -> "Inbox":
        """With the message where it belongs among those that wait. `in_turn`: a turn runs."""
        roles = self.roles if role is None else {**self.roles, message.id: role}
        traces = self.traces if traceparent is None else {**self.traces, message.id: traceparent}
        inbox = replace(self.knowing(message.id, seen), roles=roles, traces=traces)
        if busy not in ("steer", "interrupt"):
            return replace(inbox, messages=(*self.messages, message))
        place = self._place(busy, first=0 if in_turn else min(1, len(self.messages)))
        return replace(
            inbox,
            messages=(*self.messages[:place], message, *self.messages[place:]),
            ahead={**self.ahead, message.id: busy},
            steering=(*self.steering, message.id) if busy == "steer" else self.steering,
        )

    def knowing(self, message_id: str, seen: Seen) -> "Inbox":
        """With the id of a message that is taken in, so that a repeat is known."""
        known, before = {**self.seen, message_id: seen}, self.seen_before
        while len(known) >= WHOLE + PACKED:
            oldest = list(known)[:PACKED]
            gone = [(one, known.pop(one)) for one in oldest]
            before = (*before, pack([(one, mark_of(it.content_sha256), it.cursor) for one, it in gone]))
        before = before[max(len(before) - (KEPT_MESSAGE_IDS - WHOLE) // PACKED, 0) :]
        return replace(self, seen=known, seen_before=before)

    def _place(self, ahead: Ahead, first: int) -> int:
        ranks = [_RANK[self.ahead[one.id]] if one.id in self.ahead else len(_RANK) for one in self.messages]
        behind = (number for number, rank in enumerate(ranks, 1) if rank <= _RANK[ahead])
        return max(first, *behind, 0)

    def with_parts(self, message_id: str, parts: tuple[Part, ...], command_id: str) -> "Inbox":
        """With other parts of a message that waits, as a command said."""
        edited = {**self.edited, message_id: command_id}
        if len(edited) > KEPT_CHANGES:
            del edited[next(iter(edited))]
        messages = tuple(one.with_parts(parts) if one.id == message_id else one for one in self.messages)
        return replace(self, messages=messages, edited=edited)

    def without(self, message_id: str) -> "Inbox":
        """Without the message, which has been dealt with, and all that is kept of it while it waits."""
        return replace(
            self,
            messages=tuple(one for one in self.messages if one.id != message_id),
            roles={known: role for known, role in self.roles.items() if known != message_id},
            traces={known: trace for known, trace in self.traces.items() if known != message_id},
            ahead={known: why for known, why in self.ahead.items() if known != message_id},
            steering=tuple(known for known in self.steering if known != message_id),
        )

    def taken_in(self, message_id: str) -> Seen | None:
        """What is known of a message that was taken in."""
        if message_id in self.seen:
            return self.seen[message_id]
        before = find(self.seen_before, message_id)
        return None if before is None else Seen(content_sha256=before[0], cursor=before[1])

    def withdrawing(self, message_id: str) -> "Inbox":
        return replace(self.without(message_id), withdrawn=(*self.withdrawn, message_id)[-KEPT_CHANGES:])

    def after_turn(self) -> "Inbox":
        """Once a turn has ended: those that did not come to join it wait for turns of their own."""
        return replace(self, steering=()) if self.steering else self

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

    def find(self, message_id: str) -> Message | None:
        """The message, if it waits."""
        return next((one for one in self.messages if one.id == message_id), None)

    def position(self, message_id: str) -> int | None:
        """Where the message waits, from 1; None where it does not wait."""
        return next((number for number, one in enumerate(self.messages, 1) if one.id == message_id), None)

    @property
    def joining(self) -> tuple[Message, ...]:
        """Those that steer, in the order of their arrival."""
        return tuple(one for one in self.messages if one.id in self.steering)

    @property
    def interrupts(self) -> bool:
        """Whether a message waits that interrupted a turn, or will."""
        return "interrupt" in self.ahead.values()
