"""Real SDKs against servers that refuse as vendors do: the request is changed, asked again, and remembered."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from perdure.activities.models.failures import ModelFailed
from perdure.activities.models.providers import Providers
from perdure.activities.models.wire import Answer
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.protocol.steps import Prompt
from perdure.workflows.vocabulary.parts import Message, Text, ToolSpec
from tests.support.refusals import anthropic, forbidden, openai
from tests.support.refusing_server import CHAT, GEMINI, MESSAGES, RESPONSES, Body, Judge, RefusingServer

HELLO = (Message(id="m", role="user", parts=(Text(text="hi"),), at="2026-01-01T00:00:00Z"),)
LOOK = ToolSpec(name="look", description="Looks.", input={"type": "object", "properties": {}})
ANSWERS = {"anthropic": MESSAGES, "openai": RESPONSES, "openai-chat": CHAT, "gemini": GEMINI}
PATHS = {"anthropic": "", "openai": "/v1", "openai-chat": "/v1", "gemini": ""}


@contextlib.asynccontextmanager
async def serving(provider: str, judge: Judge) -> AsyncIterator[RefusingServer]:
    one = RefusingServer(judge, ANSWERS[provider])
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    one.port = server.sockets[0].getsockname()[1]
    try:
        yield one
    finally:
        server.close()


async def asked(providers: Providers, provider: str, server: RefusingServer, **fields: Any) -> Answer:
    given = {"use": f"{provider}/m", "base_url": server.url + PATHS[provider], **fields}
    prompt = Prompt(model=ModelDefinition.model_validate(given), system="Be brief.", tools=(LOOK,))
    wire = providers.wire(prompt.model)
    items = [item async for item in wire.stream(wire.request(prompt, HELLO), prompt, "t1.s1")]
    answer = items[-1]
    assert isinstance(answer, Answer)
    assert [part.text for part in answer.parts if isinstance(part, Text)] == ["Hi"]
    return answer


def refuses(name: str, error: Any, status: int = 400) -> Judge:
    """Refuses requests that have this member at the top."""
    return lambda body: (status, error) if name in body else None


def _effort(body: Body) -> tuple[int, Any] | None:
    if body.get("reasoning_effort") not in (None, "none", "default"):
        return 400, openai("`reasoning_effort` must be one of `none` or `default`")
    return None


def _no_system(body: Body) -> tuple[int, Any] | None:
    if body["messages"][0]["role"] == "system":
        return 400, {"object": "error", "message": "System role not supported", "type": "BadRequestError", "code": 400}
    return None


def _azure(body: Body) -> tuple[int, Any] | None:
    for name in ("stream_options", "parallel_tool_calls", "max_tokens"):
        if name in body:
            return 400, openai(f"Unrecognized request argument supplied: {name}")
    return None


def _mistral(body: Body) -> tuple[int, Any] | None:
    unknown = [name for name in body if name in ("stream_options", "seed", "service_tier")]
    error = {
        "object": "error",
        "message": {"detail": [forbidden(name) for name in unknown]},
        "type": "invalid_request_error",
    }
    return (422, error) if unknown else None


def _bedrock(body: Body) -> tuple[int, Any] | None:
    if "cache_control" in body:
        return 400, {"message": "cache_control: Extra inputs are not permitted"}
    return None


def _older_claude(body: Body) -> tuple[int, Any] | None:
    if body.get("thinking", {}).get("type") == "adaptive":
        return 400, anthropic("adaptive thinking is not supported on this model")
    if "effort" in body.get("output_config", {}):
        return 400, anthropic("output_config.effort: This model does not support the effort parameter.")
    return None


def _strict_clone(body: Body) -> tuple[int, Any] | None:
    for name in ("thinking", "output_config", "cache_control", "service_tier"):
        if name in body:
            return 400, anthropic(f"{name}: Extra inputs are not permitted")
    return None


def _cheap_limit(body: Body) -> tuple[int, Any] | None:
    if body["max_tokens"] > 2048:
        return 400, anthropic("max_tokens: 4096 > 2048, which is the maximum allowed number of output tokens for m")
    return None


def _gemini(body: Body) -> tuple[int, Any] | None:
    config = body.get("generationConfig", {})
    if "seed" in config:
        words = "Invalid JSON payload received. Unknown name \"seed\" at 'generation_config': Cannot find field."
        return 400, {"error": {"code": 400, "message": words, "status": "INVALID_ARGUMENT"}}
    return None


Case = tuple[str, dict[str, Any], Callable[[Body], Any], list[str]]
CASES: dict[str, Case] = {
    "Azure": (
        "openai-chat",
        {"params": {"parallel_tool_calls": False}},
        _azure,
        ["stream_options: dropped", "parallel_tool_calls: dropped", "max_tokens → max_completion_tokens"],
    ),
    "Mistral": (
        "openai-chat",
        {"params": {"seed": 1, "service_tier": "x"}},
        _mistral,
        ["stream_options: dropped", "seed: dropped", "service_tier: dropped"],
    ),
    "Groq": ("openai-chat", {"thinking": "high"}, _effort, ["reasoning_effort: default"]),
    "vLLM": ("openai-chat", {}, _no_system, ["system: in the first user message"]),
    "OpenAI": (
        "openai",
        {},
        refuses("include", openai("Encrypted content is not supported with this model.", "include")),
        ["include: dropped"],
    ),
    "xAI": (
        "openai",
        {"thinking": "high"},
        lambda body: (
            (400, {"code": "x", "error": "Model m does not support parameter reasoningEffort."})
            if "effort" in body.get("reasoning", {})
            else None
        ),
        ["reasoning.effort: dropped"],
    ),
    "Codex": ("openai", {}, refuses("store", openai("Unknown parameter: 'store'.", "store")), ["store: dropped"]),
    "Bedrock": ("anthropic", {}, _bedrock, ["cache_control: dropped"]),
    "an older Claude": ("anthropic", {"thinking": "high"}, _older_claude, ["thinking: with a budget of tokens"]),
    "a clone": (
        "anthropic",
        {"thinking": "low", "params": {"service_tier": "auto"}},
        _strict_clone,
        ["thinking: dropped", "output_config: dropped", "cache_control: dropped", "service_tier: dropped"],
    ),
    "a lower limit": ("anthropic", {}, _cheap_limit, ["max_tokens: at most 2048"]),
    "sampling": (
        "anthropic",
        {"params": {"temperature": 0.2}},
        refuses("temperature", anthropic("`temperature` is deprecated for this model.")),
        ["temperature: dropped"],
    ),
    "Gemini": ("gemini", {"params": {"seed": 1}}, _gemini, ["generationConfig.seed: dropped"]),
}


@pytest.mark.parametrize("case", CASES)
async def test_what_is_refused_by_name_is_asked_again_and_remembered(case: str) -> None:
    provider, fields, judge, words = CASES[case]
    providers = Providers({})
    async with serving(provider, judge) as server:
        first = await asked(providers, provider, server, **fields)
        assert list(first.adapted) == words
        tries = len(server.bodies)
        assert 2 <= tries <= len(words) + 1
        assert (await asked(providers, provider, server, **fields)).adapted == first.adapted
        assert len(server.bodies) == tries + 1
        assert [judge(body) is None for body in server.bodies][-2:] == [True, True]
    await providers.aclose()


@pytest.mark.parametrize("provider", ANSWERS)
async def test_a_refusal_that_names_nothing_is_final_at_once(provider: str) -> None:
    providers = Providers({})
    async with serving(provider, lambda body: (400, {"error": {"message": "Bad Request"}})) as server:
        with pytest.raises(ModelFailed) as caught:
            await asked(providers, provider, server)
        assert (caught.value.failure.kind, len(server.bodies)) == ("model_invalid_request", 1)
    await providers.aclose()


@pytest.mark.parametrize("provider", ANSWERS)
async def test_what_a_user_wrote_for_the_server_is_final(provider: str) -> None:
    providers = Providers({})
    judge = refuses("odd_one", openai("Unrecognized request argument supplied: odd_one", "odd_one"))
    async with serving(provider, judge) as server:
        with pytest.raises(ModelFailed, match="odd_one"):
            await asked(providers, provider, server, extra={"odd_one": 1})
        assert len(server.bodies) == 1
    await providers.aclose()
