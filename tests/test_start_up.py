"""What a command loads before it does anything: a person waits for it."""

import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner

from perdure.temporal.app.cli import app

#: What takes longest to import: of what Perdure stands on, and its own rooms.
HEAVY = (
    *("temporalio", "fastapi", "starlette", "uvicorn", "anthropic", "openai", "mcp", "jsonschema", "genai_prices"),
    *("structlog", "uvloop", "jinja2", "yaml", "pydantic_settings", "psutil"),
    *("perdure.workflows", "perdure.activities", "perdure.gateway", "perdure.temporal.settings"),
)

#: Asks every command for its help in one process, and tells how many there are and what is loaded then.
HELP = """
import json, sys
from typer.main import get_command
from typer.testing import CliRunner
from perdure.temporal.app.cli import app

def paths(command, path=()):
    yield path
    for name, below in getattr(command, "commands", {}).items():
        yield from paths(below, (*path, name))

asked = list(paths(get_command(app)))
codes = {CliRunner().invoke(app, [*path, "--help"]).exit_code for path in asked}
print(json.dumps({"asked": len(asked), "codes": list(codes), "loaded": list(sys.modules)}))
"""


def heavy(loaded: set[str]) -> set[str]:
    """What of `loaded` takes long."""
    return {name for name in loaded if f"{name}.".startswith(tuple(f"{package}." for package in HEAVY))}


def imported_by(*arguments: str, folder: Path) -> tuple[set[str], str]:
    """Every module that `perdure` imports with these arguments, run in `folder`, and its output."""
    program = [sys.executable, "-X", "importtime", str(Path(sys.executable).parent / "perdure"), *arguments]
    ran = subprocess.run(program, cwd=folder, capture_output=True, text=True, timeout=60, check=True)
    lines = [line for line in ran.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}, ran.stdout


def test_the_help_of_every_command_loads_nothing_heavy() -> None:
    ran = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, timeout=60, check=True)
    found = json.loads(ran.stdout)
    assert found["asked"] > 20
    assert found["codes"] == [0]
    assert heavy(set(found["loaded"])) == set()


def test_the_version_is_printed_and_needs_nothing(tmp_path: Path) -> None:
    loaded, output = imported_by("--version", folder=tmp_path)
    assert output == f"perdure {importlib.metadata.version('perdure')}\n"
    assert heavy(loaded) | {name for name in loaded if name.startswith(("rich", "pydantic"))} == set()


def test_without_a_command_there_is_help() -> None:
    result = CliRunner().invoke(app, [])
    assert result.exit_code == 2
    assert "sessions" in result.output
