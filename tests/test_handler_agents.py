"""Handlers that run other agents by `run_agent` and `call`, on a real server."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from perdure.temporal.app.dev_server.server import DevServer
from perdure.workflows.protocol.queries import PageRequest
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.events import Event, MessageAdded, TurnFinished
from perdure.workflows.vocabulary.parts import Text
from tests.support.session_lab import Lab, Play, check, lab_on

pytestmark = pytest.mark.server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    async with lab_on(temporal_server, tmp_path_factory.mktemp("lab")) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _fresh(lab: Lab) -> None:
    lab.stage.plays.clear()


def ended(events: list[Event]) -> TurnFinished:
    last = events[-1]
    assert isinstance(last, TurnFinished)
    return last


async def test_its_answer_goes_to_a_variable(lab: Lab) -> None:
    talk = await lab.start("chief")
    lab.stage.plays = [Play("Roses."), Play('{"n": 6}')]

    events = await talk.turn("flowers")

    check(await talk.events())
    below = [talk.child(f"t1.s0.c{number}") for number in (1, 2)]
    (said,) = [
        event.message for event in events if isinstance(event, MessageAdded) and event.message.role == "assistant"
    ]
    session = below[0].handle.id.partition("/")[2]
    assert said.parts == (Text(text=f"Found Roses. 7 in {session}"),)
    # What it spent is its caller's, and it may spend its share.
    assert ended(events).usage.output_tokens > 0
    page = await below[0].handle.query(SessionWorkflow.snapshot, PageRequest())
    assert (page.status, page.inputs) == ("closed", {"topic": "plants"})
    assert page.parent is not None
    assert page.parent.cap_usd == pytest.approx(0.25, abs=1e-3)
    asked = await below[1].events()
    assert any(isinstance(event, MessageAdded) and event.message.parts == (Text(text="Roses."),) for event in asked)


async def test_what_it_fails_with_names_the_block(lab: Lab) -> None:
    talk = await lab.start("chief")
    lab.stage.plays = [Play("Roses."), *[Play("No.")] * 3]

    error = ended(await talk.turn("flowers")).error

    assert error is not None
    assert error.type == "agent_failed"
    assert error.message.startswith("message[1].call: counter failed. answer_invalid: ")
