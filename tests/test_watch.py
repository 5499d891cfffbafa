"""What viewers of one session receive, whatever is lost, late or cut. Time is virtual, so waiting is free."""

import asyncio
from pathlib import Path

import pytest

from perdure.gateway.live.watch import Patience
from perdure.gateway.live.watches import Watches
from perdure.temporal.live.frames import StepDelta
from perdure.temporal.live.protocols import LiveState
from perdure.temporal.sessions.errors import NoWorker, SessionNotFound
from perdure.workflows.core.state import log as state_module
from tests.support.core import Story
from tests.support.watching import DONE, SESSION, SOON, TURN, Session, Viewer, play


def test_a_turn_as_its_viewers_see_it(tmp_path: Path) -> None:
    async def scene(session: Session, gateway: Watches) -> None:
        viewer = Viewer(session, gateway)
        await asyncio.sleep(SOON)
        session.turn()
        session.open()
        session.begin()
        session.say("he", "llo")
        await asyncio.sleep(SOON)
        session.say("!")
        session.answered()
        session.finished()
        await asyncio.sleep(SOON)

        assert viewer.short == ["session.started", *TURN, "step.started", "+he", "+llo", "+!", *DONE]
        assert viewer.seqs == [1, 2, 3, 4, 5, 6]

    play(tmp_path, scene)


def test_live_frames_wait_for_their_step_and_end_with_it(tmp_path: Path) -> None:
    async def scene(session: Session, gateway: Watches) -> None:
        session.delay = 1
        viewer = Viewer(session, gateway, 0)
        await asyncio.sleep(5)
        session.turn()
        step = session.open()
        session.begin()
        session.say("a", "b")
        await asyncio.sleep(0.1)
        assert viewer.short == ["session.started"]
        await asyncio.sleep(5)
        assert viewer.short == ["session.started", *TURN, "step.started", "+a", "+b"]
        session.answered()
        await asyncio.sleep(5)
        session.live.delta(SESSION, session_delta(step, 2, "late"))
        session.finished()
        await asyncio.sleep(5)
        assert viewer.short[6:] == DONE

    play(tmp_path, scene)


def test_a_lost_poke_is_healed_within_a_second_while_the_session_works(tmp_path: Path) -> None:
    async def scene(session: Session, gateway: Watches) -> None:
        session.turn()
        viewer = Viewer(session, gateway)
        await asyncio.sleep(5)
        session.live.loses_pokes = True
        session.open()
        await asyncio.sleep(1.1)
        assert viewer.seqs == [1, 2, 3, 4]

    play(tmp_path, scene)


@pytest.mark.parametrize(("rested", "plane", "within"), [(5, "ok", 37), (3600, "missing", 37), (3600, "ok", 145)])
def test_a_lost_poke_is_healed_while_the_session_rests(
    tmp_path: Path, rested: float, plane: LiveState, within: float
) -> None:
    async def scene(session: Session, gateway: Watches) -> None:
        session.live.is_at = plane
        viewer = Viewer(session, gateway)
        await asyncio.sleep(rested)
        session.live.loses_pokes = True
        session.turn()
        await asyncio.sleep(within)
        assert viewer.seqs == [1, 2, 3]

    play(tmp_path, scene)


def test_the_longer_a_session_rests_the_more_rarely_it_is_looked_at(tmp_path: Path) -> None:
    async def scene(session: Session, gateway: Watches) -> None:
        Viewer(session, gateway)
        await asyncio.sleep(600)
        looks = session.looks
        await asyncio.sleep(3600)
        assert 3600 / 144 - 1 <= session.looks - looks <= 3600 / 96 + 1

    play(tmp_path, scene)


def test_patience_is_what_it_is_told_to_be(tmp_path: Path) -> None:
    async def scene(session: Session, gateway: Watches) -> None:
        viewer = Viewer(session, gateway)
        await asyncio.sleep(5)
        session.live.loses_pokes = True
        session.turn()
        await asyncio.sleep(1.3)
        assert viewer.seqs == [1, 2, 3]
        session.open()
        await asyncio.sleep(5)
        assert viewer.seqs == [1, 2, 3]
        await asyncio.sleep(6)
        assert viewer.seqs == [1, 2, 3, 4]

    play(tmp_path, scene, patience=Patience(working_s=10, resting_s=1, rested_s=1))


