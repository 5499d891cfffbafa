"""Who may do what: scopes, ownership, and a walk of every route as a stranger."""

import asyncio
import inspect
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from perdure.gateway.app import create_routes
from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.sessions.access import is_within
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.scopes import BROWSER, EVERYTHING, is_scope
from perdure.temporal.sessions.session import Session
from tests.support.house import ANN, OWN, SECRET, House, house_in, operations
from tests.support.session_lab import PATIENCE_S, Lab, Play, Talk, ends, lab_on

#: Who has nothing to do with Ann's session: of another tenant, whatever their scopes; another user; a key of no user; a
#: browser with a session of its own.
STRANGERS = {
    "tenant": Principal("other", None, EVERYTHING, actor="key:1"),
    "namesake": Principal("other", "ann", OWN),
    "user": Principal("lab", "bob", OWN),
    "nobody": Principal("lab", None, OWN, actor="key:2"),
    "browser": Principal("lab", "ann", BROWSER, session="another", method="token"),
}
#: Ann herself, and whoever acts for all of her tenant.
FRIENDS = {"ann": ANN, "server": Principal("lab", None, EVERYTHING, actor="key:3")}
#: Whoever reads the metrics of all tenants.
METER = Principal("lab", None, ("metrics",), actor="key:4")

#: Routes that have nothing of a session, and are asked whatever the principal.
OPEN = {"GET /healthz", "GET /healthz/stream", "GET /healthz/traffic", "GET /readyz"}
#: Routes that are not about a session that there is; a stranger sees its own by them, and of Ann's nothing.
NOT_OF_A_SESSION = {
    *("POST /v1/sessions", "POST /v1/runs", "GET /v1/sessions", "POST /v1/files", "GET /v1/budgets"),
    *("POST /v1/responses", "POST /v1/chat/completions", "GET /v1/models", "GET /v1/models/{model}"),
    # A chat that is not theirs is one that has not begun.
    *(
        "POST /v1/ai-sdk/{agent}",
        "GET /v1/ai-sdk/{agent}/{chat_id}/stream",
        "GET /v1/ai-sdk/{agent}/{chat_id}/messages",
    ),
    "POST /v1/ag-ui/{agent}",
}


def test_each_method_of_a_session_says_what_it_needs() -> None:
    # `trace` only makes what shows steps, which have to be got first.
    exempt = {"check", "belonging", "trace"}
    methods = {name: made for name, made in vars(Session).items() if inspect.isfunction(made) and name[0] != "_"}
    assert [name for name, made in methods.items() if name not in exempt and not hasattr(made, "__wrapped__")] == []
    assert exempt < methods.keys()


@pytest.mark.parametrize(
    ("session_id", "inside"),
    [
        ("a", True),
        ("a~t1.s1.c1", True),
        ("a~t1.s1.c1~t2.s3.c4", True),
        ("a~t1", False),
        ("a~b~t1.s1.c1", False),
        ("ab", False),
        ("b~t1.s1.c1", False),
    ],
)
def test_a_token_reaches_a_session_and_what_it_started(session_id: str, inside: bool) -> None:
    assert is_within(session_id, "a") is inside


def test_the_document_says_how_callers_say_who_they_are() -> None:
    document = create_routes().openapi()
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    # `perdure dev` asks nobody.
    assert document["security"] == [{"bearer": []}, {}]


