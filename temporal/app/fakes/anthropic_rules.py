"""What servers of Anthropic Messages refuse beside what the API itself does, each in its own words. Pure."""

from collections.abc import Iterator
from typing import Any

from perdure.temporal.app.fakes.manners import AnthropicManner
from perdure.temporal.app.fakes.refusals import Refusal, Rule

_THINKING = ("thinking", "redacted_thinking")


def tools_defined(body: dict[str, Any]) -> Iterator[str]:
    """Calls of before need tools to be offered."""
    kinds = {block["type"] for message in body["messages"] for block in message["content"]}
    if kinds & {"tool_use", "tool_result"} and not body.get("tools"):
        yield "Requests which include `tool_use` or `tool_result` blocks must define tools"


def thinking_first(body: dict[str, Any]) -> Iterator[str]:
    """With a budget for thinking, the answers of the tool loop that is open have to begin with it."""
    if (body.get("thinking") or {}).get("type") != "enabled":
        return
    for at in range(_loop_begins(body["messages"]), len(body["messages"])):
        message = body["messages"][at]
        found = message["content"][0]["type"] if message["content"] else ""
        if message["role"] == "assistant" and found not in _THINKING:
            yield (
                f"messages.{at}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{found}`. When "
                "`thinking` is enabled, a final `assistant` message must start with a thinking block (preceding the lastmost "
                "set of `tool_use` and `tool_result` blocks). To avoid this requirement, disable `thinking`."
            )


def no_adaptive_thinking(body: dict[str, Any]) -> Iterator[Refusal]:
    """Older models."""
    if (body.get("thinking") or {}).get("type") == "adaptive":
        yield Refusal(message="adaptive thinking is not supported on this model", param="thinking", about="field")
    if "effort" in (body.get("output_config") or {}):
        yield Refusal(message="This model does not support the effort parameter.", param="output_config", about="field")


def extra_inputs(*names: str) -> Rule:
    """Refuses members of the body."""

    def rule(body: dict[str, Any]) -> Iterator[Refusal]:
        for name in names:
            if name in body:
                yield Refusal(message=f"{name}: Extra inputs are not permitted", param=name, about="field")

    return rule


def own_thinking(manner: AnthropicManner) -> Rule:
    """Of a clone, which signs nothing: refuses a message of its own without the thinking that led to its calls, or with
    another."""

    def rule(body: dict[str, Any]) -> Iterator[str]:
        ids = manner.call_ids
        for at, message in enumerate(body["messages"]):
            thought = "".join(block["thinking"] for block in message["content"] if block["type"] == "thinking")
            for block in message["content"]:
                own = block["type"] == "tool_use" and ids is not None and ids.owns(block["id"])
                if own and ids is not None and not ids.led_by(block["id"], manner.server, thought):
                    yield f"messages.{at}: the thinking of {block['id']} is missing or was changed"

    return rule


def thinking_back(body: dict[str, Any]) -> Iterator[Refusal]:
    """Of DeepSeek: while it thinks, every message with calls has to hold thinking, whoever made the message."""
    if (body.get("thinking") or {}).get("type") == "disabled":
        return
    for message in body["messages"]:
        kinds = {block["type"] for block in message["content"]}
        if "tool_use" in kinds and "thinking" not in kinds:
            words = "The `content[].thinking` in the thinking mode must be passed back to the API."
            yield Refusal(message=words, about="missing")


def of_bedrock(body: dict[str, Any]) -> Iterator[Refusal]:
    if "anthropic_version" not in body:
        yield Refusal(message="#: required key [anthropic_version] not found")
    for name in ("model", "stream"):
        if name in body:
            yield Refusal(message=f"#: extraneous key [{name}] is not permitted", param=name)


def _loop_begins(messages: list[dict[str, Any]]) -> int:
    """The place of the first message behind the last one in which a person speaks."""
    spoken = [
        at
        for at, message in enumerate(messages)
        if message["role"] == "user" and any(block["type"] != "tool_result" for block in message["content"])
    ]
    return spoken[-1] + 1 if spoken else 0
