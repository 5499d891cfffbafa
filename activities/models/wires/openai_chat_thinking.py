"""How much a model thinks, as a Chat Completions request says it to each kind of server. Pure."""

from typing import assert_never

from pydantic import JsonValue

from perdure.workflows.definition.providers.dialect import Thinking, ThinkingDialect


def thinking(level: Thinking, dialect: ThinkingDialect) -> dict[str, JsonValue]:
    """The members of a request that ask for this level of thinking. Empty: the server decides, or does not think."""
    if level == "off" and dialect.off is None:
        return {}
    on = level != "off"
    word = dialect.levels.get(level, level) if on else dialect.off
    named = dialect.levels.get(level)
    effort: dict[str, JsonValue] = {"reasoning_effort": named} if on and isinstance(named, str) else {}
    match dialect.form:
        case "none":
            return {}
        case "effort" | "level":
            return {"reasoning_effort": word}
        case "switch":
            # Of DeepSeek, Kimi, GLM. Some take a level beside it.
            return {"thinking": {"type": "enabled" if on else "disabled"}, **effort}
        case "budget":
            budget: dict[str, JsonValue] = {"budget_tokens": named} if on and isinstance(named, int) else {}
            return {"thinking": {"type": "enabled" if on else "disabled", **budget}}
        case "enable":
            # Of Qwen.
            tokens: dict[str, JsonValue] = {"thinking_budget": named} if on and isinstance(named, int) else {}
            return {"enable_thinking": on, **tokens}
        case "template":
            # Of vLLM and SGLang, whose chat templates read it.
            return {"chat_template_kwargs": {"enable_thinking": on}}
        case "think":
            return {"think": named if on and isinstance(named, str) else on}
        case "reasoning":
            if not on:
                return {"reasoning": {"effort": word} if isinstance(word, str) and word else {"enabled": False}}
            return {"reasoning": {"max_tokens": word} if isinstance(word, int) else {"effort": word}}
        case _:
            assert_never(dialect.form)
