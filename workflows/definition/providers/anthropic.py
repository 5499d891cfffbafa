"""Anthropic, by the Messages API."""

from typing import Final

from perdure.workflows.definition.providers.claude_models import CLAUDE_ELSEWHERE, CLAUDE_MODELS
from perdure.workflows.definition.providers.dialect import FORMATS, Dialect, StrictTools
from perdure.workflows.definition.providers.info import Endpoint, ProviderInfo
from perdure.workflows.definition.providers.messages_servers import MESSAGES_SERVERS

#: Of the Messages API.
PARAMETERS: Final[dict[str, str]] = {
    "seed": "",
    "stop": "stop_sequences",
    "parallel_tool_calls": "not tool_choice.disable_parallel_tool_use",
}
ANTHROPIC: Final = ProviderInfo(
    name="anthropic",
    display_name="Anthropic",
    wire="wires.anthropic_messages",
    sdk="anthropic",
    endpoint=Endpoint(
        base_url="https://api.anthropic.com",
        keys=("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),
        address="ANTHROPIC_BASE_URL",
        more_headers="ANTHROPIC_CUSTOM_HEADERS",
        own_sdk=True,
        elsewhere="provider",
    ),
    price_list="anthropic",
    trace_name="anthropic",
    dialect=Dialect(
        strict=StrictTools(
            tools=20,
            optional_properties=24,
            unions=16,
            properties=200,
            depth=5,
            enum_values=250,
            min_items=(0, 1),
            formats=FORMATS | {"uri"},
        ),
        caching="request",
        # "Requests which include `tool_use` or `tool_result` blocks must define tools."
        calls_without_tools=False,
        structured_output=True,
        structured_strictly=True,
    ),
    elsewhere=Dialect(caching="request", calls_without_tools=False),
    models=CLAUDE_MODELS,
    elsewhere_models=CLAUDE_ELSEWHERE,
    servers=MESSAGES_SERVERS,
    parameters=PARAMETERS,
)
