"""Broken and odd answers of Anthropic Messages: each ends in an answer or a typed failure."""

import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from anthropic import AsyncAnthropic

from perdure.activities.models.wires.anthropic_messages import AnthropicMessages
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.protocol.steps import Prompt
from tests.support.decoders import (
    ARGUMENTS,
    FRAGMENTS,
    OTHER_ARGUMENTS,
    OTHER_FRAGMENTS,
    TOOL,
    Trial,
    survive,
)
from tests.support.mutations import Recording


def stream(*events: dict[str, Any]) -> bytes:
    return b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events)


def message(**more: Any) -> dict[str, Any]:
    usage: dict[str, Any] = {
        "input_tokens": 9,
        "cache_creation_input_tokens": 3,
        "cache_read_input_tokens": 0,
        "output_tokens": 1,
    }
    usage |= {"cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 0}}
    fields: dict[str, Any] = {"content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
    return {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-5-5", **fields, **more}


def block(index: int, start: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def tool(index: int, fragments: tuple[str, ...]) -> list[dict[str, Any]]:
    start = {"type": "tool_use", "id": f"toolu_{index}", "name": "find_order", "input": {}}
    return block(index, start, *({"type": "input_json_delta", "partial_json": part} for part in ("", *fragments)))


def end(reason: str) -> list[dict[str, Any]]:
    delta = {"stop_reason": reason, "stop_sequence": None, "stop_details": None}
    used = {"output_tokens": 42, "output_tokens_details": {"thinking_tokens": 7}}
    return [{"type": "message_delta", "delta": delta, "usage": used}, {"type": "message_stop"}]


START: list[dict[str, Any]] = [{"type": "message_start", "message": message()}, {"type": "ping"}]
THINKING = block(
    0,
    {"type": "thinking", "thinking": "", "signature": ""},
    {"type": "thinking_delta", "thinking": "Let me "},
    {"type": "thinking_delta", "thinking": "look."},
    {"type": "signature_delta", "signature": "c2lnbmVk"},
)
TEXT = block(
    1,
    {"type": "text", "text": ""},
    {"type": "text_delta", "text": "I look"},
    {"type": "text_delta", "text": " it up. 🔎"},
)
SEARCH = [
    *block(
        2,
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}},
        {"type": "input_json_delta", "partial_json": '{"query":'},
        {"type": "input_json_delta", "partial_json": ' "x"}'},
    ),
    *block(
        3,
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"type": "web_search_result"}]},
    ),
]
BOTH = (ARGUMENTS, OTHER_ARGUMENTS)
RECORDINGS = (
    Recording(stream(*START, *THINKING, *TEXT, *tool(2, FRAGMENTS), *tool(3, OTHER_FRAGMENTS), *end("tool_use")), BOTH),
    Recording(stream(*START, *tool(0, OTHER_FRAGMENTS), *end("tool_use")), BOTH),
    Recording(stream(*START, *tool(0, FRAGMENTS), *end("max_tokens")), BOTH),
    Recording(stream(*START, *THINKING, *TEXT, *SEARCH, *tool(4, FRAGMENTS), *end("tool_use")), BOTH),
    Recording(stream(*START, *THINKING, *TEXT, *end("end_turn"))),
    Recording(
        json.dumps(
            message(
                content=[
                    {"type": "thinking", "thinking": "Hm.", "signature": "c2lnbmVk"},
                    {"type": "text", "text": "I look."},
                    {"type": "tool_use", "id": "toolu_1", "name": "find_order", "input": ARGUMENTS},
                ],
                stop_reason="tool_use",
            )
        ).encode(),
        BOTH,
    ),
)


@pytest.fixture
async def trial() -> AsyncIterator[Trial]:
    wire = AnthropicMessages({}, partial(AsyncAnthropic, api_key="k"))

    def prompt(url: str) -> Prompt:
        model = ModelDefinition(use="anthropic/claude-sonnet-5-5", base_url=url)
        return Prompt(model=model, system="", tools=(TOOL,))

    ends = (b"message_stop", b'"stop_reason": "', b"[DONE]")
    yield Trial(wire=wire, prompt=prompt, recordings=RECORDINGS, ends=ends)
    await wire.aclose()


async def test_mutated_answers(trial: Trial) -> None:
    tally = await survive(trial, range(400))
    assert min(tally["answers"], tally["failures"], tally["calls"]) > 50


@pytest.mark.slow
async def test_ten_thousand_mutated_answers(trial: Trial) -> None:
    tally = await survive(trial, range(10_000))
    assert min(tally["answers"], tally["failures"], tally["calls"]) > 1000
