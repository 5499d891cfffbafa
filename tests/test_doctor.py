"""`perdure doctor`, against `perdure dev` and against nothing; and the checks that need no server."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import Worker, WorkerDeploymentConfig
from typer.testing import CliRunner, Result

from perdure.temporal.app.cli import app
from perdure.temporal.app.commands import checkup
from perdure.temporal.app.commands.blob_check import blob_store
from perdure.temporal.app.commands.checkup import Check
from perdure.temporal.app.commands.doctor import waited
from perdure.temporal.definitions.folders import SHIPPED, AgentFolders, Reading
from tests.support.dev import Dev
from tests.support.ports import free_ports
from tests.support.versions import make_current
from tests.support.virtual_time import run

NO_KEYS = {"ANTHROPIC_API_KEY": "", "ANTHROPIC_AUTH_TOKEN": "", "OPENAI_API_KEY": "", "OPENAI_BASE_URL": ""}
SHIPPED_AGENTS = AgentFolders.of([SHIPPED], None, None).read().serving
AGENT = "name: {name}\nmodels: {{m: {{use: {use}}}}}\nmodel: m\ninstructions: x\n"

#: Of the shipped agents.
MODELS = len({(hop.model.use, hop.model.thinking) for one, _ in SHIPPED_AGENTS.values() for hop in one.every_model})


async def doctor(*arguments: str, address: str, **environment: str) -> Result:
    environment = {**NO_KEYS, "TEMPORAL_ADDRESS": address, **environment}
    # The command runs an event loop of its own.
    return await asyncio.to_thread(CliRunner().invoke, app, ["doctor", *arguments], env=environment)


def states(result: Result) -> list[tuple[str, str]]:
    """(state, subject) of each line."""
    return [(line.split()[0], line[8:].partition(":")[0]) for line in result.stdout.splitlines()]


@pytest.mark.slow
@pytest.mark.server
async def test_a_running_dev_is_well(dev: Dev) -> None:
    result = await doctor(
        "--data-dir", str(dev.data_dir), address=f"127.0.0.1:{dev.temporal_port}", ANTHROPIC_API_KEY="sk-a-secret"
    )

    assert result.exit_code == 0, result.output
    assert states(result) == [
        ("ok", "server"),
        ("ok", "retention"),
        ("ok", "search attributes"),
        ("ok", "workers"),
        ("ok", "clock"),
        ("unknown", "server settings"),
        ("ok", "definitions"),
        *[("ok", "keys")] * len(SHIPPED_AGENTS),
        *[("ok", "prices")] * len(SHIPPED_AGENTS),
        *[("ok", "model")] * MODELS,
        ("ok", "blob store"),
        ("unknown", "live"),
        ("unknown", "limits"),
    ]
    assert "sk-a-secret" not in result.output
    assert not list((dev.data_dir / "blobs" / "~").iterdir())


@workflow.defn(sandboxed=False)
class Nothing:
    @workflow.run
    async def run(self) -> None:
        return None


@pytest.mark.slow
@pytest.mark.server
async def test_a_deployment_is_told_with_its_builds(dev: Dev) -> None:
    """On a task queue of its own: the sessions of `dev` are unversioned."""
    address = f"127.0.0.1:{dev.temporal_port}"
    client = await Client.connect(address)

    async def told(build: str) -> str:
        versioning = {"PERDURE_DEPLOYMENT_NAME": "shop", "PERDURE_BUILD_ID": build}
        result = await doctor("--data-dir", str(dev.data_dir), address=address, ANTHROPIC_API_KEY="x", **versioning)
        assert result.exit_code == 0, result.output
        return next(line for line in result.stdout.splitlines() if line[8:].startswith("deployment"))

    assert "warning deployment: the server knows none that is named shop" in await told("b1")
    deployment = WorkerDeploymentConfig(
        version=WorkerDeploymentVersion("shop", "b1"),
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.PINNED,
    )
    async with Worker(client, task_queue="shop", workflows=[Nothing], deployment_config=deployment):
        await make_current(client, "shop", "b1")
    assert await told("b1") == "ok      deployment: shop: this is build b1, current is b1"
    assert await told("b2") == (
        "warning deployment: shop: this is build b2, current is b1; no session comes to this build: "
        "temporal worker deployment set-current-version --deployment-name shop --build-id b2"
    )


async def test_what_was_not_named_is_told_before_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tools.py").write_text("raise ValueError('it ran')")
    result = await doctor(address=f"127.0.0.1:{free_ports(1)[0]}")
    assert "it ran" in str(result.exception)
    assert f"using {tmp_path / 'tools.py'}, found in this folder" in result.stderr


async def test_without_a_server_the_rest_is_looked_at_all_the_same(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    (tmp_path / "good.yaml").write_text(AGENT.format(name="good", use="anthropic/claude-sonnet-5-5"))
    (tmp_path / "bad.yaml").write_text(AGENT.format(name="bad", use="demo/x") + "colour: red\n")

    result = await doctor("--agents", str(tmp_path), "--data-dir", str(tmp_path / "no"), address=f"127.0.0.1:{port}")

    before = len([name for name in SHIPPED_AGENTS if name < "good"])

    assert result.exit_code == 1
    assert states(result) == [
        ("failed", "server"),
        ("failed", "definition"),
        *[("warning", "keys")] * before,
        ("failed", "keys"),
        *[("warning", "keys")] * (len(SHIPPED_AGENTS) - before),
        *[("ok", "prices")] * (len(SHIPPED_AGENTS) + 1),
        # The good one is of a model that a shipped agent has, too.
        *[("ok", "model")] * MODELS,
        ("warning", "blob store"),
        ("unknown", "live"),
        ("unknown", "limits"),
    ]
    assert f"{tmp_path}/bad.yaml:5:1: colour: there is no such field" in result.stdout
    assert "set ANTHROPIC_API_KEY where the workers run" in result.stdout


@pytest.mark.parametrize(("wait_s", "told"), [(3600, ["workers are there"]), (0, ["none polls"])])
def test_it_can_wait_until_nothing_fails(wait_s: float, told: list[str]) -> None:
    looks = iter([Check("failed", "workers", "none polls"), Check("ok", "workers", "workers are there")])

    async def look() -> AsyncIterator[Check]:
        yield next(looks)

    async def found() -> list[str]:
        return [check.found async for check in waited(look, wait_s)]

    assert run(found()) == told


def reading(tmp_path: Path, *texts: str) -> Reading:
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.yaml").write_text(text)
    return AgentFolders.of([tmp_path], None, None).read()


def test_an_unknown_price_is_a_warning_and_under_a_cap_a_problem(tmp_path: Path) -> None:
    use = "openai-chat/nobody-knows"
    found = reading(
        tmp_path,
        AGENT.format(name="capped", use=use) + "limits: {turn: {cost_usd: 1}}\n",
        AGENT.format(name="open", use=use),
        AGENT.format(name="priced", use="demo/x"),
    )

    assert [check.state for check in checkup.prices(found)] == ["warning", "ok"]
    assert [check.state for check in checkup.definitions(found)] == ["failed"]


def test_keys_of_servers_of_ones_own_are_not_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NO_KEYS:
        monkeypatch.delenv(name, raising=False)
    own = AGENT.replace("use: {use}", "use: {use}, base_url: 'http://localhost:1'")
    found = reading(
        tmp_path, own.format(name="own", use="openai-chat/x"), AGENT.format(name="theirs", use="openai-chat/x")
    )

    assert [check.state for check in checkup.keys(found)] == ["ok", "failed"]
    monkeypatch.setenv("OPENAI_API_KEY", "sk-a-secret")
    assert [check.found for check in checkup.keys(found)] == [
        "own: there for every model",
        "theirs: there for every model (OPENAI_API_KEY)",
    ]
    monkeypatch.delenv("OPENAI_API_KEY")
    shipped = checkup.keys(AgentFolders.of([SHIPPED], None, None).read())
    assert [check.state for check in shipped] == ["warning"] * len(SHIPPED_AGENTS)


def test_a_package_that_is_not_installed_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uses = ("bedrock/us.anthropic.claude-haiku-5-5", "demo/x")
    found = reading(tmp_path, *(AGENT.format(name=f"agent{n}", use=use) for n, use in enumerate(uses)))
    assert list(checkup.packages(found)) == []
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (check,) = checkup.packages(found)
    assert (check.state, check.found) == ("failed", "agent0: the package boto3 is not installed")
    assert check.advice == "install Perdure with its extra [bedrock] where the workers run"


async def test_a_blob_store_that_cannot_be_written_fails(tmp_path: Path) -> None:
    (tmp_path / "~").write_text("in the way")

    check = await blob_store(tmp_path)

    assert (check.state, check.name) == ("failed", "blob store")
    assert (await blob_store(tmp_path / "none")).state == "warning"
