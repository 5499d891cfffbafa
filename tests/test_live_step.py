"""Which live frames of a step are sent to viewers, and when."""

from collections.abc import Callable

from perdure.gateway.live.step import LiveStep, StepFrame
from perdure.temporal.live.frames import LivePart, StepDelta, StepProgress


def delta(n: int, text: str, *, step: str = "t1.s1", attempt: int = 1) -> StepDelta:
    return StepDelta(step, attempt, n, 0, "text", text)


def progress(n: int = 0, text: str = "", *, step: str = "t1.s1", attempt: int = 1) -> StepProgress:
    return StepProgress(step, attempt, n, [LivePart("text", text)] if text else [])


def told(frames: list[StepFrame]) -> list[str]:
    """A short form: `1:0 +text` for a delta, `1:2 =text` for a snapshot, with attempt and n."""
    short: list[str] = []
    for frame in frames:
        text = f"+{frame.text}" if isinstance(frame, StepDelta) else "=" + "".join(part.text for part in frame.parts)
        short.append(f"{frame.attempt}:{frame.n} {text}")
    return short


class Renewals:
    """How often the subscription was renewed."""

    count = 0

    def __call__(self) -> None:
        self.count += 1


def step(last: str | None = "t1.s1", is_open: bool = True, renew: Callable[[], None] = lambda: None) -> LiveStep:
    return LiveStep(last, is_open, renew)


def test_deltas_of_the_open_step_go_out() -> None:
    one = step()
    assert told([*one.take(progress()), *one.take(delta(0, "a")), *one.take(delta(1, "b"))]) == ["1:0 +a", "1:1 +b"]
    assert told(one.so_far()) == ["1:2 =ab"]


def test_frames_wait_for_their_step_and_keep_their_order() -> None:
    one = step("t1.s1", is_open=False)
    for frame in (
        progress(step="t1.s2"),
        delta(0, "a", step="t1.s2"),
        delta(1, "b", step="t1.s2"),
        progress(step="t2.s1"),
        delta(0, "later", step="t2.s1"),
    ):
        assert one.take(frame) == []
    assert one.waits
    assert told(one.started("t1.s2")) == ["1:0 +a", "1:1 +b"]
    assert one.waits
    one.finished()
    assert told(one.started("t2.s1")) == ["1:0 +later"]
    assert not one.waits


def test_the_tenth_step_comes_after_the_ninth() -> None:
    one = step("t9.s9")
    assert one.take(delta(0, "a", step="t9.s10")) == []
    assert one.take(delta(0, "a", step="t10.s1")) == []
    assert one.waits


def test_frames_of_a_finished_step_are_dropped() -> None:
    one = step()
    one.take(progress())
    one.finished()
    assert [*one.take(delta(0, "a")), *one.take(progress(2, "ab")), *one.so_far()] == []
    one.started("t1.s2")
    assert one.take(delta(1, "b")) == []
    assert not one.waits


def test_frames_of_an_attempt_that_was_given_up_are_dropped() -> None:
    one = step()
    one.take(progress(attempt=2))
    assert [*one.take(delta(0, "old")), *one.take(progress(3, "old"))] == []
    assert told(one.take(delta(0, "new", attempt=2))) == ["2:0 +new"]


def test_a_new_attempt_replaces_what_the_last_one_said_before_its_first_delta() -> None:
    one = step()
    one.take(progress())
    one.take(delta(0, "old"))
    frames = [*one.take(progress(attempt=2)), *one.take(delta(0, "new", attempt=2))]
    assert told(frames) == ["2:0 =", "2:0 +new"]


def test_who_comes_before_the_first_delta_of_a_later_attempt_is_told_of_it() -> None:
    one = step()
    one.take(progress(attempt=2))
    assert told(one.so_far()) == ["2:0 ="]


def test_an_attempt_whose_beginning_was_lost_is_told_in_whole() -> None:
    renewals = Renewals()
    one = step(renew=renewals)
    one.take(progress())
    one.take(delta(0, "old"))
    frames = [*one.take(delta(0, "new", attempt=2)), *one.take(delta(1, "!", attempt=2))]
    assert (told(frames), renewals.count) == ([], 1)
    frames = [*one.take(progress(2, "new!", attempt=2)), *one.take(delta(2, "?", attempt=2))]
    assert told(frames) == ["2:2 =new!", "2:2 +?"]


def test_a_gap_is_closed_by_the_whole() -> None:
    renewals = Renewals()
    one = step(renew=renewals)
    one.take(progress())
    frames = [one.take(delta(n, letter)) for n, letter in enumerate("abcd") if n != 1]
    assert ([told(frame) for frame in frames], renewals.count) == ([["1:0 +a"], [], []], 1)
    # What it has streamed by then holds what came after the gap, which may still be on its way.
    frames = [one.take(progress(4, "abcd")), one.take(delta(3, "d")), one.take(delta(4, "e"))]
    assert [told(frame) for frame in frames] == [["1:4 =abcd"], [], ["1:4 +e"]]


def test_each_gap_is_closed_by_a_whole_of_its_own() -> None:
    renewals = Renewals()
    one = step(renew=renewals)
    one.take(progress())
    one.take(delta(1, "b"))
    one.take(progress(2, "ab"))
    assert told(one.take(delta(3, "d"))) == []
    assert told(one.take(progress(4, "abcd"))) == ["1:4 =abcd"]
    assert renewals.count == 2


def test_a_repeat_is_dropped() -> None:
    one = step()
    one.take(progress())
    one.take(delta(0, "a"))
    assert one.take(delta(0, "a")) == []


def test_a_gap_that_nothing_can_close_is_left_to_the_end_of_the_step() -> None:
    one = step()
    one.take(progress())
    one.take(delta(0, "a"))
    assert one.take(delta(2, "c")) == []
    assert told(one.so_far()) == ["1:1 =a"]
    one.finished()
    one.started("t1.s2")
    assert told(one.take(delta(0, "n", step="t1.s2"))) == []
    assert told(one.take(progress(1, "n", step="t1.s2"))) == ["1:1 =n"]


def test_the_whole_of_another_step_closes_no_gap() -> None:
    renewals = Renewals()
    one = step(renew=renewals)
    assert [*one.take(delta(3, "d")), *one.take(progress(1, "x", step="t1.s2"))] == []
    assert renewals.count == 1
    assert told(one.take(progress(4, "abcd"))) == ["1:4 =abcd"]