def test_a_session_at_rest_is_looked_at_more_often_while_nothing_is_heard(tmp_path: Path) -> None:
    async def scene(session: Session, gateway: Watches) -> None:
        viewer = Viewer(session, gateway)
        await asyncio.sleep(60)
        session.live.loses_pokes, session.live.is_at = True, "lost"
        # Noticed while the watch waits already.
        await asyncio.sleep(Patience().notice_s + SOON)
        session.turn()
        await asyncio.sleep(Patience().working_s * 1.2 + SOON)
        assert viewer.seqs == list(range(1, session.seq + 1))
        asked, looks = len(session.asked), session.looks
        session.finished()
        await asyncio.sleep(60)
        assert viewer.seqs == list(range(1, session.seq + 1))
        assert len(session.asked) == asked + 1
        assert 45 < session.looks - looks < 80
        session.live.is_at = "ok"
        looks = session.looks
        await asyncio.sleep(3600)
        assert session.looks - looks < 45

    play(tmp_path, scene)


def test_a_resting_session_is_not_asked_again_and_again(tmp_path: Path) -> None:
    async def scene(session: Session, gateway: Watches) -> None:
        Viewer(session, gateway)
        await asyncio.sleep(60)
        asked = len(session.asked)
        await asyncio.sleep(3600)
        assert len(session.asked) == asked

    play(tmp_path, scene)


def test_a_new_attempt_replaces_what_the_last_one_said(tmp_path: Path) -> None:
    async def scene(session: Session, gateway: Watches) -> None:
        viewer = Viewer(session, gateway)
        session.turn()
        step = session.open()
        session.begin()
        session.say("old")
        await asyncio.sleep(SOON)
        session.begin()
        session.live.delta(SESSION, session_delta(step, 1, "older"))
        session.say("new")
        await asyncio.sleep(SOON)
        assert viewer.short[-3:] == ["=old", "=", "+new"]

    play(tmp_path, scene)


def test_who_comes_again_before_the_new_attempt_speaks_forgets_the_old_one(tmp_path: Path) -> None:
    async def scene(session: Session, gateway: Watches) -> None:
        Viewer(session, gateway)
        session.turn()
        session.open()
        session.begin()
        session.say("old")
        first = Viewer(session, gateway)
        await asyncio.sleep(SOON)
        await first.go()
        session.begin()
        await asyncio.sleep(SOON)
        again = Viewer(session, gateway, first.view.cursor)
        await asyncio.sleep(SOON)
        session.say("new")
        await asyncio.sleep(SOON)
        assert again.short == ["=", "+new"]

    play(tmp_path, scene)


def test_a_gap_is_closed_by_a_snapshot(tmp_path: Path) -> None:
    async def scene(session: Session, gateway: Watches) -> None:
        viewer = Viewer(session, gateway)
        session.turn()
        session.open()
        await asyncio.sleep(SOON)
        session.begin()
        session.say("a")
        session.live.loses_frames = True
        session.say("b")
        session.live.loses_frames = False
        session.say("c", "d")
        await asyncio.sleep(SOON)
        assert viewer.short[-2:] == ["+a", "=abcd"]

    play(tmp_path, scene)


def test_who_knows_more_than_the_watch_is_sent_nothing_of_a_step_that_is_over(tmp_path: Path) -> None:
    async def scene(session: Session, gateway: Watches) -> None:
        first = Viewer(session, gateway)
        session.turn()
        session.open()
        session.begin()
        session.say("a")
        await asyncio.sleep(SOON)
        session.live.loses_pokes = True
        session.answered()
        # The viewer queries the session itself, because the watch began after its cursor.
        viewer = Viewer(session, gateway)
        await asyncio.sleep(0.015)
        assert viewer.short == ["session.started", *TURN, "step.started", "step.finished"]
        # And the watch is notified that there is something to query.
        await asyncio.sleep(SOON)
        assert first.seqs == viewer.seqs
        session.open()
        session.begin()
        session.say("b")
        await asyncio.sleep(SOON)
        assert viewer.short[5:] == ["step.started", "+b"]

    play(tmp_path, scene)


