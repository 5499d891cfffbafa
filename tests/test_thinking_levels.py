"""How much each model thinks at each level, in the words of each server."""

from typing import Any

import pytest

from perdure.activities.models.parameters import with_parameters
from perdure.temporal.definitions.dialects import dialect_of
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.definition.providers.dialect import Dialect
from perdure.workflows.definition.providers.table import PROVIDERS

LEVELS = ("off", "low", "medium", "high", "max")
HERE = "http://127.0.0.1:8000/v1"
OLLAMA = "http://localhost:11434/v1"
DEEPSEEK = "https://api.deepseek.com"
KIMI = "https://api.moonshot.ai/v1"
QWEN = "https://dashscope-intl.aliyuncs.com/compatible-mode/v1"
MISTRAL = "https://api.mistral.ai/v1"
XAI = "https://api.x.ai/v1"
GROQ = "https://api.groq.com/openai/v1"
GEMINI = "https://generativelanguage.googleapis.com/v1beta/openai/"
OPENROUTER = "https://openrouter.ai/api/v1"
TOGETHER = "https://api.together.xyz/v1"
FIREWORKS = "https://api.fireworks.ai/inference/v1"
AZURE = "https://acme.openai.azure.com/openai/v1"


def model(use: str, base_url: str | None = None, **more: Any) -> ModelDefinition:
    return ModelDefinition.model_validate({"use": use, "base_url": base_url, "max_output_tokens": 64_000, **more})


def dialect(use: str, base_url: str | None = None) -> Dialect:
    asked = model(use, base_url)
    return dialect_of(PROVIDERS[asked.provider], asked, {})


def thinking(use: str, base_url: str | None, body: dict[str, Any] | None = None) -> list[Any]:
    """What each level adds to a body."""
    given = body or {}
    shown = []
    for level in LEVELS:
        asked = model(use, base_url, thinking=level)
        made = with_parameters(given | {"max_tokens": 64_000}, asked, dialect(use, base_url))
        shown.append({name: value for name, value in made.items() if name not in ("max_tokens", *given)})
    return shown


