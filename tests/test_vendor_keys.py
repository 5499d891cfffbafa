"""Keys and addresses: real SDKs against a server that records requests. A vendor's key reaches only the vendor."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from pydantic import ValidationError

from perdure.activities.models.failures import ModelFailed, ModelFailure
from perdure.activities.models.wires.anthropic_messages import AnthropicMessages
from perdure.activities.models.wires.openai_chat import OpenAIChat
from perdure.activities.models.wires.openai_responses import OpenAIResponses
from perdure.temporal.definitions.endpoints import is_given_key, missing_key
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.definition.providers.anthropic import ANTHROPIC
from perdure.workflows.definition.providers.info import Endpoint, ProviderInfo
from perdure.workflows.definition.providers.openai import ENDPOINT as OPENAI
from perdure.workflows.definition.providers.table import PROVIDERS
from perdure.workflows.protocol.steps import Prompt
from perdure.workflows.vocabulary.parts import Message, Text
from tests.support.catcher import Catcher

assert ANTHROPIC.endpoint is not None
CLAUDE = ANTHROPIC.endpoint
OPENAIS = "sk-openai-vendor-key-1"
ANTHROPICS = "sk-ant-vendor-key-2"
OTHER = "other-servers-key-3"
ENVIRONMENT = {
    "OPENAI_API_KEY": OPENAIS,
    "OPENAI_ADMIN_KEY": "admin-key-4",
    "OPENAI_ORG_ID": "org-5",
    "OPENAI_PROJECT_ID": "proj-6",
    "OPENAI_CUSTOM_HEADERS": "X-Custom: custom-7\nAuthorization: Bearer custom-8",
    "ANTHROPIC_API_KEY": ANTHROPICS,
    "ANTHROPIC_CUSTOM_HEADERS": "X-Custom: custom-9\nx-api-key: custom-10",
    "OTHER_KEY": OTHER,
}
#: None of these may reach a server that the vendor does not run.
VENDORS_OWN = [value for name, value in ENVIRONMENT.items() if "CUSTOM" not in name and name != "OTHER_KEY"] + [
    "custom-"
]
PATH = {"anthropic": "", "openai": "/v1", "openai-chat": "/v1"}
WIRES: dict[str, Callable[[Mapping[str, str]], Any]] = {
    "anthropic": AnthropicMessages,
    "openai": OpenAIResponses,
    "openai-chat": OpenAIChat,
}
HELLO = (Message(id="m", role="user", parts=(Text(text="hi"),), at="2026-01-01T00:00:00Z"),)


@pytest_asyncio.fixture
async def catchers() -> AsyncIterator[tuple[Catcher, Catcher]]:
    both = (Catcher(), Catcher())
    servers = [await asyncio.start_server(one.serve, "127.0.0.1", 0) for one in both]
    for one, server in zip(both, servers, strict=True):
        one.port = server.sockets[0].getsockname()[1]
    yield both
    for server in servers:
        server.close()


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDKs read the environment themselves."""
    for name in ("ANTHROPIC_AUTH_TOKEN", "OPENAI_BASE_URL", "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


async def ask(provider: str, environment: Mapping[str, str], **fields: Any) -> ModelFailure:
    """Why the call failed, as it always does here."""
    model = ModelDefinition.model_validate({"use": f"{provider}/m", **fields})
    wire = WIRES[provider](environment)
    prompt = Prompt(model=model, system="")
    try:
        with pytest.raises(ModelFailed) as caught:
            async for _ in wire.stream(wire.request(prompt, HELLO), prompt, "t1.s1"):
                pass
    finally:
        await wire.aclose()
    for secret in ENVIRONMENT.values():
        assert secret not in repr(caught.value.failure)
    return caught.value.failure


@pytest.mark.parametrize("provider", WIRES)
async def test_no_key_of_a_vendor_reaches_another_server(catchers: tuple[Catcher, Catcher], provider: str) -> None:
    await ask(provider, ENVIRONMENT, base_url=catchers[0].url + PATH[provider])
    (head,) = catchers[0].heads
    for secret in (*VENDORS_OWN, OTHER):
        assert secret not in head


@pytest.mark.parametrize("provider", WIRES)
async def test_another_server_gets_the_key_that_its_definition_names(
    catchers: tuple[Catcher, Catcher], provider: str
) -> None:
    await ask(provider, ENVIRONMENT, base_url=catchers[0].url + PATH[provider], api_key="${OTHER_KEY}")
    (head,) = catchers[0].heads
    assert head.count(OTHER) == 1
    assert f"authorization: bearer {OTHER}" in head.lower()
    for secret in VENDORS_OWN:
        assert secret not in head


@pytest.mark.parametrize("provider", WIRES)
async def test_the_vendor_s_key_goes_where_the_vendor_s_variable_says(
    catchers: tuple[Catcher, Catcher], monkeypatch: pytest.MonkeyPatch, provider: str
) -> None:
    """Also if a definition names that server itself; another port is another server."""
    vendor = CLAUDE if provider == "anthropic" else OPENAI
    assert vendor.address is not None
    named, other = catchers
    key = ENVIRONMENT[vendor.keys[0]]
    monkeypatch.setenv(vendor.address, named.url + PATH[provider])
    # These variables apply to all calls of the SDK, and so would replace the key here.
    environment = {name: value for name, value in ENVIRONMENT.items() if "CUSTOM" not in name}
    for name in ENVIRONMENT.keys() - environment.keys():
        monkeypatch.delenv(name)
    environment |= {vendor.address: named.url + PATH[provider]}
    await ask(provider, environment)
    await ask(provider, environment, base_url=named.url + PATH[provider])
    assert [key in head for head in named.heads] == [True, True]
    await ask(provider, environment, base_url=other.url + PATH[provider])
    assert [key in head for head in other.heads] == [False]


@pytest.mark.parametrize("provider", WIRES)
async def test_no_redirect_is_followed(
    catchers: tuple[Catcher, Catcher], monkeypatch: pytest.MonkeyPatch, provider: str
) -> None:
    vendor = CLAUDE if provider == "anthropic" else OPENAI
    assert vendor.address is not None
    catchers[0].to = catchers[1].url
    monkeypatch.setenv(vendor.address, catchers[0].url + PATH[provider])
    await ask(provider, ENVIRONMENT | {vendor.address: catchers[0].url + PATH[provider]})
    await ask(provider, ENVIRONMENT, base_url=catchers[0].url + PATH[provider], api_key="${OTHER_KEY}")
    assert (len(catchers[0].heads), len(catchers[1].heads)) == (2, 0)


@pytest.mark.parametrize("provider", WIRES)
async def test_a_variable_that_is_not_set_is_named(catchers: tuple[Catcher, Catcher], provider: str) -> None:
    error = await ask(provider, {}, base_url=catchers[0].url, api_key="${OTHER_KEY}")
    assert (error.kind, error.retryable) == ("model_no_key", False)
    assert "OTHER_KEY" in error.message
    assert catchers[0].heads == []


@pytest.mark.parametrize("wire", [AnthropicMessages, OpenAIResponses, OpenAIChat])
@pytest.mark.parametrize("key", ["acme-key-11", ""])
async def test_an_added_provider_gets_its_own_key_and_nothing_of_the_sdk_s_maker(
    catchers: tuple[Catcher, Catcher], monkeypatch: pytest.MonkeyPatch, wire: Any, key: str
) -> None:
    """Nor is it called at an address that is meant for the maker. Without its key, nothing is sent."""
    for vendor in (CLAUDE, OPENAI):
        assert vendor.address is not None
        monkeypatch.setenv(vendor.address, catchers[1].url)
    acme = ProviderInfo(
        name="acme",
        display_name="Acme",
        wire="wires.any",
        endpoint=Endpoint(base_url=catchers[0].url, keys=("ACME_KEY",)),
        trace_name="acme",
    )
    made = wire(ENVIRONMENT | {"ACME_KEY": key, "OPENAI_BASE_URL": catchers[1].url}, provider=acme)
    # The definition's `use` is checked against the table; the wire was given its provider.
    prompt = Prompt(model=ModelDefinition(use="demo/m"), system="")
    with pytest.raises(ModelFailed) as caught:
        async for _ in made.stream(made.request(prompt, HELLO), prompt, "t1.s1"):
            pass
    await made.aclose()
    assert catchers[1].heads == []
    if not key:
        assert catchers[0].heads == []
        assert "Acme cannot be asked: the environment variable ACME_KEY is not set" in caught.value.failure.message
        return
    (head,) = catchers[0].heads
    assert f"authorization: bearer {key}" in head.lower()
    for secret in (*VENDORS_OWN, OTHER):
        assert secret not in head


@pytest.mark.parametrize(
    ("url", "given"),
    [
        ("https://api.openai.com/v1", True),
        ("https://API.OPENAI.COM/v1", True),
        ("https://eu.api.openai.com/v1", True),
        ("https://api.openai.com:443/v1", True),
        ("http://api.openai.com/v1", False),
        ("https://api.openai.com:8443/v1", False),
        ("https://api.openai.com./v1", False),
        ("https://api.openai.com.evil.example/v1", False),
        ("https://evil.example/api.openai.com", False),
        ("https://evil.example/?x=api.openai.com", False),
        ("https://evil.example#@api.openai.com", False),
        ("https://notapi.openai.com/v1", False),
        ("https://openai.com/v1", False),
        ("https://api.openai.com@evil.example/v1", False),
        ("https://x:y@api.openai.com/v1", False),
        ("https://evil.example\\@api.openai.com/v1", False),
        ("https://api.openai.com\\.evil.example/v1", False),
        ("https://api.openai.com%2eevil.example/v1", False),
        ("https://api\u3002openai.com.evil.example/v1", False),
        ("//api.openai.com/v1", False),
        ("ftp://api.openai.com/v1", False),
        ("api.openai.com", False),
        ("", False),
        ("https://api.anthropic.com", False),
    ],
)
def test_which_addresses_are_the_vendor_s(url: str, given: bool) -> None:
    assert is_given_key(OPENAI, url, {}) is given
    if given:
        assert httpx2.URL(url).host.endswith("api.openai.com")


def test_an_address_that_the_operator_named() -> None:
    environment = {"OPENAI_BASE_URL": "http://proxy.internal:4000/v1"}
    assert is_given_key(OPENAI, "http://PROXY.internal:4000/other", environment)
    for other in (
        "http://proxy.internal:4001/v1",
        "https://proxy.internal:4000/v1",
        "http://proxy.internal.evil:4000/v1",
    ):
        assert not is_given_key(OPENAI, other, environment)
    assert not is_given_key(CLAUDE, "http://proxy.internal:4000/v1", environment)
    # A missing address counts the same as an unreadable one.
    assert not is_given_key(OPENAI, "nonsense", {"OPENAI_BASE_URL": "rubbish"})


def missing(provider: str, environment: Mapping[str, str], **fields: str) -> str | None:
    return missing_key(ModelDefinition.model_validate({"use": f"{provider}/m", **fields}), environment)


def test_what_a_model_lacks() -> None:
    assert missing("openai", {}) == "OPENAI_API_KEY"
    assert missing("anthropic", {"ANTHROPIC_AUTH_TOKEN": "x"}) is None
    assert missing("anthropic", {"OPENAI_API_KEY": "x"}) == "ANTHROPIC_API_KEY"
    assert missing("openai", {}, base_url="https://eu.api.openai.com/v1") == "OPENAI_API_KEY"
    assert missing("openai", {"OPENAI_API_KEY": "x"}, base_url="https://eu.api.openai.com/v1") is None
    assert missing("anthropic", {}, base_url="http://localhost:1") is None
    assert missing("openai-chat", {"OPENAI_API_KEY": "x"}, base_url="http://a/v1", api_key="${MINE}") == "MINE"
    assert missing("openai-chat", {"MINE": "x"}, base_url="http://a/v1", api_key="${MINE}") is None
    assert missing("openai-chat", {}, base_url="${WHERE}") == "WHERE"
    assert missing("demo", {}) is None
    # Another server may want no key, but OpenAI does, however it is named.
    assert missing("openai", {"OPENAI_BASE_URL": "http://localhost:1/v1"}) is None
    assert missing("openai", {"OPENAI_BASE_URL": "https://api.openai.com/v1"}) == "OPENAI_API_KEY"


def test_a_provider_that_wants_no_key_lacks_none(monkeypatch: pytest.MonkeyPatch) -> None:
    local = ProviderInfo(
        name="local",
        display_name="The local server",
        wire="wires.openai_chat",
        endpoint=Endpoint(base_url="http://127.0.0.1:11434/v1", keys=()),
        trace_name="local",
    )
    monkeypatch.setitem(PROVIDERS, "local", local)
    assert missing("local", {}) is None
    assert missing("local", {}, base_url="http://127.0.0.1:11434/v1") is None
    assert missing("local", {}, base_url="http://elsewhere/v1") is None


@pytest.mark.parametrize("literal", ["sk-a-real-key-123456", "Bearer ${KEY}", "${KEY} ", "", "${KEY}${KEY}", "$KEY"])
def test_a_key_is_never_written_into_a_definition(literal: str) -> None:
    with pytest.raises(ValidationError) as refused:
        ModelDefinition(use="openai/m", api_key=literal)
    (error,) = refused.value.errors()
    assert "never the key itself" in error["msg"]
    assert not literal or literal not in error["msg"]


def test_an_address_holds_no_password() -> None:
    with pytest.raises(ValidationError) as refused:
        ModelDefinition(use="openai/m", base_url="https://me:hunter22@example.com/v1")
    (error,) = refused.value.errors()
    assert "a user or a password" in error["msg"]
    assert "hunter22" not in error["msg"]
