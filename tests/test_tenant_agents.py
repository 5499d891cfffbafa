"""Folders of agents that belong to one tenant: `@TENANT` in a folder of agents."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio
from starlette.requests import HTTPConnection

from perdure.gateway.app import create_app
from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.definitions.store import Definitions, Known
from perdure.temporal.server.deliveries import scheduling
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.scopes import EVERYTHING
from perdure.temporal.stores.blobs import LocalBlobs
from tests.support.session_lab import Lab, Play, Talk, ends, lab_on

WHOLE = "name: {name}\nmodels: {{main: {{use: demo/x}}}}\nmodel: main\ninstructions: {about}\n{more}"
NIGHTLY = "schedules: [{cron: '0 3 * * *', session: nightly, message: Tidy up.}]"


def write(folder: Path, name: str, about: str = "Hi.", more: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (file := folder / f"{name}.yaml").write_text(WHOLE.format(name=name, about=about, more=more))
    return file


def read(tmp_path: Path) -> Definitions:
    return Definitions([tmp_path / "agents"], blobs=LocalBlobs(tmp_path / "blobs"))


def known(found: Known | None) -> Known:
    assert found is not None
    return found


def test_each_tenant_has_what_is_shared_and_its_own_above_it(tmp_path: Path) -> None:
    agents = tmp_path / "agents"
    write(agents, "support", "For all.")
    write(agents / "@acme", "support", "For Acme.")
    write(agents / "@acme", "billing")
    write(agents / "@bolt", "billing")
    found = read(tmp_path)
    assert found.problems == ()
    assert {tenant: found.names(tenant) for tenant in (None, "acme", "bolt", "nobody")} == {
        None: ("support",),
        "acme": ("billing", "support"),
        "bolt": ("billing", "support"),
        "nobody": ("support",),
    }
    assert known(found.current("support", "acme")).definition.instructions == "For Acme."
    assert known(found.current("support", "bolt")) is known(found.current("support"))
    # The files of `billing` are the same but for their places.
    assert known(found.current("billing", "acme")).digest != known(found.current("billing", "bolt")).digest


async def test_a_digest_is_found_by_the_tenant_that_has_it_alone(tmp_path: Path) -> None:
    write(tmp_path / "agents", "support")
    write(tmp_path / "agents" / "@acme", "billing", "Secret rebates.")
    found = read(tmp_path)
    await found.publish()
    # What another process reads has to come from the store.
    elsewhere = Definitions((), blobs=LocalBlobs(tmp_path / "blobs"))
    of_acme, shared = known(found.current("billing", "acme")).digest, known(found.current("support")).digest
    for one in (found, elsewhere):
        seen = {tenant: await one.by_digest(of_acme, tenant) for tenant in ("acme", "bolt", None)}
        assert {tenant for tenant, definition in seen.items() if definition is not None} == {"acme"}
        assert await one.by_digest(shared, "bolt") is not None
    # An agent that stays in memory after its file is gone is found by nobody else either.
    (tmp_path / "agents" / "@acme" / "billing.yaml").unlink()
    assert await found.refresh()
    assert (await found.by_digest(of_acme, "bolt"), found.current("billing", "acme")) == (None, None)


def test_a_shared_agent_comes_to_the_tenant_s_own(tmp_path: Path) -> None:
    """So it is another definition for that tenant, and another tenant's stays as it is."""
    agents = tmp_path / "agents"
    write(agents, "support", more="tools: [agent: {name: expert}]")
    write(agents, "expert")
    before = known(read(tmp_path).current("support")).digest
    write(agents / "@acme", "expert", "Of Acme.")
    found = read(tmp_path)
    assert known(found.current("support")).digest == known(found.current("support", "bolt")).digest == before
    acme = known(found.current("support", "acme"))
    assert (acme.digest != before, acme.own) == (True, False)


def test_what_is_wrong_in_a_tenant_s_folder_is_told_to_it_alone(tmp_path: Path) -> None:
    agents = tmp_path / "agents"
    write(agents, "support", more="tools: [agent: {name: expert}]")
    write(agents, "expert")
    broken = write(agents / "@acme", "expert", more="inputs: {message: {type: string}}")
    write(agents / "@bolt", "odd", more="nonsense: 1")
    for impossible in ("@definitions", "@~", "@..%2fx"):
        write(agents / impossible, "x")
    found = read(tmp_path)
    acme, bolt, other = (found.problems_of(tenant) for tenant in ("acme", "bolt", "other"))
    # Nobody is told of another's, nor of a folder that no tenant can have; who runs the server sees all.
    assert other == ()
    nobodys = [one for one in found.problems if one not in {*acme, *bolt}]
    assert {str(one).split(": ")[-1] for one in nobodys} == {
        f"no tenant can be named {name!r}" for name in ("definitions", "~", "..%2fx")
    }
    assert [one.file.name for one in acme if one not in other] == ["support.yaml"]
    assert [one.file.name for one in bolt if one not in other] == ["odd.yaml"]
    assert set(found.problems) == {*acme, *bolt, *nobodys}
    # A shared agent that does not fit what the tenant put in place of its expert is refused for that tenant.
    assert (found.names("acme"), found.names("other")) == (("expert",), ("expert", "support"))
    assert known(found.current("expert", "acme")).file == broken


