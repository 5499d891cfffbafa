"""What the real providers reject with a 400, so that the fake one rejects it too. Pure.

Each function returns the provider's error message for a request body, or None.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from perdure.temporal.app.fakes.anthropic import signature_of
from perdure.temporal.app.fakes.manners import PLAIN_ANTHROPIC, PLAIN_RESPONSES, AnthropicManner, ResponsesManner
from perdure.temporal.app.fakes.output_rules import anthropic_output, chat_output, responses_output
from perdure.temporal.app.fakes.responses import encrypted
from perdure.temporal.app.fakes.tools import anthropic_tools, openai_tools

#: Members of a message that every server of Chat Completions knows.
CHAT_FIELDS: Final = frozenset(("role", "content", "tool_calls", "tool_call_id"))
_ITEM_FIELDS: Final = {
    "message": {"type", "id", "role", "content", "status", "phase"},
    "reasoning": {"type", "id", "summary", "content", "encrypted_content"},
    "function_call": {"type", "id", "call_id", "name", "arguments", "status"},
    "function_call_output": {"type", "id", "call_id", "output", "status"},
}


def anthropic_complaint(body: dict[str, Any]) -> str | None:
    return next(anthropic(body, PLAIN_ANTHROPIC), None)


def chat_complaint(body: dict[str, Any]) -> str | None:
    return next(chat(body), None) or next(chat_fields(body), None)


def responses_complaint(body: dict[str, Any]) -> str | None:
    return next(responses(body, PLAIN_RESPONSES), None)


def anthropic(body: dict[str, Any], manner: AnthropicManner) -> Iterator[str]:
    yield from anthropic_tools(body.get("tools") or [])
    yield from anthropic_output(body)
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
            if block["type"] == "thinking" and manner.signs:
                yield from _signature(at, block, body, manner)
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


def _signature(at: int, block: dict[str, Any], body: dict[str, Any], manner: AnthropicManner) -> Iterator[str]:
    def made(before: list[Any]) -> str:
        return signature_of(manner, block["thinking"], body.get("system"), body.get("tools"), before)

    if block.get("signature") == made(body["messages"][:at]):
        return
    yield f"messages.{at}: Invalid `signature` in `thinking` block"


def chat(body: dict[str, Any]) -> Iterator[str]:
    """Calls and results."""
    yield from openai_tools([tool["function"] for tool in body.get("tools") or ()])
    yield from chat_output(body)
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
        waiting += [call["id"] for call in message.get("tool_calls") or ()]
    if waiting:
        yield f"these tool calls have no response: {', '.join(waiting)}"


def chat_fields(body: dict[str, Any]) -> Iterator[str]:
    """Members of messages. Of those that the API itself has not, a plain server takes what it sends."""
    for at, message in enumerate(body.get("messages") or []):
        if unknown := set(message) - CHAT_FIELDS - {"reasoning_content"}:
            yield f"messages.{at}: unknown fields {sorted(unknown)}"


def responses(body: dict[str, Any], manner: ResponsesManner) -> Iterator[str]:
    yield from openai_tools(body.get("tools") or [])
    yield from responses_output(body)
    items = body.get("input") or []
    if not items:
        yield "input: one of input, previous_response_id, prompt or conversation must be given"
    ids = [item["id"] for item in items if "id" in item]
    for duplicate in {name for name in ids if ids.count(name) > 1}:
        yield f"Duplicate item found with id {duplicate}"
    waiting: list[str] = []
    known: set[str] = set()
    for at, item in enumerate(items):
        kind = item.get("type", "message")
        if unknown := set(item) - _ITEM_FIELDS.get(kind, set()):
            yield f"Unknown parameter: 'input[{at}].{min(unknown)}'"
        if nulls := [name for name, value in item.items() if value is None]:
            yield f"Invalid type for 'input[{at}].{nulls[0]}': got null instead"
        match kind:
            case "reasoning":
                yield from _reasoning(item, items[at + 1 :], manner)
            case "message":
                yield from _content(at, item)
            case "function_call":
                if item["call_id"] in known or not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", item["call_id"]):
                    yield f"Invalid 'input[{at}].call_id': used twice, or not of 1 to 64 letters, digits, _ and -"
                known.add(item["call_id"])
                waiting.append(item["call_id"])
            case "function_call_output":
                if item["call_id"] not in waiting:
                    yield f"No tool call found for function call output with call_id {item['call_id']}."
                else:
                    waiting.remove(item["call_id"])
        before = items[at - 1].get("id", "") if at else ""
        if manner.encrypts and item.get("id", "").endswith("r") and not before.startswith("rs_"):
            yield f"Item '{item['id']}' of type '{kind}' was provided without its required 'reasoning' item."
    if waiting:
        yield f"No tool output found for function call {waiting[0]}."


def _reasoning(item: dict[str, Any], following: list[dict[str, Any]], manner: ResponsesManner) -> Iterator[str]:
    summary = "\n\n".join(part["text"] for part in item.get("summary") or ())
    if not manner.encrypts:
        return
    if "encrypted_content" not in item:
        yield f"Item with id '{item['id']}' not found. Items are not persisted when `store` is set to false."
    elif item["encrypted_content"] != encrypted(item["id"], summary, manner.server):
        yield f"The encrypted content for item {item['id']} could not be verified."
    if not following or following[0].get("role", "assistant") != "assistant" or "output" in following[0]:
        yield f"Item '{item['id']}' of type 'reasoning' was provided without its required following item."


def _content(at: int, item: dict[str, Any]) -> Iterator[str]:
    files = {"input_text", "input_image", "input_file"}
    allowed = {"output_text", "refusal"} if item["role"] == "assistant" else files
    if any(part["type"] not in allowed for part in item["content"]):
        yield f"Invalid value: 'input[{at}].content'. Supported values are: {sorted(allowed)}"
