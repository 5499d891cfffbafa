import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

import perdure
from perdure.activities.models.demo.script import CallTools, script
from perdure.activities.tools.catalogue import Catalogue, load_tools
from perdure.temporal.app.cli import app
from perdure.temporal.app.commands.new import NotEmpty, agent_name, create
from perdure.temporal.definitions.folders import SHIPPED, AgentFolders


def test_the_project_is_whole(tmp_path: Path) -> None:
    project = tmp_path / "My Shop"
    files = create(project)
    assert [str(file.relative_to(project)) for file in files] == [
        "agents/my-shop.yaml",
        "tools.py",
        "test_my_shop.py",
        "pyproject.toml",
        ".gitignore",
        "README.md",
        "agents/agent.schema.json",
    ]
    reading = AgentFolders((SHIPPED, project / "agents")).read()
    assert reading.problems == []
    assert "my-shop" in reading.serving


def run(project: Path, *arguments: str) -> str:
    """What Python prints as the project's owner runs it: in its directory, with Perdure installed (here: on the path)."""
    ran = subprocess.run(
        [sys.executable, *arguments],
        cwd=project,
        env={"PYTHONPATH": str(Path(perdure.__file__).parent.parent), "PATH": "", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.mark.slow
def test_the_project_s_own_tests_pass_beside_packages_of_any_name(tmp_path: Path) -> None:
    create(tmp_path / "shop")
    for name in ("workflows", "activities", "gateway", "temporal"):
        package = tmp_path / "shop" / name
        package.mkdir()
        (package / "__init__.py").write_text(f"NAME = {name!r}\n")
    (tmp_path / "shop" / "activities" / "agents.py").write_text('RATES = {"DE": (5.0, 2)}\n')
    tools = tmp_path / "shop" / "tools.py"
    imports = "import gateway, temporal, workflows\nfrom activities.agents import RATES\n"
    head, line, rest = tools.read_text().partition("RATES = ")
    tools.write_text(head + imports + rest.partition("\n")[2])
    assert line

    assert "3 passed" in run(tmp_path / "shop", "-m", "pytest", "-q", "-p", "no:cacheprovider")
    called = ["tools", "call", "quote_parcel", "weight_kg=3", "country=DE"]
    main = "from perdure.temporal.app.cli import main; main()"
    assert json.loads(run(tmp_path / "shop", "-c", main, *called)) == {"price_usd": 8.0, "days": 2}


def test_editors_find_a_schema_that_holds_for_the_agent(tmp_path: Path) -> None:
    create(tmp_path / "shop")
    agent = tmp_path / "shop" / "agents" / "shop.yaml"
    comment, _, schema = agent.read_text().partition("\n")[0].partition("$schema=")
    assert comment == "# yaml-language-server: "
    checker = Draft202012Validator(json.loads((agent.parent / schema).read_text()))
    definition = yaml.safe_load(agent.read_text())
    assert list(checker.iter_errors(definition)) == []
    assert list(checker.iter_errors({**definition, "modle": "capable"})) != []


def test_the_first_message_that_is_offered_calls_the_tool_on_the_demo_model_too(tmp_path: Path) -> None:
    create(tmp_path / "shop")
    starter = yaml.safe_load((tmp_path / "shop" / "agents" / "shop.yaml").read_text())["starters"][0]
    (spec,) = Catalogue(load_tools(str(tmp_path / "shop" / "tools.py"))).specs(["quote_parcel"])
    request = {
        "system": "You help.",
        "messages": [{"role": "user", "parts": [{"type": "text", "text": starter}]}],
        "tools": [{"name": spec.name, "input": spec.input}],
    }
    said = script(request)
    assert isinstance(said, CallTools)
    assert said.calls == (("quote_parcel", {"weight_kg": 3, "country": "DE"}),)


def test_the_project_s_settings_are_read(tmp_path: Path) -> None:
    create(tmp_path / "2nd_shop_")
    project = tomllib.loads((tmp_path / "2nd_shop_" / "pyproject.toml").read_text())["project"]
    assert (project["name"], project["dependencies"]) == ("nd-shop", ["perdure"])


@pytest.mark.parametrize(
    ("directory", "typed"),
    [("my shop", ["cd 'my shop'", "perdure dev", "pytest"]), (".", ["perdure dev", "pytest"])],
    ids=["sub", "here"],
)
def test_what_to_type_next_is_printed(
    directory: str, typed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["new", directory])
    lines = result.stdout.partition("Next:\n")[2].splitlines()
    assert [line.partition("#")[0].strip() for line in lines] == typed


def test_a_directory_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(NotEmpty, match="not an empty directory"):
        create(tmp_path)
    with pytest.raises(NotEmpty):
        create(tmp_path / "mine.txt")
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("directory", "name"),
    [("shop", "shop"), ("My Shop!", "my-shop"), ("2nd_try", "nd_try"), ("42", "parcels"), ("x" * 90, "x" * 64)],
)
def test_the_agent_is_called_after_the_directory(directory: str, name: str) -> None:
    assert agent_name(Path(directory)) == name
