"""Budgets over HTTP and with `perdure budgets`, and a purse whose sessions are killed while they spend."""

import asyncio
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from typer.testing import CliRunner

from perdure.temporal.app.cli import app
from perdure.temporal.app.console.refused import Refused
from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.dev import Dev
from tests.support.session_client import PATIENCE_S, Sessions, told

pytestmark = pytest.mark.server

NOTHING = {"cost_usd": 0, "tokens": 0, "tool_calls": 0}
#: Ten words in half a second, so that calls are open when their worker is killed.
SLOW = Reply(text="word " * 10, gap=0.05, input_tokens=100, output_tokens=100)
#: Of a `SLOW` answer, by the prices below.
COST = Decimal("0.0006")


@pytest.fixture(scope="module")
def definitions() -> dict[str, str]:
    return {
        "thrifty.yaml": "name: thrifty\n"
        "models: {m: {use: anthropic/claude-haiku-5-5, max_output_tokens: 256, price: {input: 1, output: 5}}}\n"
        "model: m\ninstructions: Be brief.\nlimits: {on_limit: stop}\n"
    }


@pytest.fixture
def sessions(http: httpx2.AsyncClient, provider: FakeProvider) -> Sessions:
    provider.reset()
    return Sessions(http)


async def budget(http: httpx2.AsyncClient, owner: str) -> dict[str, Any]:
    answer = await http.get(f"/v1/budgets/user/{owner}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def close(http: httpx2.AsyncClient, session: str) -> None:
    answer = await http.delete(f"/v1/sessions/{session}")
    assert answer.is_success, answer.text


async def perdure(dev: Dev, *arguments: str) -> str:
    """The output of `perdure budgets …`. Raises `Refused`."""
    environment = {"PERDURE_DATA_DIR": str(dev.data_dir), "COLUMNS": "200"}
    # The command runs an event loop of its own.
    result = await asyncio.to_thread(CliRunner().invoke, app, ["budgets", *arguments], env=environment)
    if isinstance(result.exception, Refused):
        raise result.exception
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


async def test_a_budget_that_nobody_knows_is_empty_and_is_not_begun(http: httpx2.AsyncClient) -> None:
    found = await budget(http, "nobody@example.com")
    assert (found["scope"], found["id"]) == ("user", "nobody@example.com")
    assert found["caps"] == {"day": None, "month": None, "total": None}
    assert found["spent"] == found["leased"] == {"day": NOTHING, "month": NOTHING, "total": NOTHING}
    assert (found["sessions"], found["waiting"], found["allowed"]) == (0, 0, [])
    listed = (await http.get("/v1/budgets?limit=200")).json()["budgets"]
    assert "nobody@example.com" not in [one["id"] for one in listed]


async def test_caps_are_set_one_by_one_and_lifted_with_null(http: httpx2.AsyncClient) -> None:
    url = "/v1/budgets/user/carol"
    first = await http.put(url, json={"day": {"cost_usd": 2.5}, "total": {"tokens": 1000}})
    assert first.status_code == 200
    assert first.json()["caps"]["day"] == {"cost_usd": 2.5, "tokens": None, "tool_calls": None}
    second = await http.put(url, json={"day": {"tool_calls": 7}, "total": None})
    assert second.json()["caps"] == {
        "day": {"cost_usd": 2.5, "tokens": None, "tool_calls": 7},
        "month": None,
        "total": None,
    }
    third = await http.put(url, json={"day": {"cost_usd": None}})
    assert third.json()["caps"]["day"] == {"cost_usd": None, "tokens": None, "tool_calls": 7}
    assert (await budget(http, "carol"))["caps"] == third.json()["caps"]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"day": {"cost_usd": -1}}, ["day.cost_usd"]),
        ({"month": {"tokens": 1.5}, "total": {"tool_calls": "many"}}, ["month.tokens", "total.tool_calls"]),
        ({"week": {"tokens": 1}}, ["week"]),
        ({"day": {"steps": 3}}, ["day.steps"]),
        ({"day": 5}, ["day"]),
    ],
)
async def test_a_body_that_is_wrong_is_refused_by_its_fields(
    http: httpx2.AsyncClient, body: dict[str, Any], fields: list[str]
) -> None:
    answer = await http.put("/v1/budgets/user/dave", json=body)
    assert told(answer) == (422, "validation")
    assert [error["field"] for error in answer.json()["errors"]] == fields
    assert (await budget(http, "dave"))["caps"] == {"day": None, "month": None, "total": None}


async def test_a_body_that_sets_nothing_is_refused(http: httpx2.AsyncClient) -> None:
    assert told(await http.put("/v1/budgets/user/dave", json={})) == (422, "validation")


async def test_whose_budget_it_is_must_make_sense(http: httpx2.AsyncClient) -> None:
    assert told(await http.get("/v1/budgets/tenant/other")) == (404, "budget_not_found")
    assert told(await http.put("/v1/budgets/tenant/other", json={"day": {"tokens": 1}})) == (404, "budget_not_found")
    assert (await http.get("/v1/budgets/tenant/default")).json()["scope"] == "tenant"
    assert told(await http.get("/v1/budgets/team/ann")) == (422, "validation")
    assert told(await http.get("/v1/budgets/user/a%09b")) == (422, "validation")
    assert told(await http.get("/v1/budgets/user/" + 201 * "a")) == (422, "validation")
    assert told(await http.get("/v1/budgets?limit=0")) == (422, "validation")


