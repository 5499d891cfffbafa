"""What callers of a gateway meet at a limit: a refusal before anything is done, told in headers; and nobody else does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.requests import HTTPConnection

from perdure.gateway.app import create_app
from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.sessions.principal import Principal
from tests.support.serving import serve
from tests.support.session_client import Sessions
from tests.support.session_lab import Lab, Play, lab_on

pytestmark = pytest.mark.server


async def tenant_in_header(request: HTTPConnection) -> Principal:
    tenant, _, user = request.headers.get("authorization", "default/").partition("/")
    return replace(Principal.trusted(tenant), user=user or None)


@asynccontextmanager
async def gateway(server: DevServer, folder: Path, **settings: Any) -> AsyncIterator[tuple[Lab, httpx2.AsyncClient]]:
    async with lab_on(server, folder, **settings) as lab:
        app = create_app(
            client=lab.client,
            live=lab.live,
            blobs=lab.parts.blobs,
            definitions=lab.parts.definitions,
            settings=lab.parts.settings,
            authenticate=tenant_in_header,
            limits=lab.limits,
        )
        async with serve(app) as port, httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
            yield lab, http
            app.state.watches.cut()


def of(who: str) -> dict[str, str]:
    return {"Authorization": who}


async def test_a_hot_tenant_is_refused_and_a_quiet_one_is_not(temporal_server: DevServer, tmp_path: Path) -> None:
    """200 requests of a tenant at once, and behind all of them those of another. Whose turn it is of those that are let
    through, `test_turnstile.py` tests."""
    limited = {"requests_per_tenant": 0.02, "requests_burst_s": 1000, "calls_at_once": 1}
    async with gateway(temporal_server, tmp_path, **limited) as (_, http):
        asked = (http.get("/v1/sessions/none", headers=of(who)) for who in ["hot"] * 200 + ["quiet"] * 10)
        answers = await asyncio.gather(*asked)
        hot = [one.status_code for one in answers[:200]]
        assert (hot.count(404), hot.count(429)) == (20, 180)
        assert [one.status_code for one in answers[200:]] == [404] * 10
        refused = next(one for one in answers if one.status_code == 429)
        assert refused.headers["content-type"] == "application/problem+json"
        assert (refused.json()["code"], refused.headers["ratelimit-policy"]) == ("rate_limited", '"tenant";q=20;w=1000')
        wait = int(refused.headers["retry-after"])
        assert 1 <= wait <= 50
        assert refused.headers["ratelimit"].startswith('"tenant";r=0;t=')


async def test_what_is_left_is_told_with_every_answer(temporal_server: DevServer, tmp_path: Path) -> None:
    limited = {"requests_per_principal": 0.1, "requests_per_tenant": 1, "requests_burst_s": 100}
    async with gateway(temporal_server, tmp_path, **limited) as (_, http):
        fine = await http.get("/v1/agents", headers=of("acme/ann"))
        other = await http.get("/v1/sessions/none", headers=of("acme/bob"))
        assert (fine.status_code, other.status_code) == (200, 404)
        assert fine.headers["ratelimit-policy"] == '"user";q=10;w=100, "tenant";q=100;w=100'
        assert fine.headers["ratelimit"] == '"user";r=9;t=10, "tenant";r=99;t=1'
        assert other.headers["ratelimit"].startswith('"user";r=9;t=10, "tenant";r=98;')
        # Whoever restarts processes is no caller.
        assert "ratelimit" not in (await http.get("/healthz")).headers


async def test_a_stream_too_many_is_refused_before_anything_is_sent(temporal_server: DevServer, tmp_path: Path) -> None:
    async with gateway(temporal_server, tmp_path, streams_per_principal=1) as (lab, http):
        sessions = Sessions(http)
        session = await sessions.create("helper")
        async with http.stream("GET", f"/v1/sessions/{session}/events") as first:
            assert first.status_code == 200
            refused = await http.get(f"/v1/sessions/{session}/events")
            assert (refused.status_code, refused.json()["code"]) == (429, "too_many_streams")
            assert refused.headers["retry-after"] == "2"
            asked = {"Accept": "text/event-stream"}
            message = await http.post(f"/v1/sessions/{session}/messages", json={"text": "hi"}, headers=asked)
            assert (message.status_code, message.json()["code"]) == (429, "too_many_streams")
            assert lab.stage.requests == []
            # A stream that there is nothing for takes no place.
            assert (await http.get("/v1/sessions/none/events", headers=of("default/bob"))).status_code == 404
        answer = await until_accepted(http, session)
        assert answer.startswith("event: ")


async def until_accepted(http: httpx2.AsyncClient, session: str) -> str:
    """The first line of a message's stream, once the place of the one before is free."""
    async with asyncio.timeout(30):
        while True:
            asked = {"Accept": "text/event-stream"}
            async with http.stream(
                "POST", f"/v1/sessions/{session}/messages", json={"text": "hi"}, headers=asked
            ) as sent:
                if sent.status_code == 200:
                    async for line in sent.aiter_lines():
                        if line.startswith("event: "):
                            return line


