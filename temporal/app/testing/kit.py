"""The test kit: an agent's sessions on a real Temporal server whose clock the test moves, with a scripted model.

    async def test_an_order(perdure):
        perdure.model.says("Let me look.", calls=[("find_order", {"order_id": "A-1001"})])
        perdure.model.says("It is on its way.")
        session = await perdure.session("support", inputs={"customer_name": "Ada"})
        turn = await session.say("Where is my order A-1001?")
        assert turn.text == "It is on its way."

Rule 1: everything but the model is the product's own: workflow, worker, definitions, tools, blobs, live plane. Only that
tools run on the test's own loop and in its process, whatever the definition says: they may share events with it.
Rule 2: nothing waits in real time. Time passes by `perdure.later(days=3)`, and what failed is tried again at once.
Rule 3: a test that passes has been replayed: every run of every session, from its history.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

from temporalio.client import Client, WorkflowHandle

from perdure.temporal.app.processes.assembly import Parts, assemble, make_worker
from perdure.temporal.app.processes.sources import Sources
from perdure.temporal.app.testing.model import Asked, ScriptedModel, ScriptedProviders, ScriptError
from perdure.temporal.app.testing.points import POINTS, Point, Points
from perdure.temporal.app.testing.questions import AnswerRefused
from perdure.temporal.app.testing.replay import replay
from perdure.temporal.app.testing.server import TestServer, end, now, release_clock, rests, settled, skip
from perdure.temporal.app.testing.session import Session
from perdure.temporal.app.testing.starting import TENANT, new_session
from perdure.temporal.app.testing.tools import StandIn, StandIns
from perdure.temporal.app.testing.transcript import (
    Call,
    Transcript,
    assistant,
    call,
    differences,
    failure,
    reasoning,
    result,
    user,
)
from perdure.temporal.app.testing.turns import Turn
from perdure.temporal.app.testing.worker import MortalWorker
from perdure.temporal.live.memory import MemoryLive
from perdure.temporal.server.client import connect
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.service import Sessions
from perdure.temporal.sessions.starting import Start, start_session
from perdure.temporal.sessions.workers import Workers
from perdure.temporal.settings import Settings
from perdure.workflows.core.purses_asked import NOBODY
from perdure.workflows.core.runs import SessionInput
from perdure.workflows.definition.agent import PurseLimits
from perdure.workflows.protocol.purses import PurseName, Scope
from perdure.workflows.protocol.signals import NewSession
from perdure.workflows.session import SessionWorkflow

__all__ = [
    "AnswerRefused",
    "Asked",
    "Call",
    "Perdure",
    "ScriptError",
    "Session",
    "StandIn",
    "Transcript",
    "Turn",
    "assistant",
    "call",
    "differences",
    "failure",
    "reasoning",
    "result",
    "user",
]

_NOTHING: Final = object()
CONTINUE_AS_NEW_AFTER: Final[int] = NewSession.model_fields["continue_as_new_after"].default
_MIN_RUN_EVENTS: Final = 20
#: Sessions that the worker keeps in memory. Few, for so many push the others out.
_CACHED: Final = 4
#: Real seconds that `later` gives the server.
_PATIENCE_S: Final = 30
#: Real seconds that it gives what began at its very end.
_LAST_S: Final = 10


class Perdure:
    """What a test has: the fixture `perdure`. Made by `open_perdure`."""

    def __init__(self, client: Client, live: MemoryLive, parts: Parts, model: ScriptedModel, points: Points) -> None:
        #: What the model says, and what it was asked.
        self.model = model
        self._client = client
        self._live = live
        self._parts = parts
        self._points = points
        self._service = Sessions(
            client,
            parts.settings,
            parts.blobs,
            parts.definitions,
            live,
            workers=Workers(client, here=True),
            edit_arguments=parts.catalogue.edited,
        )
        self._stand_ins = StandIns(parts.catalogue, parts.blobs)
        points.stand_in = self._stand_ins.of
        self._worker = MortalWorker(make_worker(client, live, parts), points, self._forget)
        self._loop = asyncio.get_running_loop()
        self._sessions: list[Session] = []
        self._purses: set[PurseName] = set()
        #: Runs whose hold of the clock was released.
        self._released: set[str] = set()

    async def session(
        self,
        agent: str,
        *,
        inputs: dict[str, Any] | None = None,
        user: str | None = None,
        metadata: dict[str, Any] | None = None,
        message: str | None = None,
        continue_as_new_after: int = CONTINUE_AS_NEW_AFTER,
    ) -> Session:
        """Starts a session of an agent, shipped or from the agents' folder. Raises `LookupError` where there is none,
        and `InputProblem` where the inputs are not those that it takes. `metadata` may name its `timezone`.

        `message` comes with the start; its id is `first`: `await session.turn("first")`.

        A session goes on in a fresh run when its history has `continue_as_new_after` events; give a small number, 20 at
        least, to see that nothing is lost on the way. `session.runs()` tells the runs.
        """
        if continue_as_new_after < _MIN_RUN_EVENTS:
            raise ValueError(f"continue_as_new_after must be at least {_MIN_RUN_EVENTS}, or no run gets anything done")
        if asyncio.get_running_loop() is not self._loop:
            raise RuntimeError(
                "the test and its fixture `perdure` run on two event loops: give asyncio_default_fixture_loop_scope "
                "and asyncio_default_test_loop_scope the same value"
            )
        new = await new_session(
            self._parts, self._service, agent, inputs or {}, user, metadata or {}, message, continue_as_new_after
        )
        handle = await self._start(new)
        session = Session(self._client, handle, new, self._live, self._parts.blobs, self.model, self._service)
        self._sessions.append(session)
        owners: dict[Scope, str] = {"user": user or NOBODY, "tenant": TENANT}
        self._purses |= {PurseName(tenant=TENANT, scope=scope, id=owner) for scope, owner in owners.items()}
        return session

    async def budget(
        self,
        scope: Literal["user", "tenant"] = "user",
        owner: str | None = None,
        *,
        set: dict[str, Any] | None = None,  # noqa: A002
    ) -> dict[str, Any]:
        """The budget of a user, or of the tenant of the test's sessions, as `GET /v1/budgets/…` answers it. Without `owner`,
        that of sessions without a user. `set={"day": {"cost_usd": 1}}` sets caps first."""
        purse_id = TENANT if scope == "tenant" else owner or NOBODY
        self._purses.add(PurseName(tenant=TENANT, scope=scope, id=purse_id))
        caller, budgets = Principal.trusted(TENANT), self._service.budgets
        if set is not None:
            return await budgets.set(caller, scope, purse_id, PurseLimits.model_validate(set))
        return await budgets.show(caller, scope, purse_id)

    def tool(
        self,
        name: str,
        answer: Callable[..., Any] | None = None,
        *,
        returns: Any = _NOTHING,
        raises: BaseException | None = None,
    ) -> StandIn:
        """Replaces the tool `name` in this test: by a function (also `async`) of the same arguments, by what it
        returns, or by what it raises. The stand-in tells its `calls`. Raises `UnknownTool`."""
        if (answer is not None) + (returns is not _NOTHING) + (raises is not None) != 1:
            raise TypeError("give one of: a function, returns=..., raises=...")
        return self._stand_ins.put(name, answer or (lambda **_: _raise(raises) if raises is not None else returns))

    async def later(self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0) -> None:
        """Lets this much time pass on the virtual clock, for all sessions; whatever is due on the way happens. What begins
        at the very end is waited for, if it is done within ten seconds.

        Time stands still while the model or a tool is at work, so an answer that hangs has to be stopped before.
        """
        span = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        await self._release_clock()
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await skip(self._client, span)
        except TimeoutError:
            raise AssertionError("time stands still while the model or a tool is at work; stop it first") from None
        await settled([session.handle for session in self._sessions], _LAST_S)

    async def now(self) -> datetime:
        """What the virtual clock shows."""
        return await now(self._client)

    def kill_worker(self, *, at: Point, tool: str | None = None) -> None:
        """The worker dies when it next comes to the point `at`, and a fresh one takes its place; what that means is
        told in `perdure.temporal.app.testing.worker`. With `tool`, only a call of that tool counts.

        `step.started`, `tool.started`: nothing is done yet. `step.streaming`: the answer has begun. `step.finished`,
        `tool.finished`: all is done, and Temporal does not know it yet, so that it is done again, but for a tool that is
        called `once`. Raises `ValueError` for any other point.
        """
        if at not in POINTS:
            raise ValueError(f"there is no point {at!r}; there are: {', '.join(POINTS)}")
        self._points.arm(at, tool)

    async def restart_worker(self) -> None:
        """A fresh worker at once. Calls that are at work are lost and tried again."""
        await self._worker.restart()

    async def check(self) -> None:
        """Raises `ScriptError` unless the script was used up, and `AssertionError` where a kill never came or where a
        session does not do again what its history says."""
        self.model.check()
        if self._points.armed is not None:
            raise AssertionError(f"the worker was to be killed at {self._points.armed}, and never came there")
        await replay(self._client, [run for session in self._sessions for run in await session.runs()])

    async def _start(self, new: NewSession) -> WorkflowHandle[SessionWorkflow, str]:
        start = Start(SessionInput(new=new), new.digest)
        await start_session(self._client, start, self._parts.settings.workflow_task_timeout)
        # Without a run id: a session outlives its runs.
        return self._client.get_workflow_handle_for(SessionWorkflow.run, start.workflow_id)

    async def _forget(self) -> None:
        """Has other sessions push all of ours out of the worker's memory, which is the SDK's only way."""
        if not self._sessions:
            return
        await asyncio.gather(*(rests(session.handle) for session in self._sessions))
        first = self._sessions[0].new
        others = [first.model_copy(update={"session_id": uuid.uuid4().hex, "message": None}) for _ in range(_CACHED)]
        handles = await asyncio.gather(*map(self._start, others))
        await asyncio.gather(*map(rests, handles))
        await end(*handles)

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        async with self._worker.running():
            yield
            self._points.finish()
            # The tests of a run share the server, and the tenant.
            purses = [self._client.get_workflow_handle(purse.workflow_id) for purse in self._purses]
            await end(*(session.handle for session in self._sessions), *purses)
            await self._release_clock()

    async def _release_clock(self) -> None:
        for session in self._sessions:
            await release_clock(self._client, session.handle, self._released)


@asynccontextmanager
async def open_perdure(server: TestServer, folder: Path, sources: Sources) -> AsyncIterator[Perdure]:
    """The kit for one test, on the running loop; `folder` takes its blobs. Raises `ToolLoadError`."""
    settings = Settings.load(
        data_dir=folder,
        blobs=str(folder / "blobs"),
        graceful_shutdown_s=0,
        heartbeat_throttle_s=0.1,
        cached_workflows=_CACHED,
    )
    points = Points(lambda _: None)
    model = ScriptedModel(lambda: points.reached("step.streaming"))
    parts = assemble(settings, sources, demo_without_keys=False)
    parts = replace(parts, providers=ScriptedProviders(model), tool_places=None)
    await parts.definitions.publish()
    client = await connect(settings, address=server.address, interceptors=[points])
    points.client = client
    await server.prepare(client)
    kit = Perdure(client, MemoryLive(asyncio.get_running_loop()), parts, model, points)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(parts.mcp.aclose)
        stack.push_async_callback(points.close)
        await stack.enter_async_context(kit._running())
        yield kit


def _raise(error: BaseException) -> None:
    raise error
