"""Tokens of sessions: what a browser can do with one, for how long, and what else it can be given."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest
import pytest_asyncio
from starlette.types import ASGIApp

from perdure.gateway.app import create_app
from perdure.gateway.auth.api_keys import ApiKeys, new_key
from perdure.gateway.auth.authentication import Authentication
from perdure.gateway.auth.key_file import KeyFile, Keys, SigningKey, changed_keys
from perdure.gateway.auth.session_tokens import SessionTokens
from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.scopes import BROWSER, EVERYTHING, OF_A_USER
from perdure.temporal.stores.blobs import LocalBlobs
from tests.support.serving import serve
from tests.support.session_lab import PATIENCE_S, Lab, Play, Talk, ends, lab_on

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SIGNING = SigningKey.new()
BACKEND = Principal("lab", None, EVERYTHING, actor="key:1")


def made_by(blobs: LocalBlobs, *signing: SigningKey) -> SessionTokens:
    return SessionTokens(lambda: signing or (SIGNING,), blobs)


async def test_a_token_is_a_principal_of_one_session(tmp_path: Path) -> None:
    tokens = made_by(LocalBlobs(tmp_path))
    made = tokens.mint(BACKEND, "s1", "ann", BROWSER[:1], 60)
    found = await tokens.principal(made.text)
    assert found == Principal("lab", "ann", BROWSER[:1], session="s1", actor="key:1", method="token")
    assert (found.subject, found.expires_at) == ("ann", made.expires_at)
    nobodys = await tokens.principal(tokens.mint(BACKEND, "s1", None, BROWSER, 60).text)
    assert nobodys is not None and (nobodys.user, nobodys.subject) == (None, "session:s1")


async def test_a_token_that_is_over_forged_or_grown(tmp_path: Path) -> None:
    tokens, other = made_by(LocalBlobs(tmp_path)), SigningKey.new()
    made = tokens.mint(BACKEND, "s1", "ann", BROWSER, 60)
    assert await tokens.principal(tokens.mint(BACKEND, "s1", "ann", BROWSER, 0).text) is None
    forged = made_by(LocalBlobs(tmp_path), SigningKey(id=SIGNING.id, seed=other.seed)).mint(
        BACKEND, "s1", "ann", BROWSER, 60
    )
    assert await tokens.principal(forged.text) is None
    assert await made_by(LocalBlobs(tmp_path), other).principal(made.text) is None
    # What the backend signs and what it may sign are two things.
    grown = tokens.mint(BACKEND, "s1", "ann", (*BROWSER, "session:erase", "session:read:any"), 60)
    found = await tokens.principal(grown.text)
    assert found is not None and found.scopes == BROWSER
    claims = jwt.decode(made.text, options={"verify_signature": False})
    unsigned = jwt.encode(claims, "", "none", headers={**jwt.get_unverified_header(made.text), "alg": "none"})
    assert await tokens.principal(unsigned) is None
    assert await tokens.principal(made.text) is not None


async def test_whoever_knows_the_id_of_another_s_token_cannot_revoke_it_from_a_session_of_their_own(
    tmp_path: Path,
) -> None:
    tokens = made_by(LocalBlobs(tmp_path))
    made = tokens.mint(BACKEND, "s1", "ann", BROWSER, 60)
    await tokens.revoke("lab", "s2", made.token_id)
    await tokens.revoke("other", "s1", made.token_id)
    for gateway in (tokens, made_by(LocalBlobs(tmp_path))):
        assert await gateway.principal(made.text) is not None


async def test_a_new_signing_key_goes_first_and_the_old_one_counts_until_it_goes(tmp_path: Path) -> None:
    blobs, new = LocalBlobs(tmp_path), SigningKey.new()
    before = made_by(blobs).mint(BACKEND, "s1", "ann", BROWSER, 60)
    assert await made_by(blobs, new, SIGNING).principal(before.text) is not None
    assert await made_by(blobs, new).principal(before.text) is None


@dataclass
class House:
    """A gateway that asks who calls, and a backend's key to it."""

    app: ASGIApp
    http: httpx2.AsyncClient
    key: str
    users_key: str

    async def session(self, **body: Any) -> str:
        made = await self.http.post(
            "/v1/sessions", json={"agent": "helper", "user": "ann", **body}, headers=bearer(self.key)
        )
        assert made.status_code == 201, made.text
        found: str = made.json()["session_id"]
        return found

    async def token(self, session_id: str, **body: Any) -> dict[str, Any]:
        made = await self.http.post(f"/v1/sessions/{session_id}/tokens", json=body, headers=bearer(self.key))
        assert made.status_code == 201, made.text
        found: dict[str, Any] = made.json()
        return found


