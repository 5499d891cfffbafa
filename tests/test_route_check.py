"""What is wrong with the models that stand in for others is named with its place."""

from pathlib import Path
from typing import Final

import pytest
from jsonschema import Draft202012Validator

from perdure.temporal.definitions.agent_file import AgentFile, load_agent_file
from perdure.temporal.definitions.allowed import Allowed
from perdure.temporal.definitions.demo_models import on_demo
from perdure.temporal.definitions.json_schema import schema
from perdure.temporal.schemas.yaml_source import read_yaml
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.definition.route import route

AGENT: Final = """
name: a
instructions: hi
model: main
limits: {{turn: {{cost_usd: 1}}}}
models:
  main: {{use: anthropic/claude-sonnet-5-5, fallback: {fallback}}}
  other: {{use: demo/b, fallback: [third]}}
  third: {{use: demo/c}}
"""


def read(tmp_path: Path, fallback: str, **shared: ModelDefinition) -> AgentFile:
    file = tmp_path / "a.yaml"
    file.write_text(AGENT.format(fallback=fallback).lstrip())
    return load_agent_file(file, shared, None, Allowed())


@pytest.mark.parametrize(
    ("fallback", "place", "message"),
    [
        ("[othr]", "[0]", "'othr' is not one of models; did you mean 'other'?"),
        ("[demo/x]", "[0].role", "must be a letter"),
        ("[other, other]", "[1]", "'other' is in the route of 'main' already"),
        ("[{use: demo/x}, {use: demo/x}]", "[1]", "demo/x is in the route of 'main' already"),
        ("[{use: anthropic/claude-sonnet-5-5}]", "[0]", "is in the route of 'main' already"),
        ("[main]", "[0]", "'main' cannot stand in for itself"),
        ("[back]", "[0]", "stand in for each other: main → back → main"),
        ("[{use: demo/x, fallback: [other]}]", "[0].fallback", "there is no such field"),
        ("[{use: demo/x, on: [rate_limit]}]", "[0].on[0]", "must be one of refusal, content_filter"),
        ("[{usee: demo/x}]", "[0].usee", "did you mean 'use'?"),
        ("[{use: openai-chat/x, base_url: 'http://x'}]", "[0]", "has no known price, which a cap on cost needs"),
        (
            "[{use: openai-chat/gpt-6-sol, base_url: 'http://${HOST}'}]",
            "[0].base_url",
            "names ${HOST}; add it to secrets",
        ),
    ],
)
def test_a_fault_of_a_fallback_has_its_place(tmp_path: Path, fallback: str, place: str, message: str) -> None:
    back = ModelDefinition.model_validate({"use": "demo/back", "fallback": ["main"]})
    problems = [str(one) for one in read(tmp_path, fallback, back=back).problems]
    assert any(f"models.main.fallback{place}: " in one and message in one for one in problems), problems


def test_a_shared_model_s_fallback_has_no_place_in_the_file(tmp_path: Path) -> None:
    lost = ModelDefinition.model_validate({"use": "demo/back", "fallback": ["nowhere"]})
    (problem,) = read(tmp_path, "[other]", lost=lost).problems
    assert "models: lost.fallback of the shared models: 'nowhere' is not one of models" in str(problem)


def test_a_price_is_needed_of_a_shared_model_that_stands_in(tmp_path: Path) -> None:
    dear = ModelDefinition(use="openai-chat/x", base_url="http://x")
    (problem,) = read(tmp_path, "[dear]", dear=dear).problems
    assert "models.main.fallback: openai-chat/x has no known price" in str(problem)


def test_every_form_is_taken_and_is_in_the_schema(tmp_path: Path) -> None:
    forms = "[third, {role: other, on: [refusal]}, {use: openai/gpt-6-sol, on: [content_filter], max_output_tokens: 9}]"
    read_file = read(tmp_path, forms)
    assert read_file.problems == ()
    assert read_file.definition is not None
    route = read_file.definition.route("main")
    assert [(hop.key, hop.on) for hop in route] == [
        ("main", ()),
        ("third", ()),
        ("other", ("refusal",)),
        ("main/3", ("content_filter",)),
    ]
    assert route[3].model == ModelDefinition(use="openai/gpt-6-sol", max_output_tokens=9)
    Draft202012Validator(schema()).validate(read_yaml(tmp_path / "a.yaml").values)


def test_the_demo_model_never_stands_in_for_a_model_that_failed() -> None:
    models = {
        "main": ModelDefinition.model_validate(
            {"use": "anthropic/a", "fallback": [{"role": "other", "on": ["refusal"]}]}
        ),
        "other": ModelDefinition(use="openai/b"),
        "third": ModelDefinition.model_validate({"use": "openai/c", "fallback": ["main"]}),
    }
    found = on_demo(models, lambda model: model.provider == "openai")
    assert {role: model.use for role, model in found.items()} == {
        "main": "anthropic/a",
        "other": "demo/b",
        "third": "demo/c",
    }
    assert [(hop.key, hop.model.use, hop.on) for hop in route(found, "main")] == [
        ("main", "anthropic/a", ()),
        ("main/1", "openai/b", ("refusal",)),
    ]
    assert [hop.key for hop in route(found, "third")] == ["third"]


def test_a_definition_without_fallbacks_is_written_as_before() -> None:
    assert "fallback" not in ModelDefinition(use="demo/x").model_dump()
