"""The providers of this version. To add one, write a file beside this one and add a line to the table."""

from typing import Final

from perdure.workflows.definition.providers.anthropic import ANTHROPIC
from perdure.workflows.definition.providers.azure import AZURE, AZURE_CHAT
from perdure.workflows.definition.providers.bedrock import BEDROCK
from perdure.workflows.definition.providers.demo import DEMO
from perdure.workflows.definition.providers.gemini import GEMINI
from perdure.workflows.definition.providers.info import ProviderInfo
from perdure.workflows.definition.providers.openai import OPENAI
from perdure.workflows.definition.providers.openai_chat import OPENAI_CHAT

#: By the name that a definition's `use` begins with.
PROVIDERS: Final[dict[str, ProviderInfo]] = {
    provider.name: provider
    for provider in (
        ANTHROPIC,
        BEDROCK,
        OPENAI,
        OPENAI_CHAT,
        AZURE,
        AZURE_CHAT,
        GEMINI,
        DEMO,
    )
}
