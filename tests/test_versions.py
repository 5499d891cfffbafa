"""Another version of the workflow under running sessions: with worker versioning, and without."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio import workflow
from temporalio.client import Client, WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.app.fakes.provider import Call, FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from perdure.temporal.app.processes.assembly import make_worker
from perdure.temporal.server.client import connect
from perdure.temporal.sessions.backend import Backend
from perdure.temporal.sessions.errors import SessionError
from perdure.temporal.settings import Settings
from perdure.temporal.stores.codec import data_converter
from perdure.workflows.session import SessionWorkflow
from tests.support.other_build import Patched, Unguarded, deployed
from tests.support.session_client import PATIENCE_S, Viewer, texts, told
from tests.support.session_lab import ONE_STEP, Lab, Talk, check, ends, kinds, open_lab
from tests.support.versions import UNVERSIONED, Place, builds_of, make_current

pytestmark = pytest.mark.server

B1, B2 = {"b1"}, {"b2"}
SLOW = " ".join(f"word{n}" for n in range(50))
TURN = ["turn.started", "message.added", "step.started", "step.finished", "turn.finished"]
TOOL_TURN = [*TURN[:4], "tool.started", "tool.finished", *TURN[2:]]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def place(tmp_path_factory: pytest.TempPathFactory, provider: FakeProvider) -> AsyncIterator[Place]:
    async with Place(tmp_path_factory.mktemp("place"), provider) as running:
        provider.default(lambda call: reply(running, call))
        yield running


def reply(place: Place, call: Call) -> Reply:
    """`tool` calls one that runs until the gate is opened, `slow` answers at length, others get an echo."""
    match said(call):
        case "tool":
            return Reply(text="Let me see.", tools=(("wait_for", {"path": str(place.gate)}),))
        case "slow":
            return Reply(text=SLOW, gap=0.1)
        case text:
            return Reply(text=f"You said {text}.")


def said(call: Call) -> str:
    content = call.body["messages"][-1]["content"]
    return str(content if isinstance(content, str) else content[-1].get("text", ""))


async def replay(version: type[Any], history: WorkflowHistory) -> None:
    converter, runner = data_converter(None), UnsandboxedWorkflowRunner()
    await Replayer(workflows=[version], data_converter=converter, workflow_runner=runner).replay_workflow(history)


def seen(viewer: Viewer) -> list[str]:
    assert [frame.seq for frame in viewer.durable] == list(range(1, len(viewer.durable) + 1))
    return [frame.type for frame in viewer.durable]


@pytest.mark.slow
async def test_sessions_move_to_the_current_build_where_they_rest(place: Place, provider: FakeProvider) -> None:
    """The other build cannot replay this one's histories, and need not. Then back, there again, and the old one
    ends."""
    sessions = place.sessions
    old, _ = await asyncio.gather(place.worker("ours", "b1"), place.worker("unguarded", "b2"))
    await place.make_current("b1")
    idle, woken, left = [await sessions.create(message=name) for name in ("idle", "woken", "left")]
    tool, slow = [await sessions.create("waiting", message=name) for name in ("tool", "slow")]
    async with sessions.view(tool) as at_tool, sessions.view(slow) as at_slow:
        for session in (idle, woken, left):
            async with sessions.view(session) as viewer:
                await viewer.until("turn.finished")
        await at_tool.until("tool.started")
        await at_slow.until("step.started")
        async with asyncio.timeout(PATIENCE_S):
            await provider.until(lambda calls: any(said(call) == "slow" and len(call.tokens) > 3 for call in calls))
        for session in (idle, woken, tool, slow, left):
            assert await place.builds(session) == [B1]
        (history,) = await place.histories(idle)
        await replay(SessionWorkflow, history)
        with pytest.raises(workflow.NondeterminismError):
            await replay(Unguarded, history)

        await place.make_current("b2")

        assert await place.builds(idle) == [B1]
        await asyncio.gather(sessions.ask(idle, "again"), place.wake(woken, "b2"))
        assert (await place.builds(idle), await place.pinned_to(idle)) == ([B1, B2], "b2")
        assert (await place.builds(woken), await place.pinned_to(woken)) == ([B1, B2], "b2")
        # Mid-turn: what was open is finished on the old build, the rest of the turn runs on the new build.
        assert await place.builds(tool) == [B1]
        place.gate.touch()
        await at_tool.until("turn.finished")
        assert (await place.builds(tool), await place.pinned_to(tool)) == ([B1, B2], "b2")
        assert seen(at_tool) == ["session.started", *TOOL_TURN]
        await at_slow.until("turn.finished")
        await sessions.ask(slow, "again")
        await at_slow.until("turn.finished", 2)
        assert await place.builds(slow) == [B1, B2]
        assert seen(at_slow) == ["session.started", *TURN, *TURN]
        assert {frame.data["attempt"] for frame in at_slow.durable if frame.type == "step.finished"} == {1}

    await place.make_current("b1")
    await asyncio.gather(sessions.ask(idle, "back"), sessions.ask(left, "still here"))
    assert (await place.builds(idle), await place.builds(left)) == ([B1, B2, B1], [B1])
    await place.ramp("b2", 100)
    await sessions.ask(idle, "there")
    assert await place.builds(idle) == [B1, B2, B1, B2]
    await place.make_current("b2")
    assert await old.stop() == 0
    await asyncio.gather(*(sessions.ask(session, "bye") for session in (idle, woken, tool, slow)))

    assert await place.builds(idle) == [B1, B2, B1, B2]
    async with sessions.view(idle) as viewer:
        await viewer.until("turn.finished", 5)
        assert seen(viewer) == ["session.started", *TURN * 5]
    words = ("idle", "again", "back", "there", "bye")
    lines = [line for text in words for line in (("user", text), ("assistant", f"You said {text}."))]
    assert texts((await sessions.snapshot(idle))["messages"]) == lines
    assert texts((await sessions.snapshot(slow))["messages"])[:2] == [("user", "slow"), ("assistant", SLOW)]

    # No worker is left for a session that did not rest meanwhile: the sender gets a timely error, and nothing is
    # accepted.
    began = time.monotonic()
    asked, sent = await asyncio.gather(
        sessions.http.get(f"/v1/sessions/{left}"),
        sessions.http.post(f"/v1/sessions/{left}/messages", json={"text": "anyone?"}),
    )
    assert [told(asked), told(sent)] == [(503, "no_worker")] * 2
    assert time.monotonic() - began < PATIENCE_S / 2

    # The history shows the move; a run that sees another version from its beginning does not try again.
    first, second = await place.histories(woken)
    await replay(SessionWorkflow, first)
    await replay(Unguarded, second)
    await replay(Unguarded, as_if(second, changed=True))
    with pytest.raises(workflow.NondeterminismError):
        await replay(SessionWorkflow, as_if(first, changed=False))


def as_if(history: WorkflowHistory, *, changed: bool) -> WorkflowHistory:
    """A copy in which each workflow task says whether another version is to continue."""
    for event in history.events:
        if event.HasField("workflow_task_started_event_attributes"):
            event.workflow_task_started_event_attributes.target_worker_deployment_version_changed = changed
    return history


async def test_auto_upgrade_moves_a_session_with_its_next_task(temporal_server: DevServer, tmp_path: Path) -> None:
    """Within a run, so that the other build has to replay what this one did."""

    def settings(build: str) -> Settings:
        return Settings(
            data_dir=tmp_path,
            graceful_shutdown_s=0,
            deployment_name=tmp_path.name,
            build_id=build,
            versioning="auto_upgrade",
        )

    client = await connect(settings("b1"), address=temporal_server.address)
    async with open_lab(client, tmp_path, settings("b1")) as lab:
        await make_current(client, tmp_path.name, "b1")
        try:
            talk = await lab.start(first="hello")
            await talk.until(ends)
            with deployed(Patched):
                other = make_worker(client, lab.live, replace(lab.parts, settings=settings("b2")))
            async with other:
                await make_current(client, tmp_path.name, "b2")
                await talk.turn("and again")
                check(await talk.events())
                assert builds_of(await talk.handle.fetch_history()) == {"b1", "b2"}
        finally:
            # The server's other sessions have no version.
            await make_current(client, tmp_path.name, UNVERSIONED)


@pytest_asyncio.fixture(loop_scope="session")
async def unversioned(temporal_server: DevServer, tmp_path: Path) -> "Unversioned":
    settings = Settings(data_dir=tmp_path, graceful_shutdown_s=0, query_timeout_s=3)
    return Unversioned(await connect(settings, address=temporal_server.address), tmp_path, settings)


async def test_without_versions_a_change_stalls_sessions_and_loses_nothing(
    unversioned: "Unversioned",
) -> None:
    """A rollback is not harmless either: it stalls a session that began on the new code."""
    async with unversioned.worker(SessionWorkflow) as lab:
        talk = await lab.start(first="hello")
        await talk.until(ends)
    history = await talk.handle.fetch_history()
    with pytest.raises(workflow.NondeterminismError):
        await replay(Unguarded, history)

    async with unversioned.worker(Unguarded, talk) as lab:
        assert await unversioned.asked(talk) == "no_worker"
        await talk.send("and again")
        assert await unversioned.asked(talk) == "no_worker"
        new = await lab.start(first="hello")
        await new.until(ends)

    async with unversioned.worker(SessionWorkflow, talk):
        await unversioned.back(talk)
        events = await talk.until(lambda events: ends(events, 2))
        check(events)
        assert kinds(events) == ["session.started", *ONE_STEP, *ONE_STEP]
        assert await unversioned.asked(new) == "no_worker"


async def test_behind_a_patch_old_and_new_sessions_go_on_and_only_old_ones_find_back(
    unversioned: "Unversioned",
) -> None:
    """A run that began before the change keeps the old behaviour to its end; one with the new behaviour needs new
    code."""
    async with unversioned.worker(SessionWorkflow) as lab:
        old = await lab.start(first="hello")
        await old.until(ends)

    async with unversioned.worker(Patched, old) as lab:
        new = await lab.start(first="hello")
        await asyncio.gather(new.until(ends), old.turn("and again"))
    await replay(SessionWorkflow, await old.handle.fetch_history())
    with pytest.raises(workflow.NondeterminismError):
        await replay(SessionWorkflow, await new.handle.fetch_history())

    async with unversioned.worker(SessionWorkflow):
        assert [await unversioned.asked(talk) for talk in (old, new)] == ["answered", "no_worker"]

    async with unversioned.worker(Patched, old, new):
        for talk in (old, new):
            await talk.turn("go on")
            check(await talk.events())


class Unversioned:
    """Workers without versions, one after the other, and a gateway's access to sessions."""

    def __init__(self, client: Client, folder: Path, settings: Settings) -> None:
        self._client = client
        self._folder = folder
        self._settings = settings
        self._backend = Backend(client, settings)

    @asynccontextmanager
    async def worker(self, version: type[SessionWorkflow], *talks: Talk) -> AsyncIterator[Lab]:
        """Starts a worker; `talks` are the sessions that continue with it."""
        with deployed(version):
            async with open_lab(self._client, self._folder, self._settings) as lab:
                for talk in talks:
                    talk.lab = lab
                yield lab

    async def back(self, talk: Talk) -> None:
        """Returns once it answers. After a task that failed the server refuses queries until the next one, which it gives
        out by and by."""
        async with asyncio.timeout(PATIENCE_S):
            while await self.asked(talk) != "answered":  # noqa: ASYNC110 - nothing tells when
                await asyncio.sleep(0.1)

    async def asked(self, talk: Talk) -> str:
        """The outcome of a query to the session; a gateway sends a message only after an answer."""
        try:
            await self._backend.events(talk.handle.id, 0)
        except SessionError as error:
            return error.code
        return "answered"
