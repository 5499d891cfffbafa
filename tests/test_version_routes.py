"""`GET /v1/agents/{name}/versions` and `perdure agents versions`, on the real server: what changed, and who rests on what."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from starlette.requests import HTTPConnection

from perdure.gateway.app import create_app
from perdure.temporal.app.commands.gateway_checks import gateway
from perdure.temporal.app.commands.versions import lines_of
from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.scopes import EVERYTHING, OF_A_USER
from tests.support.serving import serve
from tests.support.session_lab import PATIENCE_S, Lab, Talk, ends, lab_on

pytestmark = pytest.mark.server

MODELS = "models: {fast: {use: demo/stage}, slow: {use: demo/stage}}"
WHOLE = f"name: NAME\n{MODELS}\nmodel: fast\ninstructions: |\n  Hi.\n"
CALLERS = {
    "acme": Principal("acme", None, EVERYTHING, actor="key:1"),
    "ada": Principal("acme", "ada", OF_A_USER, method="jwt"),
    "bolt": Principal("bolt", None, EVERYTHING, actor="key:2"),
    "nobody": Principal("acme", None, ("session:read",), actor="key:3"),
    "reader": Principal("acme", None, ("agents:read",), actor="key:4"),
}


class Desk:
    """A gateway, and who calls it."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.calls = "acme"
        app = create_app(
            client=lab.client,
            live=lab.live,
            blobs=lab.parts.blobs,
            definitions=lab.parts.definitions,
            settings=lab.parts.settings,
            authenticate=self._authenticate,
        )
        self.app = app
        self.http = httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://localhost")

    async def _authenticate(self, _request: HTTPConnection) -> Principal:
        return CALLERS[self.calls]

    async def write(self, name: str, text: str, tenant: str | None = None) -> str:
        folder = self.lab.parts.definitions.folders[-1] / (f"@{tenant}" if tenant else "")
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.yaml").write_text(text)
        await self.lab.parts.definitions.refresh()
        known = self.lab.parts.definitions.current(name, tenant)
        assert known is not None
        return known.digest

    async def spoil(self, name: str) -> None:
        """Puts a fault into an agent's file, or makes a file of one that never was right."""
        with (self.lab.parts.definitions.folders[-1] / f"{name}.yaml").open("a") as file:
            file.write("colour: red\n")
        await self.lab.parts.definitions.refresh()

    async def talk(self, agent: str) -> Talk:
        made = (await self.http.post("/v1/sessions", json={"agent": agent, "message": "hi"})).json()["session_id"]
        tenant = CALLERS[self.calls].tenant
        talk = Talk(self.lab, self.lab.client.get_workflow_handle(f"{tenant}/{made}"))
        await talk.until(ends)
        return talk

    async def versions(self, name: str, **params: Any) -> dict[str, Any]:
        answer = await self.http.get(f"/v1/agents/{name}/versions", params=params)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def until(self, name: str, counts: list[int]) -> dict[str, Any]:
        """The list once visibility has these sessions by version: it is behind by up to a second."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                found = await self.versions(name)
                if [one["sessions"] for one in found["versions"]] == counts:
                    return found


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    async with lab_on(temporal_server, tmp_path_factory.mktemp("versions")) as lab:
        desk = Desk(lab)
        async with desk.http:
            yield desk


async def test_each_version_with_what_changed_and_who_rests_on_it(desk: Desk) -> None:
    desk.calls = "acme"
    text = WHOLE.replace("NAME", "clerk")
    first = await desk.write("clerk", text)
    talks = [await desk.talk("clerk") for _ in range(3)]
    second = await desk.write(
        "clerk", text.replace("model: fast", "model: slow").replace("  Hi.\n", "  Hi.\n  Be kind.\n")
    )
    listed = await desk.until("clerk", [0, 3])
    # The next turn of a session takes the new version; one that is pinned stays.
    at = desk.http
    pinned, moved, _ = (talk.handle.id.partition("/")[2] for talk in talks)
    assert (await at.patch(f"/v1/sessions/{pinned}", json={"digest": first})).is_success
    for session, talk in ((pinned, talks[0]), (moved, talks[1])):
        await at.post(f"/v1/sessions/{session}/messages", json={"text": "and now?"})
        await talk.until(lambda events: ends(events, 2))
    (updated,) = [event for event in await talks[1].events() if event.type == "agent.updated"]
    assert (updated.old, updated.new) == (first, second)
    assert "agent.updated" not in [event.type for event in await talks[0].events()]
    listed = await desk.until("clerk", [1, 2])

    diff = ["@@ -1 +1,2 @@", " Hi.", "+Be kind."]
    changes = [
        {"field": "model", "text": "model: fast -> slow", "diff": []},
        {"field": "instructions", "text": "instructions: 0 lines out, 1 line in", "diff": diff},
    ]
    assert [{**one, "first_seen": None} for one in listed["versions"]] == [
        {
            "digest": second,
            "first_seen": None,
            "serving": True,
            "shared": True,
            "before": first,
            "changes": changes,
            "sessions": 1,
        },
        {
            "digest": first,
            "first_seen": None,
            "serving": False,
            "shared": True,
            "before": None,
            "changes": [],
            "sessions": 2,
        },
    ]
    assert (listed["agent"], listed["uncounted_sessions"], listed["next_cursor"]) == ("clerk", 0, None)

    # A closed session rests on nothing.
    await at.delete(f"/v1/sessions/{moved}")
    await desk.until("clerk", [0, 2])

    page = await desk.versions("clerk", limit=1)
    assert ([one["digest"] for one in page["versions"]], page["next_cursor"]) == ([second], second)
    rest = await desk.versions("clerk", limit=1, cursor=page["next_cursor"])
    assert ([one["digest"] for one in rest["versions"]], rest["next_cursor"]) == ([first], None)
    wrong = await at.get("/v1/agents/clerk/versions", params={"cursor": "x"})
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "cursor")

    seen = [one["first_seen"][:16].replace("T", " ") for one in listed["versions"]]
    assert [str(line) for line in lines_of(listed)] == [
        f"{second[:12]}  first seen {seen[0]} UTC, 1 open session, serves now",
        "  model: fast -> slow",
        "  instructions: 0 lines out, 1 line in",
        *(f"    {line}" for line in diff),
        f"{first[:12]}  first seen {seen[1]} UTC, 2 open sessions",
        "  the first that was seen",
    ]


async def test_who_is_told_what(desk: Desk) -> None:
    text = WHOLE.replace("NAME", "walls")
    desk.calls = "acme"
    shared = await desk.write("walls", text)
    own = await desk.write("walls", text.replace("Hi.", "Of Acme."), tenant="acme")
    await desk.talk("walls")
    desk.calls = "ada"
    await desk.talk("walls")
    desk.calls = "acme"
    listed = await desk.until("walls", [2, 0])
    assert [(one["digest"], one["shared"], one["before"]) for one in listed["versions"]] == [
        (own, False, shared),
        (shared, True, None),
    ]
    # Whoever may not read prompts is told which fields changed, and counts sessions of their own.
    desk.calls = "ada"
    told = (await desk.versions("walls"))["versions"]
    assert [one["sessions"] for one in told] == [1, 0]
    assert told[0]["changes"] == [{"field": "instructions", "text": "instructions: changed", "diff": []}]
    desk.calls = "reader"
    found = await desk.versions("walls")
    assert [one["sessions"] for one in found["versions"]] == [None, None]
    assert found["uncounted_sessions"] is None
    # Nothing of another tenant's.
    desk.calls = "bolt"
    assert [(one["digest"], one["sessions"]) for one in (await desk.versions("walls"))["versions"]] == [(shared, 0)]
    desk.calls = "nobody"
    refused = await desk.http.get("/v1/agents/walls/versions")
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    desk.calls = "acme"
    await desk.write("rebates", WHOLE.replace("NAME", "rebates"), tenant="acme")
    desk.calls = "bolt"
    for name in ("rebates", "nothing", "..%2Fshared", "a b"):
        missing = await desk.http.get(f"/v1/agents/{name}/versions")
        assert (missing.status_code, missing.json()["code"]) in ((404, "agent_not_found"), (404, "not_found")), name


async def test_a_refused_version_is_told_by_the_gateway_and_the_last_good_one_serves(desk: Desk) -> None:
    desk.calls = "acme"
    good = await desk.write("shop", WHOLE.replace("NAME", "shop"))
    await desk.spoil("shop")
    listed = (await desk.http.get("/v1/agents")).json()
    (told,) = [one for one in listed["problems"] if one["serving"] == "shop"]
    assert (told["line"], told["field"], told["message"]) == (6, "colour", "there is no such field")
    assert {one["name"]: one["digest"] for one in listed["agents"]}["shop"] == good
    await desk.talk("shop")
    (version,) = (await desk.until("shop", [1]))["versions"]
    assert (version["digest"], version["serving"]) == (good, True)

    await desk.spoil("never")
    async with serve(desk.app) as port:
        found = [check async for check in gateway(f"http://127.0.0.1:{port}") if check.name == "agents"]
        desk.calls = "nobody"
        untold = [check async for check in gateway(f"http://127.0.0.1:{port}") if check.name == "agents"]
    said = {check.found.rpartition("/")[2]: (check.state, check.advice) for check in found}
    assert said["shop.yaml:6:1: colour: there is no such field"] == (
        "warning",
        "mend the file: shop goes on with its last good version until the gateway is started again",
    )
    assert said["never.yaml:1:1: colour: there is no such field"] == (
        "failed",
        "mend the file: nothing serves in its place",
    )
    assert [check.state for check in untold] == ["unknown"]
