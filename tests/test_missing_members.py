"""What a server misses of a message that another server made: put in once, and remembered."""

from typing import Any

import pytest

from perdure.activities.models.missing_members import NO_THOUGHT, UNSIGNED, Signatures, ThinkingBlocks, Thoughts
from perdure.activities.models.refusal import Refusal
from perdure.activities.models.refusal_cures import cures
from perdure.activities.models.wires.anthropic_thinking import fitting_loop

USER = {"role": "user", "content": "x"}
RESULT = {"role": "tool", "tool_call_id": "a", "content": "y"}


def called(**members: Any) -> dict[str, Any]:
    calls = [{"id": name, "type": "function", "function": {"name": "f", "arguments": "{}"}} for name in "ab"]
    return {"role": "assistant", "content": None, "tool_calls": calls, **members}


def body(*messages: Any, **more: Any) -> Any:
    return {"model": "m", "messages": list(messages), **more}


def refusal(words: str) -> Refusal:
    return Refusal(400, words, ())


@pytest.mark.parametrize(
    "words",
    [
        "The `reasoning_content` in the thinking mode must be passed back to the API.",
        "Missing `reasoning_content` field in the assistant message at message index 2. For more information, please refer "
        "to https://api-docs.deepseek.com/guides/thinking_mode#tool-calls",
        "thinking is enabled but reasoning_content is missing in assistant tool call message at index 2",
    ],
)
def test_a_missing_thought_is_a_blank_one(words: str) -> None:
    sent = body(USER, called(), RESULT, called(reasoning_content="hm"), RESULT, {"role": "assistant", "content": "z"})
    (change,) = cures(refusal(words), sent)
    assert change == Thoughts("reasoning_content")
    messages: Any = change.apply(sent)["messages"]
    assert [message.get("reasoning_content") for message in messages] == [None, NO_THOUGHT, None, "hm", None, None]
    assert change.apply(change.apply(sent)) == change.apply(sent)
    assert change.apply(body(USER)) == body(USER)


def test_a_missing_signature_is_the_word_that_google_names_for_it() -> None:
    words = "Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly"
    signed = called()
    signed["tool_calls"][0]["extra_content"] = {"google": {"thought_signature": "own"}}
    sent = body(USER, called(), RESULT, signed, RESULT)
    (change,) = cures(refusal(words), sent)
    assert change == Signatures()
    messages: Any = change.apply(sent)["messages"]
    assert messages[1]["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": UNSIGNED}}
    assert "extra_content" not in messages[1]["tool_calls"][1]
    assert messages[3] is signed


def test_missing_thinking_is_a_blank_block() -> None:
    call = {"type": "tool_use", "id": "a", "name": "f", "input": {}}
    thought = {"type": "thinking", "thinking": "hm"}
    sent = body(
        {"role": "user", "content": [{"type": "text", "text": "x"}]},
        {"role": "assistant", "content": [call]},
        {"role": "assistant", "content": [thought, call]},
    )
    (change,) = cures(refusal("The `content[].thinking` in the thinking mode must be passed back to the API."), sent)
    assert change == ThinkingBlocks()
    messages: Any = change.apply(sent)["messages"]
    assert messages[1]["content"] == [{"type": "thinking", "thinking": NO_THOUGHT}, call]
    assert messages[2]["content"] == [thought, call]


def test_what_is_not_missing_is_not_put_in() -> None:
    """Groq's refusal of the very same member."""
    words = "the following must be satisfied[('messages.1' : property 'reasoning_content' is unsupported)]"
    found = cures(refusal(words), body(USER, called(reasoning_content="hm"), RESULT))
    assert not any(isinstance(change, Thoughts) for change in found)


THINKING = {"thinking": {"type": "enabled", "budget_tokens": 2048}}
ASKED = {"role": "user", "content": [{"type": "text", "text": "x"}]}
CALL = {"type": "tool_use", "id": "a", "name": "f", "input": {}}
DONE = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "y"}]}
OWN = {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "s"}, CALL]}
FOREIGN = {"role": "assistant", "content": [CALL]}


@pytest.mark.parametrize(
    ("messages", "thinks"),
    [
        ([ASKED], True),
        ([ASKED, OWN, DONE], True),
        ([ASKED, FOREIGN, DONE], False),
        ([ASKED, FOREIGN, DONE, OWN, DONE], False),
        ([ASKED, OWN, DONE, FOREIGN, DONE], False),
        ([ASKED, FOREIGN, DONE, ASKED], True),
        ([ASKED, FOREIGN, DONE, ASKED, OWN, DONE], True),
    ],
)
def test_a_budget_for_thinking_waits_until_the_tool_loop_of_another_model_ends(
    messages: list[Any], thinks: bool
) -> None:
    made = fitting_loop(body(*messages, **THINKING))
    assert ("thinking" in made) is thinks
    adaptive = body(*messages, thinking={"type": "adaptive"})
    assert fitting_loop(adaptive) is adaptive
