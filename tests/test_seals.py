"""Sessions that seal their past while they talk: workers are killed over it, the store is away, and nothing is lost."""

import asyncio
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.app.processes.sources import Sources
from perdure.temporal.app.testing.kit import Perdure, Session, assistant, open_perdure, user
from perdure.temporal.app.testing.points import Point
from perdure.temporal.app.testing.server import TestServer
from perdure.temporal.app.testing.transcript import Line
from perdure.workflows.protocol.sealing import PartRequest
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.errors import STATE_LOST
from perdure.workflows.vocabulary.events import SessionStarted, TurnFinished
from tests.support.session_lab import Talk, lab_on

pytestmark = pytest.mark.server

#: Half of what a session holds before it seals some of it.
LONG = 6_000


@pytest_asyncio.fixture
async def perdure(perdure_server: TestServer, tmp_path: Path) -> AsyncIterator[Perdure]:
    """The kit, with its blobs in `tmp_path / "blobs"`."""
    async with open_perdure(perdure_server, tmp_path, Sources()) as kit:
        yield kit
        await kit.check()


async def talk(perdure: Perdure, session: Session, turns: range) -> list[tuple[str, str]]:
    """Has turns of long texts, each once nothing is being sealed, as where people talk; returns what was said."""
    said = []
    for number in turns:
        asked, told = f"{number} " * (LONG // 2), f"{number}! " * (LONG // 3)
        perdure.model.says(told)
        assert (await session.say(asked)).text == told
        said.append((asked, told))
        while (await session.handle.query(SessionWorkflow.part, PartRequest())).open:
            pass
    return said


async def sealed(perdure: Perdure, session: Session) -> int:
    """How many refs of segments there are, once nothing is being sealed, nor tried again."""
    await perdure.later(minutes=1)
    assert not (await session.handle.query(SessionWorkflow.part, PartRequest())).open
    return len((await session.handle.query(SessionWorkflow.events, 0)).sealed)


def expected(said: list[tuple[str, str]]) -> list[Line]:
    return [message for asked, told in said for message in (user(asked), assistant(told))]


async def check(session: Session, said: list[tuple[str, str]]) -> None:
    """Everything is told, in order, and once."""
    assert await session.transcript() == expected(said)
    events = await session.events()
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert isinstance(events[0], SessionStarted)


async def test_a_long_session_seals_its_past_and_its_model_is_still_told_all_of_it(perdure: Perdure) -> None:
    session = await perdure.session("assistant", continue_as_new_after=60)
    said = await talk(perdure, session, range(16))
    assert await sealed(perdure, session) >= 2
    await check(session, said)
    *before, (asked, _) = said
    assert perdure.model.asked[-1].transcript == [*expected(before), user(asked)]
    await perdure.restart_worker()
    said += await talk(perdure, session, range(16, 18))
    await check(session, said)
    runs = await session.runs()
    assert len(runs) > 1
    assert max(run.events[0].ByteSize() for run in runs) < 100_000


@pytest.mark.parametrize("point", ["tool.started", "tool.finished"])
async def test_a_worker_that_dies_over_a_seal_does_it_again(perdure: Perdure, point: Point) -> None:
    session = await perdure.session("assistant")
    perdure.kill_worker(at=point, tool="seal_past")
    said = await talk(perdure, session, range(8))
    assert await sealed(perdure, session) >= 1
    await check(session, said)


async def test_a_store_that_is_away_costs_nothing_but_room(temporal_server: DevServer, tmp_path: Path) -> None:
    async with lab_on(temporal_server, tmp_path) as lab:
        talk = await lab.start("staged", behavior=1)
        folder = tmp_path / "blobs" / talk.handle.id
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Nothing can be written below a file.
        folder.write_text("")
        said = [f"{number} " * 5_000 for number in range(12)]
        for text in said[:6]:
            await talk.turn(text)
        await nothing_open(talk)
        assert not (await talk.page()).sealed
        assert [text for role, text in await talk.said() if role == "user"] == said[:6]
        folder.unlink()
        for text in said[6:]:
            await talk.turn(text)
        await nothing_open(talk)
        assert (await talk.page()).sealed
        await talk.turn("what did I say?")
    told = [
        part.text for one in lab.stage.requests[-1] if one.role == "user" for part in one.parts if part.type == "text"
    ]
    assert told == [*said, "what did I say?"]


async def nothing_open(talk: Talk) -> None:
    """Returns once nothing is being sealed, or tried again."""
    while (await talk.ask(SessionWorkflow.part, PartRequest())).open:
        pass


async def test_a_segment_that_is_lost_is_named(temporal_server: DevServer, tmp_path: Path) -> None:
    async with lab_on(temporal_server, tmp_path) as lab:
        talk = await lab.start("staged", behavior=1)
        for number in range(5):
            await talk.turn(f"{number} " * 6_000)
        async with asyncio.timeout(30):
            while not (refs := (await talk.page()).sealed):
                pass
    blob = tmp_path / "blobs" / refs[0].key(talk.handle.id)
    assert b"session.started" in zlib.decompress(blob.read_bytes())
    blob.unlink()
    async with lab_on(temporal_server, tmp_path) as lab:
        talk.lab = lab
        end = (await talk.turn("still there?"))[-1]
    assert isinstance(end, TurnFinished)
    assert end.error is not None
    assert (end.reason, end.error.type) == ("failed", STATE_LOST)
    assert refs[0].sha256 in end.error.message


async def history(talk: Talk) -> list[HistoryEvent]:
    """Once its last workflow task is complete."""
    open_task = (EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED, EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED)
    while (events := (await talk.handle.fetch_history()).events)[-1].event_type in open_task:
        pass
    return list(events)


async def test_a_turn_that_seals_costs_a_few_events_of_history_more(temporal_server: DevServer, tmp_path: Path) -> None:
    async with lab_on(temporal_server, tmp_path) as lab:
        talk = await lab.start("staged", behavior=1)
        await talk.turn("warm up")
        length = len(await history(talk))
        costs: list[tuple[int, int]] = []
        for number in range(12):
            await talk.turn(f"{number} " * 3_000)
            await nothing_open(talk)
            events = (await history(talk))[length:]
            length += len(events)
            seals = sum(
                event.activity_task_scheduled_event_attributes.activity_type.name == "seal_past" for event in events
            )
            costs.append((len(events), seals))
    assert sum(seals for _, seals in costs) >= 1
    assert all(cost <= 12 + 6 * seals for cost, seals in costs), costs
