"""The Temporal child of `perdure dev` dies alone: it is restarted, and viewers see the answer's end."""

import os
import signal

import httpx2
import psutil
import pytest

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.dev import Dev
from tests.support.session_client import Sessions, texts

pytestmark = [pytest.mark.server, pytest.mark.slow]

LONG = Reply(text=" ".join(f"word{n}" for n in range(80)), gap=0.03)


def temporal_of(dev: Dev) -> int:
    """The process id of the child that listens on Temporal's port."""
    assert dev.pid is not None
    (found,) = [
        child.pid
        for child in psutil.Process(dev.pid).children()
        if "start-dev" in child.cmdline() and str(dev.temporal_port) in child.cmdline()
    ]
    return found


async def test_a_turn_outlives_the_server(dev: Dev, http: httpx2.AsyncClient, provider: FakeProvider) -> None:
    sessions = Sessions(http)
    provider.script(LONG)
    session = await sessions.create(message={"text": "first", "message_id": "first"})
    async with sessions.view(session) as viewer:
        await provider.until(lambda calls: bool(calls) and len(calls[-1].tokens) > 3)
        first = temporal_of(dev)
        os.kill(first, signal.SIGKILL)
        frames = await viewer.until("turn.finished")
        assert [frame.data["attempt"] for frame in frames if frame.type == "step.finished"] == [1]
        assert len(provider.calls) == 1
        assert temporal_of(dev) != first
        await sessions.ask(session, "again")
        durable = await viewer.until("turn.finished", 2)
        seqs = [frame.seq for frame in durable if frame.seq is not None]
        assert seqs == list(range(1, len(seqs) + 1))
    shown = texts((await sessions.snapshot(session))["messages"])
    assert shown == [("user", "first"), ("assistant", LONG.text), ("user", "again"), ("assistant", Reply().text)]
    told = "\n".join(dev.output)
    assert "temporal.died" in told
    assert "temporal.started_again" in told
