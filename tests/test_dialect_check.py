"""What reading a definition says of parameters, thinking and tools that its models are known not to take."""

from pathlib import Path

import pytest

from perdure.temporal.definitions.agent_file import AgentFile, load_agent_file
from perdure.workflows.definition.agent import ModelDefinition

HEAD = "name: shop\nmodel: main\ninstructions: Be brief.\n"


def read(tmp_path: Path, text: str, **shared: ModelDefinition) -> AgentFile:
    file = tmp_path / "shop.yaml"
    file.write_text(HEAD + text)
    return load_agent_file(file, shared, None)


def model(fields: str) -> str:
    return f"models:\n  main:\n    {fields}\n"


def test_what_an_api_does_not_have_is_refused_with_its_place(tmp_path: Path) -> None:
    found = read(
        tmp_path, model("use: openai/gpt-5.2\n    params:\n      stop: END\n      seed: 1\n      temperature: 0.1")
    )
    assert [(problem.line, problem.field, problem.message) for problem in found.problems] == [
        (8, "models.main.params.stop", "the API of openai models has no stop; remove it"),
        (9, "models.main.params.seed", "the API of openai models has no seed; remove it"),
    ]
    found = read(tmp_path, model("{use: anthropic/claude-sonnet-4-5, params: {seed: 1, stop: [a]}}"))
    assert [problem.field for problem in found.problems] == ["models.main.params.seed"]


def test_what_a_known_model_refuses_is_told_and_not_sent(tmp_path: Path) -> None:
    found = read(tmp_path, model("{use: openai/gpt-6-sol, params: {temperature: 0.1}}"))
    assert found.problems == ()
    assert [(one.field, one.message) for one in found.warnings] == [
        ("models.main.params.temperature", "openai/gpt-6-sol takes no temperature, so it is not sent")
    ]
    thinks = read(tmp_path, model("{use: openai/gpt-5.2, thinking: low, params: {top_p: 0.1}}"))
    assert [one.message for one in thinks.warnings] == [
        "openai/gpt-5.2 takes no top_p while it thinks, so it is not sent"
    ]
    assert read(tmp_path, model("{use: openai/gpt-5.2, params: {top_p: 0.1}}")).warnings == ()


def test_thinking_that_cannot_be_had_is_told(tmp_path: Path) -> None:
    def told(fields: str, tools: str = "") -> list[str]:
        return [one.message for one in read(tmp_path, model(fields) + tools).warnings]

    assert told("{use: openai/gpt-4o, thinking: low}") == ["openai/gpt-4o is not known to think; the level is not sent"]
    kimi = "{use: openai-chat/kimi-k2.7-code, base_url: 'https://api.moonshot.ai/v1', thinking: low}"
    assert told(kimi) == ["openai-chat/kimi-k2.7-code thinks as much as it likes; the level is not sent"]
    chat = "{use: openai-chat/gpt-5.6-sol, thinking: low}"
    assert told(chat) == []
    assert told(chat, "tools: [look]\n") == [
        "openai-chat/gpt-5.6-sol does not think where it has tools; use openai/gpt-5.6-sol instead, by the Responses API"
    ]


@pytest.mark.parametrize("count", [128, 129])
def test_more_tools_than_a_request_may_offer(tmp_path: Path, count: int) -> None:
    names = ", ".join(f"t{n}" for n in range(count - 2))
    tools = "tools:\n  - mcp: {url: 'http://h/mcp', allow: [a, b]}\n" + "".join(
        f"  - {name}\n" for name in names.split(", ")
    )
    found = read(tmp_path, model("{use: openai/gpt-6-sol}") + tools)
    message = f"openai/gpt-6-sol takes at most 128 tools in a request, and the agent has {count}"
    assert [(one.field, message in one.message) for one in found.problems] == [("tools", True)][: count - 128]
    assert read(tmp_path, model("{use: openai-chat/m, base_url: 'http://h/v1'}") + tools).problems == ()


def test_a_shared_model_is_told_where_the_definition_chooses_it(tmp_path: Path) -> None:
    shared = ModelDefinition.model_validate({"use": "openai/gpt-6-sol", "params": {"top_p": 0.5}})
    (warning,) = read(tmp_path, "", main=shared).warnings
    assert (warning.line, warning.field) == (2, "model")
