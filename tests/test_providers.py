import pytest

from perdure.activities.models.demo.wire import Demo
from perdure.activities.models.providers import Providers
from perdure.activities.models.wires.anthropic_bedrock import BedrockMessages
from perdure.activities.models.wires.anthropic_messages import AnthropicMessages
from perdure.activities.models.wires.gemini import Gemini
from perdure.activities.models.wires.openai_chat import OpenAIChat
from perdure.activities.models.wires.openai_responses import OpenAIResponses
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.definition.providers.table import PROVIDERS


@pytest.mark.parametrize(
    ("use", "wire"),
    [
        ("anthropic/claude-haiku-5-5", AnthropicMessages),
        ("bedrock/us.anthropic.claude-haiku-5-5", BedrockMessages),
        ("openai/gpt-6-sol", OpenAIResponses),
        ("openai-chat/llama3.2", OpenAIChat),
        ("azure/gpt-4o", OpenAIResponses),
        ("azure-chat/gpt-4o", OpenAIChat),
        ("gemini/gemini-3-pro", Gemini),
        ("demo/demo", Demo),
    ],
)
async def test_each_provider_has_its_wire(use: str, wire: type) -> None:
    providers = Providers({})
    found = providers.wire(ModelDefinition(use=use))
    assert isinstance(found, wire)
    assert providers.wire(ModelDefinition(use=use)) is found
    await providers.aclose()
    assert providers.wire(ModelDefinition(use=use)) is not found
    await providers.aclose()


async def test_every_provider_of_a_definition_has_one() -> None:
    providers = Providers({})
    wires = [providers.wire(ModelDefinition(use=f"{provider}/m")) for provider in PROVIDERS]
    assert [wire.api for wire in wires] == [
        "anthropic.messages",
        "anthropic.messages",
        "openai.responses",
        "openai.chat",
        "openai.responses",
        "openai.chat",
        "gemini.content",
        "demo",
    ]
    await providers.aclose()
