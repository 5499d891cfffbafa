"""Session routes over real HTTP, against `perdure dev` as users run it."""

import asyncio
import json
import re
import uuid
from typing import Any

import httpx2
import pytest

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.session_client import Sessions

pytestmark = pytest.mark.server


async def create(http: httpx2.AsyncClient, **body: Any) -> str:
    answer = await http.post("/v1/sessions", json={"agent": "assistant", **body})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["session_id"])


async def snapshot(http: httpx2.AsyncClient, session: str) -> dict[str, Any]:
    answer = await http.get(f"/v1/sessions/{session}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def ended(http: httpx2.AsyncClient, session: str) -> None:
    """Returns once the session is closed, which ends its event stream."""
    answer = await http.get(f"/v1/sessions/{session}/events")
    assert "event: session.closed" in answer.text


def problem(answer: httpx2.Response) -> tuple[int, str, list[str]]:
    """Status, code and the fields that are named."""
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == answer.status_code
    return answer.status_code, body["code"], [error["field"] for error in body.get("errors", [])]


async def test_create_and_read(http: httpx2.AsyncClient) -> None:
    answer = await http.post("/v1/sessions", json={"agent": "support", "user": "ann", "metadata": {"a": [1]}})

    session = answer.json()["session_id"]
    assert answer.status_code == 201
    assert answer.json() == {"session_id": session, "workflow_id": f"default/{session}", "seq": 0}
    found = await snapshot(http, session)
    assert (
        found.items()
        >= {
            "session_id": session,
            "workflow_id": f"default/{session}",
            "agent": "support",
            "status": "idle",
            "messages": [],
            "questions": [],
            "queued": [],
            "user": "ann",
            "metadata": {"a": [1]},
            "inputs": {"customer_name": "the customer"},
            "usage": {
                "input_tokens": 0,
                "cached_tokens": 0,
                "cache_write_tokens": 0,
                "output_tokens": 0,
                "reasoning_tokens": 0,
            },
            "cost_usd": 0,
            "turn_id": None,
            "demo": False,
        }.items()
    )


async def test_the_same_create_again_is_the_same_session(http: httpx2.AsyncClient) -> None:
    body = {"agent": "assistant", "session_id": uuid.uuid4().hex, "message": {"message_id": "m1", "text": "hi"}}

    answers = await asyncio.gather(*(http.post("/v1/sessions", json=body) for _ in range(4)))
    other = await http.post("/v1/sessions", json={**body, "user": "eve"})

    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201]
    assert len({answer.text for answer in answers}) == 1
    assert problem(other) == (409, "id_conflict", [])
    await http.delete(f"/v1/sessions/{body['session_id']}")
    await ended(http, str(body["session_id"]))
    assert (await http.post("/v1/sessions", json=body)).status_code == 200
    found = await snapshot(http, str(body["session_id"]))
    assert [message["id"] for message in found["messages"] if message["role"] == "user"] == ["m1"]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["agent"]),
        ({"agent": "nobody"}, ["agent"]),
        ({"agent": "support", "inputs": {"customer_name": 5}}, ["inputs.customer_name"]),
        ({"agent": "support", "inputs": {"name": "x"}}, ["inputs.name"]),
        ({"agent": "assistant", "session_id": ".."}, ["session_id"]),
        ({"agent": "assistant", "message": {"text": "a", "busy": "later"}}, ["message.busy"]),
        ({"agent": "assistant", "idle_timeout": "1d"}, ["idle_timeout"]),
    ],
)
async def test_a_wrong_create_names_the_field(http: httpx2.AsyncClient, body: Any, fields: list[str]) -> None:
    assert problem(await http.post("/v1/sessions", json=body)) == (422, "validation", fields)


async def test_an_unknown_session_is_404_everywhere(http: httpx2.AsyncClient) -> None:
    unknown = "/v1/sessions/nobody-made-this"
    answers = [
        await http.get(unknown),
        await http.get(f"{unknown}/events"),
        await http.get(f"{unknown}/trace"),
        await http.patch(unknown, json={"model": "fast"}),
        await http.patch(f"{unknown}/limits", json={}),
        await http.post(f"{unknown}/messages", json={"text": "hi"}),
        await http.post(f"{unknown}/stop"),
        await http.delete(unknown),
    ]

    assert [problem(answer) for answer in answers] == [(404, "session_not_found", [])] * len(answers)