def bearer(given: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {given}"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    async with lab_on(temporal_server, tmp_path_factory.mktemp("tokens")) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    file = tmp_path_factory.mktemp("keys") / "keys.json"
    backend = new_key("lab", None, EVERYTHING, NOW, None, "")
    anns = new_key("lab", "ann", OF_A_USER, NOW, None, "")
    with changed_keys(file) as replace:
        replace(Keys(keys=(backend.kept, anns.kept)))
    asks, tokens = Authentication(ApiKeys(KeyFile(file)), None).with_tokens(lab.parts.blobs)
    app = create_app(
        client=lab.client,
        live=lab.live,
        blobs=lab.parts.blobs,
        definitions=lab.parts.definitions,
        settings=lab.parts.settings.model_copy(update={"keepalive_s": 0.3}),
        authenticate=asks,
        tokens=tokens,
    )
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://localhost") as http:
        yield House(app, http, backend.text, anns.text)


@pytest.mark.server
async def test_a_browser_does_in_its_session_what_its_token_says_and_nothing_else(lab: Lab, house: House) -> None:
    mine, other = await house.session(), await house.session()
    made = await house.token(mine)
    assert (made["session_id"], made["scopes"]) == (mine, list(BROWSER))
    headers, url = bearer(made["token"]), f"/v1/sessions/{mine}"
    lab.stage.plays = [Play(calls=[("book", {"size": 5})])]
    said = await house.http.post(f"{url}/messages?wait=60", json={"text": "book"}, headers=headers)
    assert said.json()["status"] == "waiting", said.text
    (question,) = said.json()["questions"]
    assert (await house.http.get(url, headers=headers)).json()["user"] == "ann"
    answer = {"question_id": question["question_id"], "approved": True}
    for method, path, body, code in (
        ("POST", f"{url}/answers", answer, "forbidden"),
        ("GET", f"{url}/trace", None, "forbidden"),
        ("PATCH", url, {"metadata": {}}, "forbidden"),
        ("DELETE", f"{url}?erase=true", None, "forbidden"),
        ("POST", f"{url}/fork", {"turn_id": "t1"}, "forbidden"),
        ("POST", f"{url}/tokens", {}, "forbidden"),
        ("GET", "/v1/sessions", None, "forbidden"),
        ("POST", "/v1/sessions", {"agent": "helper"}, "forbidden"),
        ("GET", "/v1/agents", None, "forbidden"),
        ("GET", f"/v1/sessions/{other}", None, "session_not_found"),
        ("GET", f"{url}~t1.s1.c1", None, "session_not_found"),
        ("POST", f"/v1/sessions/{other}/tokens", {}, "session_not_found"),
        ("GET", "/v1/budgets/user/ann", None, "budget_not_found"),
    ):
        refused = await house.http.request(method, path, json=body, headers=headers)
        assert refused.json().get("code") == code, (method, path, refused.text)
    # Somebody who may approve does.
    assert (await house.http.post(f"{url}/answers", json=answer, headers=bearer(house.users_key))).status_code == 202
    await Talk(lab, lab.client.get_workflow_handle(f"lab/{mine}")).until(ends)


@pytest.mark.server
async def test_a_browser_reaches_its_sub_agents(lab: Lab, house: House) -> None:
    mine = await house.session(agent="boss")
    lab.stage.plays = [Play(calls=[("helper", {"message": "well?"})]), Play("fine"), Play("done")]
    headers = bearer((await house.token(mine, scopes=["read", "session:write"]))["token"])
    said = await house.http.post(f"/v1/sessions/{mine}/messages?wait=60", json={"text": "go"}, headers=headers)
    assert said.json()["turn"]["reason"] == "done", said.text
    below = await house.http.get(f"/v1/sessions/{mine}~t1.s1.c1", headers=headers)
    assert (below.status_code, below.json().get("user")) == (200, "ann"), below.text
    other = bearer((await house.token(await house.session()))["token"])
    stranger = await house.http.get(f"/v1/sessions/{mine}~t1.s1.c1", headers=other)
    assert stranger.json()["code"] == "session_not_found"


@pytest.mark.server
@pytest.mark.parametrize(("user", "next_user"), [("ann", "bob"), ("ann", "ann"), (None, None)])
async def test_a_token_does_not_reach_a_later_session_with_the_same_id(
    house: House, user: str | None, next_user: str | None
) -> None:
    async def made_for(user: str | None) -> None:
        body = {"agent": "helper", "session_id": "again", **({} if user is None else {"user": user})}
        answer = await house.http.post("/v1/sessions", json=body, headers=bearer(house.key))
        assert answer.status_code == 201, answer.text

    async def erased() -> None:
        gone = await house.http.delete("/v1/sessions/again?erase=true", headers=bearer(house.key))
        assert gone.is_success, gone.text
        async with asyncio.timeout(PATIENCE_S):
            while (await house.http.get("/v1/sessions/again", headers=bearer(house.key))).status_code != 404:
                pass

    await made_for(user)
    token = bearer((await house.token("again"))["token"])
    assert (await house.http.get("/v1/sessions/again", headers=token)).status_code == 200
    await erased()
    await made_for(next_user)
    for method, path in (
        ("GET", ""),
        ("GET", "/events"),
        ("POST", "/stop"),
        ("GET", "/messages"),
        ("GET", "~t1.s1.c1"),
    ):
        answer = await house.http.request(method, f"/v1/sessions/again{path}", headers=token)
        assert answer.status_code == 404, (path, answer.text)
    assert (
        await house.http.get("/v1/sessions/again", headers=bearer((await house.token("again"))["token"]))
    ).is_success
    await erased()


@pytest.mark.server
async def test_only_a_cookie_and_a_header_carry_a_token(house: House) -> None:
    mine = await house.session()
    token = (await house.token(mine))["token"]
    url = f"/v1/sessions/{mine}"
    assert (await house.http.get(url, headers={"Cookie": f"perdure_token={token}"})).status_code == 200
    for headers, query in (
        ({}, f"?token={token}"),
        ({}, f"?access_token={token}"),
        ({"Cookie": f"perdure_token={house.key}"}, ""),
        ({"Cookie": f"token={token}"}, ""),
        # Whoever says something by a header is not taken at their cookie's word.
        ({"Cookie": f"perdure_token={token}", **bearer("nonsense")}, ""),
    ):
        assert (await house.http.get(url + query, headers=headers)).status_code == 401, (headers, query)


@pytest.mark.server
async def test_a_token_is_made_within_bounds_and_revoked(house: House) -> None:
    mine = await house.session()
    wrong: list[dict[str, Any]] = [{"ttl": 901}, {"ttl": 0}, {"ttl": "16m"}, {"ttl": True}, {"scopes": []}, {"x": 1}]
    for body in (*wrong, {"scopes": ["session:approve"]}):
        refused = await house.http.post(f"/v1/sessions/{mine}/tokens", json=body, headers=bearer(house.key))
        assert refused.json()["code"] == "validation", (body, refused.text)
    assert (await house.http.post("/v1/sessions/nobodys/tokens", headers=bearer(house.key))).status_code == 404
    made = await house.token(mine, ttl=900)
    headers, url = bearer(made["token"]), f"/v1/sessions/{mine}"
    assert (await house.http.get(url, headers=headers)).status_code == 200
    for _ in range(2):
        gone = await house.http.delete(f"{url}/tokens/{made['jti']}", headers=bearer(house.key))
        assert (gone.status_code, gone.json()) == (200, {"session_id": mine, "jti": made["jti"]})
    refused = await house.http.get(url, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")


@pytest.mark.server
async def test_a_stream_is_cut_when_its_token_is_over(house: House) -> None:
    mine = await house.session()
    token = (await house.token(mine, ttl=3))["token"]
    async with serve(house.app) as port, httpx2.AsyncClient(timeout=30) as http:
        told: list[str] = []
        url = f"http://127.0.0.1:{port}/v1/sessions/{mine}/events"
        async with http.stream("GET", url, headers=bearer(token)) as answer:
            assert answer.status_code == 200
            with pytest.raises(httpx2.RemoteProtocolError):
                await read_lines(answer.aiter_lines(), told)
        (started,) = [json.loads(line[6:]) for line in told if line.startswith("data: ")]
        assert started["type"] == "session.started"


@pytest.mark.server
async def test_a_stream_is_cut_soon_after_its_token_is_revoked(house: House) -> None:
    mine = await house.session()
    made, stays = await house.token(mine), await house.token(mine)
    async with serve(house.app) as port, httpx2.AsyncClient(timeout=30) as http:
        url = f"http://127.0.0.1:{port}/v1/sessions/{mine}/events"
        async with (
            http.stream("GET", url, headers=bearer(made["token"])) as answer,
            http.stream("GET", url, headers=bearer(stays["token"])) as other,
        ):
            lines, others = answer.aiter_lines(), other.aiter_lines()
            assert [(await anext(lines)), (await anext(others))] == [": perdure"] * 2
            await http.delete(f"{url.removesuffix('/events')}/tokens/{made['jti']}", headers=bearer(house.key))
            with pytest.raises(httpx2.RemoteProtocolError):
                await read_lines(lines, [])
            # The other one has been heard of since, so it is still open.
            while await anext(others) != ": keep-alive":
                pass


async def read_lines(lines: AsyncIterator[str], told: list[str]) -> None:
    async for line in lines:
        told.append(line)
