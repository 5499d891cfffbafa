"""How a response ends: its status, its error or what makes it incomplete, and what is said in `metadata`. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from perdure.gateway.projections.openai_calls import is_told
from perdure.workflows.vocabulary.errors import MODEL_RATE_LIMITED
from perdure.workflows.vocabulary.events import TurnFinished
from perdure.workflows.vocabulary.parts import StopReason
from perdure.workflows.vocabulary.questions import Question

Status = Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]

#: OpenAI's own words for an answer that is not whole, by why the last model call ended.
_CUT: Final[dict[StopReason, str]] = {
    "max_tokens": "max_output_tokens",
    "content_filter": "content_filter",
    "refusal": "content_filter",
}
_MAX_WORDS: Final = 500


@dataclass(frozen=True, slots=True)
class Ending:
    status: Status
    #: `error` of the response.
    error: dict[str, Any] | None = None
    #: `incomplete_details.reason`.
    reason: str | None = None
    #: What joins the response's `metadata`.
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def event(self) -> str:
        """The type of the event that ends its stream. OpenAI has none for a response that was cancelled."""
        return f"response.{'incomplete' if self.status == 'cancelled' else self.status}"


def turn_ended(event: TurnFinished, stop: StopReason | None, asked: Question | None = None) -> Ending:
    """`stop` is why the last model call ended; `asked`, what a handler asks with the turn's end."""
    match event.reason:
        case "done":
            return Ending("completed")
        case "stopped" | "interrupted":
            return Ending("cancelled", metadata={"reason": event.reason})
        case "failed":
            error = event.error
            message = error.message if error else "The turn failed."
            if stop in _CUT:
                return Ending("incomplete", reason=_CUT[stop], metadata={"reason": _cut(message)})
            kind = error.type if error else "failed"
            code = "rate_limit_exceeded" if kind == MODEL_RATE_LIMITED else "server_error"
            return Ending("failed", {"code": code, "message": message}, metadata={"reason": kind})
        case _:
            # A cap was reached, or a handler waits for somebody or for a time.
            message = event.error.message if event.error else ""
            metadata = {"reason": _cut(message)} if message else {}
            return Ending("incomplete", reason=event.reason, metadata=metadata | (_told(asked) if asked else {}))


def turn_rests(questions: Sequence[Question], following: str) -> Ending:
    """A turn waits for answers to `questions`; `following` is the id of the response that goes on behind them."""
    metadata = {"next_response_id": following}
    others = [one for one in questions if not is_told(one)]
    if not others:
        return Ending("completed", metadata=metadata)
    reason = "budget" if others[0].kind == "budget" else "question"
    return Ending("incomplete", reason=reason, metadata=metadata | _told(others[0]))


def _told(question: Question) -> dict[str, str]:
    """By which id it is answered at the session, and what it asks."""
    words = question.prompt or question.name
    told = {"question_id": question.question_id, "question_kind": question.kind}
    return {**told, "question": _cut(words)} if words else told


def was_rejected(reason: str) -> Ending:
    message = {
        "session_closed": "The session was closed before the message had its turn.",
        "queue_full": "Too many messages wait in the session.",
        "busy": "The session was at work, and the message was not to wait.",
        "withdrawn": "The message was withdrawn before it had its turn.",
        "conflict": "Another message has the same id.",
    }.get(reason, f"The session did not take the message: {reason}.")
    status: Status = "cancelled" if reason in ("withdrawn", "session_closed") else "failed"
    error = None if status == "cancelled" else {"code": "server_error", "message": message}
    return Ending(status, error, metadata={"reason": _cut(message)})


def _cut(text: str) -> str:
    # OpenAI's own bound for a value of metadata is 512.
    return text if len(text) <= _MAX_WORDS else f"{text[:_MAX_WORDS]}…"
