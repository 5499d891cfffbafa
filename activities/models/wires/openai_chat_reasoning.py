"""The reasoning of a Chat Completions answer, which the API itself has no place for. Pure and total.

Servers put it beside the text, under names of their own, and some of them want it back there: `reasoning_content` (DeepSeek,
Kimi, Qwen, vLLM, SGLang, llama.cpp), `reasoning` (vLLM, Ollama, Groq, OpenRouter, Together), `reasoning_details` (OpenRouter,
MiniMax), `thinking_blocks` (LiteLLM). Mistral puts it into the content, others between tags in the text.

Rule: the native block of reasoning is what the message has to hold when it goes back. The text stands in the part alone; in
the block, null stands for it.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import JsonValue

from perdure.activities.models.wires.openai_chat_members import Members

#: Members of a message that hold reasoning as text.
TEXTS: Final = ("reasoning_content", "reasoning", "reasoning_text", "thinking", "thought", "thoughts")
#: Members that hold it as a list of blocks, with what belongs to it.
BLOCKS: Final = ("reasoning_details", "thinking_blocks")
KEYS: Final = frozenset((*TEXTS, *BLOCKS))
#: Where a block, or a part of the content, has its text.
_INSIDE: Final = ("thinking", "text", "summary", "reasoning", "content")


class ArrivingReasoning:
    def __init__(self) -> None:
        self._key: str | None = None
        self._read = False
        self._blocks = Members()
        self._part: dict[str, JsonValue] | None = None
        self._tags: tuple[str, str] | None = None

    def take(self, delta: Mapping[str, Any]) -> str:
        """The reasoning in a fragment of a message. The same text under two names counts once."""
        names = [name for name in TEXTS if delta.get(name) is not None]
        blocks = {name: delta[name] for name in BLOCKS if isinstance(delta.get(name), list)}
        self._blocks.add(blocks.items())
        name = self._key if self._key in names else next((name for name in names if text_in(delta[name])), None)
        if name is None:
            # An empty text says that this server wants the member back.
            self._key = self._key or next((name for name in names if delta[name] == ""), None)
            return next((text for name in blocks if (text := text_in(delta[name]))), "")
        self._key = self._key or name
        self._read = True
        return text_in(delta[name])

    def take_part(self, part: Mapping[str, Any]) -> str:
        """The reasoning in a part of the content."""
        name = next((name for name in _INSIDE if part.get(name)), "thinking")
        inner = part.get(name)
        hole: JsonValue = [{"type": "text", "text": None}] if isinstance(inner, list) else None
        others = Members()
        others.add((key, value) for key, value in part.items() if key != name)
        self._part = (self._part or {}) | others.whole() | {name: hole}
        return text_in(inner)

    def take_tagged(self, tags: tuple[str, str]) -> None:
        """Text between `tags` was reasoning."""
        self._tags = self._tags or tags

    def block(self, *, with_calls: bool) -> dict[str, JsonValue]:
        """The native block: members of the message that goes back. `with_calls`: the message called tools."""
        block = self._blocks.whole()
        if "reasoning_details" not in block and (self._key if self._read or with_calls else None):
            block[str(self._key)] = None
        if self._part is not None:
            block["content"] = self._part
        elif self._tags and not block:
            block["content"] = [f"{self._tags[0]}\n", None, f"\n{self._tags[1]}\n\n"]
        return block


def text_in(value: object) -> str:
    """The text of reasoning that comes as text, as an object, or as a list of either."""
    return "".join(_texts(value, 0))


def _texts(value: object, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list) and depth < 4:
        for item in value:
            yield from _texts(item, depth + 1)
    elif isinstance(value, Mapping) and depth < 4:
        inner = next((value[name] for name in _INSIDE if value.get(name)), "")
        yield from _texts(inner, depth + 1)
