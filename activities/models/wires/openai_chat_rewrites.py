"""Other forms of a conversation, for Chat Completions servers that refuse the usual one. Pure.

Where a dialect knows a server, its messages have the right form from the beginning. These are for all the others, whose chat
templates and validators only show in what they refuse.
"""

import re
from collections.abc import Callable
from typing import Any, Final

from pydantic import JsonValue

from perdure.activities.models.adapting import Rewrite
from perdure.activities.models.refusal import Refusal

Body = dict[str, JsonValue]

#: What is said between the results of tools and a person where neither may follow the other.
NOTED: Final = "(results noted)"

_ORDER: Final = re.compile(
    r"role\W+user\W+after role\W+tool|roles must alternate|invalid_request_message_order|message order"
)
_CONTENT: Final = re.compile(
    r"messages?\b.*\bcontent\b.*\b(?:null|none|nonetype|string|missing|required|empty|blank)\b"
    r"|messages?\b.*missing field\W+content|messages?\b.*(?:must not|cannot|can't) be (?:empty|blank|null)",
    re.DOTALL,
)
_SIGNATURE: Final = re.compile(
    r"(?:invalid|corrupt\w*|expired)\W.*\bsignature|\bsignature.*(?:not valid|invalid)", re.DOTALL
)
#: Members that bear signatures.
_SIGNED: Final = frozenset(("reasoning_details", "thinking_blocks", "extra_content"))


def _says(pattern: re.Pattern[str]) -> Callable[[Refusal], bool]:
    return lambda refusal: pattern.search(refusal.lower) is not None


def _answered(body: Body) -> Body:
    """An answer between the results of tools and what a person says."""
    made: list[Any] = []
    for message in _messages(body):
        if message.get("role") == "user" and made and made[-1].get("role") == "tool":
            made.append({"role": "assistant", "content": NOTED})
        made.append(message)
    return _with(body, made)


def _with_text(body: Body) -> Body:
    """Text where there was none: an empty one for null, a blank one for that."""
    messages = _messages(body)
    for missing, text in ((None, ""), ("", " ")):
        if any("content" in message and message["content"] == missing for message in messages):
            made = [
                message | {"content": text} if message.get("content") == missing else message for message in messages
            ]
            return _with(body, made)
    return body


def _unsigned(body: Body) -> Body:
    made = [_without(message) for message in _messages(body)]
    for message in made:
        calls = message.get("tool_calls")
        if isinstance(calls, list):
            message["tool_calls"] = [_without(call) if isinstance(call, dict) else call for call in calls]
    return _with(body, made)


def _without(holder: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in holder.items() if name not in _SIGNED}


def _messages(body: Body) -> list[dict[str, Any]]:
    messages = body.get("messages")
    return [message for message in messages if isinstance(message, dict)] if isinstance(messages, list) else []


def _with(body: Body, messages: list[Any]) -> Body:
    return body if messages == body.get("messages") else body | {"messages": messages}


REWRITES: Final = (
    Rewrite("messages: an answer behind results", _says(_ORDER), _answered),
    Rewrite("messages.content: a text in place of null", _says(_CONTENT), _with_text),
    Rewrite("messages.content: a blank text", _says(_CONTENT), _with_text),
    Rewrite("messages: without signatures of before", _says(_SIGNATURE), _unsigned),
)