async def test_a_folder_is_followed_while_it_changes(tmp_path: Path) -> None:
    write(tmp_path / "agents", "support")
    found = read(tmp_path)
    assert not await found.refresh()
    file = write(tmp_path / "agents" / "@acme", "billing", "One.")
    assert await found.refresh()
    first = known(found.current("billing", "acme"))
    file.write_text(file.read_text().replace("One.", "Two, longer."))
    assert await found.refresh()
    second = known(found.current("billing", "acme"))
    assert (second.definition.instructions, second.digest != first.digest) == ("Two, longer.", True)
    # A fault leaves the last good one in place, as it does in shared folders.
    file.write_text(file.read_text() + "nonsense: 1\n")
    assert await found.refresh()
    assert (found.current("billing", "acme"), len(found.problems_of("acme")), found.problems_of("x")) == (second, 1, ())
    file.unlink()
    file.parent.rmdir()
    assert await found.refresh()
    assert (found.tenants, found.names("acme")) == ((), ("support",))


def test_schedules_come_into_the_tenant_s_own_sessions(tmp_path: Path) -> None:
    agents = tmp_path / "agents"
    write(agents, "support", more=NIGHTLY)
    write(agents, "tidy", more=NIGHTLY)
    write(agents / "@acme", "support", more=NIGHTLY)
    write(agents / "@default", "tidy")
    told = {
        owner: [one.schedule_id for one in delivered] for owner, (_, delivered) in scheduling(read(tmp_path)).items()
    }
    assert told == {
        "support": ["default/perdure/support/nightly"],
        "tidy": [],
        "acme/support": ["acme/perdure/support/nightly"],
    }


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    folder = tmp_path_factory.mktemp("tenants")
    async with lab_on(temporal_server, folder) as running:
        own = folder / "agents" / "@acme"
        staged = "models: {main: {use: demo/stage}}\nmodel: main\ninstructions: Be brief.\n"
        own.mkdir()
        (own / "helper.yaml").write_text(f"name: helper\ndescription: Helps Acme\n{staged}")
        (own / "rebates.yaml").write_text(f"name: rebates\n{staged}tools: [agent: {{name: helper}}]\n")
        (own / "faulty.yaml").write_text(f"name: faulty\n{staged}nonsense: 1\n")
        assert await running.parts.definitions.refresh()
        yield running


@pytest.mark.server
async def test_sessions_run_the_agents_of_their_tenant_and_no_others(lab: Lab) -> None:
    """By name, by digest, as a fork's agent, and as a sub-agent."""
    who = {name: Principal(name, None, EVERYTHING, actor="key:1") for name in ("acme", "bolt")}
    calls = "bolt"

    async def authenticate(_request: HTTPConnection) -> Principal:
        return who[calls]

    app = create_app(
        client=lab.client,
        live=lab.live,
        blobs=lab.parts.blobs,
        definitions=lab.parts.definitions,
        settings=lab.parts.settings,
        authenticate=authenticate,
    )
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://localhost") as http:

        async def session(agent: str, text: str) -> httpx2.Response:
            return await http.post("/v1/sessions", json={"agent": agent, "message": text})

        listed = (await http.get("/v1/agents")).json()
        assert "rebates" not in str(listed) and "faulty" not in str(listed)
        assert (await http.get("/v1/agents/rebates")).status_code == 404
        refused = await session("rebates", "hello")
        assert refused.status_code == 422 and not re.search("there are: .*rebates", refused.text), refused.text

        calls = "acme"
        seen = (await http.get("/v1/agents")).json()
        digests = {one["name"]: one["digest"] for one in seen["agents"]}
        # As a caller finds it in their folder, not as it lies on this machine.
        assert [one["file"] for one in seen["problems"]] == ["@acme/faulty.yaml"]
        lab.stage.plays = [Play(calls=[("helper", {"message": "x"})]), Play("of Acme"), Play("done")]
        above = (await session("rebates", "go")).json()["session_id"]
        talk = Talk(lab, lab.client.get_workflow_handle(f"acme/{above}"))
        await talk.until(ends)
        below = (await http.get(f"/v1/sessions/{above}~t1.s1.c1/trace")).json()
        assert below["steps"][0]["digest"] == digests["helper"], below

        calls = "bolt"
        lab.stage.plays = [Play("of all")]
        made = (await session("helper", "hi")).json()["session_id"]
        await Talk(lab, lab.client.get_workflow_handle(f"bolt/{made}")).until(ends)
        pinned = await http.patch(f"/v1/sessions/{made}", json={"digest": digests["helper"]})
        forked = await http.post(f"/v1/sessions/{made}/fork", json={"turn_id": "t1", "agent": "rebates"})
        assert (pinned.status_code, forked.status_code) == (422, 422), (pinned.text, forked.text)
