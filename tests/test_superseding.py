"""What sub-agents ask while a person says something else to the agent above, on a real Temporal server."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from perdure.temporal.app.dev_server.server import DevServer
from perdure.workflows.vocabulary.busy import Busy
from perdure.workflows.vocabulary.events import ToolFinished
from perdure.workflows.vocabulary.question_events import ApprovalResolved
from tests.support.session_lab import Lab, Play, Talk, check, ends, kinds, lab_on

pytestmark = pytest.mark.server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    async with lab_on(temporal_server, tmp_path_factory.mktemp("lab")) as opened:
        yield opened


async def asking_below(lab: Lab) -> tuple[Talk, Talk]:
    """A session whose sub-agent waits for a person, and that sub-agent's."""
    talk = await lab.start("boss")
    lab.stage.plays = [
        Play("", [("helper", {"message": "Book."})]),
        Play("Let me book.", [("book", {"size": 1})]),
    ]
    await talk.send("let it book")
    child = talk.child("t1.s1.c1")
    await child.streamed("Let me book.")
    await child.until(lambda events: "approval.requested" in kinds(events))
    return talk, child


@pytest.mark.parametrize(("busy", "turns"), [("steer", 1), ("interrupt", 2)])
async def test_a_sub_agent_s_question_is_superseded(lab: Lab, busy: Busy, turns: int) -> None:
    talk, child = await asking_below(lab)
    steers = busy == "steer"
    lab.stage.plays = [*([Play("I booked nothing.")] if steers else []), Play("The other one, then.")]

    await talk.send("wait, the other one", busy=busy)

    events = await talk.until(lambda found: ends(found, turns))
    below = await child.until(lambda found: "session.closed" in kinds(found))
    (resolved,) = [event for event in below if isinstance(event, ApprovalResolved)]
    assert (resolved.approved, resolved.reason) == (False, "superseded")
    (denied,) = [event for event in below if isinstance(event, ToolFinished)]
    assert "told the agent that called you something else" in str(denied.result.output)
    (answered,) = [event for event in events if isinstance(event, ToolFinished)]
    assert ("I booked nothing." in str(answered.result.output)) is steers
    assert answered.result.is_error is not steers
    assert (await talk.said())[-2:] == [("user", "wait, the other one"), ("assistant", "The other one, then.")]
    check(events)
    check(below)


async def test_a_sub_agent_that_works_goes_on(lab: Lab) -> None:
    """Only its questions are in the way of a message that steers."""
    talk = await lab.start("boss")
    lab.stage.plays = [
        Play("", [("helper", {"message": "Add."})]),
        Play("Let me add.", [("hang", {"name": "x"})]),
    ]
    await talk.send("let it add")
    child = talk.child("t1.s1.c1")
    await child.streamed("Let me add.")
    await child.until(lambda events: "tool.started" in kinds(events))
    await talk.send("and mind the sign", busy="steer")
    await talk.until(lambda events: "message.queued" in kinds(events))
    lab.stage.plays = [Play("Stopped it."), Play("Well.")]

    await child.stop()

    events = await talk.until(ends)
    # The sub-agent's tool was not harmed by what steers, but stopped by hand.
    assert (await talk.said())[-2:] == [("user", "and mind the sign"), ("assistant", "Stopped it.")]
    assert kinds(await child.events()).count("tool.finished") == 1
    check(events)
