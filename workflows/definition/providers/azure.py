"""OpenAI's models in Azure, by the Responses API and by Chat Completions. A model's name is that of its deployment.

Source: Microsoft's "Azure OpenAI in Azure AI Foundry Models REST API reference", as of November 2026.
"""

from dataclasses import replace
from typing import Final

from perdure.workflows.definition.providers.gpt_models import GPT_MODELS, GPT_MODELS_IN_CHAT
from perdure.workflows.definition.providers.info import Endpoint, ProviderInfo
from perdure.workflows.definition.providers.openai import DIALECT, OPENAI
from perdure.workflows.definition.providers.openai_chat import OPENAI_CHAT

_ENDPOINT: Final = Endpoint(
    base_url="",
    keys=("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_AD_TOKEN"),
    address="AZURE_OPENAI_ENDPOINT",
    elsewhere="provider",
    flavour="azure",
)
AZURE: Final = ProviderInfo(
    name="azure",
    display_name="Azure OpenAI",
    wire=OPENAI.wire,
    sdk=OPENAI.sdk,
    endpoint=_ENDPOINT,
    price_list="azure",
    trace_name="azure.ai.openai",
    dialect=DIALECT,
    elsewhere=DIALECT,
    models=GPT_MODELS,
    elsewhere_models=GPT_MODELS,
    parameters=OPENAI.parameters,
)
AZURE_CHAT: Final = replace(
    AZURE,
    name="azure-chat",
    wire=OPENAI_CHAT.wire,
    dialect=OPENAI_CHAT.dialect,
    elsewhere=OPENAI_CHAT.dialect,
    models=GPT_MODELS_IN_CHAT,
    elsewhere_models=GPT_MODELS_IN_CHAT,
    parameters=OPENAI_CHAT.parameters,
)
