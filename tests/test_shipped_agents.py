"""Whether the agents that ship serve beside a deployment's own."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from perdure.temporal.app.cli.entry import app
from perdure.temporal.app.processes.assembly import assemble
from perdure.temporal.app.processes.sources import Sources
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
    assert serving(agents, "default") == ["assistant", "shop", "support"]
    for said in ("off", "false", "0"):
        monkeypatch.setenv("PERDURE_SHIPPED_AGENTS", said)
        assert serving(agents, "default") == ["shop"]
        # A tenant's own agent of such a name is no shipped one.
        assert serving(agents, "acme") == ["shop", "support"]
    for said in ("", "on"):
        monkeypatch.setenv("PERDURE_SHIPPED_AGENTS", said)
        assert serving(agents, "acme") == ["assistant", "shop", "support"]
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
