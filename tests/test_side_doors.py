"""A scope allows what it says, by whichever route: nothing else comes along with it."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.scopes import EVERYTHING
from tests.support.house import ANN, House, house_in
from tests.support.session_lab import Lab, lab_on

WEEKLY = 'schedules: [{cron: "0 9 * * MON", session: weekly, message: "Write the weekly report"}]'


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    async with lab_on(temporal_server, tmp_path_factory.mktemp("side_doors"), more_agents={"cron": WEEKLY}) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(lab: Lab) -> AsyncIterator[House]:
    async with house_in(lab) as opened:
        yield opened


@pytest.mark.server
@pytest.mark.parametrize(
    ("who", "text", "expected"),
    [
        (replace(ANN, scopes=("session:fork", "session:read")), "go", 403),
        (replace(ANN, scopes=("session:fork",)), None, 201),
        (replace(ANN, scopes=("session:fork", "session:write")), "go", 201),
        # The fork is Bob's own, and would show him what Ann said.
        (replace(ANN, user="bob", scopes=("session:fork:any", "session:read")), None, 404),
        (replace(ANN, user="bob", scopes=("session:fork:any", "session:read:any")), None, 201),
        (replace(ANN, user="bob", scopes=("session:fork:any", "session:read:any")), "go", 403),
        (replace(ANN, user="bob", scopes=("session:fork:any", "session:read:any", "session:write")), "go", 201),
        # The fork is Ann's, and a backend writes in it.
        (replace(ANN, user=None, scopes=("session:fork:any", "session:read:any", "session:write")), "go", 403),
        (replace(ANN, user=None, scopes=("session:fork:any", "session:write:any")), "go", 201),
    ],
)
async def test_a_fork_does_nothing_that_its_caller_may_not_do(
    house: House, who: Principal, text: str | None, expected: int
) -> None:
    house.who = who
    body = {"turn_id": "t1"} | ({} if text is None else {"text": text})
    forked = await house.http.post(f"/v1/sessions/{house.session_id}/fork", json=body)
    assert forked.status_code == expected, forked.text
    assert ("session:write" in forked.text) is (expected == 403)


@pytest.mark.server
async def test_who_may_only_write_is_told_nothing_of_what_the_session_asks(house: House) -> None:
    for who, told in ((ANN, True), (replace(ANN, scopes=("session:write",)), False)):
        house.who = who
        sent = await house.http.post(f"/v1/sessions/{house.session_id}/messages", json={"text": "and then?"})
        assert (sent.status_code, sent.json()["status"]) == (202, "waiting"), sent.text
        assert ("waiting_for" in sent.json(), "book" in sent.text) == (told, told), sent.text


@pytest.mark.server
async def test_no_user_takes_the_session_of_a_schedule(house: House) -> None:
    anns, keys, backend = (
        replace(ANN, tenant="default"),
        replace(ANN, tenant="default", user=None),
        Principal("default", None, EVERYTHING),
    )
    for session_id in ("weekly", "weekly-2", "weekly-50"):
        for who in (anns, keys):
            house.who = who
            refused = await house.http.post("/v1/sessions", json={"agent": "helper", "session_id": session_id})
            assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "session_id"), refused.text
    house.who = backend
    assert (
        await house.http.post("/v1/sessions", json={"agent": "helper", "session_id": "weekly-2"})
    ).status_code == 201
    # What a schedule never comes to, and what is of a tenant to which it does not write.
    for who, session_id in ((anns, "weekly-51"), (anns, "weekly-02"), (anns, "weekly-1"), (ANN, "weekly")):
        house.who = who
        made = await house.http.post("/v1/sessions", json={"agent": "helper", "session_id": session_id})
        assert made.status_code == 201, made.text
