"""How much a model reasons, in the words of the server that is asked. Pure.

Gemini's thinking lies within its `generationConfig`, which its wire makes.
"""

from pydantic import JsonValue

from perdure.activities.models.wires import anthropic_thinking, openai_chat_thinking
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.definition.providers.dialect import Dialect, ThinkingDialect
from perdure.workflows.definition.providers.table import PROVIDERS

Body = dict[str, JsonValue]


def with_thinking(body: Body, model: ModelDefinition, dialect: Dialect) -> Body:
    """`body` with the thinking that the definition wants."""
    level, thinking = model.thinking, dialect.thinking
    match PROVIDERS[model.provider].api:
        case "anthropic_messages" | "anthropic_bedrock":
            made = anthropic_thinking.thinking(level, thinking, model.max_output_tokens)
            config, form = made.get("output_config"), body.get("output_config")
            # The form of the answer lies beside the effort.
            both = {"output_config": {**form, **config}} if isinstance(config, dict) and isinstance(form, dict) else {}
            return body | made | both
        case "openai_chat":
            return body | openai_chat_thinking.thinking(level, thinking, tools=bool(body.get("tools")))
        case "openai_responses":
            return body | _of_responses(model, thinking)
        case _:
            return body


def _of_responses(model: ModelDefinition, thinking: ThinkingDialect) -> Body:
    word = thinking.off if model.thinking == "off" else thinking.levels.get(model.thinking, model.thinking)
    if word is None or thinking.form == "none":
        return {}
    # Without it, no words of the reasoning are shown. A model that is kept from thinking has none.
    return {"reasoning": {"effort": word} if word == "none" else {"effort": word, "summary": "auto"}}
