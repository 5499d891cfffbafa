"""What a command imports before it does anything, because a person waits for it."""

import importlib.metadata
import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from typer.testing import CliRunner

from perdure.temporal.app.cli import app
from perdure.temporal.server.dev_addresses import DevAddresses, published

#: The slowest imports: dependencies of Perdure, and its own packages.
HEAVY = (
    *("temporalio", "fastapi", "starlette", "uvicorn", "anthropic", "openai", "mcp", "jsonschema", "genai_prices"),
    *("structlog", "uvloop", "jinja2", "yaml", "pydantic_settings", "psutil"),
    *("perdure.workflows", "perdure.activities", "perdure.gateway", "perdure.temporal.settings"),
)

#: Of these, what needs nothing but httpx2: the Python client, which the commands use.
LIGHT = ("perdure.gateway", "perdure.gateway.client", "perdure.gateway.client.errors")

#: Requests the help of every command in one process, and prints their number and the modules loaded by then.
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


SESSION: dict[str, Any] = {
    "session_id": "s1",
    "agent": "assistant",
    "status": "idle",
    "user": None,
    "created_at": "2026-02-27T11:00:00Z",
    "cost_usd": 0.0,
    "title": "Hello",
    "demo": False,
}


class Answering(ThreadingHTTPServer):
    """A gateway on loopback with a single answer; entering it serves."""

    def __init__(self, answer: object) -> None:
        self.asked: list[str] = []
        asked, body = self.asked, json.dumps(answer).encode()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Self:
        self._serving = threading.Thread(target=self.serve_forever)
        self._serving.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.shutdown()
        self._serving.join()
        self.server_close()


def heavy(loaded: set[str]) -> set[str]:
    """The slow modules in `loaded`."""
    packages = tuple(f"{package}." for package in HEAVY)
    return {name for name in loaded if f"{name}.".startswith(packages) and name not in LIGHT}


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


def test_the_list_of_sessions_is_asked_for_before_anything_heavy_is_loaded(tmp_path: Path) -> None:
    with (
        Answering({"sessions": [SESSION], "next_cursor": None}) as gateway,
        published(tmp_path, DevAddresses(gateway.url, "127.0.0.1:1", None)),
    ):
        loaded, output = imported_by("sessions", "list", "--status", "idle", "--data-dir", ".", folder=tmp_path)
    assert SESSION["session_id"] in output
    assert gateway.asked == ["/v1/sessions?status=idle"]
    assert heavy(loaded) == set()


def test_without_a_command_there_is_help() -> None:
    result = CliRunner().invoke(app, [])
    assert result.exit_code == 2
    assert "sessions" in result.output
