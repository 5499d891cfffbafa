"""Which variables and programs a definition may name: those it lists itself, within the operator's limits."""

from pathlib import Path

import pytest

from perdure.temporal.definitions.agent_file import load_agent_file
from perdure.temporal.definitions.allowed import Allowed
from perdure.temporal.definitions.store import digest
from perdure.temporal.settings import Settings
from perdure.workflows.definition.agent import AgentDefinition, ModelDefinition

HEAD = "name: shop\nmodel: main\ninstructions: Be brief.\n"
MODEL = "models:\n  main:\n    use: openai-chat/x\n    base_url: http://h/v1\n    api_key: ${MODEL_KEY}\n"
TOOLS = """\
tools:
  - mcp: {url: "https://h/${PLACE}", headers: {Authorization: "Bearer ${STOCK_TOKEN}"}}
  - mcp:
      command: [stock-server, --fast]
      name: stock
      env: {TOKEN: "${PLACE}"}
"""
SECRETS = "secrets: [MODEL_KEY, PLACE, STOCK_TOKEN]\n"


def problems(tmp_path: Path, text: str, allowed: Allowed | None = None) -> list[tuple[int, str, str]]:
    file = tmp_path / "shop.yaml"
    file.write_text(text)
    loaded = load_agent_file(file, {}, None, allowed)
    assert (loaded.definition is None) == bool(loaded.problems)
    return [(problem.line, problem.field, problem.message) for problem in loaded.problems]


def test_what_is_listed_may_be_named(tmp_path: Path) -> None:
    assert problems(tmp_path, HEAD + MODEL + TOOLS + SECRETS) == []


def test_what_is_named_and_not_listed_is_refused_with_its_place(tmp_path: Path) -> None:
    assert problems(tmp_path, HEAD + MODEL + TOOLS) == [
        (8, "models.main.api_key", "names ${MODEL_KEY}; add it to secrets: [MODEL_KEY]"),
        (10, "tools[0].url", "names ${PLACE}; add it to secrets: [PLACE]"),
        (10, "tools[0].headers.Authorization", "names ${STOCK_TOKEN}; add it to secrets: [STOCK_TOKEN]"),
        (14, "tools[1].env.TOKEN", "names ${PLACE}; add it to secrets: [PLACE]"),
    ]


def test_a_shared_model_that_the_definition_chooses(tmp_path: Path) -> None:
    """A shared model that it does not use may name anything: a session that chooses it later is refused."""
    file = tmp_path / "shop.yaml"
    file.write_text(HEAD)
    shared = {
        "main": ModelDefinition(use="openai-chat/x", base_url="http://${HOST}/v1"),
        "other": ModelDefinition(use="openai-chat/x", base_url="http://${ELSEWHERE}/v1"),
    }
    (problem,) = load_agent_file(file, shared, None).problems
    assert (problem.field, problem.message) == ("model.base_url", "names ${HOST}; add it to secrets: [HOST]")


def test_what_no_definition_is_given(tmp_path: Path) -> None:
    text = HEAD + "models: {main: {use: demo/x}}\nsecrets: [PERDURE_DATA_DIR, TEMPORAL_API_KEY, MINE, MINE]\n"
    assert [message for *_, message in problems(tmp_path, text)] == [
        "PERDURE_DATA_DIR is a setting of Perdure or of Temporal, which no definition is given",
        "TEMPORAL_API_KEY is a setting of Perdure or of Temporal, which no definition is given",
        "MINE stands here twice",
    ]


def test_what_an_operator_allows(tmp_path: Path) -> None:
    text = HEAD + MODEL + TOOLS + SECRETS
    narrow = Allowed(secrets=("MODEL_*",), commands=("other-server",))
    assert problems(tmp_path, text, narrow) == [
        (12, "tools[1].command", "PERDURE_ALLOWED_COMMANDS does not allow 'stock-server'"),
        (15, "secrets[1]", "PERDURE_ALLOWED_SECRETS does not allow PLACE"),
        (15, "secrets[2]", "PERDURE_ALLOWED_SECRETS does not allow STOCK_TOKEN"),
    ]
    for commands in (("stock-*",), ("stock-server --fast",), ("stock-server *",)):
        assert problems(tmp_path, text, Allowed(commands=commands)) == []
    refused: list[tuple[str, ...]] = [(), ("stock-server --slow",), ("stock-server --fast --more",), ("STOCK-SERVER",)]
    for never in refused:
        assert len(problems(tmp_path, text, Allowed(commands=never))) == 1


@pytest.mark.parametrize(
    ("given", "expected"), [(" A, B_* ,", ("A", "B_*")), ("", None), (" , ", None), ("ONE", ("ONE",))]
)
def test_the_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: str, expected: tuple[str, ...] | None
) -> None:
    monkeypatch.setenv("PERDURE_ALLOWED_SECRETS", given)
    monkeypatch.setenv("PERDURE_ALLOWED_COMMANDS", given)
    settings = Settings.load()
    assert (settings.allowed_secrets, settings.allowed_commands) == (expected, expected)
    # By default, a definition is checked against these settings.
    assert bool(problems(tmp_path, HEAD + MODEL + TOOLS + SECRETS)) == (expected is not None)


def test_a_definition_without_secrets_keeps_its_digest() -> None:
    """Otherwise every session would change its definition with the new version."""
    definition = AgentDefinition(name="a", models={"m": ModelDefinition(use="demo/x")}, model="m", instructions="")
    assert "secrets" not in definition.model_dump(mode="json")
    assert "api_key" not in definition.models["m"].model_dump(mode="json")
    assert digest(definition) != digest(definition.model_copy(update={"secrets": ("A",)}))
