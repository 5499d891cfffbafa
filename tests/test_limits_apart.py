"""Limits of a worker and two gateways that are processes of their own, also after the worker was killed."""

import asyncio
import signal
from pathlib import Path

import httpx2
import pytest

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.apart import apart

pytestmark = [pytest.mark.server, pytest.mark.slow]

LIMITS = {
    "PERDURE_TURNS_PER_TENANT": "1",
    "PERDURE_STREAMS_PER_PRINCIPAL": "1",
    "PERDURE_REQUESTS_PER_TENANT": "5",
    "PERDURE_REQUESTS_BURST_S": "1000",
}


async def test_all_processes_count_together(tmp_path: Path, provider: FakeProvider) -> None:
    stalls = Reply(text="one two three four", fault="stall")
    provider.script(stalls)
    async with apart(tmp_path, provider, environment=LIMITS) as everything:
        one, other = everything.sessions
        busy, waits = await one.create(), await one.create()

        async def sent() -> httpx2.Response:
            return await other.http.post(f"/v1/sessions/{waits}/messages", json={"message_id": "m1", "text": "hi"})

        async with one.view(busy) as viewer:
            await other.send(busy, "count")
            await viewer.until_streaming("two")
            refused = await sent()
            assert (refused.status_code, refused.json()["code"]) == (429, "too_many_turns")
            stream = await other.http.get(f"/v1/sessions/{waits}/events")
            assert (stream.status_code, stream.json()["code"]) == (429, "too_many_streams")
            # The limit is of 5,000 at once, and both gateways have taken of it.
            assert refused.headers["ratelimit"].startswith('"tenant";r=49')

            everything.worker.signal(signal.SIGKILL)
            provider.script(Reply(text="done."))
            await everything.worker.start()
            assert (await sent()).json()["code"] == "too_many_turns"
            await viewer.until("turn.finished")
        async with asyncio.timeout(30):
            while (taken := await sent()).status_code == 429:
                assert taken.json()["code"] == "too_many_turns"
        assert taken.status_code == 202