def adaptive(effort: str) -> dict[str, Any]:
    return {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": effort}}


def budget(tokens: int) -> dict[str, Any]:
    return {"thinking": {"type": "enabled", "budget_tokens": tokens}}


def efforts(*words: str | None) -> list[dict[str, Any]]:
    return [{} if word is None else {"reasoning_effort": word} for word in words]


def reasoning(*words: str | None) -> list[dict[str, Any]]:
    made = [{} if word is None else {"reasoning": {"effort": word, "summary": "auto"}} for word in words]
    return [{"reasoning": {"effort": "none"}} if one == reasoning_of_none() else one for one in made]


def reasoning_of_none() -> dict[str, Any]:
    return {"reasoning": {"effort": "none", "summary": "auto"}}


NOTHING: list[Any] = [{}] * 5
BUDGETS = [{}, *map(budget, (2048, 8192, 16_384, 32_768))]
ADAPTIVE = [adaptive(level) for level in LEVELS[1:]]
ON = {"thinking": {"type": "enabled"}}
OFF = {"thinking": {"type": "disabled"}}


@pytest.mark.parametrize("base_url", [None, "https://proxy.example.com"])
@pytest.mark.parametrize(
    ("names", "shown"),
    [
        ("claude-3-haiku-20240307 claude-3-5-sonnet-20241022", NOTHING),
        (
            "claude-3-7-sonnet-20250219 claude-opus-4-20250514 claude-sonnet-4-0 claude-opus-4-1-20250805 claude-opus-4-5 "
            "claude-sonnet-4-5-20250929 claude-haiku-4-5 us.anthropic.claude-sonnet-4-20250514-v1:0",
            BUDGETS,
        ),
        (
            "claude-opus-4-6 claude-sonnet-4-6 claude-opus-4-7 claude-opus-4-8 anthropic/claude-opus-4.6 "
            "us.anthropic.claude-opus-4-6-v1:0 claude-opus-4-8@20260601",
            [{}, *ADAPTIVE],
        ),
        ("claude-sonnet-5 claude-opus-5 claude-haiku-5-5 anthropic/claude-haiku-5.5-20261007", [OFF, *ADAPTIVE]),
        ("claude-sonnet-5-5", [{"thinking": {"type": "between_tools"}}, *ADAPTIVE]),
        # They always think: the least effort, and nothing of it shown.
        (
            "claude-opus-5-5 claude-fable-5 claude-fable-5-2 claude-mythos-5",
            [{"output_config": {"effort": "low"}}, *ADAPTIVE],
        ),
    ],
)
def test_claude(names: str, shown: list[Any], base_url: str | None) -> None:
    for name in names.split():
        assert thinking(f"anthropic/{name}", base_url) == shown, name
        assert thinking(f"bedrock/{name}", base_url) == shown, name


@pytest.mark.parametrize("base_url", [None, AZURE])
@pytest.mark.parametrize(
    ("names", "words"),
    [
        ("gpt-4o gpt-4.1-mini gpt-3.5-turbo gpt-5-chat-latest gpt-5.2-chat-latest", (None,) * 5),
        ("o1 o3-mini o4-mini-2025-04-16", ("low", "low", "medium", "high", "high")),
        ("gpt-5 gpt-5-mini gpt-5-nano-2025-08-07", ("minimal", "low", "medium", "high", "high")),
        ("gpt-5-codex gpt-5.1-codex-mini", ("low", "low", "medium", "high", "high")),
        ("gpt-5-pro", ("high",) * 5),
        ("gpt-5.4-pro", ("medium", "medium", "medium", "high", "xhigh")),
        ("gpt-5.1", ("none", "low", "medium", "high", "high")),
        ("gpt-5.2 gpt-5.4-mini gpt-5.5", ("none", "low", "medium", "high", "xhigh")),
        ("gpt-5.6-sol gpt-5.6-luna", ("none", "low", "medium", "high", "max")),
        ("gpt-6-sol gpt-6.1-terra gpt-6.2-astra", ("low", "low", "medium", "high", "max")),
    ],
)
def test_openai(names: str, words: tuple[str | None, ...], base_url: str | None) -> None:
    for name in names.split():
        assert thinking(f"openai/{name}", base_url) == reasoning(*words), name
        assert thinking(f"openai-chat/{name}", base_url) == efforts(*words), name
        assert thinking(f"azure/{name}", None) == reasoning(*words), name
        assert thinking(f"azure-chat/{name}", None) == efforts(*words), name


def test_thinking_and_tools_exclude_each_other_in_chat_completions_of_newer_models() -> None:
    tools = {"tools": [{"type": "function"}]}
    for name in ("gpt-5.4", "gpt-5.6-sol", "gpt-6-astra"):
        assert thinking(f"openai-chat/{name}", None, tools) == efforts(*["none"] * 5)
        assert thinking(f"openai/{name}", None, tools)[2] == {"reasoning": {"effort": "medium", "summary": "auto"}}
    assert thinking("openai-chat/gpt-5.2", None, tools) == efforts("none", "low", "medium", "high", "xhigh")


@pytest.mark.parametrize(
    ("base_url", "names", "shown"),
    [
        (
            DEEPSEEK,
            "deepseek-v4-pro deepseek-v4-flash",
            [OFF, *[ON | {"reasoning_effort": word} for word in ("low", "high", "high", "max")]],
        ),
        (DEEPSEEK, "deepseek-reasoner deepseek-chat", NOTHING),
        (KIMI, "kimi-k2.5 kimi-k2.6", [OFF, ON, ON, ON, ON]),
        (KIMI, "kimi-k2-thinking kimi-k2.7-code moonshot-v1-8k", NOTHING),
        (KIMI, "kimi-k3 kimi-k3.1-pro", efforts("low", "low", "high", "high", "max")),
        (
            QWEN,
            "qwen3.7-plus qwen-plus qwen3-32b",
            [
                {"enable_thinking": False},
                *({"enable_thinking": True, "thinking_budget": tokens} for tokens in (2048, 8192, 16_384, 32_768)),
            ],
        ),
        (QWEN, "qwen2.5-72b-instruct qwen3-coder-plus qwen3-235b-a22b-instruct-2507", NOTHING),
        (MISTRAL, "mistral-small-latest mistral-small-2603 mistral-medium-2604", efforts("none", *["high"] * 4)),
        (MISTRAL, "mistral-large-latest magistral-medium-latest codestral-latest", NOTHING),
        (XAI, "grok-4 grok-4-fast-reasoning grok-code-fast-1 grok-4.20-0309-reasoning", NOTHING),
        (XAI, "grok-4.3", efforts("none", "low", "medium", "high", "high")),
        (XAI, "grok-4.5", efforts("low", "low", "medium", "high", "high")),
        (XAI, "grok-4.6 grok-4.20-multi-agent-0309", efforts("low", "low", "medium", "high", "xhigh")),
        (GROQ, "llama-3.3-70b-versatile moonshotai/kimi-k2-instruct", NOTHING),
        (GROQ, "openai/gpt-oss-120b", efforts("low", "low", "medium", "high", "high")),
        (GROQ, "qwen/qwen3-32b", efforts("none", *["default"] * 4)),
        (GEMINI, "gemini-2.5-flash gemini-2.5-flash-lite", efforts("none", "low", "medium", "high", "high")),
        (GEMINI, "gemini-2.5-pro gemini-3.1-pro-preview", efforts("low", "low", "medium", "high", "high")),
        (GEMINI, "gemini-3-pro-preview", efforts("low", "low", "high", "high", "high")),
        (GEMINI, "gemini-3.5-flash", efforts("minimal", "low", "medium", "high", "high")),
        (
            OPENROUTER,
            "deepseek/deepseek-v4-pro anthropic/claude-opus-4.6",
            [{"reasoning": {"effort": word}} for word in ("none", "low", "medium", "high", "xhigh")],
        ),
        (
            OPENROUTER,
            "openai/gpt-5 anthropic/claude-opus-5.5",
            [{"reasoning": {"effort": word}} for word in ("low", "low", "medium", "high", "high")],
        ),
        (TOGETHER, "meta-llama/Llama-3.3-70B-Instruct-Turbo", NOTHING),
        (
            TOGETHER,
            "Qwen/Qwen3.5-397B-A17B",
            [
                {"reasoning": {"enabled": False}},
                *({"reasoning": {"effort": word}} for word in ("low", "medium", "high", "high")),
            ],
        ),
        (
            FIREWORKS,
            "accounts/fireworks/models/glm-5p1 accounts/fireworks/models/deepseek-v4-pro",
            efforts("none", "low", "medium", "high", "high"),
        ),
        (OLLAMA, "qwen3:8b deepseek-r1:7b", efforts("none", "low", "medium", "high", "high")),
        (OLLAMA, "gpt-oss:20b", efforts("low", "low", "medium", "high", "high")),
        (OLLAMA, "llama3.2", efforts(None, "low", "medium", "high", "max")),
        (HERE, "meta-llama/Llama-3.1-8B-Instruct", efforts(None, "low", "medium", "high", "max")),
        (HERE, "openai/gpt-oss-20b", efforts("low", "low", "medium", "high", "high")),
        (
            HERE,
            "Qwen/Qwen3-8B zai-org/GLM-4.6 deepseek-ai/DeepSeek-V3.1",
            [
                {"chat_template_kwargs": {"enable_thinking": on, "thinking": on}}
                for on in (False, True, True, True, True)
            ],
        ),
        (
            HERE,
            "Qwen/Qwen3-235B-A22B-Instruct-2507 Qwen/Qwen2.5-7B-Instruct",
            efforts(None, "low", "medium", "high", "max"),
        ),
    ],
)
def test_chat_completions(base_url: str, names: str, shown: list[Any]) -> None:
    for name in names.split():
        assert thinking(f"openai-chat/{name}", base_url) == shown, name


def test_messages_of_other_makers() -> None:
    deep = [
        {"thinking": {"type": "enabled"}, "output_config": {"effort": word}} for word in ("low", "high", "high", "max")
    ]
    assert thinking("anthropic/deepseek-v4-pro", "https://api.deepseek.com/anthropic") == [OFF, *deep]
    assert thinking("anthropic/glm-5.1", "https://api.z.ai/api/anthropic") == [OFF, ON, ON, ON, ON]
    assert thinking("anthropic/qwen3.5-plus", QWEN)[:2] == [OFF, budget(2048)]
    # Nothing is known of it, so it is asked as Anthropic is, and what it refuses is learnt.
    assert thinking("anthropic/some-model", "https://clone.example.com") == [{}, *ADAPTIVE]
