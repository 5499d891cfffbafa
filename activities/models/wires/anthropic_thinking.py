"""How much a model thinks, as a request to Anthropic Messages says it to each kind of model. Pure."""

from typing import Final

from pydantic import JsonValue

from perdure.workflows.definition.providers.dialect import Thinking, ThinkingDialect

#: The least that the API takes.
_LEAST: Final = 1024
#: What a level stands for where nothing is known of the model.
_BUDGETS: Final[dict[Thinking, int]] = {"low": 2048, "medium": 8192, "high": 16_384, "max": 32_768}
#: Types of thinking that mean little of it, or none. Any other word for `off` is the least effort of a model that always
#: thinks.
_LITTLE: Final = ("disabled", "between_tools", "adaptive")


def thinking(level: Thinking, dialect: ThinkingDialect, max_tokens: int) -> dict[str, JsonValue]:
    """The members of a request that ask for this level. `max_tokens`: of the answer, its thinking included."""
    if level == "off":
        if dialect.off is None or dialect.form == "none":
            return {}
        if isinstance(dialect.off, str):
            return {"thinking": {"type": dialect.off}} if dialect.off in _LITTLE else _effort(dialect.off)
        return _budget(dialect.off, max_tokens)
    word = dialect.levels.get(level, level)
    match dialect.form:
        case "effort":
            return {"thinking": {"type": "adaptive", "display": "summarized"}, **_effort(word)}
        case "budget":
            return _budget(word if isinstance(word, int) else _BUDGETS[level], max_tokens)
        case "switch" | "enable":
            named = dialect.levels.get(level)
            return {"thinking": {"type": "enabled"}, **(_effort(named) if isinstance(named, str) else {})}
        case _:
            return {}


def fitting_loop(body: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """`body` without a budget for thinking where an answer of the open tool loop does not begin with thinking, as one that
    another model gave: Anthropic refuses the two together. The same body where there is nothing to change."""
    thinking, messages = body.get("thinking"), body.get("messages")
    budget = isinstance(thinking, dict) and thinking.get("type") == "enabled"
    if not budget or not isinstance(messages, list):
        return body
    for message in reversed(messages):
        content = message.get("content") if isinstance(message, dict) else None
        kinds = [block.get("type") for block in content if isinstance(block, dict)] if isinstance(content, list) else []
        if isinstance(message, dict) and message.get("role") == "user":
            if "tool_result" not in kinds:
                break
        elif kinds[:1] != ["thinking"] and kinds[:1] != ["redacted_thinking"]:
            return {name: value for name, value in body.items() if name != "thinking"}
    return body


def _effort(word: str | int) -> dict[str, JsonValue]:
    return {"output_config": {"effort": word}}


def _budget(tokens: int, max_tokens: int) -> dict[str, JsonValue]:
    # The budget has to stay below the limit of the answer, and should leave something for its words.
    budget = max(min(tokens, max_tokens * 3 // 4), _LEAST)
    return {"thinking": {"type": "enabled", "budget_tokens": budget}} if budget < max_tokens else {}
