"""A gateway that stops while callers wait for a turn (`?wait=`): they are told that the session has their message."""

import asyncio
from pathlib import Path

import httpx2
import pytest

from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.app.processes.assembly import make_app
from tests.support.serving import serve
from tests.support.session_client import Sessions
from tests.support.session_lab import Play, lab_on

pytestmark = pytest.mark.server


async def test_who_waits_at_a_gateway_that_stops_is_told_that_the_turn_goes_on(
    temporal_server: DevServer, tmp_path: Path
) -> None:
    async with lab_on(temporal_server, tmp_path) as lab:
        app = make_app(lab.client, lab.live, lab.parts, host="127.0.0.1", temporal_ui=None)
        gate = asyncio.Event()
        lab.stage.plays = [Play("Tuesday", gate=gate)]
        async with (
            serve(app) as port,
            httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http,
        ):
            sessions = Sessions(http)
            session = await sessions.create("helper")
            async with sessions.view(session) as viewer:
                asked = {"text": "hi", "message_id": "m1"}
                waits = asyncio.create_task(http.post(f"/v1/sessions/{session}/messages?wait=60", json=asked))
                await viewer.until("step.started")
                app.state.watches.cut()
                answer = await waits
            told = {key: answer.json()[key] for key in ("session_id", "message_id", "status")}
            assert (answer.status_code, told) == (202, {"session_id": session, "message_id": "m1", "status": "working"})
            gate.set()
