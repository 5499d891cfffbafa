"""A session that a process follows, without a Redis."""

import asyncio

import pytest

from perdure.temporal.live import redis_followed
from perdure.temporal.live.bounded_subscription import QUEUE, BoundedSubscription
from perdure.temporal.live.frames import Frame, LivePart, Poke, StepDelta, StepProgress, ToolProgress
from perdure.temporal.live.redis_followed import Followed
from perdure.temporal.live.redis_frames import Sent, StepEnded, ToolEnded

S = "t1.s1"


class Following:
    """A session that is followed, and one who subscribes to it."""

    def __init__(self) -> None:
        self.reads = 0
        self.session = Followed(self._read)
        self.queue = BoundedSubscription(self.session.so_far)
        self.session.subscriptions.add(self.queue)

    def _read(self) -> None:
        self.reads += 1

    def told(self) -> list[Frame]:
        return [self.queue.get_nowait() for _ in range(self.queue.qsize())]


def delta(n: int, text: str = "x", *, attempt: int = 1, step: str = S) -> StepDelta:
    return StepDelta(step, attempt, n, 0, "text", text)


def whole(n: int, text: str, *, attempt: int = 1, step: str = S) -> StepProgress:
    return StepProgress(step, attempt, n, [LivePart("text", text)] if text else [])


@pytest.fixture
def following(monkeypatch: pytest.MonkeyPatch) -> Following:
    """Which has read the past once, and may at any time again."""
    monkeypatch.setattr(redis_followed, "_AGAIN_S", 0)
    here = Following()
    here.session.past(None, [], [])
    return here


def test_what_comes_while_the_past_is_read_waits_for_it() -> None:
    here = Following()
    here.session.take(Poke(3))
    here.session.take(delta(2, "llo"))
    here.session.take(delta(3, "!"))
    assert here.told() == [Poke(3)]
    past: list[Sent] = [whole(1, "h"), delta(1, "e"), delta(2, "llo")]
    here.session.past(Poke(4), past, [ToolProgress("c", "half")])
    assert here.told() == [Poke(4), whole(3, "hello"), ToolProgress("c", "half"), delta(3, "!")]


def test_a_past_that_was_cut_begins_with_the_next_whole(following: Following) -> None:
    past: list[Sent] = [delta(5, "?"), whole(6, "hello "), StepEnded("t0.s1", 1), delta(6, "you"), delta(9, "!")]
    following.session.past(None, past, [])
    assert following.told() == [whole(7, "hello you")]


def test_nothing_goes_back(following: Following) -> None:
    for said in (whole(0, "", attempt=2), delta(0, "he", attempt=2), delta(1, "llo", attempt=2)):
        following.session.take(said)
    following.told()
    late: list[Sent] = [
        delta(0, "he", attempt=2),
        whole(1, "he", attempt=2),
        whole(9, "no", attempt=1),
        delta(2, "no", attempt=1),
        StepEnded(S, 1),
        whole(0, "", attempt=3, step="t0.s9"),
    ]
    for frame in late:
        following.session.take(frame)
    assert following.told() == []
    following.session.take(delta(2, "!", attempt=2))
    assert following.told() == [delta(2, "!", attempt=2)]
    assert following.reads == 0


def test_a_gap_has_the_past_read_and_what_follows_waits(following: Following) -> None:
    following.session.take(delta(0, "a"))
    following.session.take(delta(2, "c"))
    following.session.take(delta(3, "d"))
    assert (following.told(), following.reads) == ([delta(0, "a")], 1)
    following.session.past(None, [whole(0, ""), delta(0, "a"), delta(1, "b"), delta(2, "c")], [])
    assert following.told() == [whole(3, "abc"), delta(3, "d")]


def test_a_past_that_lacks_the_same_is_not_read_again_at_once() -> None:
    here = Following()
    here.session.past(None, [], [])
    here.session.take(delta(0, "a"))
    here.session.take(delta(2, "c"))
    assert (here.told(), here.reads) == ([delta(0, "a")], 0)
    # Until the whole comes.
    here.session.take(whole(4, "abcd"))
    here.session.take(delta(4, "e"))
    assert here.told() == [whole(4, "abcd"), delta(4, "e")]


def test_a_second_gap_among_what_waited_has_the_rest_wait_on(following: Following) -> None:
    following.session.take(delta(0, "a"))
    for n in (2, 4, 5):
        following.session.take(delta(n, "?"))
    following.session.past(None, [whole(2, "ab")], [])
    assert (following.told(), following.reads) == ([delta(0, "a"), whole(2, "ab"), delta(2, "?")], 2)
    following.session.past(None, [whole(6, "abcdef")], [])
    assert following.told() == [whole(6, "abcdef")]


def test_what_has_ended_is_not_told_to_who_subscribes_then(following: Following) -> None:
    following.session.take(delta(0, "a"))
    following.session.take(ToolProgress("c", "half"))
    assert following.session.so_far() == [whole(1, "a"), ToolProgress("c", "half")]
    following.session.take(StepEnded(S, 1))
    following.session.take(ToolEnded("c"))
    following.session.take(whole(1, "a"))
    assert following.session.so_far() == []
    following.session.take(delta(0, "b", step="t1.s2"))
    assert following.session.so_far() == [whole(1, "b", step="t1.s2")]


def test_after_a_loss_the_past_is_read(following: Following) -> None:
    following.session.take(delta(0, "a"))
    following.told()
    following.session.missed()
    following.session.take(delta(4, "e"))
    assert following.told() == []
    following.session.past(Poke(7), [whole(4, "abcd")], [])
    assert following.told() == [Poke(7), whole(4, "abcd"), delta(4, "e")]


async def test_a_subscription_that_nobody_reads_is_bounded(following: Following) -> None:
    for n in range(QUEUE + 10):
        following.session.take(delta(n))
    assert following.queue.qsize() < QUEUE
    frames = following.told()
    assert frames[0] == Poke(0)
    assert isinstance(frames[1], StepProgress)
    text = frames[1].parts[0].text + "".join(frame.text for frame in frames[2:] if isinstance(frame, StepDelta))
    assert text == "x" * (QUEUE + 10)
    waiting = asyncio.create_task(following.queue.get())
    following.queue.renew()
    assert await waiting == whole(QUEUE + 10, text)
