"""Requests to Anthropic Messages for each dialect: media, thinking, caching, and what goes back to its server."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import JsonValue

from perdure.activities.models.provider_turns import AssistantTurn, Call, Media, Result, UserTurn
from perdure.activities.models.wires.anthropic_caching import with_caching
from perdure.activities.models.wires.anthropic_content import messages, without
from perdure.activities.models.wires.anthropic_messages import AnthropicMessages
from perdure.activities.models.wires.anthropic_thinking import thinking
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.definition.providers.dialect import Dialect, FilesDialect, Thinking, ThinkingDialect
from perdure.workflows.protocol.steps import Prompt
from perdure.workflows.vocabulary.parts import Data, Message, Native, Reasoning, Text, ToolCall

API = "anthropic.messages"
PNG = Media("image", "image/png", "cat.png", data="aGk=")
PDF = Media("document", "application/pdf", "bill.pdf", data="aGk=")
LINK = Media("image", "image/png", "cat.png", url="https://example.com/cat.png")
SOUND = Media("audio", "audio/wav", "a.wav", data="aGk=")
SEES = FilesDialect(
    images=frozenset(("image/png",)), documents=frozenset(("application/pdf",)), in_results=True, fetches_urls=True
)
PNG_BLOCK = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
CALL = Call("toolu_1", ToolCall(call_id="t1.s1.c1", name="look", args={}))


def text(words: str) -> dict[str, JsonValue]:
    return {"type": "text", "text": words}


def sent(*turns: UserTurn | AssistantTurn, files: FilesDialect = SEES, **dialect: Any) -> list[Any]:
    return messages(turns, Dialect(files=files, **dialect))


def test_media_of_a_person() -> None:
    (message,) = sent(UserTurn((), (Text(text="Look:"), PNG, LINK, PDF, SOUND, Data(name="n", value=1))))
    assert message["content"] == [
        text("Look:"),
        PNG_BLOCK,
        {"type": "image", "source": {"type": "url", "url": "https://example.com/cat.png"}},
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "aGk="},
            "title": "bill.pdf",
        },
        text("[audio a.wav (audio/wav)]"),
        text("n: 1"),
    ]


def test_media_that_the_model_does_not_take_are_named() -> None:
    (message,) = sent(UserTurn((), (PNG, PDF)), files=FilesDialect())
    assert message["content"] == [text("[image cat.png (image/png)]"), text("[document bill.pdf (application/pdf)]")]
    (message,) = sent(UserTurn((), (LINK,)), files=replace(SEES, fetches_urls=False))
    assert message["content"] == [text("[image cat.png (image/png)]")]


def test_media_of_a_tool_stand_in_its_result() -> None:
    result = Result("toolu_1", (Text(text="seen"), Text(text=" "), PNG), is_error=False)
    *_, message = sent(AssistantTurn((CALL,)), UserTurn((result,), (Text(text="And?"),)))
    assert message["content"] == [
        {"type": "tool_result", "tool_use_id": "toolu_1", "content": [text("seen"), PNG_BLOCK], "is_error": False},
        text("And?"),
    ]


def test_or_behind_it_where_the_server_does_not_take_them_there() -> None:
    result = Result("toolu_1", (Text(text="seen"), PNG), is_error=False)
    *_, message = sent(AssistantTurn((CALL,)), UserTurn((result,), ()), files=replace(SEES, in_results=False))
    told = "seen\n\n[image cat.png (image/png)]"
    assert message["content"] == [
        {"type": "tool_result", "tool_use_id": "toolu_1", "content": told, "is_error": False},
        text("[From the result of the tool look:]"),
        PNG_BLOCK,
    ]


def test_an_empty_result_is_an_empty_text() -> None:
    *_, message = sent(AssistantTurn((CALL,)), UserTurn((Result("toolu_1", (Text(text=""),), is_error=False),), ()))
    assert message["content"][0]["content"] == ""


def test_names_that_the_api_refuses_are_changed() -> None:
    foreign = Call("a", ToolCall(call_id="t1.s1.c1", name="functions.look up", args={}))
    (message,) = sent(AssistantTurn((foreign,)))
    assert message["content"][0]["name"] == "functions_look_up"


def reasoning(**block: JsonValue) -> Reasoning:
    return Reasoning(
        text="Hm.", native=Native(api=API, server="s", block={"type": "thinking", "thinking": "Hm.", **block})
    )


SEARCH: dict[str, JsonValue] = {
    "type": "server_tool_use",
    "id": "srvtoolu_1",
    "name": "web_search",
    "input": {"q": "x"},
}
OWN: tuple[Any, ...] = (
    reasoning(signature="s"),
    reasoning(),
    Reasoning(native=Native(api=API, server="s", block={"type": "redacted_thinking", "data": "r"})),
    Reasoning(native=Native(api=API, server="s", block=SEARCH)),
    Text(text="So.", native=Native(api=API, server="s", block=text("So.") | {"citations": [{"type": "x"}]})),
    Call("t", ToolCall(call_id="c", name="f", args={}, native=Native(api=API, server="s", block={"caller": {"a": 1}}))),
)
BLOCKS: list[dict[str, JsonValue]] = [
    {"type": "thinking", "thinking": "Hm.", "signature": "s"},
    {"type": "thinking", "thinking": "Hm."},
    {"type": "redacted_thinking", "data": "r"},
    SEARCH,
    text("So.") | {"citations": [{"type": "x"}]},
    {"caller": {"a": 1}, "type": "tool_use", "id": "t", "name": "f", "input": {}},
]


def test_blocks_of_the_server_go_back_as_they_came() -> None:
    assert sent(AssistantTurn(OWN)) == [{"role": "assistant", "content": BLOCKS}]


def test_a_text_that_was_changed_does_not_go_back_as_it_came() -> None:
    own = Text(text="New.", native=Native(api=API, block=text("Old.") | {"citations": []}))
    assert sent(AssistantTurn((own,)))[0]["content"] == [text("New.")]


@pytest.mark.parametrize(("back", "kept"), [("always", (3, 3)), ("loop", (0, 3)), ("never", (0, 0))])
def test_thinking_of_which_turns_goes_back(back: str, kept: tuple[int, int]) -> None:
    go, result = UserTurn((), (Text(text="go"),)), UserTurn((Result("t", (Text(text="ok"),), is_error=False),), ())
    answers = [
        message["content"]
        for message in sent(go, AssistantTurn(OWN), result, go, AssistantTurn(OWN), result, reasoning_back=back)
        if message["role"] == "assistant"
    ]
    thoughts = [sum(block["type"] in ("thinking", "redacted_thinking") for block in blocks) for blocks in answers]
    assert tuple(thoughts) == kept
    assert all(SEARCH in blocks for blocks in answers)


def test_an_answer_of_thinking_alone_says_something() -> None:
    assert sent(AssistantTurn((reasoning(signature="s"),)))[0]["content"] == [text("(no answer)")]


def test_blocks_that_are_left_out() -> None:
    body: dict[str, JsonValue] = {"messages": sent(UserTurn((), (PNG,)), AssistantTurn(OWN))}
    bare: Any = without(body, "thinking", "redacted_thinking")
    assert bare["messages"][1]["content"] == BLOCKS[3:]
    assert bare["messages"][0]["content"] == [PNG_BLOCK]
    known: Any = without(body, known=("text", "tool_use", "thinking", "redacted_thinking"))
    assert known["messages"][1]["content"] == BLOCKS[:3] + BLOCKS[4:]
    assert without(bare, "thinking", "redacted_thinking") is bare
    nothing: Any = without({"messages": sent(AssistantTurn(OWN[:4]))}, known=("text",))
    assert nothing["messages"][0]["content"] == [text("(no answer)")]


ADAPTIVE = {"type": "adaptive", "display": "summarized"}


@pytest.mark.parametrize(
    ("level", "dialect", "members"),
    [
        ("off", ThinkingDialect(), {}),
        ("high", ThinkingDialect(), {"thinking": ADAPTIVE, "output_config": {"effort": "high"}}),
        ("max", ThinkingDialect(), {"thinking": ADAPTIVE, "output_config": {"effort": "max"}}),
        ("max", ThinkingDialect(levels={"max": "high"}), {"thinking": ADAPTIVE, "output_config": {"effort": "high"}}),
        # A model that thinks by default is told not to, or to do the least that it can.
        ("off", ThinkingDialect(off="disabled"), {"thinking": {"type": "disabled"}}),
        ("off", ThinkingDialect(off="between_tools"), {"thinking": {"type": "between_tools"}}),
        ("off", ThinkingDialect(off="low"), {"output_config": {"effort": "low"}}),
        ("low", ThinkingDialect(form="budget"), {"thinking": {"type": "enabled", "budget_tokens": 2048}}),
        (
            "high",
            ThinkingDialect(form="budget", levels={"high": 5000}),
            {"thinking": {"type": "enabled", "budget_tokens": 5000}},
        ),
        # Below the limit of the answer, with something left for its words.
        ("max", ThinkingDialect(form="budget"), {"thinking": {"type": "enabled", "budget_tokens": 6144}}),
        ("off", ThinkingDialect(form="budget", off="disabled"), {"thinking": {"type": "disabled"}}),
        ("high", ThinkingDialect(form="switch"), {"thinking": {"type": "enabled"}}),
        (
            "high",
            ThinkingDialect(form="switch", levels={"high": "max"}),
            {"thinking": {"type": "enabled"}, "output_config": {"effort": "max"}},
        ),
        ("off", ThinkingDialect(form="switch", off="disabled"), {"thinking": {"type": "disabled"}}),
        ("high", ThinkingDialect(form="none"), {}),
        ("off", ThinkingDialect(form="none", off="disabled"), {}),
    ],
)
def test_thinking(level: Thinking, dialect: ThinkingDialect, members: dict[str, JsonValue]) -> None:
    assert thinking(level, dialect, 8192) == members


def test_an_answer_too_short_to_think_in() -> None:
    assert thinking("high", ThinkingDialect(form="budget"), 1024) == {}
    assert thinking("high", ThinkingDialect(form="budget"), 1200) == {
        "thinking": {"type": "enabled", "budget_tokens": 1024}
    }


MARK = {"cache_control": {"type": "ephemeral"}}


def test_caching() -> None:
    body: dict[str, JsonValue] = {
        "system": "Be brief.",
        "tools": [{"name": "a"}, {"name": "b"}],
        "messages": [
            {"role": "user", "content": [text("one")]},
            {"role": "assistant", "content": [text("two")]},
            {"role": "user", "content": [text("three")]},
            {"role": "assistant", "content": [text("four")]},
            {"role": "user", "content": [text("five"), text("six")]},
        ],
    }
    assert with_caching(body, "automatic") == body
    assert with_caching(body, "request") == body | MARK
    marked: Any = with_caching(body, "blocks")
    assert marked["system"] == [text("Be brief.") | MARK]
    assert marked["tools"] == body["tools"]
    assert [message["content"] for message in marked["messages"]] == [
        [text("one")],
        [text("two")],
        [text("three") | MARK],
        [text("four")],
        [text("five"), text("six") | MARK],
    ]
    bare = {name: value for name, value in body.items() if name != "system"}
    without_system: Any = with_caching(bare, "blocks")
    assert without_system["tools"] == [{"name": "a"}, {"name": "b"} | MARK]


def test_parameters_and_extra_are_merged_in() -> None:
    model = ModelDefinition.model_validate(
        {
            "use": "anthropic/claude-sonnet-4-5",
            "params": {"temperature": 0.2, "stop": ["END"]},
            "extra": {"top_k": 20, "metadata": {"user_id": "u"}},
        }
    )
    go = Message(id="m", role="user", parts=(Text(text="go"),), at=datetime(2026, 11, 1, tzinfo=UTC))
    body = AnthropicMessages({}).request(Prompt(model=model, system=" "), (go,))
    assert (body["temperature"], body["stop_sequences"], body["top_k"]) == (0.2, ["END"], 20)
    assert body["metadata"] == {"user_id": "u"}
    assert "system" not in body
