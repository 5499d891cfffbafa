"""Broken and odd answers of Anthropic Messages: each ends in an answer or a typed failure."""

import json
from collections.abc import AsyncIterator

import pytest

from tests.support.anthropic_events import block, end, message, start, stream, text, thinking, tool
from tests.support.anthropic_trial import anthropic_trial
from tests.support.decoders import (
    ARGUMENTS,
    FRAGMENTS,
    OTHER_ARGUMENTS,
    OTHER_FRAGMENTS,
    Trial,
    survive,
)
from tests.support.mutations import Recording

START = [start(), {"type": "ping"}]
SEARCH = [
    *block(
        2,
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}},
        {"type": "input_json_delta", "partial_json": '{"query":'},
        {"type": "input_json_delta", "partial_json": ' "x"}'},
    ),
    *block(
        3, {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"type": "web_search_result"}]}
    ),
]
SPEECH = [*thinking(0, "Let me ", "look."), *text(1, "I look", " it up. 🔎")]
WHOLE = message(
    content=[
        {"type": "thinking", "thinking": "Hm.", "signature": "c2lnbmVk"},
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "toolu_1", "name": "find_order", "input": ARGUMENTS},
    ],
    stop_reason="tool_use",
)
BOTH = (ARGUMENTS, OTHER_ARGUMENTS)
RECORDINGS = (
    Recording(
        stream(*START, *SPEECH, *tool(2, "", *FRAGMENTS), *tool(3, "", *OTHER_FRAGMENTS), *end("tool_use")), BOTH
    ),
    Recording(stream(*START, *tool(0, "", *OTHER_FRAGMENTS), *end("tool_use")), BOTH),
    Recording(stream(*START, *tool(0, "", *FRAGMENTS), *end("max_tokens")), BOTH),
    Recording(stream(*START, *SPEECH, *SEARCH, *tool(4, "", *FRAGMENTS), *end("tool_use")), BOTH),
    Recording(stream(*START, *SPEECH, *end("end_turn"))),
    Recording(stream(*START, *text(0, "<th", "ink>Hm.</think>", "Hi"), *tool(1, *FRAGMENTS), *end("tool_use")), BOTH),
    Recording(json.dumps(WHOLE).encode(), BOTH),
)


@pytest.fixture
async def trial() -> AsyncIterator[Trial]:
    ends = (b"message_stop", b'"stop_reason": "', b"[DONE]")
    async with anthropic_trial(recordings=RECORDINGS, ends=ends) as tried:
        yield tried


async def test_mutated_answers(trial: Trial) -> None:
    tally = await survive(trial, range(400))
    assert min(tally["answers"], tally["failures"], tally["calls"]) > 50


@pytest.mark.slow
async def test_ten_thousand_mutated_answers(trial: Trial) -> None:
    tally = await survive(trial, range(10_000))
    assert min(tally["answers"], tally["failures"], tally["calls"]) > 1000
