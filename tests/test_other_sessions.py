"""The tool `trigger_session`: a session triggers handlers of other sessions and sends them events, each once."""

from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowHandle
from temporalio.exceptions import ApplicationError

from perdure.activities.sessions.reaching import Reaching, failure_of
from perdure.activities.shipped.other_sessions import Wanted, trigger_session
from perdure.temporal.app.testing.kit import Perdure, assistant
from perdure.temporal.app.testing.points import Point
from perdure.temporal.app.testing.session import Session
from perdure.temporal.sessions.errors import NoWorker, SessionClosed, SessionError, TooMany, TooManyTurns
from perdure.workflows.protocol.queries import PageRequest
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.events import Event, ToolFinished, TurnStarted
from perdure.workflows.vocabulary.tool_context import ToolContext

pytestmark = pytest.mark.server


async def pass_on(session: Session, to: str, name: str, **more: Any) -> str:
    """What the session's handler says of it."""
    return (await session.trigger("pass_on", session_id=to, name=name, **more)).text


def begun(events: list[Event]) -> list[tuple[str | None, str | None]]:
    """The handler of each turn, and its trigger."""
    return [(event.handler, event.trigger_id) for event in events if isinstance(event, TurnStarted)]


async def test_a_handler_triggers_one_of_another_session_and_sends_it_an_event(perdure: Perdure) -> None:
    relay, till = await perdure.session("relay", user="ada"), await perdure.session("cashier", user="ada")
    there = till.new.session_id

    said = await pass_on(relay, there, "charge", inputs={"order_id": "A-1"})
    assert said == f"{there} from- 1"
    await till.until("turn.finished")
    await pass_on(relay, there, "paid", inputs={"order_id": "A-1", "amount": 5})
    await till.until("turn.finished", 2)

    assert (await till.transcript())[-1] == assistant("Thank you for 5.")
    calls = [event for event in await relay.events() if isinstance(event, ToolFinished)]
    sent = [call.result.output["trigger_id"] for call in calls if isinstance(call.result.output, dict)]
    assert begun(await till.events()) == [("charge", sent[0]), ("charge", sent[1])]


@pytest.mark.parametrize("point", ["tool.started", "tool.finished"])
async def test_it_arrives_once_whatever_becomes_of_the_worker(perdure: Perdure, point: Point) -> None:
    relay, till = await perdure.session("relay"), await perdure.session("cashier")
    perdure.kill_worker(at=point)

    said = await pass_on(relay, till.new.session_id, "late")

    assert said.startswith(f"{till.new.session_id} from-")
    await till.until("turn.finished")
    assert await till.transcript() == [assistant("It is late.")]
    assert len(begun(await till.events())) == 1


async def test_a_model_may_call_it(perdure: Perdure) -> None:
    relay, till = await perdure.session("relay"), await perdure.session("cashier")
    perdure.model.says(calls=[("trigger_session", {"session_id": till.new.session_id, "name": "late"})])
    perdure.model.says("I have told them.")
    assert (await relay.say("Tell them")).text == "I have told them."
    await till.until("turn.finished")
    assert await till.transcript() == [assistant("It is late.")]


async def test_a_session_that_is_not_there_is_started_with_an_agent(perdure: Perdure) -> None:
    relay = await perdure.session("relay", user="ada", metadata={"timezone": "Europe/Berlin"})
    here = relay.new.session_id
    there = f"{here}-till"
    assert await pass_on(relay, there, "late") == (
        f"session_not_found: pass_on[0].try.do[0].call: This session can reach no session {there!r}. Name the agent, and one "
        "is started."
    )
    refused = await pass_on(relay, there, "lat", agent="cashier")
    assert refused.endswith(
        "cashier has no handler 'lat' that can be triggered, and no such event; did you mean 'late'?"
    )
    assert (await pass_on(relay, there, "late")).startswith("session_not_found")

    for _ in range(2):
        assert (await pass_on(relay, there, "late", agent="cashier")).startswith(f"{there} from-")

    page = await snapshot(perdure, there)
    assert (page.agent, page.user, page.metadata) == ("cashier", "ada", {"timezone": "Europe/Berlin"})