def test_one_query_at_a_time_however_often_it_is_poked(tmp_path: Path) -> None:
    async def scene(session: Session, gateway: Watches) -> None:
        viewer = Viewer(session, gateway)
        await asyncio.sleep(SOON)
        session.most_asking = 0
        session.turn()
        session.open()
        session.begin()
        for _ in range(100):
            session.say("x")
            session.live.poke(SESSION)
            await asyncio.sleep(0.001)
        assert session.most_asking == 1
        await asyncio.sleep(SOON)
        assert viewer.view.text == "x" * 100

    play(tmp_path, scene)


def test_more_than_is_kept_went_by_unseen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_module, "KEPT_TURNS", 1)

    async def scene(session: Session, gateway: Watches) -> None:
        viewer = Viewer(session, gateway, comes_again=True)
        stuck = Viewer(session, gateway)
        await asyncio.sleep(SOON)
        stuck.pause = 1000
        session.turn()
        await asyncio.sleep(SOON)
        session.live.loses_pokes = True
        session.finished()
        for _ in range(3):
            session.turn()
            session.finished()
        session.live.loses_pokes = False
        session.poke()
        await asyncio.sleep(SOON)
        assert (viewer.ends, viewer.seqs) == (["cut"], [1, 2, 3])
        # A viewer that has not noticed yet does not keep others on the broken watch.
        assert gateway.viewers == 1
        await asyncio.sleep(1)
        session.turn()
        await asyncio.sleep(SOON)
        assert viewer.short == ["session.started", *TURN, "session.snapshot", *TURN]
        await stuck.go()
        session.finished()
        await asyncio.sleep(SOON)
        assert viewer.short[-1] == "turn.finished"

    play(tmp_path, scene)


def test_a_session_that_is_not_the_one_that_it_was_cuts_its_viewers(tmp_path: Path) -> None:
    async def scene(session: Session, gateway: Watches) -> None:
        session.turn()
        viewer = Viewer(session, gateway, comes_again=True)
        await asyncio.sleep(SOON)
        session.story = Story.new().loaded()
        session.live.poke(SESSION)
        await asyncio.sleep(1)
        assert viewer.ends == ["cut"]
        assert viewer.short == ["session.started", *TURN, "session.snapshot"]

    play(tmp_path, scene)


def test_a_worker_that_is_away_costs_time_and_no_viewer(tmp_path: Path) -> None:
    async def scene(session: Session, gateway: Watches) -> None:
        viewer = Viewer(session, gateway)
        await asyncio.sleep(SOON)
        session.trouble = NoWorker
        session.live.poke(SESSION)
        await asyncio.sleep(60)
        assert (viewer.ends, gateway.viewers) == ([], 1)
        session.trouble = None
        session.turn()
        await asyncio.sleep(7)
        assert viewer.seqs == [1, 2, 3]
        # The failure is forgotten: later events arrive at once.
        session.open()
        await asyncio.sleep(SOON)
        assert viewer.seqs == [1, 2, 3, 4]

    play(tmp_path, scene)


def test_a_session_that_is_erased_cuts_its_viewers(tmp_path: Path) -> None:
    async def scene(session: Session, gateway: Watches) -> None:
        viewer = Viewer(session, gateway)
        await asyncio.sleep(SOON)
        session.trouble = SessionNotFound
        session.live.poke(SESSION)
        await asyncio.sleep(SOON)
        assert viewer.ends == ["cut"]
        assert asyncio.all_tasks() == {asyncio.current_task()}

    play(tmp_path, scene)


def session_delta(step_id: str, n: int, text: str) -> StepDelta:
    return StepDelta(step_id, 1, n, 0, "text", text)
