"""The embedded server: it keeps its data, ends its leftovers, runs only once per directory, and reports obstacles."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2
import psutil
import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import DescribeActivityExecutionRequest, DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from perdure.temporal.app.console.refused import ServerDied
from perdure.temporal.app.dev_server.leftover import end_leftovers
from perdure.temporal.app.dev_server.lock import AlreadyRunning, DirectoryLock
from perdure.temporal.app.dev_server.ports import PortTaken, check_port
from perdure.temporal.app.dev_server.program import HOST, ServerFailed, temporal_binary
from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.app.processes.revival import DEATHS, revive
from perdure.temporal.server.client import TemporalUnavailable, connect, ensure_search_attributes
from perdure.temporal.settings import Settings
from tests.support.ports import free_port

STARTER = """
import asyncio, sys
from pathlib import Path
from perdure.temporal.app.dev_server.server import DevServer

async def main():
    async with DevServer(Path(sys.argv[1]), port=0, ui_port=0) as server:
        print(server.pid, server.address, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@contextmanager
def listener() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        yield taken.getsockname()[1]


def unused() -> int:
    with listener() as port:
        return port


@pytest.mark.slow
@pytest.mark.server
async def test_what_was_started_is_there_after_the_main_process_was_killed(tmp_path: Path) -> None:
    main = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STARTER, str(tmp_path), stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    assert main.stdout is not None
    leftover, address = (await main.stdout.readline()).split()
    client = await Client.connect(address.decode())
    await client.start_workflow("Anything", id="default/s1", task_queue="none")
    os.killpg(main.pid, signal.SIGKILL)
    await main.wait()
    assert psutil.pid_exists(int(leftover))

    async with DevServer(tmp_path, port=int(address.rpartition(b":")[2]), ui_port=0) as server:
        assert server.pid != int(leftover)
        assert not psutil.pid_exists(int(leftover)) or psutil.Process(int(leftover)).status() == psutil.STATUS_ZOMBIE
        found = await (await Client.connect(server.address)).get_workflow_handle("default/s1").describe()
        assert found.workflow_type == "Anything"


@pytest.mark.server
async def test_a_running_server_is_as_we_need_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Settings for another cluster must not apply to this server.
    monkeypatch.setenv("TEMPORAL_ADDRESS", "cluster.invalid:7233")
    monkeypatch.setenv("TEMPORAL_API_KEY", "secret")
    async with DevServer(tmp_path, port=0, ui_port=0, retention_days=7) as server:
        assert server.pid is not None
        assert os.getsid(server.pid) != os.getsid(0)
        client = await connect(Settings(data_dir=tmp_path), address=server.address)
        await ensure_search_attributes(client)
        await ensure_search_attributes(client)
        assert (await client.count_workflows("PerdureStatus = 'working' AND PerdureCost > 1.5")).count == 0
        described = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace="default"))
        assert described.config.workflow_execution_retention_ttl.seconds == 7 * 24 * 3600

        with pytest.raises(AlreadyRunning, match=f"process {os.getpid()}.*--data-dir"):
            async with DevServer(tmp_path, port=0, ui_port=None):
                pass
        with pytest.raises(PortTaken, match="--temporal-port"):
            async with DevServer(tmp_path / "other", port=int(server.address.rpartition(":")[2]), ui_port=None):
                pass
        pid = server.pid
    assert not psutil.pid_exists(pid)


