"""How much a model thinks, as a Chat Completions request says it to each kind of server. Pure."""

from typing import Final, assert_never

from pydantic import JsonValue

from perdure.workflows.definition.providers.dialect import Thinking, ThinkingDialect

#: Words for efforts at OpenRouter and Together. Any other word for `off` is no effort.
_EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def thinking(level: Thinking, dialect: ThinkingDialect, *, tools: bool = False) -> dict[str, JsonValue]:
    """The members of a request that ask for this level of thinking. Empty: the server decides, or does not think.

    `tools`: the request offers some."""
    if level == "off" and dialect.off is None:
        return {}
    # The server's own word or number for the level, if it has one.
    own = dialect.off if level == "off" else dialect.levels.get(level)
    word = level if own is None else own
    # Where a model always thinks, a number or a word stands for the least.
    on = level != "off" or isinstance(own, int) or dialect.always
    effort: dict[str, JsonValue] = {"reasoning_effort": own} if on and isinstance(own, str) else {}
    match dialect.form:
        case "none":
            return {}
        case "effort" | "level":
            return {"reasoning_effort": word if dialect.with_tools or not tools else "none"}
        case "switch":
            # Of DeepSeek, Kimi, GLM. Some take a level beside it.
            return {"thinking": {"type": "enabled" if on else "disabled"}, **effort}
        case "budget":
            budget: dict[str, JsonValue] = {"budget_tokens": own} if on and isinstance(own, int) else {}
            return {"thinking": {"type": "enabled" if on else "disabled", **budget}}
        case "enable":
            # Of Qwen.
            tokens: dict[str, JsonValue] = {"thinking_budget": own} if on and isinstance(own, int) else {}
            return {"enable_thinking": on, **tokens}
        case "template":
            # Of vLLM and SGLang. Chat templates read either name, and pass over the other.
            return {"chat_template_kwargs": {"enable_thinking": on, "thinking": on}}
        case "think":
            return {"think": own if on and isinstance(own, str) else on}
        case "reasoning":
            if level == "off" and not isinstance(own, int) and own not in _EFFORTS:
                return {"reasoning": {"enabled": on}}
            return {"reasoning": {"max_tokens": word} if isinstance(word, int) else {"effort": word}}
        case _:
            assert_never(dialect.form)
