"""Fragments become frames on the leading edge: the first at once, later ones joined. Time is virtual."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from perdure.activities.models.delta_writer import INTERVAL_S, DeltaWriter
from perdure.activities.models.wire import Delta
from perdure.temporal.live.frames import Frame, LivePart, StepDelta, StepProgress
from perdure.temporal.live.memory import MemoryLive
from perdure.workflows.vocabulary.parts import Part, Reasoning, Text
from tests.support.virtual_time import run

BEGIN = StepProgress("t1.s1", 2)


def frame(n: int, text: str, part: int = 0, kind: str = "text", name: str | None = None) -> StepDelta:
    return StepDelta("t1.s1", 2, n, part, kind, text, name)  # type: ignore[arg-type]


def text(written: str, part: int = 0) -> Delta:
    return Delta(part, "text", written)


def thought(written: str, part: int = 0) -> Delta:
    return Delta(part, "reasoning", written)


def written(script: Callable[[DeltaWriter], Awaitable[None]]) -> list[tuple[float, Frame]]:
    """Plays `script`; returns every frame with its time in milliseconds from the beginning."""

    async def play() -> list[tuple[float, Frame]]:
        loop = asyncio.get_running_loop()
        live = MemoryLive(loop)
        seen: list[tuple[float, Frame]] = []

        async with live.subscribe("a/1") as frames:

            async def read() -> None:
                while True:
                    one = await frames.get()
                    seen.append((round((loop.time() - started) * 1000, 3), one))

            started = loop.time()
            reading = asyncio.create_task(read())
            await script(DeltaWriter(live, "a/1", "t1.s1", 2))
            await asyncio.sleep(1)
            reading.cancel()
        return seen

    return run(play())


def test_the_first_goes_at_once_and_the_next_ones_together_when_due() -> None:
    async def script(writer: DeltaWriter) -> None:
        for word in ("a", "b", "c", "d"):
            writer.write(text(word))
            await asyncio.sleep(INTERVAL_S / 5)

    assert written(script) == [(0, BEGIN), (0, frame(0, "a")), (15, frame(1, "bcd"))]


def test_after_a_silence_the_next_goes_at_once_again() -> None:
    async def script(writer: DeltaWriter) -> None:
        writer.write(text("a"))
        await asyncio.sleep(INTERVAL_S)
        writer.write(text("b"))
        await asyncio.sleep(0.004)
        writer.write(text("c"))

    assert written(script) == [(0, BEGIN), (0, frame(0, "a")), (15, frame(1, "b")), (30, frame(2, "c"))]


def test_a_fast_model_does_not_flood() -> None:
    async def script(writer: DeltaWriter) -> None:
        for _ in range(300):
            writer.write(text("x"))
            await asyncio.sleep(0.001)
        writer.close()

    seen = [one for _, one in written(script)[1:]]
    assert len(seen) <= 300 / 15 + 2
    assert "".join(one.text for one in seen if isinstance(one, StepDelta)) == "x" * 300
    assert [one.n for one in seen if isinstance(one, StepDelta)] == list(range(len(seen)))


def test_another_part_or_kind_is_another_frame_and_order_stays() -> None:
    async def script(writer: DeltaWriter) -> None:
        writer.write(thought("h"))
        writer.write(thought("m"))
        writer.write(text("a", 1))
        writer.write(text("b", 1))
        writer.write(text("c", 2))
        writer.close()

    assert [one for _, one in written(script)] == [
        BEGIN,
        frame(0, "h", 0, "reasoning"),
        frame(1, "m", 0, "reasoning"),
        frame(2, "ab", 1),
        frame(3, "c", 2),
    ]


def test_a_tools_name_stays_when_its_first_fragment_is_joined() -> None:
    async def script(writer: DeltaWriter) -> None:
        writer.write(text("x"))
        writer.write(Delta(1, "tool_input", "", "add"))
        writer.write(Delta(1, "tool_input", '{"a":'))
        writer.write(Delta(1, "tool_input", "1}"))

    assert written(script)[2:] == [(15, frame(1, '{"a":1}', 1, "tool_input", "add"))]


def test_close_sends_what_waits_and_ends_the_step() -> None:
    async def play() -> None:
        live = MemoryLive(asyncio.get_running_loop())
        async with live.subscribe("a/1") as frames:
            writer = DeltaWriter(live, "a/1", "t1.s1", 2)
            writer.write(text("a"))
            writer.write(text("b"))
            async with live.subscribe("a/1") as late:
                assert late.get_nowait() == StepProgress("t1.s1", 2, 1, [LivePart("text", "a")])
            writer.close()
            async with live.subscribe("a/1") as late:
                assert late.empty()
            assert [frames.get_nowait() for _ in range(3)] == [BEGIN, frame(0, "a"), frame(1, "b")]
            await asyncio.sleep(1)
            assert frames.empty()

    run(play())


@pytest.mark.parametrize(
    ("deltas", "tail", "parts"),
    [
        ((), None, ()),
        ((text("a"), text("b")), None, (Text(text="ab"),)),
        ((thought("hm"), text("a", 1)), None, (Reasoning(text="hm"), Text(text="a"))),
        # The last part has only begun, and waits for its frame.
        ((thought("hm"), text("a", 1), text("b", 2)), None, (Reasoning(text="hm"), Text(text="a"), Text(text="b"))),
        ((text("a"), Delta(1, "tool_input", '{"a', "add")), None, (Text(text="a"),)),
        ((text(""), text("b", 1)), None, (Text(text="b"),)),
        # The tail is that of the whole text, not of each part.
        ((text("abcdef"), text("g"), text("xyz", 1)), 3, (Text(text="xyz"),)),
        ((text("abcdef"), text("g"), text("xyz", 1)), 5, (Text(text="fg"), Text(text="xyz"))),
    ],
)
def test_partial_is_all_text_that_has_come(
    deltas: tuple[Delta, ...], tail: int | None, parts: tuple[Part, ...]
) -> None:
    async def play() -> None:
        writer = DeltaWriter(MemoryLive(asyncio.get_running_loop()), "a/1", "t1.s1", 2)
        for delta in deltas:
            writer.write(delta)
        assert writer.characters == sum(len(delta.text) for delta in deltas)
        assert writer.partial(tail) == parts
        writer.close()
        assert writer.partial(tail) == parts
        assert writer.characters == sum(len(delta.text) for delta in deltas)

    run(play())