async def listed(http: httpx2.AsyncClient, **query: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    cursor: dict[str, str] = {}
    while True:
        page = (await http.get("/v1/sessions", params={**query, **cursor})).json()
        found |= {entry["session_id"]: entry for entry in page["sessions"]}
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


async def test_sessions_are_listed_with_filters(http: httpx2.AsyncClient) -> None:
    user = f"o'hara \\ 100% \"{uuid.uuid4().hex}"
    open_one = await create(http, user=user, message="What is   the time?\nNow")
    closed_one = await create(http, user=user)
    await http.delete(f"/v1/sessions/{closed_one}")
    await ended(http, closed_one)

    async with asyncio.timeout(20):
        while {entry["status"] for entry in (await listed(http, user=user)).values()} != {"idle", "closed"}:
            pass
    found = await listed(http, user=user)

    entry = found[open_one]
    assert entry == {
        "session_id": open_one,
        "workflow_id": f"default/{open_one}",
        "agent": "assistant",
        "status": "idle",
        "user": user,
        "created_at": entry["created_at"],
        "cost_usd": entry["cost_usd"],
        "active_at": entry["active_at"],
        "last_turn": "done",
        "title": "What is the time? Now",
        "demo": False,
    }
    assert entry["cost_usd"] > 0
    assert entry["active_at"] > entry["created_at"]
    assert set(found) == {open_one, closed_one}
    assert set(await listed(http, user=user, status="closed")) == {closed_one}
    assert set(await listed(http, user=user, status="idle")) == {open_one}
    assert set(await listed(http, user=user, agent="support")) == set()
    assert set(await listed(http, user=user, active_after=entry["created_at"])) == {open_one, closed_one}
    assert set(await listed(http, user=user, active_after="2999-01-01T00:00:00+02:00")) == set()
    assert set(await listed(http, user=user.replace("o'hara", "o''hara"))) == set()


async def test_a_long_list_comes_in_pages(http: httpx2.AsyncClient) -> None:
    user = uuid.uuid4().hex
    made = await asyncio.gather(*(create(http, user=user) for _ in range(53)))

    async with asyncio.timeout(20):
        while set(await listed(http, user=user)) != set(made):
            pass
    page = (await http.get("/v1/sessions", params={"user": user})).json()
    assert len(page["sessions"]) == 50
    foreign = await http.get("/v1/sessions", params={"user": "other", "cursor": page["next_cursor"]})
    assert problem(foreign) == (422, "validation", ["cursor"])


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"cursor": "x"}, "cursor"),
        ({"cursor": ""}, "cursor"),
        ({"cursor": "eyJhIjoxfQ"}, "cursor"),
        ({"status": "asleep"}, "status"),
        ({"user": "a\0"}, "user"),
        ({"active_after": "yesterday"}, "active_after"),
        ({"active_after": "2026-01-01T00:00:00"}, "active_after"),
    ],
)
async def test_a_wrong_list_names_the_parameter(http: httpx2.AsyncClient, query: dict[str, str], field: str) -> None:
    assert problem(await http.get("/v1/sessions", params=query)) == (422, "validation", [field])


async def test_configure(http: httpx2.AsyncClient) -> None:
    session = await create(http)
    agent = (await http.get("/v1/agents/assistant")).json()

    answer = await http.patch(f"/v1/sessions/{session}", json={"model": "fast", "metadata": {"seen": True}})
    assert (answer.status_code, answer.json()) == (200, {"session_id": session})
    await http.patch(f"/v1/sessions/{session}", json={"digest": agent["digest"]})

    found = await snapshot(http, session)
    assert (
        found.items()
        >= {"model": "fast", "metadata": {"seen": True}, "digest": agent["digest"], "pinned": True}.items()
    )
    other = (await http.get("/v1/agents/support")).json()["digest"]
    for body, field in (({"model": "huge"}, "model"), ({"digest": other}, "digest"), ({"digest": "0" * 64}, "digest")):
        refused = await http.patch(f"/v1/sessions/{session}", json=body)
        assert problem(refused) == (422, "validation", [field])


async def test_a_title_that_a_person_gives(http: httpx2.AsyncClient) -> None:
    user = uuid.uuid4().hex
    session = await create(http, user=user, message="What is the time?")
    assert "title" not in await snapshot(http, session)

    answer = await http.patch(f"/v1/sessions/{session}", json={"title": "  Times of day "})
    assert answer.status_code == 200
    assert (await snapshot(http, session))["title"] == "Times of day"
    async with asyncio.timeout(20):
        while [entry["title"] for entry in (await listed(http, user=user)).values()] != ["Times of day"]:
            pass
    for title in ("", "  ", "a\nb", "x" * 101):
        assert problem(await http.patch(f"/v1/sessions/{session}", json={"title": title})) == (
            422,
            "validation",
            ["title"],
        )


