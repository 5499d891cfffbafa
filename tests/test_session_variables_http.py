"""Session variables over real HTTP: their route, the exact prompt of a step, and a fork."""

import json

import httpx2
import pytest

from perdure.temporal.app.fakes.provider import Call, FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.session_client import Sessions

pytestmark = pytest.mark.server

AGENT = """
name: visits
models:
  main: {{use: anthropic/main, base_url: "{url}"}}
model: main
instructions: "This is visit {{{{ visits }}}}."
variables:
  visits: {{type: integer, default: 0}}
  order: {{type: object, default: {{}}}}
handlers:
  message:
    - set: {{visits: "{{{{ visits + 1 }}}}", order: {{id: "{{{{ message }}}}"}}}}
    - respond: {{}}
"""


@pytest.fixture(scope="module")
def definitions(provider: FakeProvider) -> dict[str, str]:
    plain = f'name: plain\nmodels: {{main: {{use: anthropic/main, base_url: "{provider.url}"}}}}\nmodel: main\n'
    return {"visits.yaml": AGENT.format(url=provider.url), "plain.yaml": plain + "instructions: Be brief.\n"}


@pytest.fixture
def sessions(provider: FakeProvider, http: httpx2.AsyncClient) -> Sessions:
    provider.reset()
    provider.default(lambda call: Reply(text=_visit(call)))
    return Sessions(http)


def _visit(call: Call) -> str:
    return json.dumps(call.body["system"]).partition("This is visit ")[2].partition(".")[0] or "Hm."


async def variables(sessions: Sessions, session: str) -> httpx2.Response:
    return await sessions.http.get(f"/v1/sessions/{session}/variables")


async def test_variables_are_read_and_each_step_was_told_what_they_held(sessions: Sessions) -> None:
    session = await sessions.create("visits")
    for text in ("A-1", "A-2"):
        assert (await sessions.ask(session, text))["turn"]["reason"] == "done"
    assert (await variables(sessions, session)).json() == {"variables": {"visits": 2, "order": {"id": "A-2"}}}

    messages = (await sessions.snapshot(session))["messages"]
    assert [message["parts"][0]["text"] for message in messages] == ["A-1", "1", "A-2", "2"]
    for step, visit in (("t1.s1", "1"), ("t2.s1", "2")):
        traced = (await sessions.http.get(f"/v1/sessions/{session}/trace", params={"step": step})).json()["steps"][0]
        assert f"This is visit {visit}." in json.dumps(traced["request"])
        assert traced["request_matches"] is True

    forked = (await sessions.http.post(f"/v1/sessions/{session}/fork", json={"turn_id": "t1"})).json()["session_id"]
    assert (await variables(sessions, forked)).json() == {"variables": {"visits": 1, "order": {"id": "A-1"}}}


async def test_an_agent_without_variables_has_none_and_a_session_that_is_not_there_neither(sessions: Sessions) -> None:
    session = await sessions.create("plain")
    assert (await sessions.ask(session, "hi"))["turn"]["reason"] == "done"
    assert (await variables(sessions, session)).json() == {"variables": {}}
    missing = await variables(sessions, "nobody")
    assert (missing.status_code, missing.json()["code"]) == (404, "session_not_found")
