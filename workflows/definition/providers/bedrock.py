"""Claude at Amazon Bedrock, by Anthropic's Messages API in Bedrock's frames."""

from typing import Final

from perdure.workflows.definition.providers.anthropic import PARAMETERS
from perdure.workflows.definition.providers.claude_models import CLAUDE_ELSEWHERE
from perdure.workflows.definition.providers.dialect import Dialect
from perdure.workflows.definition.providers.info import Endpoint, ProviderInfo

#: Bedrock knows only marks on blocks, and no calls where a request offers no tools.
_DIALECT: Final = Dialect(caching="blocks", calls_without_tools=False)

BEDROCK: Final = ProviderInfo(
    name="bedrock",
    display_name="Amazon Bedrock",
    wire="wires.anthropic_bedrock",
    sdk="anthropic",
    packages=("boto3",),
    endpoint=Endpoint(
        # Each region has a host of its own. The SDK takes the region from AWS_REGION, or from the profile.
        base_url="https://bedrock-runtime.amazonaws.com",
        hosts=r"bedrock-runtime(-fips)?\.[a-z]{2}(-[a-z]+)+-\d\.amazonaws\.com(\.cn)?",
        keys=("AWS_BEARER_TOKEN_BEDROCK", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
        other_credentials=True,
        address="ANTHROPIC_BEDROCK_BASE_URL",
        more_headers="ANTHROPIC_CUSTOM_HEADERS",
        own_sdk=True,
        elsewhere="provider",
    ),
    price_list="aws",
    trace_name="aws.bedrock",
    dialect=_DIALECT,
    elsewhere=_DIALECT,
    models=CLAUDE_ELSEWHERE,
    elsewhere_models=CLAUDE_ELSEWHERE,
    parameters=PARAMETERS,
)
