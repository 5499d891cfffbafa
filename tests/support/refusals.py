"""Requests of each API, and errors as servers send them."""

import json
from typing import Any

from perdure.activities.models.failures import ProviderError
from perdure.activities.models.refusal import refusal_of
from perdure.activities.models.refusal_cures import cures

CHAT: dict[str, Any] = {
    "model": "m",
    "max_tokens": 4096,
    "stream": True,
    "stream_options": {"include_usage": True},
    "temperature": 0.2,
    "top_p": 0.9,
    "stop": ["END"],
    "seed": 7,
    "parallel_tool_calls": False,
    "reasoning_effort": "medium",
    "tool_choice": "auto",
    "tools": [
        {
            "type": "function",
            "function": {
                "name": "look",
                "description": "Looks.",
                "parameters": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "at": {"type": "string", "format": "date"},
                        "additionalProperties": {"type": "object", "additionalProperties": False},
                    },
                },
                "strict": True,
            },
        }
    ],
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi", "name": "ada"},
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "Hm.",
            "tool_calls": [{"id": "a", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "a", "content": "seen"},
    ],
}
RESPONSES: dict[str, Any] = {
    "model": "m",
    "max_output_tokens": 4096,
    "stream": True,
    "store": False,
    "include": ["reasoning.encrypted_content"],
    "instructions": "Be brief.",
    "reasoning": {"effort": "high", "summary": "auto"},
    "service_tier": "flex",
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
        {"type": "reasoning", "id": "r", "status": "x"},
    ],
}
MESSAGES: dict[str, Any] = {
    "model": "m",
    "max_tokens": 4096,
    "stream": True,
    "system": "Be brief.",
    "thinking": {"type": "adaptive", "display": "summarized"},
    "output_config": {"effort": "high"},
    "cache_control": {"type": "ephemeral"},
    "temperature": 0.2,
    "tools": [{"name": "look", "description": "Looks.", "input_schema": {"type": "object"}, "strict": True}],
    "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}]}],
}
GEMINI: dict[str, Any] = {
    "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
    "systemInstruction": {"parts": [{"text": "Be brief."}]},
    "generationConfig": {"maxOutputTokens": 4096, "thinkingConfig": {"thinkingLevel": "HIGH"}, "temperature": 0.2},
    "tools": [
        {
            "functionDeclarations": [
                {
                    "name": "look",
                    "parameters": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {"at": {"type": "string", "format": "date"}},
                    },
                }
            ]
        }
    ],
}


def openai(message: str, param: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": None}}


def anthropic(message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": "invalid_request_error", "message": message}}


def forbidden(*loc: str | int) -> dict[str, Any]:
    """An entry of FastAPI's `detail`."""
    return {"type": "extra_forbidden", "loc": ["body", *loc], "msg": "Extra inputs are not permitted", "input": 1}


def without(body: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != name}


def said(body: object, status: int = 400) -> ProviderError:
    """An error response as a wire reads it."""
    inner = body.get("error", body) if isinstance(body, dict) else body
    found = inner.get("message") if isinstance(inner, dict) else inner
    return ProviderError(found if isinstance(found, str) else "", status=status, details=body)


def cured(body: dict[str, Any], error: object) -> list[str]:
    """What the refusal `error` changes of `body`, in words; the same refusal of what that makes changes something else."""
    before = json.dumps(body)
    refusal = refusal_of(said(error))
    assert refusal is not None
    found = cures(refusal, body)
    made = body
    for change in found:
        made = change.apply(made)
    assert json.dumps(body) == before
    assert not found or (made != body and cures(refusal, made) != found)
    return [change.words for change in found]
