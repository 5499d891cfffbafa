"""What a definition may say of its model's requests: places, hints, and no value that might be a key."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from perdure.temporal.definitions.agent_file import load_agent_file
from perdure.temporal.definitions.models_file import load_models
from perdure.workflows.definition.agent import ModelDefinition

LITERAL = "sk-a-real-key-123456"


def fault(**fields: Any) -> str:
    """What is wrong with a model of Chat Completions that has these fields; nothing if there is nothing."""
    try:
        ModelDefinition.model_validate({"use": "openai-chat/m", "base_url": "http://h/v1", **fields})
    except ValidationError as refused:
        said = str(refused.errors()[0]["msg"])
        assert LITERAL not in said
        return said.removeprefix("Value error, ")
    return ""


@pytest.mark.parametrize(
    "fields",
    [
        {"headers": {"X-Team": "a", "x-title": "Über", "HTTP-Referer": "https://a.example"}},
        {"headers": {"Authorization": "Basic ${USER_AND_PASSWORD}"}},
        {"headers": {"api-key": "${KEY}"}, "query": {"api-version": "2026-01-01", "key": "${KEY}"}},
        {"base_url": "https://x/v1?api-version=1&key=${KEY}"},
        {"base_url": "${WHERE}"},
        {"api_key": "${KEY}", "headers": {"OpenAI-Organization": "o"}},
        {"extra": {"top_k": 20, "stream_options": None, "generationConfig": {"topK": 1}, "thinking": {"type": "x"}}},
        {"params": {"stop": "END", "temperature": 0, "seed": 0, "parallel_tool_calls": False}},
        {"context_window": 4097},
    ],
)
def test_what_may_be_said(fields: dict[str, Any]) -> None:
    assert fault(**fields) == ""


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"headers": {"Authorization": f"Bearer {LITERAL}"}}, "headers: Authorization looks like a key"),
        ({"headers": {"X-My-Token": LITERAL}}, "headers: X-My-Token looks like a key"),
        ({"headers": {"Cookie": LITERAL}}, "headers: Cookie looks like a key"),
        ({"headers": {"X-A\r\nX-B": "1"}}, "is not the name of a header"),
        ({"headers": {"X A": "1"}}, "is not the name of a header"),
        ({"headers": {"": "1"}}, "is not the name of a header"),
        ({"headers": {"X-A": "1\r\nX-B: 2"}}, "headers: the value of X-A has a character that no header can have"),
        ({"headers": {"X-A": "1\n"}}, "no header can have"),
        ({"headers": {"X-A": "\x00"}}, "no header can have"),
        ({"headers": {"X-A": " 1"}}, "begins or ends with a space"),
        ({"headers": {"X-A": "1", "x-a": "2"}}, "headers: x-a stands here twice"),
        ({"headers": {"Host": "evil.example"}}, "headers: Host is set by Perdure"),
        ({"headers": {"content-length": "1"}}, "content-length is set by Perdure"),
        ({"headers": {"Transfer-Encoding": "chunked"}}, "Transfer-Encoding is set by Perdure"),
        ({"headers": {"Connection": "close"}}, "Connection is set by Perdure"),
        (
            {"api_key": "${KEY}", "headers": {"Authorization": "${OTHER}"}},
            "Authorization and api_key both give the key",
        ),
        ({"query": {"key": LITERAL}}, "query: key looks like a key"),
        ({"query": {"": "1"}}, "query: has a parameter without a name"),
        ({"base_url": f"https://x/v1?token={LITERAL}"}, "base_url: token looks like a key"),
        ({"base_url": "https://x/v1#part"}, "base_url: has a #"),
        ({"base_url": "localhost:11434/v1"}, "base_url: starts with http:// or https://"),
        ({"base_url": "ftp://h/v1"}, "base_url: starts with http:// or https://"),
        ({"extra": {"model": "other"}}, "extra: model cannot be set here: the model is `use`"),
        ({"extra": {"messages": []}}, "extra: messages cannot be set here: the conversation makes it"),
        ({"extra": {"stream": False}}, "extra: stream cannot be set here"),
        (
            {"extra": {"max_tokens": 9}},
            "extra: max_tokens cannot be set here: how long an answer may be is max_output_tokens",
        ),
        ({"extra": {"n": 3}}, "extra: n cannot be set here: one answer is read"),
        ({"extra": {"generationConfig": {"candidateCount": 2}}}, "extra: generationConfig.candidateCount"),
        ({"extra": {"tools": []}}, "extra: tools cannot be set here: tools are the agent's"),
        ({"context_window": 4096}, "context_window: leaves no room for the question"),
        ({"params": {"temperature": True}}, "valid number"),
        ({"params": {"temperature": float("nan")}}, "finite number"),
        ({"params": {"seed": "7"}}, "valid integer"),
        ({"params": {"stop": [""]}}, "at least 1 character"),
        ({"params": {"stop": ["a"] * 17}}, "at most 16"),
        ({"params": {"top_k": 3}}, "Extra inputs"),
        (
            {"use": "demo/x", "base_url": None, "headers": {"X-A": "1"}},
            "headers: demo models are not called over a network",
        ),
    ],
)
def test_what_may_not_be_said(fields: dict[str, Any], said: str) -> None:
    assert said in fault(**fields)


AGENT = """\
name: shop
model: main
instructions: Be brief.
models:
  main:
    use: openai-chat/m
    base_url: http://h/v1
    headers:
      X-Team: ${TEAM}
    query: {trace: "${TRACE}"}
    extra:
      messages: []
secrets: [TEAM]
"""


def test_faults_have_their_places(tmp_path: Path) -> None:
    file = tmp_path / "shop.yaml"
    file.write_text(AGENT)
    assert [(problem.line, problem.field, problem.message) for problem in load_agent_file(file, {}, None).problems] == [
        (10, "models.main.query.trace", "names ${TRACE}; add it to secrets: [TRACE]"),
        (11, "models.main.extra", "messages cannot be set here: the conversation makes it"),
    ]


def test_a_role_may_be_called_tools(tmp_path: Path) -> None:
    file = tmp_path / "models.yaml"
    file.write_text("tools: {0 - calculator: {timeout: 90s}}\n")
    models, problems = load_models(file)
    assert models == {}
    assert "use" in {problem.field.rpartition(".")[2] for problem in problems}
