"""A session's own limit on queued messages, whoever signals them."""

import asyncio
from pathlib import Path

import pytest

from perdure.temporal.app.dev_server.server import DevServer
from perdure.workflows.core.state.inbox import MAX_QUEUED
from tests.support.session_lab import Play, lab_on

pytestmark = pytest.mark.server


async def test_a_session_rejects_what_is_above_its_bound(temporal_server: DevServer, tmp_path: Path) -> None:
    async with lab_on(temporal_server, tmp_path) as lab:
        gate = asyncio.Event()
        lab.stage.plays.append(Play("one", gate=gate))
        talk = await lab.start("boss")
        await talk.send("first")
        await talk.streamed("one")
        for number in range(MAX_QUEUED + 2):
            await talk.send(f"{number}", f"q{number}")

        found = await talk.until(lambda events: sum(one.type == "message.rejected" for one in events) >= 2)

        rejected = [(one.message_id, one.reason) for one in found if one.type == "message.rejected"]
        assert rejected == [(f"q{MAX_QUEUED}", "queue_full"), (f"q{MAX_QUEUED + 1}", "queue_full")]
        assert sum(one.type == "message.queued" for one in found) == MAX_QUEUED
        gate.set()
        await talk.close()
