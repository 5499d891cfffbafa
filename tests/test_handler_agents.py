"""Handlers that run other agents by `run_agent` and `call`, on a real server."""

import asyncio
from collections.abc import AsyncIterator
from typing import Literal

import pytest
import pytest_asyncio

from perdure.temporal.app.dev_server.server import DevServer
from perdure.workflows.protocol.queries import PageRequest
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.events import Event, MessageAdded, TurnFinished
from perdure.workflows.vocabulary.parts import Text
from tests.support.session_lab import PATIENCE_S, Lab, Play, check, lab_on

pytestmark = pytest.mark.server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    async with lab_on(temporal_server, tmp_path_factory.mktemp("lab")) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _fresh(lab: Lab) -> None:
    lab.stage.plays.clear()


class Both(asyncio.Event):
    """Lets two answers go on once both wait for it."""

    waiting = 0

    async def wait(self) -> Literal[True]:
        self.waiting += 1
        if self.waiting == 2:
            self.set()
        return await super().wait()


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


async def test_agents_run_at_the_same_time_each_with_its_share(lab: Lab) -> None:
    talk = await lab.start("pair")
    both = Both()
    lab.stage.plays = [Play("Roses.", gate=both), Play("Roses.", gate=both)]

    async with asyncio.timeout(PATIENCE_S):
        events = await talk.turn("flowers")

    check(await talk.events())
    said = [event.message.parts for event in events if isinstance(event, MessageAdded)][-1]
    assert said == (Text(text="Roses. Roses."),)
    pages = [
        await talk.child(f"t1.s0.c{number}").handle.query(SessionWorkflow.snapshot, PageRequest()) for number in (1, 2)
    ]
    assert [page.inputs["topic"] for page in pages] == ["none", "plants"]
    caps = [page.parent.cap_usd or 0 for page in pages if page.parent is not None]
    # The second one has its part of what the first one leaves.
    assert sorted(caps) == pytest.approx([0.1875, 0.25], abs=1e-3)
