"""What a server misses of a message that another server made, put in as a change to the request. Pure.

A conversation that moves to a server in the middle of a tool loop has messages there without the reasoning or the signatures
that this server gives its own. Each has a value that says nothing: DeepSeek and Kimi take a blank thought, and Google names
the word that stands for a signature.
"""

from dataclasses import dataclass
from typing import Any, Final

from perdure.activities.models.adaptation import Body, Path, each

#: A thought that says nothing. An empty one counts as missing.
NO_THOUGHT: Final = " "
#: Of Google's page on thought signatures: for calls that another model made.
UNSIGNED: Final = "skip_thought_signature_validator"


@dataclass(frozen=True, slots=True)
class Thoughts:
    """Messages of Chat Completions that called tools have this member."""

    key: str

    @property
    def path(self) -> Path:
        return ("messages", "*", self.key)

    @property
    def words(self) -> str:
        return f"{self.key}: blank where another model called tools"

    def apply(self, body: Body) -> Body:
        def thought(message: Any) -> Any:
            lacks = isinstance(message, dict) and message.get("tool_calls") and not message.get(self.key)
            return message | {self.key: NO_THOUGHT} if lacks else message

        return _each_message(body, thought)


@dataclass(frozen=True, slots=True)
class ThinkingBlocks:
    """Messages of Anthropic's API that called tools have a block of thinking, as DeepSeek wants it."""

    path: Path = ("messages", "*", "content")

    @property
    def words(self) -> str:
        return "thinking: blank where another model called tools"

    def apply(self, body: Body) -> Body:
        def thought(message: Any) -> Any:
            content = message.get("content") if isinstance(message, dict) else None
            return (
                message | {"content": made} if content and (made := with_thought(content)) is not content else message
            )

        return _each_message(body, thought)


def with_thought(content: Any) -> Any:
    """The blocks of a message, with one of thinking if they have a call and none. The same object if not."""
    kinds = {block.get("type") for block in content if isinstance(block, dict)} if isinstance(content, list) else set()
    if "tool_use" not in kinds or kinds & {"thinking", "redacted_thinking"}:
        return content
    return [{"type": "thinking", "thinking": NO_THOUGHT}, *content]


@dataclass(frozen=True, slots=True)
class Signatures:
    """The first call of each message of Chat Completions has a thought signature, as Google's endpoint wants it."""

    path: Path = ("messages", "*", "tool_calls", "*", "extra_content")

    @property
    def words(self) -> str:
        return "thought_signature: none where another model called tools"

    def apply(self, body: Body) -> Body:
        return _each_message(body, lambda message: with_signature(message) if isinstance(message, dict) else message)


def with_signature(message: dict[str, Any]) -> dict[str, Any]:
    """`message` with a signature of its first call, if it has calls and none of them is signed."""
    calls = message.get("tool_calls")
    if not isinstance(calls, list) or not calls or any(_is_signed(call) for call in calls):
        return message
    unsigned = {"google": {"thought_signature": UNSIGNED}}
    return message | {"tool_calls": [calls[0] | {"extra_content": unsigned}, *calls[1:]]}


def _is_signed(call: Any) -> bool:
    extra = call.get("extra_content") if isinstance(call, dict) else None
    google = extra.get("google") if isinstance(extra, dict) else None
    return isinstance(google, dict) and bool(google.get("thought_signature"))


def _each_message(body: Body, change: Any) -> Body:
    messages = body.get("messages")
    if not isinstance(messages, list):
        return body
    made = each(messages, change)
    return body if made is messages else body | {"messages": made}
