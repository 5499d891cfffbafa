"""Broken and odd answers of OpenAI Responses: each ends in an answer or a typed failure."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from perdure.activities.models.wires.openai_responses import OpenAIResponses
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

USAGE = {
    "input_tokens": 9,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
    "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 3},
    "total_tokens": 14,
}


def stream(*events: dict[str, Any]) -> bytes:
    return b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events)


def item(index: int, done: dict[str, Any], *pieces: tuple[str, str]) -> list[dict[str, Any]]:
    empty: dict[str, dict[str, Any]] = {
        "message": {"content": []},
        "reasoning": {"summary": []},
        "function_call": {"arguments": ""},
    }
    where = {"output_index": index, "item_id": done["id"]}
    added = {**done, **empty.get(done["type"], {}), "status": "in_progress"}
    return [
        {"type": "response.output_item.added", "output_index": index, "item": added},
        *({"type": f"response.{name}.delta", **where, "delta": piece} for name, piece in pieces),
        {"type": "response.output_item.done", "output_index": index, "item": done},
    ]


def call(index: int, fragments: tuple[str, ...]) -> list[dict[str, Any]]:
    ids = {"id": f"fc_{index}", "call_id": f"call_{index}"}
    done = {"type": "function_call", **ids, "name": "find_order", "arguments": "".join(fragments)}
    return item(index, done | {"status": "completed"}, *(("function_call_arguments", piece) for piece in fragments))


def response(*events: dict[str, Any], **more: Any) -> dict[str, Any]:
    output = [event["item"] for event in events if event["type"].endswith("item.done")]
    fields = {"id": "resp_1", "object": "response", "model": "gpt-6-sol", "status": "completed", "error": None}
    return {**fields, "output": output, "incomplete_details": None, "usage": USAGE, **more}


def whole(*events: dict[str, Any]) -> bytes:
    started = {"type": "response.created", "response": response(status="in_progress", usage=None)}
    return stream(started, *events, {"type": "response.completed", "response": response(*events)})


THOUGHT = item(
    0,
    {
        "type": "reasoning",
        "id": "rs_0",
        "summary": [{"type": "summary_text", "text": "Let me look."}],
        "encrypted_content": "gAAA",
    },
    ("reasoning_summary_text", "Let me "),
    ("reasoning_summary_text", "look."),
)
TEXT = item(
    1,
    {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": "I look it up. 🔎", "annotations": []}],
    },
    ("output_text", "I look"),
    ("output_text", " it up. 🔎"),
)
SEARCH = item(2, {"type": "web_search_call", "id": "ws_2", "status": "completed", "action": {"type": "search"}})
CALLS = [*call(2, FRAGMENTS), *call(3, OTHER_FRAGMENTS)]
BOTH = (ARGUMENTS, OTHER_ARGUMENTS)
CUT = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
RECORDINGS = (
    Recording(whole(*THOUGHT, *TEXT, *CALLS), BOTH),
    Recording(whole(*call(0, OTHER_FRAGMENTS)), BOTH),
    Recording(
        stream(*call(0, FRAGMENTS), {"type": "response.incomplete", "response": response(*call(0, FRAGMENTS), **CUT)}),
        BOTH,
    ),
    Recording(whole(*THOUGHT, *TEXT, *SEARCH, *call(4, FRAGMENTS)), BOTH),
    # As vLLM and LM Studio do: no list of items at the end; no complete items, and `[DONE]` in place of an end.
    Recording(stream(*TEXT, *CALLS, {"type": "response.completed", "response": response()}), BOTH),
    Recording(
        stream(*[event for event in (*TEXT, *CALLS) if not event["type"].endswith("item.done")]) + b"data: [DONE]\n\n",
        BOTH,
    ),
    Recording(stream({"type": "response.completed", "response": response(*THOUGHT, *TEXT, *CALLS)}), BOTH),
    Recording(json.dumps(response(*THOUGHT, *TEXT, *CALLS)).encode(), BOTH),
)


@pytest.fixture
async def trial() -> AsyncIterator[Trial]:
    wire = OpenAIResponses({})

    def prompt(url: str) -> Prompt:
        model = ModelDefinition(use="openai/gpt-6-sol", base_url=f"{url}/v1")
        return Prompt(model=model, system="", tools=(TOOL,))

    ends = (b"response.completed", b"response.incomplete", b"[DONE]", b'"object": "response"', b'"output": [')
    yield Trial(wire=wire, prompt=prompt, recordings=RECORDINGS, ends=ends)
    await wire.aclose()


async def test_mutated_answers(trial: Trial) -> None:
    tally = await survive(trial, range(400))
    assert min(tally["answers"], tally["failures"], tally["calls"]) > 40


@pytest.mark.slow
async def test_ten_thousand_mutated_answers(trial: Trial) -> None:
    tally = await survive(trial, range(1_000, 11_000))
    assert min(tally["answers"], tally["failures"], tally["calls"]) > 1_000
