"""Lists at a terminal of 80 columns: words stay whole."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from perdure.temporal.app.cli.entry import app

NARROW = {"COLUMNS": "80"}


def lines(*arguments: str) -> list[str]:
    result = CliRunner().invoke(app, arguments, env=NARROW)
    assert result.exit_code == 0, result.output
    found = result.stdout.splitlines()
    assert max(map(len, found)) <= 80
    return found


def words(found: list[str]) -> set[str]:
    return {word for line in found for word in re.split(r"[\s,]+", line)}


def test_agents_and_their_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = lines("agents", "list")
    assert {"anthropic/claude-sonnet-5-5", "current_time", "cancel_wake_up", "issue_refund"} <= words(found)
    assert [line.split()[0] for line in found if not line.startswith(" ")] == [
        "assistant",
        "concierge",
        "support",
        "triage",
    ]


def test_keys_and_their_scopes(tmp_path: Path) -> None:
    file = str(tmp_path / "keys.json")
    runner = CliRunner()
    note = "the people of the shop at the harbour, and whoever helps them"
    runner.invoke(app, ["keys", "create", "--file", file, "--user", "ann@example.com", "--note", note])
    runner.invoke(app, ["keys", "create", "--file", file, "--tenant", "acme", "--expires", "90d"])
    found = lines("keys", "list", "--file", file)
    assert {"ann@example.com", "session:approve", "agents:read", "everything", "harbour", "acme"} <= words(found)
    heads = [line for line in found if not line.startswith(" ")]
    assert all(re.match(r"[0-9a-f]{12}  tenant ", line) for line in heads)
    assert len(heads) == 2
    assert [line.split()[2] for line in found if "created" in line] == ["never", "expires"]
    assert not [line for line in found if line.endswith(" ")]
