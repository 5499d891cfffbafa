"""Every example of the guide works: definitions load, tools run, tests pass, commands parse."""

import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from temporalio.testing import ActivityEnvironment

from perdure import ToolContext
from perdure.temporal.app.cli import app
from perdure.temporal.app.processes.toolset import load_catalogue
from perdure.temporal.definitions.agent_file import load_agent_file
from tests.support.guide_examples import Example, commands, examples

#: The context in which a fragment of a definition is checked.
_AROUND: dict[str, Any] = {
    "name": "example",
    "models": {"main": {"use": "anthropic/claude-sonnet-5-5"}},
    "model": "main",
    "instructions": "Help.",
}
#: Arguments and the result for each tool in the guide.
_CALLS: dict[str, tuple[tuple[Any, ...], Any]] = {
    "cancel_refund": (("R-1", "A-1001"), "R-1 of A-1001 is cancelled"),
    "quote_parcel": ((2.0, "DE"), {"euros": 4.90 + 1.20 * 2.0}),
    "pieces_in_stock": (("lamp", 1), 3),
    "put_in_cart": (("shade", ToolContext(user="ada")), ["lamp", "shade"]),
    "name_plan": (("lamp", {"metadata": {"plan": "pro"}}), "lamp, pro"),
    "count_pages": ((2,), 2),
}


def place(example: Example) -> str:
    return example.place


@pytest.mark.parametrize("example", examples("yaml"), ids=place)
def test_definitions_load(example: Example, tmp_path: Path) -> None:
    given = yaml.safe_load(example.code)
    text = example.code
    if "name" not in given:
        around = {name: value for name, value in _AROUND.items() if name not in given}
        if "models" in given:
            around.pop("model", None)
        text = yaml.safe_dump(around) + example.code
    (tmp_path / "example.yaml").write_text(text)
    read = load_agent_file(tmp_path / "example.yaml", {}, None)
    assert [str(problem) for problem in read.problems] == []
    assert read.definition is not None


@pytest.mark.parametrize("example", examples("json"), ids=place)
def test_json_is_json(example: Example) -> None:
    assert isinstance(json.loads(example.code), dict)


@pytest.mark.parametrize("example", [one for one in examples("python") if "@activity.defn" in one.code], ids=place)
async def test_tools_run(example: Example, tmp_path: Path) -> None:
    file = tmp_path / "tools.py"
    file.write_text(example.code)
    catalogue = load_catalogue([str(file)])
    (name,) = [name for name, source in catalogue.sources.items() if str(file) in source]
    spec = catalogue.spec(name)
    assert spec is not None
    assert spec.description
    properties = spec.input["properties"]
    assert isinstance(properties, dict)
    assert all(isinstance(one, dict) and one.get("description") for one in properties.values())
    scope: dict[str, Any] = {}
    exec(compile(example.code, example.place, "exec"), scope)
    arguments, expected = _CALLS[name]
    given = ActivityEnvironment().run(scope[name], *arguments)
    assert (await given if inspect.isawaitable(given) else given) == expected


@pytest.mark.slow
@pytest.mark.server
def test_tests_pass(tmp_path: Path) -> None:
    tests = [one for one in examples("python") if "async def test_" in one.code]
    for number, example in enumerate(tests):
        (tmp_path / f"test_{number}.py").write_text(example.code)
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
    )
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"{sum(one.code.count('async def test_') for one in tests)} passed" in ran.stdout


@pytest.mark.parametrize(("place", "words"), commands("perdure"))
def test_commands_parse(place: str, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "agents").mkdir()
    (tmp_path / "tools.py").write_text("")
    command: Any = typer.main.get_command(app)
    while words and hasattr(command, "get_command"):
        found = command.get_command(command.context_class(command), words[0])
        assert found is not None, f"{place}: there is no command {words[0]}"
        command, words = found, words[1:]
    if words:
        # The text may also mention a command by name only.
        command.make_context(command.name, list(words))
