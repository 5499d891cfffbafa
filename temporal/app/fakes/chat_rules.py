"""What servers of Chat Completions refuse, each in its own words. Pure: every function makes a rule."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from perdure.temporal.app.fakes.manners import ChatManner
from perdure.temporal.app.fakes.refusals import Refusal, Rule
from perdure.temporal.app.fakes.rules import CHAT_FIELDS
from perdure.temporal.app.fakes.seals import seal

#: What Google takes in place of a signature where another model made the call.
_UNSIGNED: Final = frozenset(("skip_thought_signature_validator", "context_engineering_is_the_way_to_go"))


def ids_fit(pattern: str, words: str, **more: Any) -> Rule:
    """Refuses ids of calls that are not like `pattern`. `words` may hold `{id}`, `{at}`, `{call}` and `{length}`."""

    def rule(body: dict[str, Any]) -> Iterator[Refusal]:
        for at, message in enumerate(body["messages"]):
            for call, made in enumerate(message.get("tool_calls") or ()):
                if re.fullmatch(pattern, made["id"]) is None:
                    told = words.format(id=made["id"], at=at, call=call, length=len(made["id"]))
                    yield Refusal(message=told, **more)

    return rule


def no_fields(*names: str, words: str, **more: Any) -> Rule:
    """Refuses members of the body. `words` may hold `{name}`."""

    def rule(body: dict[str, Any]) -> Iterator[Refusal]:
        for name in names:
            if name in body:
                yield Refusal(message=words.format(name=name), param=name, about="field", **more)

    return rule


def message_fields(*more: str, words: str, status: int = 400) -> Rule:
    """Refuses members of messages other than the usual ones and `more`. `words` may hold `{name}`, `{at}`, `{role}`."""

    def rule(body: dict[str, Any]) -> Iterator[Refusal]:
        for at, message in enumerate(body["messages"]):
            for name in sorted(set(message) - CHAT_FIELDS - set(more)):
                told = words.format(name=name, at=at, role=message["role"])
                yield Refusal(message=told, param=f"messages.{at}.{name}", status=status)

    return rule


def reasoning_back(words: str, *, blank: bool) -> Rule:
    """Refuses, while it thinks, a message with calls that lacks `reasoning_content`, whoever made the message. `blank`: an
    empty one will do."""

    def rule(body: dict[str, Any]) -> Iterator[Refusal]:
        if (body.get("thinking") or {}).get("type") == "disabled":
            return
        for at, message in enumerate(body["messages"]):
            given = message.get("reasoning_content")
            if message.get("tool_calls") and not (isinstance(given, str) and (given or blank)):
                yield Refusal(message=words.format(at=at), about="missing")

    return rule


def own_reasoning(manner: ChatManner) -> Rule:
    """Refuses a message of its own without the reasoning that led to its calls, or with another."""

    def rule(body: dict[str, Any]) -> Iterator[Refusal]:
        ids = manner.call_ids
        for at, message in enumerate(body["messages"]):
            for call in message.get("tool_calls") or ():
                if ids is None or not ids.owns(call["id"]):
                    continue
                given = _reasoning_of(message, manner)
                if not ids.led_by(call["id"], manner.server, given):
                    yield Refusal(message=f"messages[{at}]: the reasoning of {call['id']} is missing or was changed")
                if manner.details and message.get("reasoning_details") and not _is_signed(message, manner):
                    yield Refusal(message=f"messages.{at}.content.0: Invalid `signature` in `thinking` block")

    return rule


def thought_signatures(manner: ChatManner) -> Rule:
    """Refuses, in the turn that is open, an answer whose first call has no valid thought signature."""

    def rule(body: dict[str, Any]) -> Iterator[Refusal]:
        messages = body["messages"]
        users = [at for at, message in enumerate(messages) if message["role"] == "user"]
        for at, message in enumerate(messages):
            for index, call in enumerate(message.get("tool_calls") or ()):
                given = ((call.get("extra_content") or {}).get("google") or {}).get("thought_signature")
                if given is not None and given not in (seal(manner.server, call["id"]), *_UNSIGNED):
                    yield Refusal(message="Corrupted thought signature.")
                if given is None and index == 0 and at > max(users, default=-1):
                    yield Refusal(
                        message="Function call is missing a thought_signature in functionCall parts. This is required for "
                        "tools to work correctly, and missing thought_signature may lead to degraded model performance. "
                        f"Additional data, function call `default_api:{call['function']['name']}` , position {at}. Please "
                        "refer to https://ai.google.dev/gemini-api/docs/thought-signatures for more details.",
                        about="missing",
                    )

    return rule


def _reasoning_of(message: dict[str, Any], manner: ChatManner) -> str:
    """The reasoning in a message that comes back."""
    if manner.lists:
        pieces = message["content"] if isinstance(message.get("content"), list) else []
        thought = [piece for piece in pieces if piece.get("type") == "thinking"]
        return "".join(text["text"] for piece in thought for text in piece["thinking"])
    if manner.details:
        return "".join(entry.get("text") or "" for entry in message.get("reasoning_details") or ())
    given = message.get(manner.reasoning_key or "reasoning_content")
    return given if isinstance(given, str) else ""


def _is_signed(message: dict[str, Any], manner: ChatManner) -> bool:
    signed = seal(manner.server, _reasoning_of(message, manner))
    return signed in json.dumps(message["reasoning_details"])
