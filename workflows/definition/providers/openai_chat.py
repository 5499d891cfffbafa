"""OpenAI by Chat Completions, and every server that speaks this API: Ollama, vLLM, llama.cpp and others."""

from dataclasses import replace
from typing import Final

from perdure.workflows.definition.providers.chat_servers import CHAT_SERVERS
from perdure.workflows.definition.providers.gpt_models import GPT_MODELS_IN_CHAT
from perdure.workflows.definition.providers.info import ProviderInfo
from perdure.workflows.definition.providers.open_models import OPEN_MODELS
from perdure.workflows.definition.providers.openai import AZURE, DIALECT, ENDPOINT

OPENAI_CHAT: Final = ProviderInfo(
    name="openai-chat",
    display_name="OpenAI",
    wire="wires.openai_chat",
    sdk="openai",
    endpoint=ENDPOINT,
    price_list="openai",
    trace_name="openai",
    dialect=DIALECT,
    models=GPT_MODELS_IN_CHAT,
    elsewhere_models=OPEN_MODELS,
    servers=(replace(AZURE, models=GPT_MODELS_IN_CHAT), *CHAT_SERVERS),
)