def test_scopes_are_known_or_roles() -> None:
    assert all(map(is_scope, (*EVERYTHING, *OWN, *BROWSER, "finance")))
    assert not any(map(is_scope, ("session:raed", "session:read:all", "agents:write", "", "a b", "9")))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    async with lab_on(temporal_server, tmp_path_factory.mktemp("access")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def house(lab: Lab) -> AsyncIterator[House]:
    async with house_in(lab) as opened:
        yield opened


@pytest.mark.server
async def test_strangers_see_nothing_on_any_route(house: House) -> None:
    """A route that is new is walked, too; one that takes a body needs one above."""
    before = (await house.ask("GET /v1/sessions/{session_id}", ANN)).json()
    walked = [one for one in operations() if one not in OPEN and "/v1/agents" not in one]
    for name, stranger in STRANGERS.items():
        for operation in walked:
            answer = await house.ask(operation, stranger)
            told = (name, operation, answer.status_code, answer.text)
            if operation == "GET /metrics":
                # They are of no tenant alone, so that no tenant's key has them by itself.
                assert answer.status_code == 403, told
            elif operation not in NOT_OF_A_SESSION:
                # Another tenant has a user of any name.
                own_budget = operation.endswith("/v1/budgets/{scope}/{id}") and stranger.tenant == "other"
                assert answer.status_code == 404 or own_budget, told
            assert SECRET not in answer.text and house.session_id not in answer.text, told
    assert (await house.ask("GET /v1/sessions/{session_id}", ANN)).json() == before


@pytest.mark.server
async def test_whoever_lacks_the_scope_is_told_which_on_a_session_of_their_own(house: House) -> None:
    for operation in operations():
        if operation in OPEN:
            continue
        answer = await house.ask(operation, replace(ANN, scopes=()))
        if operation == "PUT /v1/budgets/{scope}/{id}":
            assert answer.json()["detail"] == "To set budgets needs the scope session:limits:any."
        # OpenAI's clients are told in an envelope of their own.
        told = answer.json().get("error") or answer.json()
        assert (answer.status_code, told["code"]) == (403, "forbidden"), (operation, answer.text)
        assert "scope" in (told.get("detail") or told["message"])


@pytest.mark.server
@pytest.mark.parametrize("who", FRIENDS)
async def test_every_route_serves_those_who_may(house: House, who: str) -> None:
    """So what strangers are refused is a request that is served otherwise."""
    last = ["POST /v1/sessions/{session_id}/rewind", "DELETE /v1/sessions/{session_id}"]
    for operation in [*(one for one in operations() if one not in last and "events" not in one), *last]:
        answer = await house.ask(operation, METER if operation == "GET /metrics" else FRIENDS[who])
        if operation == "PUT /v1/budgets/{scope}/{id}" and who == "ann":
            assert answer.status_code == 403
            continue
        # 409: the message is not in the queue, and there is nothing to retry.
        assert answer.is_success or answer.status_code == 409, (operation, answer.text)


@pytest.mark.server
async def test_sub_agents_and_forks_belong_to_whom_the_session_does(lab: Lab, house: House) -> None:
    """Ann's, though a backend started the one and made the other."""
    backend, bob = FRIENDS["server"], STRANGERS["user"]
    lab.stage.plays = [Play(calls=[("helper", {"message": SECRET})]), Play("fine"), Play("done")]
    house.who = backend
    made = await house.http.post("/v1/sessions", json={"agent": "boss", "user": "ann", "message": SECRET})
    above = made.json()["session_id"]
    talk = Talk(lab, lab.client.get_workflow_handle(f"lab/{above}"))
    await talk.until(ends)
    forked = await house.http.post(f"/v1/sessions/{above}/fork", json={"turn_id": "t1"})
    for session_id in (f"{above}~t1.s1.c1", forked.json()["session_id"]):
        for operation in ("GET /v1/sessions/{session_id}", "GET /v1/sessions/{session_id}/messages"):
            seen = await house.ask(operation, ANN, session_id=session_id)
            assert (seen.status_code, SECRET in seen.text) == (200, True), seen.text
            assert (await house.ask(operation, bob, session_id=session_id)).status_code == 404
        events = await house.ask("GET /v1/sessions/{session_id}/events", bob, session_id=session_id)
        assert events.status_code == 404


@pytest.mark.server
async def test_a_taken_id_tells_another_user_nothing_but_that(house: House) -> None:
    body = {"agent": "helper", "session_id": f"{house.session_id}x", "message": SECRET}
    house.who = ANN
    assert [(await house.http.post("/v1/sessions", json=body)).status_code for _ in range(2)] == [201, 200]
    house.who = STRANGERS["user"]
    taken = await house.http.post("/v1/sessions", json=body)
    assert (taken.status_code, taken.json()["code"]) == (409, "id_conflict")
    # Ids of another tenant are its own.
    house.who = STRANGERS["namesake"]
    assert (await house.http.post("/v1/sessions", json=body)).status_code == 201


@pytest.mark.server
async def test_a_chat_of_another_user_is_not_there(house: House) -> None:
    """It can neither be read nor taken over by its id."""
    url, message = "/v1/ai-sdk/helper", {"id": "u1", "role": "user", "parts": [{"type": "text", "text": "hello"}]}
    body = {"id": house.session_id, "messages": [message]}
    again = {**body, "messageId": "t1", "trigger": "regenerate-message"}
    answered = {**body, "messages": [{"id": "t2", "role": "assistant", "parts": []}]}
    for name in ("user", "nobody"):
        house.who = STRANGERS[name]
        for given in (body, again, answered):
            refused = await house.http.post(url, json=given)
            assert (refused.status_code, refused.json()["code"]) == (404, "session_not_found"), (name, refused.text)
        assert (await house.http.get(f"{url}/{house.session_id}/stream")).status_code == 204
        assert (await house.http.get(f"{url}/{house.session_id}/messages")).json() == []
        assert (await house.http.post(f"{url}/{house.session_id}/stop")).status_code == 404
    house.who = STRANGERS["namesake"]
    own = await house.http.post(url, json=body)
    assert (own.status_code, SECRET in own.text) == (200, False)
    assert [one["id"] for one in (await house.http.get(f"{url}/{house.session_id}/messages")).json()] == ["u1", "t1"]


async def test_a_thread_of_another_user_is_not_there(house: House) -> None:
    """It can neither be read, nor run, nor answered by its id."""
    message = {"id": "m9", "role": "user", "content": "hello"}
    body = {"threadId": house.session_id, "runId": "r1", "messages": [message]}
    approval = {"interruptId": "t2.s1.c1.approval", "status": "resolved", "payload": {"approved": True}}
    for name in ("user", "nobody"):
        house.who = STRANGERS[name]
        for given in (body, {**body, "resume": [approval]}):
            refused = await house.http.post("/v1/ag-ui/helper", json=given)
            assert (refused.status_code, refused.json()["code"]) == (404, "session_not_found"), refused.text
    house.who = replace(ANN, scopes=("session:read", "session:write"))
    refused = await house.http.post("/v1/ag-ui/helper", json={**body, "resume": [approval]})
    assert (refused.status_code, "scope" in refused.json()["detail"]) == (403, True), refused.text
    # Ids of another tenant are its own.
    house.who = STRANGERS["namesake"]
    own = await house.http.post("/v1/ag-ui/helper", json=body)
    assert (own.status_code, SECRET in own.text) == (200, False)


@pytest.mark.server
async def test_inputs_and_user_come_from_a_backend(house: House) -> None:
    # `local` is whoever is on a machine that asks nobody, and may answer everything there.
    house.who = FRIENDS["server"]
    local = await house.http.post("/v1/sessions", json={"agent": "helper", "user": "local"})
    assert (local.status_code, "no user is named local" in local.text) == (422, True), local.text
    for more in ({"user": "ann"}, {"user": "bob"}, {"inputs": {"topic": "x"}}):
        house.who = ANN
        refused = await house.http.post("/v1/sessions", json={"agent": "helper", **more})
        assert (refused.status_code, "session:create:any" in refused.json()["detail"]) == (403, True), refused.text
        house.who = FRIENDS["server"]
        assert (await house.http.post("/v1/sessions", json={"agent": "helper", **more})).status_code == 201


@pytest.mark.server
async def test_who_may_not_list_agents_is_told_none(house: House) -> None:
    for scopes, told in ((OWN, True), (("session:create", "session:fork"), False)):
        house.who = replace(ANN, scopes=scopes)
        for path, more in (("/v1/sessions", {}), (f"/v1/sessions/{house.session_id}/fork", {"turn_id": "t1"})):
            answer = await house.http.post(path, json={"agent": "helpr", **more})
            assert (path, answer.status_code, "helper" in answer.text) == (path, 422, told), answer.text
            assert answer.json()["errors"][0]["field"] == "agent"


def test_nobody_who_was_asked_is_taken_for_whoever_is_on_this_machine() -> None:
    assert Principal("lab", "local", EVERYTHING).subject != Principal.trusted("lab").subject == "local"


@pytest.mark.server
async def test_each_user_lists_their_own(house: House) -> None:
    """Once the list shows Ann's new session to whoever may see it, it shows it to nobody else."""
    named: dict[str, bool] = {}
    async with asyncio.timeout(PATIENCE_S):
        while not (named.get("server") and named.get("ann")):
            for name, who in {**FRIENDS, **STRANGERS}.items():
                named[name] = house.session_id in (await house.ask("GET /v1/sessions", who)).text
    assert {name for name, seen in named.items() if seen} == set(FRIENDS)
