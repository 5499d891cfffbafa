"""How often a session is polled for calls on other workers, and what viewers receive. Time is virtual."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from perdure.gateway.live.remote_progress import EVERY_S
from perdure.gateway.live.watch import Patience
from perdure.gateway.live.watches import Watches
from perdure.temporal.live.frames import ToolProgress
from perdure.temporal.sessions.errors import SessionNotFound, TemporalSilent
from perdure.workflows.core.calls.call import Asking, Ready
from tests.support.watching import SESSION, SOON, Session, Viewer, play

ONE, OTHER = "t1.s1.c1", "t1.s1.c2"
#: The patience of a watch that never polls by itself.
INCURIOUS = Patience(working_s=10_000, resting_s=10_000)

Scene = Callable[[Session, Watches], Coroutine[Any, Any, None]]


def alone(folder: Path, scene: Scene) -> None:
    """Plays a scene in which a session is polled for its calls only."""
    play(folder, scene, patience=INCURIOUS)


def start(session: Session, *calls: str) -> None:
    """A turn with a step that makes these calls, which run."""
    story = session.story.turn().called(*({} for _ in calls))
    story.staged(**{call.rpartition(".")[2]: Ready() for call in calls})
    for call in calls:
        story.event("tool.started", call_id=call, name="add", args={})
    session.poke()


def end(session: Session, call: str) -> None:
    session.story.event("tool.finished", call_id=call, name="add", result=_result(call), attempts=1, duration_ms=1)
    session.remote.pop(call, None)
    session.own.discard(call)
    session.poke()


def _result(call: str) -> dict[str, Any]:
    return {"type": "tool_result", "call_id": call, "name": "add", "output": 3}


def heard(viewer: Viewer) -> list[str]:
    viewer.check()
    return [told for told in viewer.short if told.startswith("~")]


def test_two_viewers_cost_one_look_a_second_and_hear_what_is_new(tmp_path: Path) -> None:
    async def scene(session: Session, gateway: Watches) -> None:
        viewers = [Viewer(session, gateway), Viewer(session, gateway)]
        await asyncio.sleep(SOON)
        session.remote[ONE] = None
        start(session, ONE)
        await asyncio.sleep(SOON)
        await asyncio.sleep(10 * EVERY_S)
        assert session.looks == 10
        session.remote[ONE] = ToolProgress(ONE, "page 1", 0.25)
        await asyncio.sleep(10 * EVERY_S)
        session.remote[ONE] = ToolProgress(ONE, "page 2", 0.5)
        await asyncio.sleep(10 * EVERY_S)
        assert session.looks == 30
        late = Viewer(session, gateway)
        await asyncio.sleep(SOON)
        assert [heard(viewer) for viewer in viewers] == [[f"~{ONE} page 1", f"~{ONE} page 2"]] * 2
        assert heard(late) == [f"~{ONE} page 2"]
        end(session, ONE)
        await asyncio.sleep(100)
        assert (session.looks, late.short[-1]) == (30, "tool.finished")

    alone(tmp_path, scene)


def test_the_looks_of_the_watch_count(tmp_path: Path) -> None:
    async def scene(session: Session, gateway: Watches) -> None:
        viewer = Viewer(session, gateway)
        await asyncio.sleep(SOON)
        session.remote[ONE] = ToolProgress(ONE, "page 1")
        start(session, ONE)
        await asyncio.sleep(20)
        assert heard(viewer) == [f"~{ONE} page 1"]
        assert 18 <= session.looks <= 21

    play(tmp_path, scene)


def test_nobody_watches_and_nobody_looks(tmp_path: Path) -> None:
    async def scene(session: Session, gateway: Watches) -> None:
        first = Viewer(session, gateway)
        await asyncio.sleep(SOON)
        session.remote[ONE] = None
        start(session, ONE)
        await asyncio.sleep(5)
        await first.go()
        looks = session.looks
        session.remote[ONE] = ToolProgress(ONE, "page 1")
        await asyncio.sleep(100)
        assert session.looks == looks
        # A new viewer gets it at once, not a second later.
        viewer = Viewer(session, gateway)
        await asyncio.sleep(SOON)
        assert heard(viewer) == [f"~{ONE} page 1"]

    alone(tmp_path, scene)


def test_for_our_own_tools_nobody_looks(tmp_path: Path) -> None:
    async def scene(session: Session, gateway: Watches) -> None:
        viewer = Viewer(session, gateway)
        await asyncio.sleep(SOON)
        start(session, ONE, OTHER)
        await asyncio.sleep(SOON)
        end(session, ONE)
        end(session, OTHER)
        await asyncio.sleep(100)
        assert session.looks == 0
        session.story.finished()
        session.story.turn("more").called({})
        session.story.event("tool.started", call_id="t2.s1.c1", name="add", args={})
        session.own.add("t2.s1.c1")
        session.poke()
        # One look finds out whose call it is.
        await asyncio.sleep(100)
        assert session.looks == 1
        viewer.check()

    alone(tmp_path, scene)


def test_a_tool_of_ours_beside_it_is_heard_once(tmp_path: Path) -> None:
    async def scene(session: Session, gateway: Watches) -> None:
        viewer = Viewer(session, gateway)
        await asyncio.sleep(SOON)
        session.remote[ONE] = ToolProgress(ONE, "theirs")
        session.own.add(OTHER)
        start(session, ONE, OTHER)
        await asyncio.sleep(SOON)
        session.live.tool_progress(SESSION, ToolProgress(OTHER, "ours"))
        await asyncio.sleep(10)
        assert heard(viewer) == [f"~{OTHER} ours", f"~{ONE} theirs"]

    alone(tmp_path, scene)


def test_one_that_rescues_ours_is_heard(tmp_path: Path) -> None:
    async def scene(session: Session, gateway: Watches) -> None:
        viewer = Viewer(session, gateway)
        await asyncio.sleep(SOON)
        session.own.add(ONE)
        start(session, ONE)
        await asyncio.sleep(5)
        session.own.clear()
        session.remote[ONE] = ToolProgress(ONE, "rescuing")
        await asyncio.sleep(5)
        assert heard(viewer) == [f"~{ONE} rescuing"]

    play(tmp_path, scene)


def test_a_look_that_fails_is_taken_again_and_ends_nothing(tmp_path: Path) -> None:
    async def scene(session: Session, gateway: Watches) -> None:
        viewer = Viewer(session, gateway)
        await asyncio.sleep(SOON)
        session.remote[ONE] = ToolProgress(ONE, "page 1")
        start(session, ONE)
        await asyncio.sleep(SOON)
        session.trouble = TemporalSilent
        await asyncio.sleep(60)
        assert 8 < session.looks < 20
        session.trouble = SessionNotFound
        await asyncio.sleep(10)
        assert (heard(viewer), viewer.ends) == ([], [])
        session.trouble = None
        await asyncio.sleep(10)
        assert (heard(viewer), viewer.ends) == ([f"~{ONE} page 1"], [])

    alone(tmp_path, scene)


def test_nothing_else_that_happens_keeps_it_from_looking(tmp_path: Path) -> None:
    """Neither an open question, for which a session rests, nor a series of events."""

    async def scene(session: Session, gateway: Watches) -> None:
        viewer = Viewer(session, gateway)
        await asyncio.sleep(SOON)
        session.remote[ONE] = None
        start(session, ONE)
        asked = {"call_id": OTHER, "name": "add", "args": {}}
        for number in range(100):
            session.story.event("approval.requested", question_id=f"q{number}", **asked)
            session.poke()
            await asyncio.sleep(0.1)
        assert 8 <= session.looks <= 10
        viewer.check()

    play(tmp_path, scene)


@pytest.mark.parametrize("again", [False, True])
def test_while_a_person_is_asked_what_became_of_it_nobody_looks(tmp_path: Path, again: bool) -> None:
    async def scene(session: Session, gateway: Watches) -> None:
        viewer = Viewer(session, gateway)
        await asyncio.sleep(SOON)
        session.remote[ONE] = None
        start(session, ONE)
        await asyncio.sleep(5)
        session.remote.clear()
        session.story.staged(c1=Asking("outcome"))
        session.story.event("input.requested", question_id="q", call_id=ONE, name="add", args={})
        session.poke()
        await asyncio.sleep(SOON)
        if again:
            await viewer.go()
            viewer = Viewer(session, gateway)
            await asyncio.sleep(SOON)
        looks = session.looks
        await asyncio.sleep(1000)
        assert session.looks == looks
        viewer.check()

    alone(tmp_path, scene)
