"""Claude at Amazon Bedrock: Anthropic Messages by the SDK's own class for Bedrock, which signs the requests.

Rule: AWS credentials, which the SDK and boto3 find by themselves, sign requests to Bedrock's own hosts and to the address
that the operator set. Any other address gets the `api_key` of the model definition, or none.
"""

import re
from collections.abc import Mapping
from typing import Final

import httpx2
from anthropic import AsyncAnthropicBedrock, DefaultAsyncHttpxClient

from perdure.activities.models.clients import PLACEHOLDER_KEY, SdkHeaders, Server, http_options
from perdure.activities.models.failures import NotSetUp, ProviderError
from perdure.activities.models.sse_events import Decoder, SseDecoder
from perdure.activities.models.wire import Wire
from perdure.activities.models.wires.anthropic_messages import AnthropicMessages
from perdure.temporal.definitions.packages import missing_package
from perdure.workflows.definition.providers.info import ProviderInfo

_HEADERS: Final = SdkHeaders(
    frozenset(("authorization", "x-amz-security-token", "x-amz-date")), custom="ANTHROPIC_CUSTOM_HEADERS"
)
_REGION: Final = re.compile(r"bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com")
_NO_CREDENTIALS: Final = (
    "no AWS credentials were found; set AWS_BEARER_TOKEN_BEDROCK, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
    "AWS_PROFILE, or give the machine a role"
)
_NO_REGION: Final = "the AWS region is not known; set AWS_REGION, or a region in the AWS profile"
#: "The model could not process the request": Bedrock's status for a failure of the model itself.
_MODEL_ERROR: Final = 424


def connect(provider: ProviderInfo, environment: Mapping[str, str]) -> Wire:
    return BedrockMessages(environment, provider=provider)


class BedrockMessages(AnthropicMessages):
    def connect(self, server: Server) -> AsyncAnthropicBedrock:
        missing = missing_package(self._provider)
        if missing is not None:
            raise NotSetUp(missing)
        key = None if server.sdk_credentials else server.key or PLACEHOLDER_KEY
        named = _REGION.search(server.url or "")
        http = DefaultAsyncHttpxClient(**http_options(server, _HEADERS, self._environment, self._timeout))
        try:
            return AsyncAnthropicBedrock(
                api_key=key,
                aws_region=named[1] if named else None,
                base_url=server.url,
                # The signature covers it.
                default_query=dict(server.query) or None,
                timeout=self._timeout,
                max_retries=0,
                open_telemetry=False,
                http_client=http,
            )
        except ValueError:
            raise NotSetUp(_NO_REGION) from None

    def decoder(self, response: httpx2.Response) -> Decoder:
        from perdure.activities.models.bedrock_events import MEDIA_TYPE, BedrockDecoder

        frames = response.headers.get("content-type", "").lower().startswith(MEDIA_TYPE)
        return BedrockDecoder() if frames else SseDecoder()

    def neutral(self, error: Exception) -> Exception:
        if _is_about_credentials(error):
            return NotSetUp(_NO_CREDENTIALS)
        told = super().neutral(error)
        if isinstance(told, ProviderError) and told.status == _MODEL_ERROR:
            return ProviderError(str(told), status=500, headers=told.headers)
        return told


def _is_about_credentials(error: Exception) -> bool:
    """boto3 found none, or none that is whole or valid. The SDK raises `RuntimeError` for the first."""
    of_boto = type(error).__module__.startswith("botocore.exceptions")
    return of_boto or (type(error) is RuntimeError and "credentials" in str(error).lower())
