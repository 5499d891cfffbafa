"""A response as JSON, as OpenAI's clients read it. Pure."""

from dataclasses import replace
from typing import Any

from perdure.gateway.projections.openai_endings import Ending, Status
from perdure.gateway.projections.openai_ids import ResponseId
from perdure.workflows.vocabulary.parts import Usage


def response_json(
    id: ResponseId,  # noqa: A002
    agent: str,
    status: Status,
    output: list[dict[str, Any]],
    ending: Ending | None,
    usage: Usage,
    turn_id: str | None,
    created_at: float,
    ended_at: float | None,
) -> dict[str, Any]:
    """`ending` is None while it goes on; times are seconds since 1970."""
    metadata = {"session_id": id.session_id, **(ending.metadata if ending else {})}
    if turn_id is not None and ending is not None:
        metadata["turn_id"] = turn_id
    return {
        "id": str(id),
        "object": "response",
        "created_at": created_at,
        "completed_at": ended_at if status == "completed" else None,
        "status": status,
        "error": ending.error if ending else None,
        "incomplete_details": {"reason": ending.reason} if ending and ending.reason else None,
        "model": agent,
        "output": output,
        "usage": usage_json(usage) if ending else None,
        "conversation": {"id": id.session_id},
        # Of the same turn; which response came before a message, the record does not tell.
        "previous_response_id": str(replace(id, part=id.part - 1)) if id.part else None,
        "metadata": metadata,
        # It goes on whoever listens.
        "background": True,
        "store": True,
        # What the agent's definition decides is not told.
        "instructions": None,
        "tools": [],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "temperature": None,
        "top_p": None,
        "max_output_tokens": None,
        "text": {"format": {"type": "text"}},
    }


def usage_json(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
