"""Which timer fires when: a property of the pure core, and continue-as-new with a timer set on a real server."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.server.client import connect, ensure_search_attributes
from perdure.temporal.settings import Settings
from perdure.workflows.core.actions import RenewAgent, Rest, StartTurn, WakeUp
from perdure.workflows.core.agent_changes import AgentLoaded, AgentRenewed, RenewalAsked
from perdure.workflows.core.changes import TimerDue
from perdure.workflows.core.next_action import next_action
from perdure.workflows.core.state.inbox import Inbox
from perdure.workflows.core.state.timers import Timers
from perdure.workflows.protocol.queries import Timer
from tests.support.core import AT, Story, agent
from tests.support.session_lab import Lab, Play, ends, kinds, open_lab

MINUTES = st.lists(st.integers(1, 50), min_size=1, max_size=8)


@given(minutes=MINUTES, now=st.integers(0, 60), message=st.booleans())
def test_those_that_are_due_fire_in_the_order_of_their_times_after_what_people_said(
    minutes: list[int], now: int, message: bool
) -> None:
    story = Story.new()
    story.note(AgentLoaded(agent=agent()))
    timers = tuple(
        Timer(timer_id=f"w{number}", due=AT + timedelta(minutes=minute), note="x")
        for number, minute in enumerate(minutes)
    )
    story.state = replace(story.state, timers=Timers(pending=timers))
    assert next_action(story.state) == Rest(min(timer.due for timer in timers))
    for timer in timers:
        if timer.due <= AT + timedelta(minutes=now):
            story.note(TimerDue(timer_id=timer.timer_id))
    if message:
        story.accepted(id="m1")
        assert isinstance(next_action(story.state), StartTurn)
        story.state = replace(story.state, inbox=Inbox())
    fired: list[Timer] = []
    while isinstance(action := next_action(story.state), WakeUp | RenewAgent):
        if isinstance(action, RenewAgent):
            story.note(RenewalAsked(timer_id=action.timer.timer_id), AgentRenewed(digest=None))
            assert next_action(story.state) == WakeUp(action.timer)
            continue
        fired.append(action.timer)
        story.event("timer.fired", timer_id=action.timer.timer_id)
    assert [timer.timer_id for timer in fired] == [
        timer.timer_id
        for timer in sorted(timers, key=lambda timer: timer.due)
        if timer.due <= AT + timedelta(minutes=now)
    ]
    left = [timer.due for timer in timers if timer.due > AT + timedelta(minutes=now)]
    assert action == Rest(min(left, default=None))


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def lab(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    settings = Settings.load(data_dir=tmp_path_factory.mktemp("timers"), graceful_shutdown_s=0)
    client = await connect(settings, address=temporal_server.address)
    await ensure_search_attributes(client)
    async with open_lab(client, settings.data_dir / "lab", settings) as opened:
        yield opened


@pytest.mark.server
async def test_a_timer_outlives_the_run_in_which_it_was_set(lab: Lab) -> None:
    lab.stage.plays = [Play("", [("wake_me", {"after": "3s", "note": "look"})]), Play("Set.")]
    talk = await lab.start("helper", continue_as_new_after=50)
    first = (await talk.handle.describe()).run_id
    await talk.turn("wake me")
    for number in range(4):
        await talk.turn(f"turn {number}")
    events = await talk.until(lambda events: "timer.fired" in kinds(events) and ends(events, 6))
    assert kinds(events).count("timer.fired") == 1
    assert (await talk.handle.describe()).run_id != first
