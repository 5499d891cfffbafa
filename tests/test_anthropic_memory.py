import json
import tracemalloc

import pytest

from perdure.activities.models.sse_events import SseDecoder
from perdure.activities.models.wires.anthropic_answer import ArrivingAnswer
from perdure.workflows.vocabulary.parts import Reasoning, Text, ToolCall
from tests.support.anthropic_events import end, start, stream, text, thinking, tool

MB = 1_000_000


# Short enough that to keep them apart would take too much memory.
ASCII, OTHER = "a few words of an answer, ", "言葉が続いて行く、"


@pytest.mark.parametrize(
    ("kind", "word"), [("text", ASCII), ("text", OTHER), ("thinking", ASCII), ("arguments", ASCII)]
)
@pytest.mark.slow
def test_an_answer_of_a_megabyte_takes_three_at_most(kind: str, word: str) -> None:
    words = [word] * (MB // len(word.encode()))
    events = {"text": text, "thinking": thinking, "arguments": tool}[kind]
    written = ['{"text": "', *words, '"}'] if kind == "arguments" else words
    body = stream(start(), *events(0, *written), *end("tool_use" if kind == "arguments" else "end_turn"))
    decoder, arriving = SseDecoder(), ArrivingAnswer("t1.s1", "m", ())
    tracemalloc.start()
    try:
        for begin in range(0, len(body), 4096):
            for event in decoder.feed(body[begin : begin + 4096]):
                for _ in arriving.take(event):
                    pass
        (part,) = arriving.whole().parts
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(part, Text | Reasoning | ToolCall)
    said = json.dumps(part.args, ensure_ascii=False) if isinstance(part, ToolCall) else part.text
    assert "".join(words) in said
    assert peak < 3 * MB
