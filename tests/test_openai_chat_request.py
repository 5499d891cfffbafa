"""Requests of Chat Completions in the form that each kind of server takes."""

from dataclasses import replace
from typing import Any

import pytest

from perdure.activities.models.provider_turns import AssistantTurn, Call, Media, Result, Turn, UserTurn
from perdure.activities.models.wires.openai_chat import OpenAIChat
from perdure.activities.models.wires.openai_chat_messages import messages
from perdure.activities.models.wires.openai_chat_thinking import thinking
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.definition.providers.dialect import PLAIN, Dialect, FilesDialect, Thinking, ThinkingDialect
from perdure.workflows.definition.providers.openai_chat import OPENAI_CHAT
from perdure.workflows.protocol.steps import Prompt
from perdure.workflows.vocabulary.parts import Text, ToolCall
from tests.support.chat import TOOLS, user

SEES = FilesDialect(
    images=frozenset(("image/png",)),
    documents=frozenset(("application/pdf",)),
    audio=frozenset(("audio/mpeg", "audio/wav")),
)
PICTURE = Media("image", "image/png", "cat.png", "aGk=")
TALK = Media("audio", "audio/mpeg", "talk.mp3", "aGk=")
PAPER = Media("document", "application/pdf", "paper.pdf", "aGk=")
GO = UserTurn((), (Text(text="go"),))
LOOK = AssistantTurn((Call("abc123def", ToolCall(call_id="t1.s1.c1", name="look", args={"at": 1})),))


def results(*content: Any, said: tuple[Any, ...] = (), is_error: bool = False) -> UserTurn:
    return UserTurn((Result("abc123def", content, is_error),), said)


def sent(*turns: Turn, system: str = "", **dialect: Any) -> Any:
    return messages(system, turns, Dialect(**dialect))


def body(dialect: Dialect = PLAIN, **model: Any) -> dict[str, Any]:
    wire = OpenAIChat({}, provider=replace(OPENAI_CHAT, elsewhere=dialect))
    definition = ModelDefinition(**{"use": "openai-chat/m", "base_url": "http://127.0.0.1:1/v1"} | model)
    return wire.request(Prompt(model=definition, system="Be brief.", tools=TOOLS), (user("go"),))


def test_fields_by_dialect() -> None:
    made = body(Dialect(output_limit="max_completion_tokens", stream_usage=False, system_role="developer"))
    assert made["max_completion_tokens"] == 4096
    assert not {"max_tokens", "stream_options", "reasoning_effort"} & made.keys()
    assert made["messages"][0] == {"role": "developer", "content": "Be brief."}
    assert body()["stream_options"] == {"include_usage": True}


def test_parameters_and_extra() -> None:
    made = body(params={"temperature": 0.2, "stop": ["x"], "parallel_tool_calls": False}, extra={"top_k": 20})
    assert (made["temperature"], made["stop"], made["parallel_tool_calls"], made["top_k"]) == (0.2, ["x"], False, 20)


def test_a_model_that_knows_no_instructions_is_told_them_first() -> None:
    assert sent(GO, system="Be brief.", system_role="user") == [{"role": "user", "content": "Be brief.\n\ngo"}]
    picture = sent(UserTurn((), (PICTURE,)), system="Be brief.", system_role="user", files=SEES)
    assert picture[0]["content"][0] == {"type": "text", "text": "Be brief."}


def test_a_call_without_a_text() -> None:
    assert [sent(GO, LOOK, null_content=null)[1]["content"] for null in (True, False)] == [None, ""]


def test_results_and_what_follows_them() -> None:
    turn = results(Text(text="seen"), said=(Text(text="and?"),))
    plain = [
        {"role": "tool", "tool_call_id": "abc123def", "content": "seen"},
        {"role": "user", "content": "and?"},
    ]
    assert sent(GO, LOOK, turn)[2:] == plain
    strict = sent(GO, LOOK, turn, answers_results=True, named_results=True)[2:]
    assert [each["role"] for each in strict] == ["tool", "assistant", "user"]
    assert strict[0]["name"] == "look"
    assert [each["role"] for each in sent(GO, LOOK, results(Text(text="x")), answers_results=True)[2:]] == ["tool"]
    assert sent(GO, LOOK, results(Text(text="no"), is_error=True))[2]["content"] == "Error: no"


