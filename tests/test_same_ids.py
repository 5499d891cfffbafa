"""Two commands under one id at the same moment: one counts, and whoever sent the other is told."""

import asyncio

import httpx2
import pytest

from tests.support.session_client import Sessions

pytestmark = pytest.mark.server


@pytest.fixture
def sessions(http: httpx2.AsyncClient) -> Sessions:
    return Sessions(http)


@pytest.mark.parametrize("query", ["", "?wait=60"])
async def test_of_two_messages_that_come_under_one_id_at_the_same_moment_one_is_refused(
    http: httpx2.AsyncClient, sessions: Sessions, query: str
) -> None:
    session = await sessions.create()
    url = f"/v1/sessions/{session}/messages{query}"
    bodies = [{"message_id": "m1", "text": f"text {number}"} for number in range(5)]
    answers = await asyncio.gather(*(http.post(url, json=body) for body in bodies))
    taken = [body["text"] for body, answer in zip(bodies, answers, strict=True) if answer.is_success]
    refused = [answer for answer in answers if not answer.is_success]
    assert [(answer.status_code, answer.json()["code"]) for answer in refused] == [(409, "id_conflict")] * 4
    await http.post(f"/v1/sessions/{session}/messages?wait=60", json={"text": "next"})
    found = (await http.get(f"/v1/sessions/{session}")).json()
    assert [m["parts"][0]["text"] for m in found["messages"] if m["role"] == "user"] == [*taken, "next"]


async def test_of_two_rewinds_that_come_under_one_id_at_the_same_moment_one_is_refused(
    http: httpx2.AsyncClient, sessions: Sessions
) -> None:
    session = await sessions.create()
    said = {"message_id": "m1", "text": "hi"}
    assert (await http.post(f"/v1/sessions/{session}/messages?wait=60", json=said)).status_code == 200
    url = f"/v1/sessions/{session}/rewind"
    bodies = [{"message_id": "m1", "rewind_id": "r1", "text": f"text {number}"} for number in range(5)]
    answers = await asyncio.gather(*(http.post(url, json=body) for body in bodies))
    taken = [body["text"] for body, answer in zip(bodies, answers, strict=True) if answer.is_success]
    assert [answer.status_code for answer in answers if not answer.is_success] == [409] * 4
    await http.post(f"/v1/sessions/{session}/messages?wait=60", json={"text": "next"})
    found = (await http.get(f"/v1/sessions/{session}")).json()
    assert [m["parts"][0]["text"] for m in found["messages"] if m["role"] == "user"] == [*taken, "next"]
