"""What the AI SDK's messages tell beside their parts (`metadata`), and how an answer's end is called there. Pure."""

from datetime import datetime
from typing import Any, Final

from perdure.temporal.sessions.json_bytes import rfc3339
from perdure.workflows.vocabulary.event_base import TurnEnd
from perdure.workflows.vocabulary.events import TurnFinished
from perdure.workflows.vocabulary.parts import StopReason, Usage

_CUT: Final[dict[StopReason, str]] = {
    "max_tokens": "length",
    "context_window": "length",
    "refusal": "content-filter",
    "content_filter": "content-filter",
}


def started(session_id: str, turn_id: str, at: datetime) -> dict[str, Any]:
    return {"sessionId": session_id, "turnId": turn_id, "createdAt": rfc3339(at)}


def ended(end: TurnFinished) -> dict[str, Any]:
    """How a turn ended, and what it took. `costUsd` is null where a price is unknown."""
    told: dict[str, Any] = {"reason": end.reason, "usage": _usage(end.usage), "costUsd": end.cost_usd}
    if end.error is not None:
        told["error"] = {"type": end.error.type, "message": end.error.message}
    if end.result is not None:
        told["result"] = end.result
    return told


def finish_reason(reason: TurnEnd, stop: StopReason) -> str:
    """`stop` is why the turn's last model call ended."""
    return _CUT.get(stop, "stop") if reason == "done" else "other"


def _usage(usage: Usage) -> dict[str, int]:
    return {
        "inputTokens": usage.input_tokens,
        "outputTokens": usage.output_tokens,
        "totalTokens": usage.input_tokens + usage.output_tokens,
        "cachedInputTokens": usage.cached_tokens,
        "reasoningTokens": usage.reasoning_tokens,
    }
