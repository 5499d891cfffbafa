"""How much a model reasons, in the words of the server that is asked. Pure.

Sources: the API references of Anthropic (`thinking`, `output_config`), OpenAI (`reasoning_effort`, `reasoning.effort`),
DeepSeek, Moonshot and Z.ai (`thinking.type`), Alibaba (`enable_thinking`, `thinking_budget`), OpenRouter and Together
(`reasoning`), and the documentation of vLLM and SGLang (`chat_template_kwargs`).
"""

from typing import Final

from pydantic import JsonValue

from perdure.activities.models.other_forms import budget_of
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.definition.providers.dialect import Dialect
from perdure.workflows.definition.providers.table import PROVIDERS

Body = dict[str, JsonValue]

#: Gemini's thinking lies within its `generationConfig`, which its wire makes.
_APIS: Final = ("anthropic_messages", "openai_responses", "openai_chat")


def with_thinking(body: Body, model: ModelDefinition, dialect: Dialect) -> Body:
    """`body` with the thinking that the definition wants, and without any other."""
    api = PROVIDERS[model.provider].api
    if api not in _APIS:
        return body
    made = {name: value for name, value in body.items() if name not in ("thinking", "reasoning", "reasoning_effort")}
    thinking = dialect.thinking
    word = thinking.off if model.thinking == "off" else thinking.levels.get(model.thinking, model.thinking)
    if not thinking.with_tools and body.get("tools"):
        word = "none"
    if word is None or thinking.form == "none":
        return made
    thinks = model.thinking != "off" or thinking.always
    if api == "anthropic_messages":
        return made | _of_messages(made, word, thinks, dialect)
    if api == "openai_responses":
        return made | {"reasoning": {"effort": word, "summary": "auto"} if word != "none" else {"effort": word}}
    return made | _of_chat(word, thinks, dialect)


def _of_messages(body: Body, word: str | int, thinks: bool, dialect: Dialect) -> Body:
    there = body.get("output_config")
    config: Body = there if isinstance(there, dict) else {}
    match dialect.thinking.form:
        case "budget" if thinks:
            most = body.get("max_tokens")
            budget = budget_of(word, most if isinstance(most, int) else 0)
            return {} if budget is None else {"thinking": {"type": "enabled", "budget_tokens": budget}}
        case "switch" if thinks:
            effort: Body = {"output_config": config | {"effort": word}} if dialect.thinking.levels else {}
            return {"thinking": {"type": "enabled"}, **effort}
        case _ if thinks:
            adaptive: JsonValue = {"type": "adaptive", "display": "summarized"}
            return {"thinking": adaptive, "output_config": config | {"effort": word}}
        case _:
            return {"thinking": {"type": word}}


def _of_chat(word: str | int, thinks: bool, dialect: Dialect) -> Body:
    match dialect.thinking.form:
        case "switch" if thinks:
            effort: Body = {"reasoning_effort": word} if dialect.thinking.levels else {}
            return {"thinking": {"type": "enabled"}, **effort}
        case "switch":
            return {"thinking": {"type": word}}
        case "enable":
            budget: Body = {"thinking_budget": word} if thinks and isinstance(word, int) else {}
            return {"enable_thinking": thinks} | budget
        case "template":
            # Templates of Qwen, GLM and others have the one name, those of DeepSeek and Kimi the other.
            return {"chat_template_kwargs": {"enable_thinking": thinks, "thinking": thinks}}
        case "think":
            return {"think": word if thinks and isinstance(word, str) else thinks}
        case "reasoning":
            return {"reasoning": {"effort": word} if thinks else {"enabled": False}}
        case _:
            return {"reasoning_effort": word}
