"""Viewers of one session connect late, reconnect, lag and leave. Time is virtual, so waiting is free."""

import asyncio
from pathlib import Path

import pytest

from perdure.gateway.http.sse import StreamCut
from perdure.gateway.live import watch as module
from perdure.gateway.live.items import Item
from perdure.gateway.live.viewer import Viewer as StreamViewer
from perdure.gateway.live.watches import Watches
from perdure.gateway.projections.frames import frames_of
from perdure.temporal.live.frames import ToolProgress
from perdure.temporal.sessions.errors import NoWorker
from perdure.workflows.core.state import log as state_module
from perdure.workflows.vocabulary.events import SessionClosed
from tests.support.core import AT
from tests.support.virtual_time import run
from tests.support.watching import SESSION, SOON, TURN, Session, Viewer, play


@pytest.mark.parametrize("others", [0, 1])
def test_who_comes_late_gets_the_backlog_then_a_snapshot_then_deltas(tmp_path: Path, others: int) -> None:
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

    play(tmp_path, scene)


def test_two_viewers_share_one_query(tmp_path: Path) -> None:
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
        # A returning viewer is served from the watch's buffer.
        again = Viewer(session, gateway, 1)
        await asyncio.sleep(SOON)
        assert again.seqs == [2, 3]
        assert len(session.asked) - asked == 1

    play(tmp_path, scene)


def test_an_item_is_encoded_once_for_all_viewers(tmp_path: Path) -> None:
    async def scene(session: Session, gateway: Watches) -> None:
        sent: list[list[bytes]] = [[], [], []]

        async def read(frames: list[bytes]) -> None:
            async for frame in frames_of(gateway.follow(SESSION, 1)):
                frames.append(frame)

        readers = [asyncio.create_task(read(frames)) for frames in sent]
        await asyncio.sleep(SOON)
        session.turn()
        session.open()
        await asyncio.sleep(SOON)
        session.begin()
        session.say("a", "b")
        session.close()
        await asyncio.sleep(SOON)
        await asyncio.gather(*readers)
        first = sent[0]
        assert [frame.count(b"event: step.delta") for frame in first] == [0, 0, 0, 1, 1, 0]
        for other in sent[1:]:
            assert len(other) == len(first)
            # Not merely equal.
            assert all(one is same for one, same in zip(first, other, strict=True))

    play(tmp_path, scene)


def test_a_watch_is_dropped_with_its_last_viewer(tmp_path: Path) -> None:
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

    play(tmp_path, scene)


def test_a_slow_viewer_is_cut_and_resumes_while_the_others_go_on(tmp_path: Path) -> None:
    async def scene(session: Session, gateway: Watches) -> None:
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

    play(tmp_path, scene, viewer_queue=10)


def test_a_backlog_longer_than_a_viewers_queue_does_not_cut_it(tmp_path: Path) -> None:
    async def scene(session: Session, gateway: Watches) -> None:
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

    play(tmp_path, scene, viewer_queue=5)


@pytest.mark.parametrize("others", [0, 1])
def test_a_cursor_that_the_session_never_had_gets_one_snapshot_first(tmp_path: Path, others: int) -> None:
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

    play(tmp_path, scene)


@pytest.mark.parametrize("after", [None, 2])
def test_a_cursor_older_than_what_is_kept_gets_one_snapshot_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int | None
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

    play(tmp_path, scene)


def test_a_closed_session_ends_its_streams(tmp_path: Path) -> None:
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

    play(tmp_path, scene)


@pytest.mark.parametrize("name", ["acme/unknown", SESSION])
def test_a_session_that_cannot_be_asked_is_a_problem_before_the_first_item(tmp_path: Path, name: str) -> None:
    async def scene(session: Session, gateway: Watches) -> None:
        session.trouble = NoWorker
        viewer = Viewer(session, gateway, name=name)
        await asyncio.sleep(SOON)
        assert viewer.ends == ["no_worker" if name == SESSION else "session_not_found"]
        assert (viewer.items, gateway.viewers) == ([], 0)

    play(tmp_path, scene)


def test_a_process_that_stops_cuts_who_is_there_and_who_comes(tmp_path: Path) -> None:
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

    play(tmp_path, scene)


def test_a_history_of_many_pages_arrives_whole(tmp_path: Path) -> None:
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

    play(tmp_path, scene)


def test_a_watch_keeps_a_bounded_tail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
        # Only the viewer with the oldest cursor had to query the session.
        assert set(session.asked[asked:]) == {1}

    play(tmp_path, scene)


def test_a_viewer_that_was_cut_keeps_nothing() -> None:
    async def scene() -> None:
        viewer = StreamViewer(0, limit=2)
        viewer.live = True
        for seq in range(1, 4):
            viewer.offer(Item(SessionClosed(seq=seq, at=AT, reason="x")))
        viewer.offer(Item(ToolProgress("t1.s1.c1", "x")))
        viewer.offer(None)
        with pytest.raises(StreamCut):
            await viewer.read()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await viewer.read()

    run(scene())