@pytest.mark.server
async def test_the_http_api_is_closed(tmp_path: Path) -> None:
    activity = {
        "activityType": {"name": "call_mcp_tool"},
        "taskQueue": {"name": "none"},
        "startToCloseTimeout": "60s",
        "input": {"payloads": []},
    }
    batch = {
        "jobId": "evil-batch",
        "reason": "none",
        "visibilityQuery": "WorkflowId = 's1'",
        "signalOperation": {"signal": "answer", "identity": "evil"},
    }
    async with DevServer(tmp_path, port=0, ui_port=None) as server, httpx2.AsyncClient(timeout=10) as client:
        temporal = await Client.connect(server.address)
        workflow = await temporal.start_workflow("Anything", id="s1", task_queue="none")
        api = await http_api(client, server)
        for host in (api.removeprefix("http://"), "localhost", "evil.example", "x.invalid"):
            # As a page of any site may send it.
            headers = {"Host": host, "Content-Type": "text/plain", "Origin": "http://evil.example"}
            for path, body in (
                ("activities/evil", activity),
                ("workflows/evil", {"workflowType": {"name": "Evil"}, "taskQueue": {"name": "none"}}),
                ("workflows/s1/signal/answer", {"input": {"payloads": []}}),
                ("batch-operations/evil-batch", batch),
            ):
                url = f"{api}/api/v1/namespaces/default/{path}"
                assert (await client.post(url, json=body, headers=headers)).status_code == 403, (host, path)
            for path in ("workflows", "workflows/s1/history", ""):
                read = await client.get(f"{api}/api/v1/namespaces/default/{path}".rstrip("/"), headers=headers)
                assert (read.status_code, "default" in read.text) == (403, False)
        await nothing_evil(temporal)
        assert (await workflow.fetch_history()).events[-1].event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED


async def http_api(client: httpx2.AsyncClient, server: DevServer) -> str:
    """The address of Temporal's HTTP API, found as an attacker would: every port that the server listens on is
    tried."""
    listening = [one.laddr for one in psutil.Process(server.pid).net_connections("tcp4") if one.status == "LISTEN"]
    for ip, port in listening:
        with suppress(httpx2.TransportError):
            if (await client.get(f"http://{ip}:{port}/api/v1/namespaces")).text.startswith("{"):
                return f"http://{ip}:{port}"
    raise AssertionError(f"no HTTP API among {listening}")


async def nothing_evil(client: Client) -> None:
    """Fails if a workflow or an activity `evil` was started."""
    with pytest.raises(RPCError, match="not found"):
        await client.get_workflow_handle("evil").describe()
    request = DescribeActivityExecutionRequest(namespace="default", activity_id="evil")
    with pytest.raises(RPCError, match="not found"):
        await client.workflow_service.describe_activity_execution(request)


@pytest.mark.server
async def test_the_server_knows_no_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_DIR", "/certificates")
    for name in ("ANTHROPIC_API_KEY", "TEMPORAL_API_KEY", "SHOP_TOKEN", "DATABASE_URL", "PATH_TO_KEY", "SSH_AUTH_SOCK"):
        monkeypatch.setenv(name, "sk-secret")
    async with DevServer(tmp_path, port=0, ui_port=None) as server:
        given = psutil.Process(server.pid).environ()
    assert "sk-secret" not in given.values()
    assert {"PATH", "SSL_CERT_DIR"} <= set(given)


