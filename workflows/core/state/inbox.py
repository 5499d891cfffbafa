"""Messages that wait for their turn, and the ids of what was taken in, so that a repeat does nothing."""

from dataclasses import dataclass, field
from typing import Final

from perdure.workflows.core.state.record import Record, replace
from perdure.workflows.vocabulary.parts import Message

#: Messages that wait in one session, beyond the one whose turn runs.
MAX_QUEUED: Final = 100
KEPT_MESSAGE_IDS: Final = 10_000
KEPT_COMMAND_IDS: Final = 1_000


@dataclass(frozen=True, kw_only=True)
class Seen(Record):
    """A message id that was taken in, so that a repeat is known and answered alike."""

    content_sha256: str
    cursor: int


@dataclass(frozen=True, kw_only=True)
class Inbox(Record):
    #: Messages that wait for a turn.
    messages: tuple[Message, ...] = ()
    #: By message id.
    seen: dict[str, Seen] = field(default_factory=dict)
    #: The roles that messages which wait shall be answered by, by message id, where they name one.
    roles: dict[str, str] = field(default_factory=dict)
    #: Of all other commands.
    command_ids: tuple[str, ...] = ()
    #: Spans of the callers that sent the messages that wait, by message id.
    traces: dict[str, str] = field(default_factory=dict)

    def with_message(
        self, message: Message, seen: Seen, role: str | None = None, traceparent: str | None = None
    ) -> "Inbox":
        known = {**self.seen, message.id: seen}
        if len(known) > KEPT_MESSAGE_IDS:
            del known[next(iter(known))]
        roles = self.roles if role is None else {**self.roles, message.id: role}
        traces = self.traces if traceparent is None else {**self.traces, message.id: traceparent}
        return replace(self, messages=(*self.messages, message), seen=known, roles=roles, traces=traces)

    def without(self, message_id: str) -> "Inbox":
        """Without the message, which has been dealt with, and all that is kept of it while it waits."""
        return replace(
            self,
            messages=tuple(one for one in self.messages if one.id != message_id),
            roles={known: role for known, role in self.roles.items() if known != message_id},
            traces={known: trace for known, trace in self.traces.items() if known != message_id},
        )

    def with_command(self, command_id: str) -> "Inbox":
        return replace(self, command_ids=(*self.command_ids, command_id)[-KEPT_COMMAND_IDS:])

    def position(self, message_id: str) -> int | None:
        """Where the message waits, from 1; None where it does not wait."""
        return next((number for number, one in enumerate(self.messages, 1) if one.id == message_id), None)
