import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from perdure.temporal.app.cli.agents import app
from perdure.temporal.definitions.json_schema import schema

GOOD = "name: parcels\nmodels: {m: {use: demo/x}}\nmodel: m\ninstructions: x\n"


def run(*args: str) -> Result:
    return CliRunner().invoke(app, args)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with one agent in ./agents."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "parcels.yaml").write_text(GOOD)
    return tmp_path


def test_validate_takes_the_shipped_ones_and_the_folder_here(here: Path) -> None:
    result = run("validate")
    assert result.exit_code == 0
    assert [line.split()[1] for line in result.stdout.splitlines()] == ["assistant", "parcels", "support"]


def test_validate_tells_every_problem_and_fails(here: Path) -> None:
    Path("agents/odd.yaml").write_text(GOOD.replace("parcels", "odd") + "colour: red\n")
    result = run("validate", "agents")
    assert result.exit_code == 1
    assert result.stdout == "ok parcels (agents/parcels.yaml)\n"
    assert result.stderr == "agents/odd.yaml:5: colour: there is no such field\n"


def test_validate_takes_single_files_with_the_models_beside_them(here: Path) -> None:
    Path("agents/shared.yaml").write_text("name: shared\nmodel: fast\ninstructions: x\n")
    assert run("validate", "agents/shared.yaml").exit_code == 1
    Path("agents/models.yaml").write_text("fast: {use: demo/x}\n")
    assert run("validate", "agents/shared.yaml").exit_code == 0


def test_validate_fails_where_there_is_nothing(here: Path) -> None:
    Path("empty").mkdir()
    result = run("validate", "empty")
    assert (result.exit_code, result.stderr) == (1, "no agent definitions found\n")
    assert "there is no such file or folder" in run("validate", "nowhere").stderr


def test_models_can_come_from_a_file(here: Path) -> None:
    Path("agents/parcels.yaml").write_text("name: parcels\nmodel: fast\ninstructions: x\n")
    Path("prod.yaml").write_text("fast: {use: demo/x}\n")
    assert run("validate", "agents").exit_code == 1
    assert run("validate", "agents", "--models", "prod.yaml").exit_code == 0


def test_list_shows_what_would_serve(here: Path) -> None:
    result = run("list")
    assert result.exit_code == 0
    for word in ("assistant", "support", "parcels", "demo/x", "shipped"):
        assert word in result.stdout


def test_the_schema_is_printed_as_json(here: Path) -> None:
    assert json.loads(run("schema").stdout) == schema()