async def test_a_session_that_is_started_is_given_what_its_agent_takes(perdure: Perdure) -> None:
    relay = await perdure.session("relay")
    there = f"{relay.new.session_id}-sums"
    missing = await pass_on(relay, there, "look_up", agent="greeter", inputs={"order_id": "A-1"})
    assert missing == "validation: pass_on[0].try.do[0].call: inputs.customer: is required"
    given = {"order_id": "A-1", "customer": "Bea"}
    for _ in range(2):
        assert (await pass_on(relay, there, "look_up", agent="greeter", inputs=given)).startswith(there)
    page = await snapshot(perdure, there)
    assert (page.inputs, page.user) == ({"customer": "Bea"}, None)


@pytest.mark.parametrize(("mine", "theirs"), [("ada", "bea"), ("ada", None), (None, "bea")])
async def test_sessions_of_others_are_not_there(perdure: Perdure, mine: str | None, theirs: str | None) -> None:
    relay, till = await perdure.session("relay", user=mine), await perdure.session("cashier", user=theirs)
    for agent in (None, "cashier"):
        said = await pass_on(relay, till.new.session_id, "late", agent=agent)
        assert said.startswith("session_not_found: pass_on[0].try.do[0].call: This session can reach no session")
    assert begun(await till.events()) == []


async def test_what_is_wrong_is_named(perdure: Perdure) -> None:
    relay, till = await perdure.session("relay"), await perdure.session("cashier")
    there = till.new.session_id
    for name, inputs, fault in (
        ("lat", {}, "validation: {}name: cashier has no handler 'lat' that can be triggered"),
        ("paid", {"order_id": 3}, "validation: {}inputs.order_id: 3 is not of type 'string'"),
        ("charge", {}, "validation: {}inputs.order_id: is required"),
    ):
        said = await pass_on(relay, there, name, inputs=inputs)
        assert said.startswith(fault.format("pass_on[0].try.do[0].call: ")), said
    assert "session_id: " in await pass_on(relay, "no/such", "late")
    assert "agent: is not known; there are: " in await pass_on(relay, there, "late", agent="nobody")
    await till.close()
    assert (await pass_on(relay, there, "late")).startswith("session_closed: ")


async def test_what_is_kept_for_a_schedule_is_not_started(perdure: Perdure) -> None:
    reaching = Reaching(perdure._service, perdure._parts.definitions)
    wanted = Wanted(session_id="daily-count", name="count", inputs={"customer": "Bea"}, agent="greeter")
    with pytest.raises(ApplicationError, match="session_id: is kept for sessions that a schedule starts") as caught:
        await reaching.deliver(ToolContext(session_id="s", call_id="t1.s0.c1"), wanted)
    assert (caught.value.type, caught.value.non_retryable) == ("validation", True)


@pytest.mark.parametrize(
    ("error", "final", "wait"),
    [
        (NoWorker(), False, None),
        (TooManyTurns("Many.", 7), False, timedelta(seconds=7)),
        (TooMany("Many."), True, None),
        (SessionClosed(), True, None),
    ],
)
def test_only_what_may_pass_is_tried_again(error: SessionError, final: bool, wait: timedelta | None) -> None:
    failure = failure_of(error, Wanted(session_id="any", name="late", inputs={}, agent=None))
    assert (failure.type, failure.message) == (error.code, error.detail)
    assert (failure.non_retryable, failure.next_retry_delay) == (final, wait)


async def test_a_session_may_trigger_itself(perdure: Perdure) -> None:
    relay, till = await perdure.session("relay"), await perdure.session("cashier")
    here, there = relay.new.session_id, till.new.session_id
    again = {"session_id": there, "name": "late"}

    await relay.trigger("pass_on", "x1", session_id=here, name="pass_on", inputs=again)
    await relay.until("turn.finished", 2)
    await till.until("turn.finished")

    assert [handler for handler, _ in begun(await relay.events())] == ["pass_on", "pass_on"]
    assert await till.transcript() == [assistant("It is late.")]


async def snapshot(perdure: Perdure, session_id: str) -> Any:
    handle: WorkflowHandle[SessionWorkflow, Any] = perdure._client.get_workflow_handle(f"test/{session_id}")
    return await handle.query(SessionWorkflow.snapshot, PageRequest())


async def test_a_process_of_its_own_has_no_worker_to_ask() -> None:
    with pytest.raises(ApplicationError, match="remove process: true"):
        await trigger_session("other", "late", ToolContext())
