import tracemalloc
from typing import Any

import pytest

from perdure.activities.models.sse_events import SseDecoder
from perdure.activities.models.wires.openai_chat_answer import ArrivingAnswer
from perdure.workflows.vocabulary.parts import Reasoning, Text, ToolCall
from tests.support.chat import TOOLS, called, chunk, stream

MB = 1_000_000
# Short enough that to keep them apart would take too much memory.
ASCII, OTHER = "a few words of an answer, ", "言葉が続いて行く、"


def content(word: str) -> dict[str, Any]:
    return chunk({"content": word})


def thought(word: str) -> dict[str, Any]:
    return chunk({"reasoning_content": word})


def argument(word: str) -> dict[str, Any]:
    return called({"index": 0, "function": {"arguments": word}})


@pytest.mark.parametrize(("kind", "word"), [(content, ASCII), (thought, OTHER), (argument, ASCII)])
@pytest.mark.slow
def test_an_answer_of_a_megabyte_takes_three_at_most(kind: Any, word: str) -> None:
    count = MB // len(word.encode())
    fragment = stream(kind(word), done=False)
    call = called({"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"a": "'}})
    begin, end = (stream(call, done=False), stream(argument('"}'))) if kind is argument else (b"", stream())
    decoder, arriving = SseDecoder(), ArrivingAnswer("t1.s1", "m", TOOLS)
    tracemalloc.start()
    try:
        for number in range(-1, count + 1):
            for event in decoder.feed(begin if number < 0 else fragment if number < count else end):
                arriving.take(event)
        arriving.rest()
        (part,) = arriving.whole().parts
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(part, Text | Reasoning | ToolCall)
    assert (part.args["a"] if isinstance(part, ToolCall) else part.text) == word * count
    assert peak < (4 if kind is argument else 3) * MB
