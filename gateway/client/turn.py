"""What becomes of a message that is waited for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn that has ended; or one that goes on once people have answered `questions`."""

    #: Of the message that was sent; sending it again with this id waits on.
    message_id: str
    #: None where it waits for people.
    turn_id: str | None
    #: How it ended: done, stopped, interrupted, budget, max_steps, parked or failed; `waiting` where it waits for people.
    reason: str
    #: The turn's messages, in order.
    messages: Sequence[Mapping[str, Any]]
    #: Open questions, those of sub-agents with the `session_id` at which they are answered.
    questions: Sequence[Mapping[str, Any]]
    #: Why it failed, as `{"type", "message", "retryable"}`; None where it did not.
    error: Mapping[str, Any] | None
    #: Tokens.
    usage: Mapping[str, Any] | None
    #: Dollars; None where a price is unknown.
    cost_usd: float | None
    #: The answer as a checked value, where the agent's definition says its form (`answer:`).
    result: Mapping[str, Any] | None

    @property
    def text(self) -> str:
        """The text of the agent's last message in this turn; "" where it said nothing."""
        said = [
            "".join(part["text"] for part in message["parts"] if part["type"] == "text")
            for message in self.messages
            if message["role"] == "assistant"
        ]
        return said[-1] if said else ""


def turn_of(answer: Mapping[str, Any]) -> Turn | None:
    """The turn in an answer to `?wait=`; None: it takes longer."""
    turn = answer.get("turn")
    if turn is None and answer["status"] != "waiting":
        return None
    ended: Mapping[str, Any] = turn or {}
    return Turn(
        message_id=answer["message_id"],
        turn_id=ended.get("turn_id"),
        reason=ended.get("reason", "waiting"),
        messages=answer.get("messages", ()),
        questions=(*answer.get("questions", ()), *answer.get("sub_questions", ())),
        error=ended.get("error"),
        usage=ended.get("usage"),
        cost_usd=ended.get("cost_usd"),
        result=ended.get("result"),
    )
