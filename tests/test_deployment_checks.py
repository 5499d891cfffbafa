"""What `perdure doctor` says of clocks, of the file of API keys, and of a gateway behind proxies."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker
from typer.testing import CliRunner

from perdure.gateway.routes import health
from perdure.temporal.app.cli import app
from perdure.temporal.app.commands.checkup import Check
from perdure.temporal.app.commands.deployment_checks import apart, clock, keys_file
from perdure.temporal.app.commands.gateway_checks import gateway
from perdure.temporal.app.commands.live_check import live
from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.redis_address import redis_address
from perdure.temporal.server.client import connect
from perdure.temporal.settings import Settings
from perdure.temporal.telemetry.log import runtime
from tests.support.dev import Dev
from tests.support.ports import free_ports
from tests.support.redis import Redis
from tests.support.serving import serve

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.mark.server
async def test_the_clocks_of_one_machine_agree(temporal_server: DevServer) -> None:
    check = await clock(await Client.connect(temporal_server.address))
    assert (check.state, check.name) == ("ok", "clock"), check


@activity.defn
async def nothing() -> None:
    return None


@pytest.mark.server
async def test_queues_of_a_deployment_s_own_are_looked_at(temporal_server: DevServer, tmp_path: Path) -> None:
    client = await connect(Settings(), address=temporal_server.address, runtime=runtime())
    environment = {
        "TEMPORAL_ADDRESS": temporal_server.address,
        "PERDURE_MODELS_QUEUE": "doctor-models",
        "PERDURE_TOOLS_QUEUE": "doctor-tools",
    }
    # As a worker that takes such calls does, it polls for nothing else.
    async with Worker(client, task_queue="doctor-tools", activities=[nothing]):
        given = ["doctor", "--data-dir", str(tmp_path)]
        result = await asyncio.to_thread(CliRunner().invoke, app, given, env=environment)

    lines = [line for line in result.stdout.splitlines() if "workers: " in line and "doctor-" in line]
    assert lines == [
        "failed  workers: none polls the task queue doctor-models; perdure worker --queues models starts one",
        "ok      workers: 1 poll the task queue doctor-tools",
    ]
    assert result.exit_code == 1


@pytest.mark.parametrize(
    ("server_s", "found"),
    [
        (0.1, "ok"),
        (-0.9, "ok"),
        (1.1, "ok"),
        (-8, "this machine's is 8 s ahead of the server's"),
        (3600, "this machine's is 3600 s behind the server's"),
    ],
)
def test_a_clock_that_is_wrong_is_told_with_its_direction(server_s: float, found: str) -> None:
    check = apart(NOW, NOW + timedelta(seconds=server_s), NOW + timedelta(seconds=0.2))
    assert found in (check.state, check.found)
    assert ("NTP" in check.advice) is (check.state == "failed")


def created(file: Path, *options: str) -> None:
    assert CliRunner().invoke(app, ["keys", "create", "--file", str(file), *options]).exit_code == 0


def test_a_file_of_keys_is_for_gateways_alone(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    missing = keys_file(file)
    assert (missing.state, missing.advice) == ("failed", f"perdure keys create --file {file} makes one")
    created(file)
    created(file, "--expires", "1s")
    held = keys_file(file)
    assert held.state == "ok"
    assert held.found in {f"{file} holds 2", f"{file} holds 1, 1 more are over"}
    # As a cluster mounts it, for the group of the process.
    file.chmod(0o440)
    assert keys_file(file).state == "ok"
    file.chmod(0o644)
    seen = keys_file(file)
    assert seen.state == "failed"
    assert seen.advice.startswith(f"chmod 0600 {file}")
    file.write_text("{}")
    file.chmod(0o600)
    assert keys_file(file).state == "warning"
    file.write_text("no JSON")
    assert keys_file(file).state == "failed"


@pytest.fixture
def upstream() -> FastAPI:
    """The routes of a gateway that say how it is."""
    serving = FastAPI()
    serving.include_router(health.router)
    return serving


async def found(url: str, name: str) -> Check:
    (check,) = [check async for check in gateway(url) if check.name == name]
    return check


async def test_a_proxy_that_holds_streams_back_is_found_out(upstream: FastAPI) -> None:
    async with serve(upstream) as port, httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        # What needs a whole gateway is not asked here.
        upstream.routes[:] = [one for one in upstream.routes if getattr(one, "path", "") != "/readyz"]

        async def whole(scope: object, receive: object, send: object) -> None:
            request = Request(scope, receive)  # type: ignore[arg-type]
            answer = await http.get(request.url.path)
            response = Response(answer.content, answer.status_code, {"Content-Type": answer.headers["content-type"]})
            await response(scope, receive, send)  # type: ignore[arg-type]

        async def pieces(scope: object, receive: object, send: object) -> None:
            request = Request(scope, receive)  # type: ignore[arg-type]
            async with http.stream("GET", request.url.path) as answer:
                response = StreamingResponse(answer.aiter_raw(), answer.status_code)
                await response(scope, receive, send)  # type: ignore[arg-type]

        async with serve(whole) as buffering, serve(pieces) as passing:
            held = await found(f"http://127.0.0.1:{buffering}", "streaming")
            assert (held.state, "proxy_buffering off" in held.advice) == ("failed", True)
            assert (await found(f"http://127.0.0.1:{passing}", "streaming")).state == "ok"


async def test_a_gateway_that_is_not_there_is_one_finding() -> None:
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    (check,) = [check async for check in gateway(url)]
    assert (check.state, check.name) == ("failed", "gateway")
    assert check.found.startswith(f"{url} does not answer: ")


async def test_a_redis_that_may_fill_the_machine_is_told(redis: Redis) -> None:
    address = redis_address(redis.url)
    unbounded = await live(address)
    assert (unbounded.state, "maxmemory-policy volatile-ttl" in unbounded.advice) == ("warning", True)
    await redis.ask("CONFIG", "SET", "maxmemory", "256mb")
    bounded = await live(address)
    assert "it may use 256 MiB, then noeviction" in bounded.found


@pytest.mark.slow
@pytest.mark.server
async def test_a_gateway_of_dev_is_ready_and_asks_nobody(dev: Dev) -> None:
    states = [(check.state, check.name) async for check in gateway(dev.url)]
    assert states == [("ok", "gateway"), ("ok", "streaming"), ("warning", "callers"), ("ok", "agents")]
