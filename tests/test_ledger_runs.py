"""The runs of a purse, on a real server: each hands over before it has more updates than a run may have."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.sessions.budgets import Budgets
from perdure.temporal.sessions.ledgers import Ledgers
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.visibility import at_work_query
from perdure.workflows import ledger
from perdure.workflows.core.runs import SessionInput
from perdure.workflows.definition.limits import Caps, PurseLimits
from perdure.workflows.ledger import LedgerWorkflow
from perdure.workflows.protocol.amounts import Amounts
from perdure.workflows.protocol.purses import Draw, Draws, PurseName, SetCaps
from perdure.workflows.protocol.signals import BEHAVIOR, NewSession
from perdure.workflows.session import SessionWorkflow
from tests.support.session_lab import Lab, Play, lab_on
from tests.support.session_lab import kinds as kinds_of

pytestmark = pytest.mark.server

AT = datetime(2026, 3, 1, 9, tzinfo=UTC)
NAME = PurseName(tenant="lab", scope="user", id="busy")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    async with lab_on(temporal_server, tmp_path_factory.mktemp("lab")) as running:
        yield running


async def kinds(run: WorkflowHandle[Any, Any]) -> list[int]:
    return [event.event_type for event in (await run.fetch_history()).events]


async def signals(run: WorkflowHandle[Any, Any]) -> list[str]:
    events = (await run.fetch_history()).events
    return [event.workflow_execution_signaled_event_attributes.signal_name for event in events]


async def test_a_purse_hands_over_in_the_middle_of_a_visit(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "MAX_UPDATES", 10)
    monkeypatch.setattr(ledger, "MOST_UPDATES", 20)
    ledgers = Ledgers(lab.client, timedelta(seconds=10))

    async def draw(session: str, number: int, tokens: int, spent: int = 0) -> bool:
        asked = Draw(since=AT, number=number, spent=Amounts(tokens=spent), needs=Amounts(tokens=tokens))
        return (await ledgers.draw(NAME, Draws(draws={session: asked}))).drawn[session].refused is None

    # No worker answers for it, so whoever visits it waits for long.
    new = NewSession(tenant="lab", session_id="away", agent="staged", digest="d1")
    away = await lab.client.start_workflow(
        SessionWorkflow.run, SessionInput(new=new), id="lab/away", task_queue="nobody"
    )
    await ledgers.set_caps(NAME, SetCaps(id="c1", caps={"total": {"tokens": 100}}))
    purse = lab.client.get_workflow_handle(NAME.workflow_id)
    first = lab.client.get_workflow_handle(NAME.workflow_id, run_id=(await purse.describe()).run_id)
    assert await draw("away", 1, 40)
    assert await draw("other", 1, 40)
    # It is refused with nothing open, so what it holds is asked back for the other one.
    assert not await draw("away", 2, 40, spent=40)
    assert not await draw("other", 2, 20, spent=40)
    async with asyncio.timeout(20):
        while EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED not in await kinds(first):
            pass

    for number in range(30):
        assert await draw(f"idle{number}", 1, 0)

    done = await kinds(first)
    assert EventType.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED in done
    assert done[-1] == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW
    assert done.count(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED) == ledger.MOST_UPDATES
    state = await ledgers.state(NAME)
    assert state is not None
    assert (state.caps.total and state.caps.total.tokens, state.waiting) == (100, 2)
    # Sessions that begin from now on still hear that it has caps.
    assert await ledgers.has_caps(NAME)
    replayer = Replayer(
        workflows=[LedgerWorkflow],
        data_converter=lab.client.data_converter,
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    await replayer.replay_workflow(await first.fetch_history())
    await purse.terminate()
    await away.terminate()


async def test_a_session_at_work_is_told_of_a_cap_that_is_set_meanwhile(lab: Lab) -> None:
    gate = asyncio.Event()
    lab.stage.plays = [Play("One.", gate=gate), Play("Two.")]
    talk = await lab.start("staged", user="Zoë", behavior=BEHAVIOR)
    await talk.send("one")
    await talk.send("two")
    await talk.until(lambda events: "message.queued" in kinds_of(events))
    query = at_work_query(PurseName(tenant="lab", scope="user", id="Zoë"))
    async with asyncio.timeout(20):
        while talk.handle.id not in [one.id async for one in lab.client.list_workflows(query)]:
            pass
    await Budgets(lab.client, lab.parts.settings).set(
        Principal.trusted("lab"), "user", "Zoë", PurseLimits(total=Caps(tokens=1))
    )
    async with asyncio.timeout(20):
        while "purse_changed" not in await signals(talk.handle):
            pass
    gate.set()
    events = await talk.until(lambda events: "budget.paused" in kinds_of(events))
    assert [event.turn_id for event in events if event.type == "budget.paused"] == ["t2"]
    await talk.close()
