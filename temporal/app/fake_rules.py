"""What the real providers refuse with a 400, so that the fake one refuses it too. Pure.

Each function gives the provider's complaint about a request body, or None.
"""

import re
from collections.abc import Iterator
from typing import Any

from temporal.app.fake_replies import signature


def anthropic_complaint(body: dict[str, Any]) -> str | None:
    return next(_anthropic(body), None)


def chat_complaint(body: dict[str, Any]) -> str | None:
    return next(_chat(body), None)


def _anthropic(body: dict[str, Any]) -> Iterator[str]:
    if not isinstance(body.get("max_tokens"), int):
        yield "max_tokens: field required"
    messages = body.get("messages") or []
    if not messages or messages[0]["role"] != "user":
        yield "messages: the first message must use the user role"
    if messages and messages[-1]["role"] != "user":
        yield "messages: this model does not support prefill"
    known: set[str] = set()
    for at, message in enumerate(messages):
        content = message["content"]
        if not content:
            yield f"messages.{at}: content must not be empty"
        kinds = [block["type"] for block in content]
        if any(block["type"] == "text" and not block["text"].strip() for block in content):
            yield f"messages.{at}: text content blocks must contain non-whitespace text"
        if at and message["role"] == messages[at - 1]["role"]:
            yield f"messages.{at}: roles must alternate"
        for block in content:
            if block["type"] == "thinking" and block.get("signature") != signature(block["thinking"]):
                yield f"messages.{at}: Invalid `signature` in `thinking` block"
        calls = [block["id"] for block in content if block["type"] == "tool_use"]
        for call in calls:
            if not re.fullmatch(r"[a-zA-Z0-9_-]+", call):
                yield f"messages.{at}: tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'"
            if call in known:
                yield f"messages.{at}: `tool_use` ids must be unique"
            known.add(call)
        if calls:
            following = messages[at + 1]["content"] if at + 1 < len(messages) else []
            if [b.get("tool_use_id") for b in following[: len(calls)]] != calls:
                yield f"messages.{at}: `tool_use` ids were found without `tool_result` blocks immediately after"
        before = messages[at - 1]["content"] if at else []
        asked = {block["id"] for block in before if block["type"] == "tool_use"}
        if any(block["type"] == "tool_result" and block["tool_use_id"] not in asked for block in content):
            yield f"messages.{at}: unexpected `tool_use_id` found in `tool_result` blocks"
        if "tool_result" in kinds[kinds.count("tool_result") :]:
            yield f"messages.{at}: `tool_result` blocks must come first"


def _chat(body: dict[str, Any]) -> Iterator[str]:
    messages = body.get("messages") or []
    if not messages:
        yield "messages: array too short"
    waiting: list[str] = []
    for at, message in enumerate(messages):
        if message["role"] == "tool":
            if message["tool_call_id"] not in waiting:
                yield f"messages.{at}: a tool message must follow a message with its tool call"
            else:
                waiting.remove(message["tool_call_id"])
        elif waiting:
            yield f"messages.{at}: these tool calls have no response: {', '.join(waiting)}"
        if unknown := set(message) - {"role", "content", "tool_calls", "tool_call_id"}:
            yield f"messages.{at}: unknown fields {sorted(unknown)}"
        waiting += [call["id"] for call in message.get("tool_calls") or ()]
    if waiting:
        yield f"these tool calls have no response: {', '.join(waiting)}"
