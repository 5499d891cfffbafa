"""Which part of a request to Anthropic Messages a server is asked to cache. Pure."""

from typing import Final

from pydantic import JsonValue

from perdure.workflows.definition.providers.dialect import Caching

Body = dict[str, JsonValue]

_MARK: Final[dict[str, JsonValue]] = {"cache_control": {"type": "ephemeral"}}


def with_caching(body: Body, caching: Caching) -> Body:
    """`body` with marks. Of four that the API allows, on blocks: behind the instructions (or the tools, which come before
    them), and behind the last two user messages, so that the next request finds what this one has written."""
    match caching:
        case "automatic":
            return body
        case "request":
            return body | _MARK
        case "blocks":
            return _on_blocks(body)


def _on_blocks(body: Body) -> Body:
    made = dict(body)
    system, tools, history = body.get("system"), body.get("tools"), body.get("messages")
    if isinstance(system, str):
        made["system"] = [{"type": "text", "text": system, **_MARK}]
    elif isinstance(tools, list) and tools:
        made["tools"] = [*tools[:-1], _marked(tools[-1])]
    if isinstance(history, list):
        marked = list(history)
        asked = [at for at, message in enumerate(marked) if isinstance(message, dict) and message.get("role") == "user"]
        for at in asked[-2:]:
            marked[at] = _last_marked(marked[at])
        made["messages"] = marked
    return made


def _last_marked(message: JsonValue) -> JsonValue:
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(message, dict) or not isinstance(content, list) or not content:
        return message
    return message | {"content": [*content[:-1], _marked(content[-1])]}


def _marked(block: JsonValue) -> JsonValue:
    return block | _MARK if isinstance(block, dict) else block