def test_media_of_people() -> None:
    (made,) = sent(UserTurn((), (Text(text="What is it?"), PICTURE, TALK, PAPER)), files=SEES)
    assert made["content"] == [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
        {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "mp3"}},
        {"type": "file", "file": {"filename": "paper.pdf", "file_data": "data:application/pdf;base64,aGk="}},
    ]
    (blind,) = sent(UserTurn((), (Text(text="What is it?"), PICTURE)))
    assert blind["content"] == "What is it?\n\n[image cat.png (image/png)]"


def test_an_address_is_sent_where_the_vendor_fetches_it() -> None:
    linked = replace(PICTURE, data=None, url="https://example.com/cat.png")
    (made,) = sent(UserTurn((), (linked,)), files=replace(SEES, fetches_urls=True))
    assert made["content"] == [{"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}}]
    assert sent(UserTurn((), (linked,)), files=SEES)[0]["content"] == "[image cat.png (image/png)]"


def test_pictures_of_tools_follow_the_results() -> None:
    made = sent(GO, LOOK, results(Text(text="a cat"), PICTURE), files=SEES)[2:]
    assert made == [
        {
            "role": "tool",
            "tool_call_id": "abc123def",
            "content": "a cat\n\n[image cat.png (image/png), shown below]",
        },
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "[From the result of the tool look:]"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
            ],
        },
    ]
    assert [each["role"] for each in sent(GO, LOOK, results(PICTURE), files=SEES, answers_results=True)[2:]] == [
        "tool",
        "assistant",
        "user",
    ]
    (inside,) = sent(GO, LOOK, results(PICTURE), files=replace(SEES, in_results=True))[2:]
    assert inside["content"][0]["type"] == "image_url"
    (blind,) = sent(GO, LOOK, results(PICTURE))[2:]
    assert blind["content"] == "[image cat.png (image/png)]"


@pytest.mark.parametrize(
    ("dialect", "level", "members"),
    [
        (ThinkingDialect(), "low", {"reasoning_effort": "low"}),
        (ThinkingDialect(), "off", {}),
        (ThinkingDialect(levels={"max": "xhigh"}, off="none"), "max", {"reasoning_effort": "xhigh"}),
        (ThinkingDialect(off="none"), "off", {"reasoning_effort": "none"}),
        (ThinkingDialect(off="low", always=True), "off", {"reasoning_effort": "low"}),
        (ThinkingDialect(form="none", off="none"), "high", {}),
        (ThinkingDialect(form="switch", off="disabled"), "low", {"thinking": {"type": "enabled"}}),
        (ThinkingDialect(form="switch", off="disabled"), "off", {"thinking": {"type": "disabled"}}),
        (
            ThinkingDialect(form="switch", levels={"high": "max"}),
            "high",
            {"thinking": {"type": "enabled"}, "reasoning_effort": "max"},
        ),
        (
            ThinkingDialect(form="budget", levels={"low": 1024}),
            "low",
            {"thinking": {"type": "enabled", "budget_tokens": 1024}},
        ),
        (ThinkingDialect(form="enable", off="false"), "off", {"enable_thinking": False}),
        (ThinkingDialect(form="enable", levels={"low": 99}), "low", {"enable_thinking": True, "thinking_budget": 99}),
        (ThinkingDialect(form="enable", off=99, always=True), "off", {"enable_thinking": True, "thinking_budget": 99}),
        (
            ThinkingDialect(form="template", off="false"),
            "off",
            {"chat_template_kwargs": {"enable_thinking": False, "thinking": False}},
        ),
        (ThinkingDialect(form="think", off="false"), "off", {"think": False}),
        (ThinkingDialect(form="think"), "high", {"think": True}),
        (ThinkingDialect(form="think", levels={"high": "high"}), "high", {"think": "high"}),
        (ThinkingDialect(form="reasoning"), "medium", {"reasoning": {"effort": "medium"}}),
        (ThinkingDialect(form="reasoning", levels={"low": 2000}), "low", {"reasoning": {"max_tokens": 2000}}),
        (ThinkingDialect(form="reasoning", off="none"), "off", {"reasoning": {"effort": "none"}}),
        (ThinkingDialect(form="reasoning", off="disabled"), "off", {"reasoning": {"enabled": False}}),
    ],
)
def test_thinking_in_each_form(dialect: ThinkingDialect, level: Thinking, members: dict[str, Any]) -> None:
    assert thinking(level, dialect) == members


def test_where_tools_and_thinking_exclude_each_other() -> None:
    either = ThinkingDialect(with_tools=False)
    assert thinking("high", either, tools=True) == {"reasoning_effort": "none"}
    assert thinking("high", either, tools=False) == {"reasoning_effort": "high"}
