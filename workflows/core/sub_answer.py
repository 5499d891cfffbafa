"""How a session ended that somebody waits for: the result of its workflow, and what the caller of a sub-agent makes of it.
Pure."""

import operator
from typing import Literal

from pydantic import Field, JsonValue

from perdure.workflows.core.state.session import SessionState
from perdure.workflows.vocabulary.errors import AGENT_FAILED, BUDGET_EXCEEDED, MAX_STEPS, TOOL_STOPPED, TOOL_TIMEOUT
from perdure.workflows.vocabulary.events import TurnEnd, TurnFinished
from perdure.workflows.vocabulary.folding import preview
from perdure.workflows.vocabulary.parts import Frozen, Part, Text, ToolError, Usage, absent


class SubAnswer(Frozen):
    """What a session that is over returns to the one that called it."""

    #: Of its last turn; `closed`: it was closed before it had one.
    reason: TurnEnd | Literal["closed"]
    #: Texts of its last message, long ones folded in its own name.
    parts: tuple[Part, ...] = ()
    error: ToolError | None = None
    usage: Usage
    #: Dollars; None where a price was unknown.
    cost_usd: float | None
    #: Tool calls that it made, those of its own sub-agents included.
    tool_calls: int = Field(default=0, exclude_if=operator.not_)
    #: The answer as a checked value, where its agent says the form.
    result: dict[str, JsonValue] | None = Field(default=None, exclude_if=absent)


def answer_of(state: SessionState) -> SubAnswer:
    """Of a session that is over."""
    books = state.books
    last = next((event for event in reversed(state.log.events) if isinstance(event, TurnFinished)), None)
    if last is None:
        return SubAnswer(reason="closed", usage=books.usage, cost_usd=books.cost_usd, tool_calls=books.tool_calls)
    # What was said before an answer that was empty or cut is better than nothing; the error says that it is not the answer.
    turn = (m for m in reversed(state.transcript.messages) if m.role == "assistant" and m.turn_id == last.turn_id)
    said = next((message for message in turn if text_of(message.parts)), None)
    parts = tuple(Text(text=part.text, blob=part.blob) for part in said.parts if isinstance(part, Text)) if said else ()
    return SubAnswer(
        reason=last.reason,
        parts=parts,
        error=last.error,
        usage=books.usage,
        cost_usd=books.cost_usd,
        tool_calls=books.tool_calls,
        result=last.result,
    )


def as_error(answer: SubAnswer, name: str, *, late: bool = False) -> ToolError:
    """The result of a call whose sub-agent did not finish; what it had said by then is in it."""
    said = preview(text_of(answer.parts))
    so_far = f" It had said: {said}" if said else ""
    match answer.reason:
        case "stopped" | "closed" | "interrupted" if late:
            return too_late(name, so_far)
        case "stopped" | "closed" | "interrupted":
            return ToolError(type=TOOL_STOPPED, message=f"{name} was stopped before it had finished.{so_far}")
        case "budget":
            return ToolError(type=BUDGET_EXCEEDED, message=f"{name} has spent what it was given.{so_far}")
        case "max_steps":
            return ToolError(type=MAX_STEPS, message=f"{name} has made all the steps that it may.{so_far}")
        case _:
            why = f"{answer.error.type}: {answer.error.message}" if answer.error else answer.reason
            return ToolError(
                type=AGENT_FAILED,
                message=f"{name} failed. {why}{so_far}",
                retryable=bool(answer.error and answer.error.retryable),
            )


def too_late(name: str, so_far: str = "") -> ToolError:
    """The result of a call whose sub-agent's time was over."""
    message = f"{name} did not answer in time and was stopped.{so_far}"
    return ToolError(type=TOOL_TIMEOUT, message=message, retryable=True)


def text_of(parts: tuple[Part, ...]) -> str:
    return "\n\n".join(part.text for part in parts if isinstance(part, Text) and part.text.strip())