async def test_a_turn_too_many_is_refused_until_another_has_ended(temporal_server: DevServer, tmp_path: Path) -> None:
    async with gateway(temporal_server, tmp_path, turns_per_tenant=1) as (lab, http):
        sessions, gate = Sessions(http), asyncio.Event()
        lab.stage.plays = [Play("one", gate=gate)]
        busy, other = [await sessions.create("helper") for _ in range(2)]
        await sessions.send(busy, "hi", message_id="m1")
        refused = await http.post(f"/v1/sessions/{other}/messages", json={"text": "hi", "message_id": "m1"})
        assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (
            429,
            "too_many_turns",
            "2",
        )
        new = {"agent": "helper", "session_id": "limited-new", "message": {"text": "hi"}}
        assert (await http.post("/v1/sessions", json=new)).json()["code"] == "too_many_turns"
        # A session without a message does no work, and one at work takes more.
        await sessions.create("helper")
        assert (await sessions.send(busy, "and", message_id="m2"))["position"] == 1
        # Sent again, a message that was taken is taken.
        assert (await sessions.send(busy, "hi", message_id="m1"))["message_id"] == "m1"
        elsewhere = await http.post("/v1/sessions", json={**new, "session_id": "limited-b"}, headers=of("elsewhere"))
        assert elsewhere.status_code == 201
        gate.set()
        async with sessions.view(busy) as viewer:
            await viewer.until("turn.finished", 2)
        assert (await http.post(f"/v1/sessions/{other}/messages?wait=60", json={"text": "hi"})).status_code == 200


async def test_a_session_that_waits_for_a_person_is_not_at_work(temporal_server: DevServer, tmp_path: Path) -> None:
    async with gateway(temporal_server, tmp_path, turns_per_tenant=1) as (lab, http):
        sessions = Sessions(http)
        lab.stage.plays = [Play(calls=[("book", {"size": 5})])]
        asking, other = [await sessions.create("helper") for _ in range(2)]
        waits = await http.post(f"/v1/sessions/{asking}/messages?wait=60", json={"text": "book"})
        assert waits.json()["status"] == "waiting"
        assert (await http.post(f"/v1/sessions/{other}/messages?wait=60", json={"text": "hi"})).status_code == 200
        gate = asyncio.Event()
        lab.stage.plays = [Play("one", gate=gate)]
        await sessions.send(other, "more")
        # An answer is never refused: the turn it belongs to has begun.
        (question,) = waits.json()["questions"]
        given = {"question_id": question["question_id"], "approved": False}
        assert (await http.post(f"/v1/sessions/{asking}/answers", json=given)).status_code == 202
        gate.set()
        async with sessions.view(asking) as viewer:
            await viewer.until("turn.finished")
