"""Histories of sessions on a real Temporal server: short, small, and nothing lost between runs."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from perdure.temporal.app.dev_server.server import DevServer
from perdure.workflows.protocol.queries import PageRequest
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.events import MessageAdded
from perdure.workflows.vocabulary.search_attributes import AGENT, COST, STATUS, TENANT
from tests.support.session_lab import ONE_STEP, Lab, Play, Talk, check, ends, kinds, lab_on

pytestmark = pytest.mark.server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    async with lab_on(temporal_server, tmp_path_factory.mktemp("lab")) as opened:
        yield opened


async def history(talk: Talk) -> list[HistoryEvent]:
    return list((await talk.handle.fetch_history()).events)


async def cost_of_turn(talk: Talk, text: str) -> tuple[int, int]:
    """Events and bytes that a turn adds to the history."""
    before = len(await history(talk))
    await talk.turn(text)
    added = (await settled(talk))[before:]
    return len(added), sum(event.ByteSize() for event in added)


async def settled(talk: Talk) -> list[HistoryEvent]:
    """The history, once its last workflow task is complete."""
    while True:
        events = await history(talk)
        if events[-1].event_type not in (
            EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED,
            EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED,
        ):
            return events


async def test_a_turn_costs_little_history_and_a_late_one_no_more(lab: Lab) -> None:
    talk = await lab.start("staged")
    await talk.turn("warm up")
    early = [await cost_of_turn(talk, f"hello {number:03}") for number in range(3)]
    for number in range(40):
        await talk.turn(f"hello {number:03}")
    late = [await cost_of_turn(talk, f"hello {number:03}") for number in range(3)]
    assert max(events for events, _ in [*early, *late]) <= 12
    assert min(size for _, size in late) <= 1.1 * min(size for _, size in early)


async def test_a_steered_message_costs_four_events(lab: Lab) -> None:
    """Its signal, and one workflow task."""
    talk = await lab.start("staged")
    await talk.turn("warm up")
    costs: list[int] = []
    for steers in (False, True):
        gate = asyncio.Event()
        lab.stage.plays = [Play("Let me see.", [("add", {"a": 1, "b": 2})], gate=gate), Play("Three.")]
        before = len(await settled(talk))
        after = (await talk.page(2**31)).seq
        await talk.send("what is 1 + 2?")
        await talk.streamed("Let me see.")
        if steers:
            await settled(talk)
            await talk.send("and mind the sign", busy="steer")
            await talk.until(lambda events: "message.queued" in kinds(events), after)
        gate.set()
        events = await talk.until(ends, after)
        costs.append(len(await settled(talk)) - before)
    assert kinds(events).count("message.added") == 2
    assert costs[1] - costs[0] <= 4


async def test_big_parts_leave_the_history_small(lab: Lab) -> None:
    talk = await lab.start("staged")
    await talk.turn("warm up")
    lab.stage.plays = [Play("x" * 100_000, [("book", {"size": 100_000})]), Play("done")]
    events, size = await cost_of_turn(talk, "a book, please")
    assert events <= 24
    assert size < 30_000
    answer, result = (await talk.transcript())[3:5]
    assert [part.blob is not None for part in (*answer.parts, *result.parts)] == [True, False, True]
    # The model receives the whole conversation.
    whole = lab.stage.requests[-1]
    assert whole[3].parts[0].model_dump(include={"text", "blob"}) == {"text": "x" * 100_000, "blob": None}
    assert whole[4].parts[0].model_dump(include={"output", "blob"}) == {"output": "x" * 100_000, "blob": None}


async def test_a_session_can_be_found_by_its_attributes(lab: Lab) -> None:
    talk = await lab.start("staged")
    gate = asyncio.Event()
    lab.stage.plays = [Play("Once upon", gate=gate)]
    await talk.send("hi")
    await talk.streamed("Once upon")
    await settled(talk)
    shown = (await talk.handle.describe()).typed_search_attributes
    assert (shown.get(STATUS), shown.get(AGENT), shown.get(TENANT)) == ("working", "staged", "lab")
    gate.set()
    await talk.until(ends)
    await settled(talk)
    shown = (await talk.handle.describe()).typed_search_attributes
    assert (shown.get(STATUS), shown.get(COST)) == ("idle", 12e-6)
    await talk.close()
    await talk.handle.result()
    assert (await talk.handle.describe()).typed_search_attributes.get(STATUS) == "closed"


async def test_continuing_as_new_loses_nothing(lab: Lab) -> None:
    """Many turns over many runs, with messages sent at any moment and a viewer that queries continuously."""
    talk = await lab.start("staged", continue_as_new_after=50, metadata={"k": 1})
    runs: set[str] = set()
    seen: list[int] = []
    done = asyncio.Event()

    async def view() -> None:
        while True:
            last = done.is_set()
            page = await talk.page(seen[-1] if seen else 0)
            seen.extend(event.seq for event in page.events)
            runs.add((await talk.handle.describe()).run_id)
            if last and not page.more:
                return

    viewing = asyncio.create_task(view())
    for number in range(6):
        lab.stage.plays = [Play("", [("add", {"a": number, "b": 1})]), Play("done")]
        await talk.turn(f"turn {number}")
    await asyncio.gather(*(talk.send(f"burst {number}") for number in range(10)))
    await talk.until(lambda found: ends(found, 16))
    done.set()
    await viewing
    events = await talk.events()
    check(events)
    assert seen == list(range(1, len(events) + 1))
    assert len(runs) >= 4
    words = [text for role, text in await talk.said() if role == "user"]
    assert words[:6] == [f"turn {number}" for number in range(6)]
    assert sorted(words[6:]) == sorted(f"burst {number}" for number in range(10))
    # Ids, metadata, memo, search attributes and the model's context survive as well.
    await talk.send("turn 0", "m1")
    assert kinds(await talk.turn("last")) == ONE_STEP
    assert len(lab.stage.requests[-1]) == len(await talk.transcript()) - 1
    page = await talk.handle.query(SessionWorkflow.snapshot, PageRequest())
    assert page.metadata == {"k": 1}
    await settled(talk)
    description = await talk.handle.describe()
    assert await description.memo_value("title") == "a test"
    shown = description.typed_search_attributes
    assert (shown.get(STATUS), shown.get(TENANT)) == ("idle", "lab")


async def test_continuing_as_new_between_two_steps(lab: Lab) -> None:
    talk = await lab.start("staged", continue_as_new_after=50)
    lab.stage.plays = [Play("", [("add", {"a": 1, "b": number})]) for number in range(10)]
    before = (await talk.handle.describe()).run_id
    events = await talk.turn("count")
    assert kinds(events).count("tool.finished") == 10
    assert (await talk.handle.describe()).run_id != before
    await settled(talk)
    shown = (await talk.handle.describe()).typed_search_attributes
    assert shown.get(STATUS) == "idle"
    assert shown.get(COST) == pytest.approx(11 * 12e-6)
    check(await talk.events())


async def test_a_stop_and_the_end_of_an_answer_at_the_same_moment(lab: Lab) -> None:
    """Whichever comes first, the turn ends once and the session survives."""
    talk = await lab.start("staged")
    for number in range(12):
        gate = asyncio.Event()
        lab.stage.plays = [Play("Once upon", gate=gate)]
        after = (await talk.page(2**31)).seq
        await talk.send(f"tell {number}")
        await talk.streamed("Once upon")
        stop = asyncio.create_task(talk.stop())
        for _ in range(number):
            await asyncio.sleep(0)
        gate.set()
        await stop
        await talk.until(ends, after)
    events = await talk.events()
    check(events)
    told = [event.message.id for event in events if isinstance(event, MessageAdded)]
    assert told == [f"m{number}" for number in range(1, 13)]
    assert kinds(await talk.turn("still there?")) == ONE_STEP
    assert EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED not in {event.event_type for event in await history(talk)}


async def test_a_closed_session_ends_in_a_short_run(lab: Lab) -> None:
    talk = await lab.start()
    for _ in range(6):
        await talk.turn("hi")
    before = (await talk.handle.describe()).run_id
    await talk.close()
    assert await talk.handle.result() == "bye"
    assert (await talk.handle.describe()).run_id != before
    # Two events for each `workflow.patched` with which a run begins.
    assert len(await history(talk)) < 15
    events = await talk.events()
    check(events)
    assert kinds(events).count("turn.finished") == 6
    assert kinds(events)[-1] == "session.closed"
