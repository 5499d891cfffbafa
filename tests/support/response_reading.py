"""Turns read as responses, as a client is sent them."""

from typing import Any

from perdure.gateway.projections.openai_ids import ResponseId
from perdure.gateway.projections.openai_response import ResponseProjection

ID = ResponseId("s1", "m1")
MARK = ID.mark
ASKS = ("pick", "ask_user")


def stream(told: Any, id: ResponseId = ID, after: int = -1) -> list[dict[str, Any]]:  # noqa: A002
    projection = ResponseProjection(id, "clerk", after, ASKS)
    return [event for value in told for event in projection.take(value)]


def shown(told: Any, id: ResponseId = ID) -> dict[str, Any]:  # noqa: A002
    projection = ResponseProjection(id, "clerk", asks=ASKS)
    for value in told:
        projection.take(value)
    assert projection.exists
    return projection.response


def short(events: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """(number, type without `response.`, what it adds)."""
    return [
        (
            event["sequence_number"],
            event["type"].removeprefix("response."),
            *(event[name] for name in ("delta", "text", "arguments") if name in event),
        )
        for event in events
    ]