async def test_limits_are_changed_one_by_one(http: httpx2.AsyncClient) -> None:
    session = await create(http)
    whole = (await http.get("/v1/agents/assistant")).json()["limits"]

    async def change(**limits: Any) -> Any:
        return (await http.patch(f"/v1/sessions/{session}/limits", json=limits)).json()["limits"]

    expected = {"turn": {**whole["turn"], "cost_usd": None}, "session": {**whole["session"], "cost_usd": 1.5}}
    # At the same time: neither undoes the other.
    told = await asyncio.gather(change(session={"cost_usd": 1.5}), change(turn={"cost_usd": None}))
    assert expected in told
    assert (await snapshot(http, session))["limits"] == await change() == expected
    for body, field in (
        ({"session": {"cost_usd": -1}}, "session.cost_usd"),
        ({"turn": {"working_time": "soon"}}, "turn.working_time"),
        ({"turn": None}, "turn"),
    ):
        refused = await http.patch(f"/v1/sessions/{session}/limits", json=body)
        assert problem(refused) == (422, "validation", [field])


async def test_a_closed_session_answers_and_takes_nothing(http: httpx2.AsyncClient, provider: FakeProvider) -> None:
    provider.script(Reply(fault="stall"))
    session = await create(http, message="hi")
    async with Sessions(http).view(session) as viewer:
        await viewer.until_streaming()

    assert (await http.delete(f"/v1/sessions/{session}")).status_code == 202
    await ended(http, session)

    assert (await http.delete(f"/v1/sessions/{session}")).status_code == 200
    found = await snapshot(http, session)
    assert found["status"] == "closed"
    assert found["messages"][-1]["stopped"] is True
    refused = [
        await http.post(f"/v1/sessions/{session}/messages", json={"text": "more"}),
        await http.post(f"/v1/sessions/{session}/stop"),
        await http.patch(f"/v1/sessions/{session}", json={"model": "fast"}),
        await http.patch(f"/v1/sessions/{session}/limits", json={}),
    ]
    assert [problem(answer) for answer in refused] == [(409, "session_closed", [])] * 4


@pytest.mark.parametrize("timezone", ["Mars/Olympus", "Europe", "", 5, "../etc/passwd"])
async def test_a_time_zone_that_there_is_not_is_refused(http: httpx2.AsyncClient, timezone: Any) -> None:
    named = (422, "validation", ["metadata.timezone"])
    body = {"agent": "assistant", "metadata": {"timezone": timezone}}
    assert problem(await http.post("/v1/sessions", json=body)) == named
    session = await create(http)
    assert problem(await http.patch(f"/v1/sessions/{session}", json={"metadata": body["metadata"]})) == named
    assert (await snapshot(http, session))["metadata"] == {}


async def test_the_date_is_that_of_the_session_s_time_zone(http: httpx2.AsyncClient, provider: FakeProvider) -> None:
    provider.reset()
    session = await create(http, metadata={"timezone": "Pacific/Kiritimati"})
    bodies: list[dict[str, Any]] = []
    for metadata in ({"timezone": "Pacific/Niue"}, {}, None):
        provider.script(Reply(text="Hello."))
        await http.post(f"/v1/sessions/{session}/messages?wait=60", json={"text": "hi"})
        bodies.append(provider.calls[-1].body)
        if metadata is not None:
            await http.patch(f"/v1/sessions/{session}", json={"metadata": metadata})
    told = re.findall(r"Today is \w+, ([0-9-]+) \(time zone: ([\w/]+)\)", json.dumps(bodies[-1]))
    assert [zone for _, zone in sorted(told, key=lambda one: one[1])] == ["Pacific/Kiritimati", "Pacific/Niue", "UTC"]
    # The first two are 25 hours apart, so it is never the same day in both.
    days = {zone: day for day, zone in told}
    assert days["Pacific/Kiritimati"] != days["Pacific/Niue"]
    # The beginning of the request is the same for ever.
    assert len({json.dumps(body["system"]) for body in bodies}) == 1

    steps = (await http.get(f"/v1/sessions/{session}/trace")).json()["steps"]
    assert [step["request_matches"] for step in steps] == [True] * 3
    lines = [message["parts"][0].get("text", "") for message in steps[-1]["prompt"]["messages"]]
    assert [line.startswith("Today is ") for line in lines] == [False, False, True, False, False, True, False]
