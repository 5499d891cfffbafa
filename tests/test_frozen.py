"""`perdure dev` is suspended, as by a debugger or a laptop's lid, and wakes up to attempts that are no longer valid."""

import asyncio
import signal

import httpx2
import pytest
from temporalio.client import Client

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from perdure.temporal.server.client import connect
from perdure.temporal.settings import Settings
from tests.support.dev import Dev
from tests.support.session_client import Sessions, texts

pytestmark = [pytest.mark.server, pytest.mark.slow]

LONG = Reply(text=" ".join(f"word{n}" for n in range(60)), gap=0.05)


async def until_attempt(client: Client, session: str, attempt: int) -> None:
    """Returns once Temporal has handed out this attempt of the session's only activity, and considers it running."""
    async with asyncio.timeout(60):
        while True:
            described = await client.get_workflow_handle(f"default/{session}").describe()
            (pending,) = described.raw_description.pending_activities
            if pending.attempt == attempt and pending.HasField("last_started_time"):
                return


async def test_void_attempts_do_not_ask_the_model(dev: Dev, http: httpx2.AsyncClient, provider: FakeProvider) -> None:
    sessions = Sessions(http)
    client = await connect(Settings(), address=f"127.0.0.1:{dev.temporal_port}")
    provider.script(LONG)
    session = await sessions.create(message="tell me")
    await provider.until(lambda calls: bool(calls) and len(calls[-1].tokens) > 3)
    dev.signal(signal.SIGSTOP)
    try:
        # Of these four, only the last can still count when the process wakes up.
        await until_attempt(client, session, 4)
    finally:
        dev.signal(signal.SIGCONT)
    async with sessions.view(session) as viewer:
        await viewer.until("turn.finished")
    assert len(provider.calls) == 2
    assert texts((await sessions.snapshot(session))["messages"])[1] == ("assistant", Reply().text)
