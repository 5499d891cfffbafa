"""The live plane within one process."""

import asyncio
import threading

from perdure.temporal.live.bounded_subscription import QUEUE
from perdure.temporal.live.frames import Frame, LivePart, Poke, StepDelta, StepProgress, ToolProgress
from perdure.temporal.live.memory import MemoryLive
from perdure.temporal.live.streamed import until_streamed


def delta(n: int, text: str, *, step: str = "t1.s1", attempt: int = 1, part: int = 0) -> StepDelta:
    return StepDelta(step, attempt, n, part, "text", text)


def taken(queue: "asyncio.Queue[Frame]") -> list[Frame]:
    return [queue.get_nowait() for _ in range(queue.qsize())]


def here() -> MemoryLive:
    return MemoryLive(asyncio.get_running_loop())


def test_progress_is_put_together_from_deltas() -> None:
    progress = StepProgress("t1.s1", 1)
    progress.add(StepDelta("t1.s1", 1, 0, 0, "reasoning", "hm"))
    progress.add(StepDelta("t1.s1", 1, 1, 1, "text", "he"))
    progress.add(StepDelta("t1.s1", 1, 2, 1, "text", "llo"))
    copy = progress.copy()
    progress.add(StepDelta("t1.s1", 1, 3, 2, "tool_input", "", "add"))
    progress.add(StepDelta("t1.s1", 1, 4, 2, "tool_input", "{}"))

    assert copy.parts == [LivePart("reasoning", "hm"), LivePart("text", "hello")]
    assert copy.n == 3
    assert progress.parts == [*copy.parts, LivePart("tool_input", "{}", "add")]
    assert progress.n == 5


async def test_a_watcher_gets_the_frames_of_its_session_in_order() -> None:
    live = here()
    async with live.subscribe("a/1") as one, live.subscribe("a/1") as other, live.subscribe("a/2") as stranger:
        live.begin("a/1", "t1.s1", 1)
        live.delta("a/1", delta(0, "x"))
        live.end("a/1", "t1.s1", 1)
        assert taken(one) == taken(other) == [StepProgress("t1.s1", 1), delta(0, "x")]
        assert taken(stranger) == []


async def test_who_comes_late_is_given_what_was_streamed_first() -> None:
    live = here()
    live.begin("a/1", "t1.s1", 2)
    live.delta("a/1", delta(0, "he", attempt=2))
    async with live.subscribe("a/1") as frames:
        live.delta("a/1", delta(1, "llo", attempt=2))
        (first, second) = taken(frames)
    assert first == StepProgress("t1.s1", 2, 1, [LivePart("text", "he")])
    assert second == delta(1, "llo", attempt=2)
    async with live.subscribe("a/1") as frames:
        assert taken(frames) == [StepProgress("t1.s1", 2, 2, [LivePart("text", "hello")])]


async def test_what_streams_no_more_is_not_shown_to_who_comes_late() -> None:
    live = here()
    live.begin("a/1", "t1.s1", 1)
    live.end("a/1", "t1.s1", 1)
    async with live.subscribe("a/1") as frames:
        assert taken(frames) == []


async def test_an_attempt_that_was_given_up_does_not_touch_the_next_one() -> None:
    live = here()
    live.begin("a/1", "t1.s1", 1)
    live.begin("a/1", "t1.s1", 2)
    live.delta("a/1", delta(0, "new", attempt=2))
    live.delta("a/1", delta(0, "old", attempt=1))
    live.end("a/1", "t1.s1", 1)
    async with live.subscribe("a/1") as frames:
        assert taken(frames) == [StepProgress("t1.s1", 2, 1, [LivePart("text", "new")])]


async def test_a_subscription_that_is_renewed_begins_again_with_what_there_is_by_then() -> None:
    live = here()
    live.begin("a/1", "t1.s1", 1)
    async with live.subscribe("a/1") as frames, live.subscribe("a/1") as other:
        live.delta("a/1", delta(0, "he"))
        frames.renew()
        live.delta("a/1", delta(1, "llo"))
        whole = StepProgress("t1.s1", 1, 1, [LivePart("text", "he")])
        assert taken(frames) == [StepProgress("t1.s1", 1), delta(0, "he"), whole, delta(1, "llo")]
        assert taken(other) == [StepProgress("t1.s1", 1), delta(0, "he"), delta(1, "llo")]


async def test_what_a_step_streamed_is_followed_from_whatever_came_first() -> None:
    live = here()
    live.begin("a/1", "t1.s1", 1)
    live.delta("a/1", delta(0, "he"))
    async with live.subscribe("a/1") as frames:
        live.delta("a/1", delta(1, "llo"))
        live.poke("a/1")
        await until_streamed(frames, lambda progress: progress.parts[0].text == "hello")
        live.begin("a/1", "t1.s1", 2)
        live.delta("a/1", delta(0, "hello", attempt=2))
        await until_streamed(frames, lambda progress: progress.attempt == 2 and bool(progress.parts))


async def test_a_poke_comes_from_any_thread() -> None:
    live = here()
    async with live.subscribe("a/1") as frames:
        thread = threading.Thread(target=live.poke, args=("a/1", 7))
        thread.start()
        assert await frames.get() == Poke(7)
        thread.join()


async def test_nobody_watches_so_nothing_is_kept() -> None:
    live = here()
    async with live.subscribe("a/1"):
        pass
    live.poke("a/1", 1)
    live.delta("a/1", delta(0, "x"))
    async with live.subscribe("a/1") as frames:
        assert taken(frames) == []


def test_a_poke_to_a_loop_that_is_closed_does_nothing() -> None:
    loop = asyncio.new_event_loop()
    live = MemoryLive(loop)
    watch = live.subscribe("a/1")
    loop.run_until_complete(watch.__aenter__())
    loop.close()
    live.poke("a/1", 1)


async def test_a_stop_is_told_to_all_who_listen_then() -> None:
    live = here()
    live.stop("a/1")
    async with live.stops("a/1") as one, live.stops("a/1") as other, live.stops("a/2") as stranger:
        assert not one.is_set()
        live.stop("a/1")
        assert (one.is_set(), other.is_set(), stranger.is_set()) == (True, True, False)
        one.clear()
        live.stop("a/1")
        assert one.is_set()


async def test_who_comes_late_is_told_the_last_word_of_a_tool_that_runs() -> None:
    live = MemoryLive(asyncio.get_running_loop())
    live.tool_progress("s", ToolProgress("t1.s1.c1", "writing", 0.5))
    live.tool_progress("s", ToolProgress("t1.s1.c1", None, 0.75))
    live.tool_progress("s", ToolProgress("t1.s1.c2", "over", None))
    live.tool_ended("s", "t1.s1.c2")
    await asyncio.sleep(0)
    async with live.subscribe("s") as frames:
        assert frames.get_nowait() == ToolProgress("t1.s1.c1", "writing", 0.75)
        assert frames.empty()


async def test_who_takes_nothing_is_told_the_whole_in_the_end() -> None:
    live = here()
    async with live.subscribe("a/1") as frames:
        live.begin("a/1", "t1.s1", 1)
        for n in range(QUEUE + 9):
            live.delta("a/1", delta(n, "x"))
        assert frames.qsize() < QUEUE
        poke, progress, *later = taken(frames)
        assert isinstance(poke, Poke)
        assert isinstance(progress, StepProgress)
        for one in later:
            assert isinstance(one, StepDelta)
            progress.add(one)
    assert progress == StepProgress("t1.s1", 1, QUEUE + 9, [LivePart("text", "x" * (QUEUE + 9))])
