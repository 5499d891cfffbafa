"""Whether the agents and tools that ship serve beside a deployment's own."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from perdure.activities.tools.tool import ToolLoadError
from perdure.temporal.app.cli.entry import app
from perdure.temporal.app.processes.assembly import assemble
from perdure.temporal.app.processes.sources import Sources
from perdure.temporal.app.processes.toolset import load_catalogue
from perdure.temporal.settings import Settings, SettingsInvalid

OWN = "name: {name}\nmodels: {{main: {{use: demo/small}}}}\nmodel: main\ninstructions: Help.\ntools: {tools}\n"


@pytest.fixture
def agents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "agents"
    (folder / "@acme").mkdir(parents=True)
    (folder / "shop.yaml").write_text(OWN.format(name="shop", tools="[calculator]"))
    (folder / "@acme" / "support.yaml").write_text(OWN.format(name="support", tools="[]"))
    monkeypatch.chdir(tmp_path)
    return folder


def serving(agents: Path, tenant: str) -> list[str]:
    """What worker and gateway serve by the settings of the environment."""
    settings = Settings.load(data_dir=agents.parent / "data")
    parts = assemble(settings, Sources(agents=(agents,)), demo_without_keys=False)
    return list(parts.definitions.names(tenant))


def test_they_serve_unless_a_deployment_says_otherwise(agents: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert serving(agents, "default") == ["assistant", "concierge", "shop", "support", "triage"]
    for said in ("off", "false", "0"):
        monkeypatch.setenv("PERDURE_SHIPPED_AGENTS", said)
        assert serving(agents, "default") == ["shop"]
        # A tenant's own agent of such a name is no shipped one.
        assert serving(agents, "acme") == ["shop", "support"]
    for said in ("", "on"):
        monkeypatch.setenv("PERDURE_SHIPPED_AGENTS", said)
        assert serving(agents, "acme") == ["assistant", "concierge", "shop", "support", "triage"]
    monkeypatch.setenv("PERDURE_SHIPPED_AGENTS", "some")
    with pytest.raises(SettingsInvalid, match="PERDURE_SHIPPED_AGENTS"):
        Settings.load()


def test_commands_know_them_only_where_they_serve(agents: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (agents / "boss.yaml").write_text(OWN.format(name="boss", tools="[agent: {name: assistant}]"))
    runner = CliRunner()
    assert "ok boss" in runner.invoke(app, ["agents", "validate"]).stdout
    assert "assistant" in runner.invoke(app, ["agents", "list"]).stdout
    monkeypatch.setenv("PERDURE_SHIPPED_AGENTS", "off")
    refused = runner.invoke(app, ["agents", "validate"])
    assert refused.exit_code == 1
    assert "agents/boss.yaml" in refused.stderr
    assert "assistant" in refused.stderr
    assert "shipped" not in runner.invoke(app, ["agents", "list"]).stdout


TOOLS = """
from temporalio import activity

@activity.defn
def issue_refund(order_id: str, amount: float) -> str:
    \"\"\"Pays money back.\"\"\"
    return "paid"
"""


def test_a_tool_of_ones_own_replaces_a_shipped_one(tmp_path: Path, agents: Path) -> None:
    (tmp_path / "tools.py").write_text(TOOLS)
    (agents / "desk.yaml").write_text(OWN.format(name="desk", tools="[issue_refund, find_order, calculator]"))
    settings = Settings.load(data_dir=tmp_path / "data")
    parts = assemble(settings, Sources(agents=(agents,), tools=("tools.py",)), demo_without_keys=False)
    where = parts.catalogue.sources
    assert where["issue_refund"].startswith(str(tmp_path / "tools.py"))
    assert "order_desk" in where["find_order"]
    assert "builtin_tools" in where["calculator"]
    # The shipped demonstration gets no tool that pays for real; a `support` of one's own does.
    assert list(parts.definitions.names("default")) == ["assistant", "concierge", "desk", "shop", "triage"]
    assert "support" in parts.definitions.names("acme")
    listed = CliRunner().invoke(app, ["tools", "list"], env={"COLUMNS": "400"}).stdout
    assert "tools.py:4" in next(line for line in listed.splitlines() if "issue_refund" in line)


def test_a_tool_that_is_imported_from_the_shipped_ones_is_that_one(tmp_path: Path, agents: Path) -> None:
    (tmp_path / "tools.py").write_text("from perdure.activities.shipped.order_desk import find_order, issue_refund\n")
    settings = Settings.load(data_dir=tmp_path / "data")
    parts = assemble(settings, Sources(agents=(agents,), tools=("tools.py",)), demo_without_keys=False)
    assert list(parts.definitions.names("default")) == ["assistant", "concierge", "shop", "support", "triage"]


def test_two_tools_of_ones_own_of_a_shipped_name_are_an_error(tmp_path: Path, agents: Path) -> None:
    (tmp_path / "tools.py").write_text(TOOLS)
    (tmp_path / "more.py").write_text(TOOLS)
    with pytest.raises(ToolLoadError, match=r"two tools are named 'issue_refund': one at .*tools\.py.*more\.py"):
        load_catalogue(["tools.py", "more.py"])
