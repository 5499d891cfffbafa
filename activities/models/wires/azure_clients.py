"""Clients of the openai SDK for Azure.

Azure serves OpenAI's APIs in two ways: below `/openai/v1`, as OpenAI does, and in the older one, where the address of a chat
names the deployment and each request a version of the API. The SDK has a class for the older one only.

Rule: a version (`api-version` in a definition's `query`, else `OPENAI_API_VERSION`) chooses the older way, unless the address
ends in `/openai/v1`. Without a version, or with one of the names that the newer way knows, it is the newer way.
"""

from collections.abc import Mapping
from typing import Any, Final

import httpx2
from openai import AsyncAzureOpenAI, AsyncOpenAI, DefaultAsyncHttpxClient

from perdure.activities.models.clients import PLACEHOLDER_KEY, Server

_VERSION: Final = "OPENAI_API_VERSION"
_TOKEN: Final = "AZURE_OPENAI_AD_TOKEN"
#: Versions of the newer way. It needs none.
_NAMES: Final = ("preview", "latest", "v1")


def azure_client(
    server: Server, environment: Mapping[str, str], timeout: httpx2.Timeout, http: Mapping[str, Any]
) -> AsyncOpenAI:
    """`http` are the arguments of the HTTP client, which authenticates."""
    url = (server.url or "").rstrip("/")
    version = dict(server.query).get("api-version", "") or environment.get(_VERSION, "").strip()
    common: dict[str, Any] = {
        "api_key": PLACEHOLDER_KEY,
        "timeout": timeout,
        "max_retries": 0,
        "http_client": DefaultAsyncHttpxClient(**http),
    }
    is_newer = url.endswith("/v1")
    if version and version not in _NAMES and not is_newer:
        if "/deployments/" in url:
            return AsyncAzureOpenAI(base_url=url, api_version=version, **common)
        return AsyncAzureOpenAI(azure_endpoint=url.removesuffix("/openai"), api_version=version, **common)
    named = {"api-version": version} if version in _NAMES else None
    base = url if is_newer else f"{url.removesuffix('/openai')}/openai/v1"
    return AsyncOpenAI(base_url=base, default_query=named, **common)


def authentication(server: Server, environment: Mapping[str, str]) -> dict[str, str]:
    """The header with the key of `server`, or with the token of a Microsoft account."""
    key = server.key or PLACEHOLDER_KEY
    is_token = server.key is not None and server.key == environment.get(_TOKEN, "").strip()
    return {"authorization": f"Bearer {key}"} if is_token else {"api-key": key}
