"""What requests have in place of what no longer fits: a summary of the older messages, and notes for long results. Pure.

Viewers still see everything. A summary stands behind the examples and before the recent messages, as a user's message; what
is pinned stands before it, word for word.
"""

import operator
from typing import Final

from pydantic import Field
from pydantic_core import to_json

from perdure.workflows.protocol.pinned import shortened
from perdure.workflows.protocol.retelling import retold, retold_latest
from perdure.workflows.vocabulary.context_events import ContextCompacted
from perdure.workflows.vocabulary.ids import summary_id
from perdure.workflows.vocabulary.parts import Frozen, Message, Part, Text, ToolResult

#: Characters of a tool's result above which it is long.
LONG_RESULT: Final = 1_500
#: With which the message of a summary begins.
SUMMARY_NOTE: Final = (
    "(The conversation is long, so its older part is given here in short. What follows this note is word for word.)"
)


class Trim(Frozen):
    """Long results of tools give way to their head and tail."""

    #: Of the messages before this position.
    before: int
    #: Characters of the head and of the tail; 0: only a note is left.
    keep: int


def shape_of(fold: str | None, trim: Trim | None) -> str:
    """Changes with what requests show of a conversation that only grows."""
    return f"{fold or ''}:{f'{trim.before}.{trim.keep}' if trim is not None else ''}"


class Summary(Frozen):
    """What stands in for the beginning of a conversation."""

    #: The compaction that made it.
    fold: str
    text: str
    #: Word for word, the oldest first.
    facts: tuple[str, ...] = ()
    #: Facts that found no room among them.
    dropped: int = Field(default=0, exclude_if=operator.not_)
    #: Messages that are shown whole before it.
    pinned: tuple[Message, ...] = ()
    #: The last day that was told before its end, as `2026-03-01`; empty: none was.
    day: str = Field(default="", exclude_if=operator.not_)

    @property
    def told(self) -> str:
        """All of it that is not pinned, as one text."""
        facts = "\n".join(f"- {fact}" for fact in self.facts)
        more = f"\n({self.dropped} more found no room here.)" if self.dropped else ""
        return "\n\n".join(filter(None, (self.text, f"Facts, word for word:\n{facts}{more}" if facts else "")))

    def with_pinned(self, pinned: tuple[Message, ...]) -> "Summary":
        return self.model_copy(update={"pinned": pinned})


def summary_in(event: ContextCompacted, pinned: tuple[Message, ...]) -> Summary:
    """The summary that an event tells of; `pinned` are the messages at the positions `event.pinned`."""
    return Summary(
        fold=fold_id(event),
        text=event.summary,
        facts=event.facts,
        dropped=event.dropped_facts,
        pinned=tuple(shortened(message, event.pinned_bytes) for message in pinned),
        day=event.day,
    )


def fold_id(event: ContextCompacted) -> str:
    """As views name the summary that an event tells of."""
    return event.step_id or f"seq{event.seq}"


class Retelling(Frozen):
    """A conversation as one text, for a model that shall not go on with it."""

    #: Characters at most.
    room: int
    #: Where there is no room for all of it, the oldest messages are left out, and not the longest ones shortened.
    latest: bool = Field(default=False, exclude_if=operator.not_)

    def of(self, summary: Summary | None, messages: tuple[Message, ...]) -> tuple[Message, ...]:
        """One message of the user's that tells `messages`, behind what is known of those before them."""
        before = summary.told if summary is not None else ""
        pinned = retold(summary.pinned, self.room // 4) if summary is not None and summary.pinned else ""
        room = max(self.room - len(before) - len(pinned), self.room // 4)
        text = "\n\n".join(
            filter(
                None,
                (
                    f"<kept>\n{pinned}\n</kept>" if pinned else "",
                    f"<summary_so_far>\n{before}\n</summary_so_far>" if before else "",
                    f"<conversation>\n{(retold_latest if self.latest else retold)(messages, room)}\n</conversation>",
                ),
            )
        )
        if not messages:
            return ()
        return (Message(id=summary_id(messages[0].id), role="user", parts=(Text(text=text),), at=messages[0].at),)


def introduced(summary: Summary | None, messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """`messages` behind the summary of what was said before them."""
    if summary is None:
        return messages
    day = f"Today is {summary.day}, until a later line names another day." if summary.day else ""
    text = "\n\n".join(filter(None, (SUMMARY_NOTE, summary.told, day)))
    at = messages[0].at if messages else summary.pinned[0].at if summary.pinned else None
    if at is None:
        return messages
    note = Message(id=summary_id(summary.fold), role="user", parts=(Text(text=text),), at=at)
    return (*summary.pinned, note, *messages)


def trimmed(messages: tuple[Message, ...], start: int, trim: Trim | None) -> tuple[Message, ...]:
    """`messages`, of which the first is at position `start`, with notes in place of long results."""
    if trim is None or trim.before <= start:
        return messages
    old, recent = messages[: trim.before - start], messages[trim.before - start :]
    return (*(_trimmed(message, trim.keep) for message in old), *recent)


def result_text(result: ToolResult) -> str:
    """What a model is shown of a result's output."""
    return result.output if isinstance(result.output, str) else to_json(result.output, inf_nan_mode="strings").decode()


def _trimmed(message: Message, keep: int) -> Message:
    if message.role != "tool":
        return message
    parts = tuple(_noted(part, keep) for part in message.parts)
    return message if parts == message.parts else message.with_parts(parts)


def _noted(part: Part, keep: int) -> Part:
    if not isinstance(part, ToolResult):
        return part
    text = result_text(part)
    # Whatever a subclass holds beside the text: pictures of an old result weigh more than its words.
    whole = type(part) is ToolResult and len(text) <= LONG_RESULT
    if whole:
        return part
    left = len(text) - 2 * keep
    if keep == 0:
        text = f"(This result is left out here, because it is old and long: {len(text)} characters.)"
    elif left > 0:
        note = f"… {left} characters are left out here, because this result is old and long …"
        text = f"{text[:keep]}\n{note}\n{text[-keep:]}"
    return ToolResult(call_id=part.call_id, name=part.name, output=text, is_error=part.is_error)
