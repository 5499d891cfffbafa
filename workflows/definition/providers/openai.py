"""OpenAI, by the Responses API."""

from typing import Final

from perdure.workflows.definition.providers.dialect import FORMATS, Dialect, StrictTools
from perdure.workflows.definition.providers.gpt_models import GPT_MODELS
from perdure.workflows.definition.providers.info import Endpoint, ProviderInfo
from perdure.workflows.definition.providers.known import KnownServer
from perdure.workflows.definition.providers.responses_servers import RESPONSES_SERVERS

ENDPOINT: Final = Endpoint(
    base_url="https://api.openai.com/v1",
    keys=("OPENAI_API_KEY",),
    address="OPENAI_BASE_URL",
    more_headers="OPENAI_CUSTOM_HEADERS",
    own_sdk=True,
)
DIALECT: Final = Dialect(
    strict=StrictTools(
        tools=128,
        optional_properties=5000,
        unions=5000,
        properties=5000,
        depth=10,
        enum_values=1000,
        all_required=True,
        recursion=True,
        keywords=frozenset(
            ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems", "maxItems")
        ),
        formats=FORMATS,
    ),
    array_items=True,
    # Its newer models refuse `max_tokens`, the only name that compatible servers know.
    output_limit="max_completion_tokens",
    null_content=True,
    # Nothing is stored, and so there is nothing to read reasoning from but its encrypted content.
    open_reasoning=False,
    # "array too long. Expected an array with maximum length 128"
    most_tools=128,
    structured_output=True,
)
#: Deployments there have names of their own, which often are those of the models.
AZURE: Final = KnownServer(
    name="Azure OpenAI",
    hosts=("*.openai.azure.com", "*.services.ai.azure.com", "*.cognitiveservices.azure.com"),
    dialect=DIALECT,
    models=GPT_MODELS,
)
OPENAI: Final = ProviderInfo(
    name="openai",
    display_name="OpenAI",
    wire="wires.openai_responses",
    sdk="openai",
    endpoint=ENDPOINT,
    price_list="openai",
    trace_name="openai",
    dialect=DIALECT,
    models=GPT_MODELS,
    servers=(AZURE, *RESPONSES_SERVERS),
    # The Responses API has neither.
    parameters={"seed": "", "stop": ""},
)