@pytest.mark.server
async def test_search_attributes_are_added_where_the_server_lacks_them(tmp_path: Path) -> None:
    port = unused()
    bare = await asyncio.create_subprocess_exec(
        str(temporal_binary()), "server", "start-dev", "--headless", "--ip", HOST, "--port", str(port),
        "--db-filename", str(tmp_path / "temporal.db"),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    while True:
        try:
            client = await connect(Settings(data_dir=tmp_path), address=f"{HOST}:{port}")
            break
        except TemporalUnavailable:
            assert bare.returncode is None
    await asyncio.gather(ensure_search_attributes(client), ensure_search_attributes(client))
    await ensure_search_attributes(client)

    assert await end_leftovers(tmp_path / "temporal.db") == (bare.pid,)
    assert await bare.wait() == 0


@pytest.mark.server
async def test_a_server_that_dies_tells_and_one_that_is_stopped_does_not(tmp_path: Path) -> None:
    async with DevServer(tmp_path, port=0, ui_port=None) as server:
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        assert await server.died() == -signal.SIGKILL

    async with DevServer(tmp_path, port=0, ui_port=None) as server:
        died = asyncio.create_task(server.died())
    done, _ = await asyncio.wait([died], timeout=0)
    assert not done
    died.cancel()


@pytest.mark.slow
@pytest.mark.server
async def test_a_server_that_died_is_started_again_until_it_dies_too_often(tmp_path: Path) -> None:
    # Not a port that outgoing connections get: one of them could hold it while the server is away.
    async with DevServer(tmp_path, port=free_port(), ui_port=None) as server:
        client = await Client.connect(server.address)
        await client.start_workflow("Anything", id="default/s1", task_queue="none")
        reviving = asyncio.create_task(revive(server))
        killed: set[int] = set()
        while not reviving.done():
            if server.pid is not None and server.pid not in killed and await answers(server):
                found = await (await Client.connect(server.address)).get_workflow_handle("default/s1").describe()
                assert found.workflow_type == "Anything"
                killed.add(server.pid)
                os.kill(server.pid, signal.SIGKILL)
            await asyncio.sleep(0)
        # One start may fail by itself, for example if another program takes the port that the server had chosen: that
        # counts.
        assert 1 < len(killed) <= DEATHS
        with pytest.raises(ServerDied, match=r"5 times within 60 s, the last time with code -9.*temporal\.log"):
            await reviving


@pytest.mark.server
async def test_a_server_that_is_killed_whenever_it_starts_is_given_up(tmp_path: Path) -> None:
    async with DevServer(tmp_path, port=free_port(), ui_port=None) as server:
        reviving = asyncio.create_task(revive(server))
        killed: set[int] = set()
        while not reviving.done():
            if server.pid is not None and server.pid not in killed:
                killed.add(server.pid)
                os.kill(server.pid, signal.SIGKILL)
            await asyncio.sleep(0)
        with pytest.raises(ServerDied, match="5 times within 60 s, the last time with code -9"):
            await reviving
        assert len(killed) == DEATHS


async def answers(server: DevServer) -> bool:
    try:
        await ensure_search_attributes(await connect(Settings(), address=server.address))
    except TemporalUnavailable:
        return False
    return True


@pytest.mark.server
async def test_a_server_that_cannot_start_says_why_and_frees_the_directory(tmp_path: Path) -> None:
    with pytest.raises(ServerFailed, match="unknown flag: --nonsense"):
        async with DevServer(tmp_path, port=0, ui_port=None, extra=["--nonsense"]):
            pass
    with DirectoryLock(tmp_path):
        pass


async def test_a_taken_port_is_named_with_the_flag_that_changes_it(tmp_path: Path) -> None:
    with listener() as port:
        with pytest.raises(PortTaken, match=rf"port {port} on 127.0.0.1 is taken .* --temporal-port"):
            async with DevServer(tmp_path, port=port, ui_port=None):
                pass
        with pytest.raises(PortTaken, match=rf"port {port} .* --ui-port"):
            async with DevServer(tmp_path, port=0, ui_port=port):
                pass
        with pytest.raises(PortTaken, match="--port"):
            check_port(HOST, port, "--port")
    check_port(HOST, port, "--port")


async def test_no_server_is_an_error_that_names_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    address, elsewhere = f"{HOST}:{unused()}", f"{HOST}:{unused()}"
    monkeypatch.setenv("TEMPORAL_ADDRESS", elsewhere)
    with pytest.raises(TemporalUnavailable, match=f"cannot reach Temporal at {address}: Connection refused"):
        await connect(Settings(), address=address)
    with pytest.raises(TemporalUnavailable, match=f"cannot reach Temporal at {elsewhere}: "):
        await connect(Settings())


async def test_a_broken_client_configuration_is_an_error_for_people(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporal.toml").write_text("[profile")
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "temporal.toml"))
    with pytest.raises(TemporalUnavailable, match="configuration"):
        await connect(Settings())


def test_the_lock_keeps_others_out_until_it_is_left(tmp_path: Path) -> None:
    with DirectoryLock(tmp_path / "data"), pytest.raises(AlreadyRunning), DirectoryLock(tmp_path / "data"):
        pass
    with DirectoryLock(tmp_path / "data"):
        pass
