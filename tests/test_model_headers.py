"""Headers and query of a model definition, as real SDKs send them to a server that records requests."""

import asyncio
import importlib
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import Any

import pytest
import pytest_asyncio

from perdure.activities.models.clients import Server
from perdure.activities.models.failures import ModelFailed, ModelFailure
from perdure.temporal.definitions.endpoints import missing_key, split_query
from perdure.temporal.definitions.store import digest
from perdure.workflows.definition.agent import AgentDefinition, ModelDefinition
from perdure.workflows.definition.providers.table import PROVIDERS
from perdure.workflows.protocol.steps import Prompt
from perdure.workflows.vocabulary.parts import Message, Text
from tests.support.catcher import Catcher

OWN = "the-vendors-own-key-1"
OTHER = "other-servers-key-2"
ENVIRONMENT = {
    "OPENAI_API_KEY": OWN,
    "ANTHROPIC_API_KEY": OWN,
    "AZURE_OPENAI_API_KEY": OWN,
    "GEMINI_API_KEY": OWN,
    "OTHER_KEY": OTHER,
    "TEAM": "team-three",
    "TRACE": "trace&four=1",
}


def made(name: str) -> Callable[[Mapping[str, str]], Any]:
    provider = PROVIDERS[name]
    module = importlib.import_module(f"perdure.activities.models.{provider.wire}")
    return partial(module.connect, provider)


#: How a wire is made, what its `base_url` ends in, and what it calls.
WIRES: dict[str, tuple[Callable[[Mapping[str, str]], Any], str, str]] = {
    "anthropic": (made("anthropic"), "", "/v1/messages"),
    "openai": (made("openai"), "/v1", "/v1/responses"),
    "openai-chat": (made("openai-chat"), "/v1", "/v1/chat/completions"),
    "azure": (made("azure"), "", "/openai/v1/responses"),
    "azure-chat": (made("azure-chat"), "", "/openai/v1/chat/completions"),
    "gemini": (made("gemini"), "", "/v1/models/m:streamGenerateContent"),
}
#: The variable that names the vendor's address.
ADDRESSES = {name: endpoint.address or "" for name in WIRES if (endpoint := PROVIDERS[name].endpoint) is not None}
HELLO = (Message(id="m", role="user", parts=(Text(text="hi"),), at="2026-01-01T00:00:00Z"),)


@pytest_asyncio.fixture
async def catcher() -> AsyncIterator[Catcher]:
    one = Catcher()
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    one.port = server.sockets[0].getsockname()[1]
    yield one
    server.close()


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDKs read the environment themselves."""
    for name in ("ANTHROPIC_AUTH_TOKEN", "OPENAI_CUSTOM_HEADERS", "OPENAI_API_VERSION", *ADDRESSES.values()):
        monkeypatch.delenv(name, raising=False)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


async def ask(wire: Any, model: ModelDefinition) -> ModelFailure:
    """Why the call failed, as it always does here."""
    prompt = Prompt(model=model, system="")
    with pytest.raises(ModelFailed) as caught:
        async for _ in wire.stream(wire.request(prompt, HELLO), prompt, "t1.s1"):
            pass
    assert not any(value in repr(caught.value.failure) for value in ENVIRONMENT.values())
    return caught.value.failure


def sent(head: str) -> tuple[str, dict[str, str]]:
    """The target of a request, and its headers by lower-case name."""
    first, *lines = head.rstrip().split("\r\n")
    return first.split(" ")[1], {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


@pytest.mark.parametrize("provider", WIRES)
async def test_they_reach_the_server(catcher: Catcher, provider: str) -> None:
    make, path, called = WIRES[provider]
    wire = make(ENVIRONMENT)
    fields = {
        "use": f"{provider}/m",
        "base_url": f"{catcher.url}{path}?version=2026-01-01&x=1",
        "api_key": "${OTHER_KEY}",
        "headers": {"X-Team": "${TEAM}", "X-Plain": "p", "User-Agent": "ours"},
        "query": {"trace": "${TRACE}", "x": "2"},
    }
    await ask(wire, ModelDefinition.model_validate(fields))
    await wire.aclose()
    target, headers = sent(catcher.heads[0])
    assert target.partition("?")[0] == called
    query = set(target.partition("?")[2].split("&")) - {"alt=sse"}
    assert query == {"version=2026-01-01", "x=2", "trace=trace%26four%3D1"}
    assert (headers["x-team"], headers["x-plain"], headers["user-agent"]) == ("team-three", "p", "ours")
    keys = [value for value in headers.values() if OTHER in value]
    assert keys in ([f"Bearer {OTHER}"], [OTHER])
    assert OWN not in catcher.heads[0]


@pytest.mark.parametrize("provider", WIRES)
@pytest.mark.parametrize("name", ["Authorization", "api-key", "X-API-Key", "x-goog-api-key"])
async def test_a_key_in_a_header_is_the_only_one(catcher: Catcher, provider: str, name: str) -> None:
    make, path, _ = WIRES[provider]
    wire = make(ENVIRONMENT)
    fields = {"use": f"{provider}/m", "base_url": catcher.url + path, "headers": {name: "${OTHER_KEY}"}}
    await ask(wire, ModelDefinition.model_validate(fields))
    await wire.aclose()
    _, headers = sent(catcher.heads[0])
    known = ("authorization", "api-key", "x-api-key", "x-goog-api-key")
    assert {one: headers[one] for one in known if one in headers} == {name.lower(): OTHER}


@pytest.mark.parametrize("provider", WIRES)
async def test_the_vendor_gets_its_own_key_and_the_headers(
    catcher: Catcher, monkeypatch: pytest.MonkeyPatch, provider: str
) -> None:
    """Also at an address of the operator's that has a query."""
    make, path, called = WIRES[provider]
    variable = ADDRESSES[provider]
    address = f"{catcher.url}{path}?tenant=a"
    monkeypatch.setenv(variable, address)
    wire = make(ENVIRONMENT | {variable: address})
    await ask(wire, ModelDefinition.model_validate({"use": f"{provider}/m", "headers": {"X-Team": "${TEAM}"}}))
    await wire.aclose()
    target, headers = sent(catcher.heads[0])
    assert set(target.removeprefix(f"{called}?").split("&")) - {"alt=sse"} == {"tenant=a"}
    assert headers["x-team"] == "team-three"
    assert [value for value in headers.values() if OWN in value] in ([f"Bearer {OWN}"], [OWN])


