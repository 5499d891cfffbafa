"""The whole of `perdure dev` is killed while a session seals a part of its past, and nothing is lost or told twice."""

import asyncio

import httpx2
import pytest
from temporalio.client import Client

from perdure.temporal.server.client import connect
from perdure.temporal.settings import Settings
from perdure.workflows.session import SessionWorkflow
from tests.support.dev import Dev
from tests.support.session_client import Sessions, texts

pytestmark = [pytest.mark.server, pytest.mark.slow]


async def is_sealing(client: Client, session: str) -> bool:
    described = (await client.get_workflow_handle(f"default/{session}").describe()).raw_description
    return any(call.activity_type.name == "seal_past" for call in described.pending_activities)


@pytest.mark.parametrize("group", [False, True], ids=["main process alone", "whole group"])
async def test_killed_while_it_seals(dev: Dev, http: httpx2.AsyncClient, group: bool) -> None:
    client = await connect(Settings(), address=f"127.0.0.1:{dev.temporal_port}")
    sessions = Sessions(http)
    session = await sessions.create()
    folder = dev.data_dir / "blobs" / "default" / session
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Nothing can be written below a file, so the seal is tried again and again.
    folder.write_text("")
    said: list[str] = []
    async with asyncio.timeout(60):
        while not said or not await is_sealing(client, session):
            said.append(f"{len(said)} " * 4_000)
            await sessions.ask(session, said[-1])
    await dev.kill(group=group)
    folder.unlink()
    await dev.start()
    client = await connect(Settings(), address=f"127.0.0.1:{dev.temporal_port}")
    async with asyncio.timeout(60):
        while not (await client.get_workflow_handle(f"default/{session}").query(SessionWorkflow.events, 0)).sealed:
            pass
    assert len(list(folder.iterdir())) == 1
    said.append("still there?")
    await sessions.ask(session, said[-1])
    assert [text for role, text in texts((await sessions.snapshot(session))["messages"]) if role == "user"] == said
    async with sessions.view(session) as viewer:
        frames = await viewer.until("turn.finished", len(said))
    assert [frame.seq for frame in frames if frame.seq is not None] == list(range(1, len(frames) + 1))
