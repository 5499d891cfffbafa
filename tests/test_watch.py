"""What viewers of one session are sent, whatever gets lost, late or cut. Time is virtual, so waiting costs none."""

import asyncio
import tempfile
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway import watch as module
from gateway.sse import StreamCut, encode
from gateway.watch import Patience, Watches
from temporal.live import StepDelta
from tests.core import Story
from tests.virtual_time import run
from tests.watching import SESSION, Session, Viewer, watches
from workflows import state as state_module

#: Seconds in which all that was told is heard, and after which nothing more happens by itself for a while.
SOON = 0.2
TURN = ["turn.started", "message.added"]
DONE = ["step.finished", "turn.finished"]

Play = Callable[[Callable[[Session, Watches], Coroutine[Any, Any, None]]], None]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Plays a scene with a new session and a gateway, and looks that nothing goes on when all viewers have gone."""

    def playing(scene: Callable[[Session, Watches], Coroutine[Any, Any, None]]) -> None:
        async def whole() -> None:
            session = Session()
            await scene(session, watches(session, tmp_path))

        run(whole())

    return playing


def test_a_turn_as_its_viewers_see_it(play: Play) -> None:
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

    play(scene)


def test_live_frames_wait_for_their_step_and_end_with_it(play: Play) -> None:
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

    play(scene)


def test_a_lost_poke_is_healed_within_a_second_while_the_session_works(play: Play) -> None:
    async def scene(session: Session, gateway: Watches) -> None:
        session.turn()
        viewer = Viewer(session, gateway)
        await asyncio.sleep(5)
        session.live.loses_pokes = True
        session.open()
        await asyncio.sleep(1.1)
        assert viewer.seqs == [1, 2, 3, 4]

    play(scene)


def test_a_lost_poke_is_healed_within_half_a_minute_while_the_session_rests(play: Play) -> None:
    async def scene(session: Session, gateway: Watches) -> None:
        viewer = Viewer(session, gateway)
        await asyncio.sleep(100)
        session.live.loses_pokes = True
        session.turn()
        await asyncio.sleep(37)
        assert viewer.seqs == [1, 2, 3]

    play(scene)


def test_patience_is_what_it_is_told_to_be(tmp_path: Path) -> None:
    async def scene() -> None:
        session = Session()
        gateway = watches(session, tmp_path, patience=Patience(working_s=10, resting_s=1))
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

    run(scene())


def test_a_resting_session_is_not_asked_again_and_again(play: Play) -> None:
    async def scene(session: Session, gateway: Watches) -> None:
        Viewer(session, gateway)
        await asyncio.sleep(60)
        asked = len(session.asked)
        await asyncio.sleep(3600)
        assert len(session.asked) == asked

    play(scene)


def test_a_new_attempt_replaces_what_the_last_one_said(play: Play) -> None:
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

    play(scene)


def test_who_comes_again_before_the_new_attempt_speaks_forgets_the_old_one(play: Play) -> None:
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
        again = Viewer(session, gateway, first.told.cursor)
        await asyncio.sleep(SOON)
        session.say("new")
        await asyncio.sleep(SOON)
        assert again.short == ["=", "+new"]

    play(scene)


def test_a_gap_is_closed_by_a_snapshot(play: Play) -> None:
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

    play(scene)


@pytest.mark.parametrize("others", [0, 1])
def test_who_comes_late_gets_the_backlog_then_a_snapshot_then_deltas(play: Play, others: int) -> None:
    async def scene(session: Session, gateway: Watches) -> None:
        for _ in range(others):
            Viewer(session, gateway)
        await asyncio.sleep(SOON)
        session.turn()
        session.open()
        session.begin()
        session.say("a", "b")
        await asyncio.sleep(SOON)
        viewer = Viewer(session, gateway)
        session.say("c")
        await asyncio.sleep(SOON)
        session.say("d")
        await asyncio.sleep(SOON)
        assert viewer.short == ["session.started", *TURN, "step.started", "=abc", "+d"]

    play(scene)


def test_who_knows_more_than_the_watch_is_sent_nothing_of_a_step_that_is_over(play: Play) -> None:
    async def scene(session: Session, gateway: Watches) -> None:
        Viewer(session, gateway)
        session.turn()
        session.open()
        session.begin()
        session.say("a")
        await asyncio.sleep(SOON)
        session.live.loses_pokes = True
        session.answered()
        # It asks the session itself, for the watch began after what it wants.
        viewer = Viewer(session, gateway)
        await asyncio.sleep(0.015)
        assert viewer.short == ["session.started", *TURN, "step.started", "step.finished"]
        session.open()
        session.begin()
        session.say("b")
        await asyncio.sleep(SOON)
        assert viewer.short[5:] == ["step.started", "+b"]

    play(scene)


def test_two_viewers_share_one_query(play: Play) -> None:
    async def scene(session: Session, gateway: Watches) -> None:
        viewers = [Viewer(session, gateway)]
        await asyncio.sleep(SOON)
        viewers += [Viewer(session, gateway, 1) for _ in range(3)]
        await asyncio.sleep(5)
        asked = len(session.asked)
        session.most_asking = 0
        session.turn()
        await asyncio.sleep(SOON)
        assert [viewer.seqs[-2:] for viewer in viewers] == [[2, 3]] * 4
        assert gateway.viewers == 4
        assert len(session.asked) - asked == 1
        # Who comes back is served from what the watch keeps.
        again = Viewer(session, gateway, 1)
        await asyncio.sleep(SOON)
        assert again.seqs == [2, 3]
        assert len(session.asked) - asked == 1

    play(scene)


def test_one_query_at_a_time_however_often_it_is_poked(play: Play) -> None:
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
        assert viewer.told.text == "x" * 100

    play(scene)


def test_a_watch_is_dropped_with_its_last_viewer(play: Play) -> None:
    async def scene(session: Session, gateway: Watches) -> None:
        one, other = Viewer(session, gateway), Viewer(session, gateway)
        await asyncio.sleep(SOON)
        await one.go()
        session.turn()
        await asyncio.sleep(SOON)
        assert other.seqs == [1, 2, 3]
        await other.go()
        asked = len(session.asked)
        session.open()
        await asyncio.sleep(100)
        assert (gateway.viewers, len(session.asked)) == (0, asked)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        again = Viewer(session, gateway, 3)
        await asyncio.sleep(SOON)
        assert again.seqs == [4]

    play(scene)


def test_a_slow_viewer_is_cut_and_resumes_while_the_others_go_on(tmp_path: Path) -> None:
    async def scene() -> None:
        session = Session()
        gateway = watches(session, tmp_path, viewer_queue=10)
        slow = Viewer(session, gateway, comes_again=True)
        fast = Viewer(session, gateway)
        await asyncio.sleep(SOON)
        slow.pause = 0.4
        for _ in range(10):
            session.turn()
            session.open()
            session.begin()
            session.say("a", "b")
            session.answered()
            session.finished()
            await asyncio.sleep(SOON)
        assert fast.ends == []
        assert "cut" in slow.ends
        await asyncio.sleep(100)
        assert slow.seqs == fast.seqs == list(range(1, session.seq + 1))

    run(scene())


def test_a_backlog_longer_than_a_viewers_queue_does_not_cut_it(tmp_path: Path) -> None:
    async def scene() -> None:
        session = Session()
        gateway = watches(session, tmp_path, viewer_queue=5)
        Viewer(session, gateway)
        await asyncio.sleep(SOON)
        for _ in range(10):
            session.turn()
            session.finished()
            await asyncio.sleep(SOON)
        asked = len(session.asked)
        viewer = Viewer(session, gateway, 1)
        await asyncio.sleep(SOON)
        assert viewer.seqs == list(range(2, session.seq + 1))
        assert (viewer.ends, len(session.asked)) == ([], asked)

    run(scene())


@pytest.mark.parametrize("others", [0, 1])
def test_a_cursor_that_the_session_never_had_gets_one_snapshot_first(play: Play, others: int) -> None:
    async def scene(session: Session, gateway: Watches) -> None:
        for _ in range(others):
            Viewer(session, gateway)
        session.turn()
        await asyncio.sleep(SOON)
        viewer = Viewer(session, gateway, 1000)
        await asyncio.sleep(SOON)
        session.open()
        await asyncio.sleep(SOON)
        assert viewer.short == ["session.snapshot", "step.started"]
        assert viewer.items[0].seq is None

    play(scene)


@pytest.mark.parametrize("after", [None, 2])
def test_a_cursor_older_than_what_is_kept_gets_one_snapshot_first(
    play: Play, monkeypatch: pytest.MonkeyPatch, after: int | None
) -> None:
    monkeypatch.setattr(state_module, "KEPT_TURNS", 1)

    async def scene(session: Session, gateway: Watches) -> None:
        for _ in range(3):
            session.turn()
            session.finished()
        viewer = Viewer(session, gateway, after)
        await asyncio.sleep(SOON)
        session.turn()
        await asyncio.sleep(SOON)
        assert viewer.short == ["session.snapshot", *TURN]
        assert session.snapshots == 1

    play(scene)


def test_more_than_is_kept_went_by_unseen(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
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
        # Somebody who has not noticed yet keeps nobody else on what is broken.
        assert gateway.viewers == 1
        await asyncio.sleep(1)
        session.turn()
        await asyncio.sleep(SOON)
        assert viewer.short == ["session.started", *TURN, "session.snapshot", *TURN]
        await stuck.go()
        session.finished()
        await asyncio.sleep(SOON)
        assert viewer.short[-1] == "turn.finished"

    play(scene)


def test_a_session_that_is_not_the_one_that_it_was_cuts_its_viewers(play: Play) -> None:
    async def scene(session: Session, gateway: Watches) -> None:
        session.turn()
        viewer = Viewer(session, gateway, comes_again=True)
        await asyncio.sleep(SOON)
        session.story = Story.new().loaded()
        session.live.poke(SESSION)
        await asyncio.sleep(1)
        assert viewer.ends == ["cut"]
        assert viewer.short == ["session.started", *TURN, "session.snapshot"]

    play(scene)


def test_a_closed_session_ends_its_streams(play: Play) -> None:
    async def scene(session: Session, gateway: Watches) -> None:
        viewer = Viewer(session, gateway)
        await asyncio.sleep(SOON)
        session.close()
        await asyncio.sleep(SOON)
        assert (viewer.short, viewer.ends) == (["session.started", "session.closed"], ["end"])
        late = Viewer(session, gateway)
        await asyncio.sleep(SOON)
        assert (late.short, late.ends) == (["session.started", "session.closed"], ["end"])
        assert asyncio.all_tasks() == {asyncio.current_task()}

    play(scene)


def test_a_worker_that_is_away_costs_time_and_no_viewer(play: Play) -> None:
    async def scene(session: Session, gateway: Watches) -> None:
        viewer = Viewer(session, gateway)
        await asyncio.sleep(SOON)
        session.trouble = "no_worker"
        session.live.poke(SESSION)
        await asyncio.sleep(60)
        assert (viewer.ends, gateway.viewers) == ([], 1)
        session.trouble = None
        session.turn()
        await asyncio.sleep(7)
        assert viewer.seqs == [1, 2, 3]
        # The trouble is forgotten: the next news come at once.
        session.open()
        await asyncio.sleep(SOON)
        assert viewer.seqs == [1, 2, 3, 4]

    play(scene)


@pytest.mark.parametrize("name", ["acme/unknown", SESSION])
def test_a_session_that_cannot_be_asked_is_a_problem_before_the_first_item(play: Play, name: str) -> None:
    async def scene(session: Session, gateway: Watches) -> None:
        session.trouble = "no_worker"
        viewer = Viewer(session, gateway, name=name)
        await asyncio.sleep(SOON)
        assert viewer.ends == ["no_worker" if name == SESSION else "session_not_found"]
        assert (viewer.items, gateway.viewers) == ([], 0)

    play(scene)


def test_a_session_that_is_erased_cuts_its_viewers(play: Play) -> None:
    async def scene(session: Session, gateway: Watches) -> None:
        viewer = Viewer(session, gateway)
        await asyncio.sleep(SOON)
        session.trouble = "session_not_found"
        session.live.poke(SESSION)
        await asyncio.sleep(SOON)
        assert viewer.ends == ["cut"]
        assert asyncio.all_tasks() == {asyncio.current_task()}

    play(scene)


def test_a_process_that_stops_cuts_who_is_there_and_who_comes(play: Play) -> None:
    async def scene(session: Session, gateway: Watches) -> None:
        there = Viewer(session, gateway)
        await asyncio.sleep(SOON)
        coming = Viewer(session, gateway)
        await asyncio.sleep(0.001)
        gateway.cut()
        late = Viewer(session, gateway)
        await asyncio.sleep(SOON)
        assert (there.ends, coming.ends, late.ends) == (["cut"], ["cut"], ["cut"])
        assert asyncio.all_tasks() == {asyncio.current_task()}

    play(scene)


def test_a_history_of_many_pages_arrives_whole(play: Play) -> None:
    async def scene(session: Session, gateway: Watches) -> None:
        for _ in range(40):
            session.turn("x" * 20_000)
            session.finished()
        viewer = Viewer(session, gateway)
        await asyncio.sleep(5)
        assert viewer.seqs == list(range(1, session.seq + 1))
        assert 4 < len(session.asked) < 10
        session.turn()
        await asyncio.sleep(SOON)
        assert viewer.seqs[-1] == session.seq

    play(scene)


def test_a_watch_keeps_a_bounded_tail(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TAIL_BYTES", 50_000)

    async def scene(session: Session, gateway: Watches) -> None:
        first = Viewer(session, gateway)
        await asyncio.sleep(SOON)
        for _ in range(10):
            session.turn("x" * 20_000)
            session.finished()
            await asyncio.sleep(SOON)
        asked = len(session.asked)
        near, far = Viewer(session, gateway, session.seq - 3), Viewer(session, gateway, 1)
        await asyncio.sleep(SOON)
        assert (len(near.seqs), len(far.seqs), first.seqs[-1]) == (3, session.seq - 1, session.seq)
        # Only the one from far back had to ask the session.
        assert set(session.asked[asked:]) == {1}

    play(scene)


def test_a_viewer_that_was_cut_keeps_nothing() -> None:
    async def scene() -> None:
        viewer = module.Viewer(0, limit=2)
        viewer.live = True
        for seq in range(1, 4):
            viewer.offer(encode("x", {}, seq))
        # The first one after a cut is the cut itself, whatever came before and after it.
        viewer.offer(encode("x", {}))
        viewer.offer(None)
        with pytest.raises(StreamCut):
            await viewer.read()

    run(scene())


def session_delta(step_id: str, n: int, text: str) -> StepDelta:
    return StepDelta(step_id, 1, n, 0, "text", text)


@dataclass(frozen=True)
class Act:
    """One thing that happens, and the seconds that pass after it."""

    what: str
    number: int
    then: float


#: What follows in the session: the next event of its turns.
WHATS = ("on", "on", "on", "on", "begin", "say", "say", "say", "late", "poke", "lose", "keep", "drop", "heard")
WHATS += ("come", "come", "slow", "leave", "away", "back", "delay")
ACTS = st.builds(
    Act,
    st.sampled_from(WHATS),
    st.integers(0, 1000),
    st.sampled_from((0, 0, 0, 0.001, 0.006, 0.02, 0.3, 2, 40)),
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ACTS, min_size=10, max_size=60), st.booleans())
def test_whatever_happens_every_viewer_is_told_all_in_order(acts: list[Act], closes: bool) -> None:
    async def scene(folder: Path) -> None:
        session = Session()
        gateway = watches(session, folder, viewer_queue=20)
        here: list[Viewer] = []
        for act in acts:
            happen(session, gateway, here, act)
            await asyncio.sleep(act.then)
        session.trouble = None
        session.live.loses_pokes = session.live.loses_frames = False
        if closes:
            while session.story.state.turn is not None:
                go_on(session)
            session.close()
        await asyncio.sleep(200)
        for viewer in here:
            viewer.check()
            assert viewer.told.cursor == session.seq
            assert viewer.task.done() == closes
        await asyncio.gather(*(viewer.go() for viewer in here))
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with tempfile.TemporaryDirectory() as folder:
        run(scene(Path(folder)))


def go_on(session: Session) -> None:
    """The next event of the session."""
    turn = session.story.state.turn
    if turn is None:
        session.turn()
    elif turn.step is not None:
        session.answered()
    elif turn.steps == 2:
        session.finished()
    else:
        session.open()


def happen(session: Session, gateway: Watches, here: list[Viewer], act: Act) -> None:
    turn = session.story.state.turn
    streams = turn is not None and turn.step is not None
    match act.what:
        case "on":
            go_on(session)
        case "begin" if streams:
            session.begin()
        case "say" if streams and session.attempt:
            session.say(f"<{act.number}>")
        case "late" if session.said:
            session.say_late(act.number)
        case "poke":
            session.live.poke(SESSION, act.number % (session.seq + 2))
        case "lose" | "keep":
            session.live.loses_pokes = act.what == "lose"
        case "drop" | "heard":
            session.live.loses_frames = act.what == "drop"
        case "come" | "slow":
            pause = 0.05 if act.what == "slow" else 0
            after = act.number % (session.seq + 3)
            # A cursor that the session never had is far from those that it will have.
            after += 1000 if after > session.seq else 0
            here.append(Viewer(session, gateway, after, pause=pause, comes_again=True))
        case "leave" if here:
            here.pop(act.number % len(here)).task.cancel()
        case "away" | "back":
            session.trouble = ("no_worker", "too_many")[act.number % 2] if act.what == "away" else None
        case "delay":
            session.delay = (0.001, 0.01, 0.5)[act.number % 3]
        case _:
            pass
