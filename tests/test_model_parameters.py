"""`params` and `extra` in the body of a request, under the names of each API."""

from typing import Any

from perdure.activities.models.parameters import merged, with_parameters
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.definition.providers.dialect import PLAIN, Dialect

PARAMS = {
    "temperature": 0.2,
    "top_p": 0.9,
    "seed": 7,
    "stop": ["END"],
    "parallel_tool_calls": False,
    "service_tier": "flex",
}
TOOLS = {"tools": [{"name": "look"}]}


def made(use: str, body: dict[str, Any], dialect: Dialect = PLAIN, **fields: Any) -> dict[str, Any]:
    return with_parameters(body, ModelDefinition.model_validate({"use": use, **fields}), dialect)


def test_chat_completions_has_all_of_them_by_their_names() -> None:
    assert made("openai-chat/m", TOOLS, params=PARAMS) == TOOLS | PARAMS


def test_responses_has_no_stop_and_no_seed() -> None:
    wanted = {name: value for name, value in PARAMS.items() if name not in ("stop", "seed")}
    assert made("openai/m", TOOLS, params=PARAMS) == TOOLS | wanted


def test_messages_has_other_names_and_the_opposite_of_parallel() -> None:
    assert made("anthropic/m", TOOLS, params=PARAMS) == TOOLS | {
        "temperature": 0.2,
        "top_p": 0.9,
        "stop_sequences": ["END"],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "service_tier": "flex",
    }


def test_no_word_about_parallel_calls_without_tools() -> None:
    for use in ("openai-chat/m", "anthropic/m"):
        assert made(use, {}, params={"parallel_tool_calls": True}) == {}


def test_only_what_the_definition_says_is_sent() -> None:
    body = {"model": "m", "messages": []}
    assert made("openai-chat/m", body) == body


def test_a_server_may_have_another_name_and_a_model_may_refuse_one() -> None:
    dialect = Dialect(parameters={"seed": "random_seed", "stop": "generationConfig.stopSequences"})
    sent = made("openai-chat/m", {"generationConfig": {"x": 1}}, dialect, params={"seed": 1, "stop": ["a"]})
    assert sent == {"random_seed": 1, "generationConfig": {"x": 1, "stopSequences": ["a"]}}
    thinks = Dialect(refuses=frozenset({"top_p"}), refuses_thinking=frozenset({"temperature"}))
    params = {"temperature": 0.5, "top_p": 0.5}
    assert made("openai-chat/m", {}, thinks, params=params) == {"temperature": 0.5}
    assert made("openai-chat/m", {}, thinks, params=params, thinking="low") == {"reasoning_effort": "low"}


def test_extra_wins_and_is_merged_member_by_member() -> None:
    body = {"temperature": 1, "stream_options": {"include_usage": True}, "store": False}
    extra = {"temperature": 0.1, "stream_options": {"more": 1}, "top_k": 20, "store": None, "deep": {"a": {"b": 1}}}
    assert made("openai-chat/m", body, params={"temperature": 0.9}, extra=extra) == {
        "temperature": 0.1,
        "stream_options": {"include_usage": True, "more": 1},
        "top_k": 20,
        "deep": {"a": {"b": 1}},
    }
    assert body["store"] is False


def test_a_patch_leaves_what_it_was_given_as_it_was() -> None:
    body: dict[str, Any] = {"a": {"b": {"c": 1}}, "list": [1, 2]}
    assert merged(body, {"a": {"b": {"c": None, "d": 2}}, "list": [3]}) == {"a": {"b": {"d": 2}}, "list": [3]}
    assert body == {"a": {"b": {"c": 1}}, "list": [1, 2]}
