"""What waits to be written to Redis, without one."""

from perdure.temporal.live.frames import LivePart, Poke, StepDelta, StepProgress, ToolProgress
from perdure.temporal.live.redis_frames import Sent, StepEnded, ToolEnded, read
from perdure.temporal.live.redis_outgoing import BYTES, FRAGMENTS, WHOLE_EACH, WORDS, Outgoing
from perdure.temporal.telemetry.metrics import UNMEASURED
from tests.support.live_reading import SESSION

S = "t1.s1"


def outgoing() -> Outgoing:
    return Outgoing(UNMEASURED)


def delta(n: int, text: str = "x", attempt: int = 1) -> StepDelta:
    return StepDelta(S, attempt, n, 0, "text", text)


def whole(n: int, text: str, attempt: int = 1) -> StepProgress:
    return StepProgress(S, attempt, n, [LivePart("text", text)] if text else [])


def taken(waiting: Outgoing, count: int = 10**6) -> list[tuple[str, Sent | None]]:
    return [(write.kind, read(write.payload)) for write in waiting.take(count)]


def test_fragments_wait_in_order_and_words_that_replace_each_other_wait_once() -> None:
    waiting = outgoing()
    waiting.begin(SESSION, S, 1)
    waiting.delta(SESSION, delta(0))
    for seq in (3, 5, 4):
        waiting.poke(SESSION, seq)
    for share in (0.25, 0.5):
        waiting.tool_progress(SESSION, ToolProgress("c", "half" if share == 0.25 else None, share))
    waiting.delta(SESSION, delta(1))
    waiting.end(SESSION, S, 1)
    assert taken(waiting) == [
        ("poke", Poke(5)),
        ("add", whole(0, "")),
        ("add", delta(0)),
        ("add", delta(1)),
        ("end", StepEnded(S, 1)),
        ("tool", ToolProgress("c", "half", 0.5)),
    ]
    assert not waiting.waits
    waiting.poke(SESSION, 7)
    waiting.poke(SESSION, 0)
    waiting.poke(SESSION, 8)
    waiting.tool_ended(SESSION, "c")
    waiting.tool_ended(SESSION, "unknown")
    assert taken(waiting) == [("ask", Poke(0)), ("over", ToolEnded("c"))]


def test_no_more_is_taken_than_asked_for() -> None:
    waiting = outgoing()
    waiting.begin(SESSION, S, 1)
    for n in range(5):
        waiting.delta(SESSION, delta(n))
    assert [len(taken(waiting, 4)) for _ in range(3)] == [4, 2, 0]


def test_what_is_more_than_may_wait_is_dropped_and_comes_as_a_whole() -> None:
    waiting = outgoing()
    waiting.begin(SESSION, S, 1)
    waiting.begin("acme/s2", S, 1)
    for n in range(FRAGMENTS):
        waiting.delta(SESSION, delta(n))
    waiting.delta("acme/s2", delta(0, "y"))
    told = taken(waiting)
    assert len(told) < FRAGMENTS
    assert ("add", whole(FRAGMENTS, "x" * FRAGMENTS)) in told
    assert ("add", whole(1, "y")) in told
    # From there on as before.
    waiting.delta(SESSION, delta(FRAGMENTS))
    assert taken(waiting)[0] == ("add", delta(FRAGMENTS))


def test_few_fragments_that_are_long_are_dropped_as_well() -> None:
    waiting = outgoing()
    waiting.begin(SESSION, S, 1)
    for n in range(4):
        waiting.delta(SESSION, delta(n, "x" * (BYTES // 3)))
    assert [kind for kind, _ in taken(waiting)] == ["add"]


def test_after_a_loss_all_that_stream_and_run_say_what_they_said_last() -> None:
    waiting = outgoing()
    waiting.begin(SESSION, S, 1)
    waiting.begin(SESSION, S, 2)
    waiting.delta(SESSION, delta(0, "he"))
    waiting.end(SESSION, S, 2)
    waiting.tool_progress(SESSION, ToolProgress("c", "half", 0.5))
    waiting.stop("acme/s2", b"me acme/s2")
    waiting.poke(SESSION, 5)
    waiting.lost(waiting.take(100))
    waiting.delta(SESSION, delta(1, "llo"))
    writes = waiting.take(100)
    assert (writes[0].kind, writes[0].payload) == ("stop", b"me acme/s2")
    assert [(write.kind, read(write.payload)) for write in writes[1:]] == [
        ("poke", Poke(5)),
        ("add", whole(2, "hello")),
        ("tool", ToolProgress("c", "half", 0.5)),
    ]


def test_a_stream_has_the_whole_now_and_then() -> None:
    waiting = outgoing()
    waiting.begin(SESSION, S, 1)
    for n in range(2 * WHOLE_EACH):
        waiting.delta(SESSION, delta(n))
    told = taken(waiting)
    assert [frame for kind, frame in told if kind == "keep"] == [
        whole(times * WHOLE_EACH, "x" * times * WHOLE_EACH) for times in (1, 2)
    ]
    assert told[WHOLE_EACH + 1][0] == "keep"


def test_what_is_silent_says_again_what_it_said_last_and_what_has_ended_does_not() -> None:
    waiting = outgoing()
    waiting.begin(SESSION, S, 1)
    waiting.delta(SESSION, delta(0, "he"))
    waiting.begin(SESSION, S, 2)
    waiting.end(SESSION, S, 2)
    waiting.tool_progress(SESSION, ToolProgress("c", "half"))
    taken(waiting)
    waiting.renew()
    assert taken(waiting) == []
    waiting.renew(silent_s=0)
    assert taken(waiting) == [("keep", whole(1, "he")), ("tool", ToolProgress("c", "half"))]
    waiting.refused()
    # Those that follow it are told as well: some of them may lack its beginning.
    assert taken(waiting) == [("add", whole(1, "he")), ("tool", ToolProgress("c", "half"))]


def test_words_are_bounded() -> None:
    waiting = outgoing()
    for number in range(WORDS + 10):
        waiting.poke(f"acme/{number}", 1)
        waiting.stop(f"acme/{number}", b"")
        waiting.tool_progress(f"acme/{number}", ToolProgress("c", "half"))
    assert len(taken(waiting)) == 3 * WORDS