@pytest.mark.parametrize("user", ["Zoë Müller?", "/team/../ann%2F", "..", 200 * "字"])
async def test_whatever_a_session_takes_as_its_user_has_a_budget(
    dev: Dev, http: httpx2.AsyncClient, sessions: Sessions, user: str
) -> None:
    url = "/v1/budgets/user/" + quote(user, safe="").replace(".", "%2E")
    answer = await http.put(url, json={"total": {"tokens": 5_000}})
    assert (answer.status_code, answer.json().get("id")) == (200, user)
    session = await sessions.create(agent="thrifty", user=user)
    await sessions.ask(session, "hi")
    found = (await http.get(url)).json()
    assert (found["id"], found["caps"]["total"]["tokens"], found["sessions"]) == (user, 5_000, 1)
    assert found["spent"]["total"]["tokens"] + found["leased"]["total"]["tokens"] > 0
    assert user[:20] in await perdure(dev, "show", "user", user)


async def test_budgets_at_the_terminal(dev: Dev, http: httpx2.AsyncClient, sessions: Sessions) -> None:
    shown = await perdure(dev, "set", "user", "erin", "total.cost_usd=1.5", "day.tool_calls=3")
    assert shown.startswith("user erin\n")
    assert "$0.0000 of $1.5000" in shown
    session = await sessions.create(agent="thrifty", user="erin")
    await sessions.ask(session, "hi")
    await close(http, session)

    lines = (await perdure(dev, "show", "user", "erin")).splitlines()
    assert "0 of 3" in next(line for line in lines if line.startswith("today"))
    assert "of $1.5000" in next(line for line in lines if line.startswith("in all"))
    async with asyncio.timeout(PATIENCE_S):
        while "erin" not in (listed := await perdure(dev, "list")):
            pass
    assert "of $1.5000" in next(line for line in listed.splitlines() if "erin" in line)
    assert " of " not in await perdure(dev, "set", "user", "erin", "total=none", "day=none")


async def test_a_session_that_is_erased_gives_its_lease_back(http: httpx2.AsyncClient, sessions: Sessions) -> None:
    await http.put("/v1/budgets/user/heidi", json={"total": {"cost_usd": 1}})
    session = await sessions.create(agent="thrifty", user="heidi")
    await sessions.ask(session, "hi")
    assert (await budget(http, "heidi"))["leased"]["total"] != NOTHING
    cost = (await sessions.snapshot(session))["cost_usd"]
    answer = await http.delete(f"/v1/sessions/{session}?erase=true")
    assert answer.is_success, answer.text
    found = await budget(http, "heidi")
    assert (found["leased"]["total"], found["spent"]["total"]["cost_usd"]) == (NOTHING, pytest.approx(cost))
    assert cost > 0


@pytest.mark.parametrize(
    ("caps", "words"),
    [
        (["day.steps=3"], "'day.steps=3' sets no cap"),
        (["day=5"], "'day=5' does not say what is capped"),
        (["day.tokens=1.5"], "'1.5' is not a whole number"),
        (["day.cost_usd=-1"], "day.cost_usd"),
        (["day.cost_usd=nan"], "'nan' is not a number of dollars"),
        (["day.cost_usd=1e300"], "day.cost_usd"),
    ],
)
async def test_caps_that_cannot_be_set_are_refused_at_the_terminal(dev: Dev, caps: list[str], words: str) -> None:
    with pytest.raises(Refused, match=words):
        await perdure(dev, "set", "user", "frank", *caps)
    with pytest.raises(Refused):
        await perdure(dev, "show", "tenant", "other")


@pytest.mark.slow
async def test_kills_neither_exceed_a_purse_nor_lose_anything_of_it(
    dev: Dev, http: httpx2.AsyncClient, sessions: Sessions, provider: FakeProvider
) -> None:
    provider.default(SLOW)
    cap = COST * 60
    await http.put("/v1/budgets/user/grace", json={"total": {"cost_usd": float(cap)}})
    made = [await sessions.create(agent="thrifty", user="grace") for _ in range(8)]

    async def talk(session: str) -> int:
        """Turns until the purse gives no more."""
        number = 0
        while True:
            body = {"message_id": f"{session}.{number}", "text": "Go on."}
            try:
                answer = await http.post(f"/v1/sessions/{session}/messages?wait=60", json=body)
            except httpx2.TransportError:
                continue
            turn = answer.json().get("turn") if answer.is_success else None
            if turn is not None and turn["reason"] == "budget":
                return number
            number += turn is not None

    talking = asyncio.gather(*map(talk, made))
    for calls in (12, 22):
        await provider.until(lambda found, calls=calls: len(found) >= calls)  # type: ignore[misc]
        assert not talking.done()
        await dev.kill()
        await dev.start()
    turns = sum(await talking)

    costs = [(await sessions.snapshot(session))["cost_usd"] for session in made]
    for session in made:
        await close(http, session)
    async with asyncio.timeout(PATIENCE_S):
        while (found := await budget(http, "grace"))["leased"]["total"] != NOTHING:
            pass
    spent = Decimal(str(found["spent"]["total"]["cost_usd"]))
    assert turns * COST <= round(Decimal(sum(costs)), 9) == spent <= cap
    assert found["sessions"] == 0
