"""What a message's sender receives while a session waits for a person, or for its turn; and how many may wait."""

import asyncio
from collections import Counter
from typing import Any

import httpx2
import pytest

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.session_client import Sessions, told

pytestmark = pytest.mark.server

STALL = Reply(text="one two three four", fault="stall")


@pytest.fixture(scope="module")
def definitions() -> dict[str, str]:
    return {
        "desk.yaml": "name: desk\nmodels: {main: {use: anthropic/claude-haiku-5-5}}\nmodel: main\ninstructions: Help.\n"
        "tools: [ask_user]\n"
    }


@pytest.fixture
def sessions(http: httpx2.AsyncClient) -> Sessions:
    return Sessions(http)


def asking(provider: FakeProvider) -> None:
    provider.script(Reply(tools=(("ask_user", {"prompt": "Which size?"}),)))


async def desk(http: httpx2.AsyncClient) -> str:
    made = await http.post("/v1/sessions", json={"agent": "desk"})
    assert made.status_code == 201, made.text
    return str(made.json()["session_id"])


async def send(http: httpx2.AsyncClient, session: str, wait: str = "", **body: Any) -> httpx2.Response:
    return await http.post(f"/v1/sessions/{session}/messages{wait}", json=body)


async def questions_of(http: httpx2.AsyncClient, session: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await http.get(f"/v1/sessions/{session}")).json()["questions"]
    return found


async def test_waiting_ends_with_the_question_of_the_turn(http: httpx2.AsyncClient, provider: FakeProvider) -> None:
    asking(provider)
    session = await desk(http)

    answer = await send(http, session, "?wait=60", message_id="m1", text="hi")

    questions = await questions_of(http, session)
    assert (answer.status_code, [one["kind"] for one in questions]) == (200, ["input"])
    waits = {"session_id": session, "message_id": "m1", "seq": 1, "status": "waiting", "questions": questions}
    assert answer.json() == waits
    again = await send(http, session, "?wait=60", message_id="m1", text="hi")
    assert (again.status_code, again.json()) == (200, waits)
    repeated = await send(http, session, message_id="m1", text="hi")
    assert (repeated.status_code, repeated.json()) == (
        202,
        {"session_id": session, "message_id": "m1", "seq": 1, "status": "waiting", "waiting_for": questions},
    )


async def test_a_message_behind_an_open_question_is_told_so(http: httpx2.AsyncClient, provider: FakeProvider) -> None:
    asking(provider)
    session = await desk(http)
    await send(http, session, "?wait=60", text="hi")

    queued = await send(http, session, message_id="m2", text="and this")
    waited = await send(http, session, "?wait=60", message_id="m3", text="and that")
    again = await send(http, session, message_id="m2", text="and this")

    questions = await questions_of(http, session)
    assert (queued.status_code, queued.json()["status"], queued.json()["position"]) == (202, "waiting", 1)
    assert queued.json()["waiting_for"] == questions
    assert (waited.status_code, waited.json()["status"], waited.json()["questions"]) == (200, "waiting", questions)
    assert again.json() == queued.json()
    await http.post(
        f"/v1/sessions/{session}/answers", json={"question_id": questions[0]["question_id"], "approved": False}
    )
    # The turn that asked is over, so its question blocks nothing.
    first = await send(http, session, "?wait=60", message_id="m3", text="and that")
    assert (first.status_code, first.json()["turn"]["reason"]) == (200, "done")


async def test_a_question_of_the_turn_before_ends_the_waiting(http: httpx2.AsyncClient, provider: FakeProvider) -> None:
    asking(provider)
    session = await desk(http)

    both = await asyncio.gather(
        send(http, session, "?wait=60", message_id="m1", text="hi"),
        send(http, session, "?wait=60", message_id="m2", text="hi again"),
    )

    assert [(one.status_code, one.json().get("status")) for one in both] == [(200, "waiting")] * 2


async def test_a_message_behind_a_turn_is_told_its_place(http: httpx2.AsyncClient, provider: FakeProvider) -> None:
    provider.script(STALL)
    session = await desk(http)
    first = await send(http, session, text="hi")
    behind = await send(http, session, text="later")

    assert (first.json()["status"], "position" in first.json()) == ("working", False)
    assert (behind.json()["status"], behind.json()["position"]) == ("working", 1)
    await http.delete(f"/v1/sessions/{session}")


async def taken_or_refused(http: httpx2.AsyncClient, session: str, number: int) -> httpx2.Response:
    """Sent again where the machine is too busy to say: of which nothing is promised but that nothing is lost or doubled."""
    while True:
        answer = await send(http, session, message_id=f"m{number}", text=f"{number}")
        if answer.status_code != 503 or told(answer)[1] != "overloaded":
            return answer


@pytest.mark.parametrize("idle", [True, False])
async def test_of_many_at_once_exactly_as_many_as_may_wait_are_taken(
    http: httpx2.AsyncClient, sessions: Sessions, provider: FakeProvider, idle: bool
) -> None:
    provider.script(STALL)
    session = await desk(http)
    if not idle:
        await send(http, session, text="first")
    async with httpx2.AsyncClient(
        base_url=http.base_url, timeout=60, limits=httpx2.Limits(max_connections=120)
    ) as many:
        answers = await asyncio.gather(*(taken_or_refused(many, session, number) for number in range(120)))

    taken = 101 if idle else 100
    assert Counter(one.status_code for one in answers) == {202: taken, 429: 120 - taken}
    refused = [one for one in answers if one.status_code == 429]
    assert {told(one) for one in refused} == {(429, "too_many")}
    assert all(int(one.headers["retry-after"]) > 0 for one in refused)
    accepted = {one.json()["message_id"] for one in answers if one.status_code == 202}
    snapshot = await sessions.snapshot(session)
    ids = {message["id"] for message in (*snapshot["queued"], *snapshot["messages"])}
    assert accepted <= ids
    await http.delete(f"/v1/sessions/{session}")
