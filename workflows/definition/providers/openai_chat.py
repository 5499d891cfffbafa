"""OpenAI by Chat Completions, and every server that speaks this API: Ollama, vLLM, llama.cpp and others."""

from typing import Final

from perdure.workflows.definition.providers.info import ProviderInfo
from perdure.workflows.definition.providers.openai import DIALECT, ENDPOINT

OPENAI_CHAT: Final = ProviderInfo(
    name="openai-chat",
    display_name="OpenAI",
    wire="wires.openai_chat",
    sdk="openai",
    endpoint=ENDPOINT,
    price_list="openai",
    trace_name="openai",
    dialect=DIALECT,
)
