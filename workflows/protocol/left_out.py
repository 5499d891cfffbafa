"""Exchanges that a provider declined, and what later requests have in their place. Pure.

A conversation that holds what a provider refused, or filtered, is refused again with each message that follows. So requests
leave it out, and viewers still see it.
"""

import operator

from pydantic import Field

from perdure.workflows.vocabulary.parts import Frozen, Message, Text, ToolCall, ToolResult, absent


class LeftOut(Frozen):
    """What requests leave out of a turn since it was declined."""

    turn_id: str
    #: The step whose answer was declined.
    step_id: str
    #: Of the first views that leave it out.
    epoch: int
    #: Calls whose results give way to a note, because the answer that followed them was declined; none: the whole exchange.
    calls: tuple[str, ...] = Field(default=(), exclude_if=operator.not_)
    #: Of the first views that have it again, for the exchange is run on; None: it is left out for good.
    until: int | None = Field(default=None, exclude_if=absent)

    def holds(self, epoch: int) -> bool:
        """Whether views of this epoch leave it out."""
        return self.epoch <= epoch and (self.until is None or epoch < self.until)


_RESULT = "(This result was left out, because the provider declined to go on with it.)"


def without(messages: tuple[Message, ...], left_out: tuple[LeftOut, ...]) -> tuple[Message, ...]:
    """`messages` as requests have them."""
    if not left_out:
        return messages
    turns = {one.turn_id for one in left_out if not one.calls}
    steps = {one.step_id for one in left_out}
    calls = {call for one in left_out for call in one.calls}
    notes = {turn: _note(turn, messages) for turn in turns}
    kept: list[Message] = []
    for message in messages:
        if message.turn_id in turns:
            note = notes.pop(message.turn_id or "", None)
            kept += [note] if note is not None else []
        elif message.id in calls:
            kept.append(
                message.with_parts(tuple(_noted(part) for part in message.parts if isinstance(part, ToolResult)))
            )
        elif message.id not in steps:
            kept.append(message)
    return tuple(kept)


def _noted(result: ToolResult) -> ToolResult:
    return ToolResult(call_id=result.call_id, name=result.name, output=_RESULT)


def _note(turn_id: str, messages: tuple[Message, ...]) -> Message | None:
    """What stands for a whole exchange: the tools that ran in it, which a model should not run again for want of knowing."""
    exchange = [message for message in messages if message.turn_id == turn_id]
    names = dict.fromkeys(part.name for message in exchange for part in message.parts if isinstance(part, ToolCall))
    if not names:
        return None
    called = f"Tools that were called then: {', '.join(names)}."
    text = f"(A message was left out here, because the provider declined it. {called})"
    return Message(id=f"{turn_id}.left_out", role="user", parts=(Text(text=text),), turn_id=turn_id, at=exchange[0].at)