@pytest.mark.parametrize("provider", WIRES)
async def test_two_definitions_of_one_server_keep_theirs_apart(catcher: Catcher, provider: str) -> None:
    make, path, _ = WIRES[provider]
    wire = make(ENVIRONMENT)
    for team in ("a", "b", "a"):
        fields = {"use": f"{provider}/m", "base_url": catcher.url + path, "headers": {"X-Team": team}}
        await ask(wire, ModelDefinition.model_validate(fields))
    await wire.aclose()
    assert [sent(head)[1]["x-team"] for head in catcher.heads] == ["a", "b", "a"]


@pytest.mark.parametrize("provider", WIRES)
async def test_a_variable_that_is_not_set_is_named(catcher: Catcher, provider: str) -> None:
    make, path, _ = WIRES[provider]
    wire = make({})
    fields = {"use": f"{provider}/m", "base_url": catcher.url + path, "headers": {"X-Team": "${TEAM}"}}
    model = ModelDefinition.model_validate(fields)
    failure = await ask(wire, model)
    await wire.aclose()
    assert (failure.kind, catcher.heads) == ("model_no_key", [])
    assert "TEAM" in failure.message
    assert missing_key(model, {}) == "TEAM"
    assert missing_key(model, {"TEAM": "x"}) is None


def test_nothing_of_them_shows_and_nothing_is_resolved_in_a_definition() -> None:
    model = ModelDefinition.model_validate(
        {"use": "openai-chat/m", "base_url": "http://h/v1?k=${TRACE}", "headers": {"X-Team": "${TEAM}"}}
    )
    server = Server.of(model, PROVIDERS["openai-chat"], ENVIRONMENT)
    assert server.url == "http://h/v1"
    assert (dict(server.headers), dict(server.query)) == ({"X-Team": "team-three"}, {"k": "trace", "four": "1"})
    assert "team" not in repr(server)
    agent = AgentDefinition(name="a", models={"m": model}, model="m", instructions="x", secrets=("TEAM", "TRACE"))
    assert "team-three" not in agent.model_dump_json()
    assert digest(agent, "") == digest(agent, "")


def test_a_query_is_split_off_an_address() -> None:
    assert split_query("https://x/v1?a=1&b=%20c") == ("https://x/v1", (("a", "1"), ("b", " c")))
    assert split_query("https://x/v1") == ("https://x/v1", ())
    assert split_query("https://x/v1?") == ("https://x/v1", ())
