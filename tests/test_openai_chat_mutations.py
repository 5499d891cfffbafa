"""Broken and odd answers of Chat Completions: each ends in an answer or a typed failure."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from perdure.activities.models.wires.openai_chat import OpenAIChat
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
    "prompt_tokens": 19,
    "completion_tokens": 10,
    "total_tokens": 29,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 5},
}


def stream(*chunks: dict[str, Any]) -> bytes:
    return b"".join(f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks) + b"data: [DONE]\n\n"


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return {**head, "choices": choices, **more}


def call(index: int, fragments: tuple[str, ...], **more: Any) -> list[dict[str, Any]]:
    function = {"name": "find_order", "arguments": ""}
    first = {"index": index, "id": f"call_{index}", "type": "function", "function": function, **more}
    rest = ({"index": index, "function": {"arguments": fragment}} for fragment in fragments)
    return [chunk({"tool_calls": [entry]}) for entry in (first, *rest)]


OPENAI = stream(
    chunk({"role": "assistant", "content": "", "refusal": None}),
    chunk({"content": "I look"}),
    chunk({"content": " it up. 🔎"}),
    *call(0, FRAGMENTS),
    *call(1, OTHER_FRAGMENTS),
    chunk({}, "tool_calls"),
    chunk(usage=USAGE),
)
DEEPSEEK = stream(
    chunk({"role": "assistant", "content": None, "reasoning_content": "Let me"}),
    chunk({"content": None, "reasoning_content": " look."}),
    *call(0, FRAGMENTS),
    chunk({"content": ""}, "tool_calls", usage=USAGE | {"prompt_cache_hit_tokens": 4}),
)
OPENROUTER = stream(
    chunk(
        {
            "role": "assistant",
            "content": "",
            "reasoning": "Hm.",
            "reasoning_details": [
                {"type": "reasoning.text", "text": "Hm.", "index": 0, "format": "anthropic-claude-v1"}
            ],
        }
    ),
    chunk({"reasoning_details": [{"type": "reasoning.text", "signature": "c2ln", "index": 0}]}),
    *call(0, FRAGMENTS, extra_content={"google": {"thought_signature": "c2ln"}}),
    chunk({"content": "<think>a</think>b"}, "tool_calls", usage=USAGE),
)
MISTRAL = stream(
    chunk({"role": "assistant", "content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Okay"}]}]}),
    chunk({"content": [{"type": "text", "text": "Hi"}]}),
    chunk({"content": "<thinking>once more</thinking> there"}, "stop", usage=USAGE),
)
WHOLE = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "I look.",
                    "tool_calls": [
                        {
                            "id": f"call_{number}",
                            "type": "function",
                            "function": {"name": "find_order", "arguments": json.dumps(args)},
                        }
                        for number, args in enumerate((ARGUMENTS, OTHER_ARGUMENTS))
                    ],
                },
                "finish_reason": "tool_calls",
            }
        ],
        "usage": USAGE,
    }
).encode()
RECORDINGS = (
    Recording(OPENAI, (ARGUMENTS, OTHER_ARGUMENTS)),
    Recording(DEEPSEEK, (ARGUMENTS,)),
    Recording(OPENROUTER, (ARGUMENTS,)),
    Recording(MISTRAL),
    Recording(WHOLE, (ARGUMENTS, OTHER_ARGUMENTS)),
)


def prompt(url: str) -> Prompt:
    model = ModelDefinition(use="openai-chat/m", base_url=f"{url}/v1", thinking="low")
    return Prompt(model=model, system="Be brief.", tools=(TOOL,))


@pytest.fixture
async def trial() -> AsyncIterator[Trial]:
    wire = OpenAIChat({})
    ends = (b"[DONE]", b'"finish_reason": "')
    # Here an object stands in place of its text, and is one whole.
    yield Trial(wire=wire, prompt=prompt, recordings=RECORDINGS, ends=ends, no_arguments=b'"arguments": {}')
    await wire.aclose()


async def test_whatever_a_server_sends(trial: Trial) -> None:
    tally = await survive(trial, range(400))
    assert tally["answers"] > 100
    assert tally["failures"] > 20
    assert tally["calls"] > 50


@pytest.mark.slow
async def test_ten_thousand_times(trial: Trial) -> None:
    await survive(trial, range(10_000))
