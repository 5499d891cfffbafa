"""Sessions whose blobs lie in a bucket. Worker and gateway have nothing else in common but Temporal."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from perdure.temporal.app.commands.gateway_checks import gateway
from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.app.fakes.calls import Call
from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from perdure.temporal.server.client import connect
from perdure.temporal.settings import Settings
from perdure.workflows.protocol.sealing import PartRequest
from perdure.workflows.session import SessionWorkflow
from tests.support.dev import Command
from tests.support.pictures import picture
from tests.support.ports import free_ports
from tests.support.s3 import S3
from tests.support.session_client import Sessions, texts, told

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.usefixtures("s3_keys")]

AGENT = "name: seer\nmodels: {m: {use: anthropic/claude-sonnet-5-5}}\nmodel: m\ninstructions: Be brief.\n"
PNG = picture("PNG", (40, 20))


class Apart:
    """A worker and a gateway, each with a folder of its own."""

    def __init__(self, folder: Path, temporal: str, s3: S3, bucket: str, provider: FakeProvider) -> None:
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        self.folders = [folder / name for name in ("worker", "gateway")]
        self.processes = []
        for below, arguments in zip(self.folders, (["worker"], ["gateway", "--port", str(port)]), strict=True):
            (below / "agents").mkdir(parents=True)
            (below / "agents" / "seer.yaml").write_text(AGENT)
            environment = {
                **s3.environment,
                "TEMPORAL_ADDRESS": temporal,
                "PERDURE_DATA_DIR": str(below),
                "PERDURE_BLOBS": s3.url(bucket),
                "ANTHROPIC_BASE_URL": provider.url,
                "ANTHROPIC_API_KEY": "sk-test-not-a-key",
            }
            self.processes.append(Command(below, environment, arguments))

    async def start(self) -> None:
        await asyncio.gather(*(process.start() for process in self.processes))

    async def stop(self) -> None:
        for process in self.processes:
            assert await process.stop() == 0


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bucket(s3: S3) -> str:
    return await s3.make_bucket()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def apart(
    tmp_path_factory: pytest.TempPathFactory, temporal_server: DevServer, s3: S3, bucket: str, provider: FakeProvider
) -> AsyncIterator[Apart]:
    """Each test leaves it running."""
    running = Apart(tmp_path_factory.mktemp("apart"), temporal_server.address, s3, bucket, provider)
    async with AsyncExitStack() as stack:
        for process in running.processes:
            stack.push_async_callback(process.stop)
        await running.start()
        yield running


async def seal(sessions: Sessions, session: str, address: str) -> int:
    """Talks until something is sealed; returns the number of messages."""
    handle = (await connect(Settings(blobs="/none"), address=address)).get_workflow_handle(f"default/{session}")
    for number in range(20):
        await sessions.ask(session, f"{number} " * 4_000)
        while (await handle.query(SessionWorkflow.part, PartRequest())).open:
            pass
        if (await handle.query(SessionWorkflow.events, 0)).sealed:
            return number + 1
    raise AssertionError("nothing was sealed")


def pictures(call: Call) -> int:
    blocks = [block for message in call.body["messages"] for block in message["content"] if isinstance(block, dict)]
    return sum(block["type"] == "image" for block in blocks)


async def said(http: httpx2.AsyncClient, session: str) -> list[tuple[str, str]]:
    found: list[dict[str, Any]] = (await http.get(f"/v1/sessions/{session}")).json()["messages"]
    return texts(found)


async def test_a_whole_session_lives_in_the_bucket_and_leaves_nothing_there(
    apart: Apart, temporal_server: DevServer, s3: S3, bucket: str, provider: FakeProvider
) -> None:
    async with httpx2.AsyncClient(base_url=apart.url, timeout=60) as http:
        sessions = Sessions(http)
        session = await sessions.create("seer")
        below = f"perdure/default/{session}"
        large = await http.post("/v1/files?name=notes.txt", content=b"word " * 1_300_000)
        uploaded = await http.post("/v1/files?name=cat.png", content=PNG)
        assert (large.status_code, uploaded.status_code) == (200, 200)
        (day,) = {key.split("/")[2] for key in await s3.keys(bucket, "perdure/uploads")}
        parts = [{"type": "file", "uri": uploaded.json()["uri"]}, {"type": "text", "text": "What is this?"}]
        answer = await http.post(f"/v1/sessions/{session}/messages?wait=60", json={"parts": parts})
        assert answer.json()["turn"]["reason"] == "done", answer.text
        # The worker has read it, and the gateway shows it.
        assert pictures(provider.calls[-1]) == 1
        sha256 = hashlib.sha256(PNG).hexdigest()
        assert (await http.get(f"/v1/sessions/{session}/files/{sha256}")).content == PNG
        await sessions.ask(session, "long " * 20_000)
        await seal(sessions, session, temporal_server.address)
        whole = await said(http, session)

        forked = await http.post(f"/v1/sessions/{session}/fork", json={"turn_id": "t3"})
        assert forked.status_code == 201, forked.text
        fork = forked.json()["session_id"]

        # Nothing of it was in the memory of a process.
        await apart.stop()
        await apart.start()
        assert await said(http, session) == whole
        assert await said(http, fork) == whole[:6]
        assert len([key for key in await s3.keys(bucket, below) if len(key.rpartition("/")[2]) == 64]) >= 3

        erased = await http.delete(f"/v1/sessions/{session}?erase=true")
        assert erased.status_code == 200, erased.text
        assert await s3.keys(bucket, below) == []
        left = await s3.keys(bucket, "perdure/uploads")
        assert {key.split("/")[2] for key in left} == {day}
        assert len(left) == 2, "the upload that no message named stays for its days"
        # The fork has copies.
        assert (await sessions.ask(fork, "And now?"))["turn"]["reason"] == "done"
        assert pictures(provider.calls[-1]) == 1
        assert await said(http, fork) == [*whole[:6], ("user", "And now?"), ("assistant", Reply().text)]
        assert (await http.get(f"/v1/sessions/{fork}/files/{sha256}")).content == PNG
        assert (await http.delete(f"/v1/sessions/{fork}?erase=true")).status_code == 200
        assert await s3.keys(bucket, "perdure/default") == []
    assert [folder for folder in apart.folders if (folder / "blobs").exists()] == []


async def test_while_the_store_is_away_what_is_small_goes_on(apart: Apart, s3: S3) -> None:
    async with httpx2.AsyncClient(base_url=apart.url, timeout=60) as http:
        sessions = Sessions(http)
        session = await sessions.create("seer")
        await sessions.ask(session, "one")
        await s3.kill()
        small = await sessions.ask(session, "two")
        big = await http.post(f"/v1/sessions/{session}/messages", json={"text": "x" * 60_000})
        async with asyncio.timeout(30):
            while (ready := await http.get("/readyz")).json()["blobs"] != "lost":
                pass
        doctor = [check async for check in gateway(apart.url)]
        await s3.start()
        assert small["turn"]["reason"] == "done"
        assert told(big) == (503, "store_unavailable")
        assert ready.status_code == 200
        assert (doctor[0].state, doctor[0].name) == ("failed", "gateway")
        assert doctor[0].found.endswith("but its blob store cannot be used")
        again = await sessions.ask(session, "x" * 60_000)
        assert again["turn"]["reason"] == "done"
        async with asyncio.timeout(30):
            while (await http.get("/readyz")).json()["blobs"] != "ok":
                pass
        assert (await http.delete(f"/v1/sessions/{session}?erase=true")).status_code == 200
    secrets = [value for value in s3.environment.values() if "secret" in value]
    said = [line for process in apart.processes for line in process.output]
    assert [line for line in said if any(secret in line for secret in secrets)] == []
    assert any("store.lost" in line and "nothing listens at" in line for line in said)


async def test_a_start_while_the_store_is_away_serves_what_is_small(apart: Apart, s3: S3) -> None:
    await s3.kill()
    for process in apart.processes:
        assert await process.stop() == 0
    await apart.start()
    async with httpx2.AsyncClient(base_url=apart.url, timeout=60) as http:
        sessions = Sessions(http)
        session = await sessions.create("seer")
        assert (await sessions.ask(session, "one"))["turn"]["reason"] == "done"
        await s3.start()
        async with asyncio.timeout(60):
            while (await http.post(f"/v1/sessions/{session}/messages", json={"text": "x" * 60_000})).status_code != 202:
                pass
    for process in apart.processes:
        assert "nothing listens at" in await process.said("definitions.not_stored")


async def test_a_start_that_cannot_use_its_store_is_one_line(
    temporal_server: DevServer, tmp_path: Path, s3: S3, bucket: str
) -> None:
    environment = {
        **s3.environment,
        "AWS_SECRET_ACCESS_KEY": "hunter2",
        "TEMPORAL_ADDRESS": temporal_server.address,
        "PERDURE_DATA_DIR": str(tmp_path),
        "PERDURE_BLOBS": s3.url(bucket),
    }
    command = Command(tmp_path, environment, ["worker"])
    with pytest.raises(AssertionError, match="did not start"):
        await command.start()
    assert command.output[-1] == (
        f"error: the blob store s3://{bucket}/perdure cannot be written: the keys are refused (SignatureDoesNotMatch); "
        "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    )
    assert "Traceback" not in "".join(command.output)
    assert "hunter2" not in "".join(command.output)
