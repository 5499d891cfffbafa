"""What servers of Anthropic's Messages and of Gemini refuse, in their own words, and what becomes of the request."""

from typing import Any

import pytest

from perdure.activities.models.other_forms import SystemAs, ThinkingAs, budget_of
from tests.support.refusals import CHAT, GEMINI, MESSAGES, RESPONSES, anthropic, cured, openai, without

INSTEAD = 'Use "thinking.type.adaptive" and "output_config.effort" to control thinking behavior.'
TAG = "thinking: Input tag 'adaptive' found using 'type' does not match any of the expected tags: 'disabled', 'enabled'"
ONLY = "Only 'enabled' and 'disabled' are supported for thinking; 'adaptive' is not supported."
TOO_MANY = "max_tokens: 4096 > 2048, which is the maximum allowed number of output tokens for claude-x"
UNKNOWN = 'Invalid JSON payload received. Unknown name "additionalProperties" at'

CASES: dict[str, tuple[object, list[str]]] = {
    "temperature": (anthropic("`temperature` is deprecated for this model."), ["temperature: dropped"]),
    "temperature beside thinking": (
        anthropic(
            "`temperature` may only be set to 1 when thinking is enabled or in adaptive mode. Please consult our "
            "documentation at https://docs.claude.com/en/docs/build-with-claude/extended-thinking#important"
        ),
        ["temperature: dropped"],
    ),
    "temperature, if it thinks": (
        anthropic("temperature: only 1 is allowed if adaptive thinking is on"),
        ["temperature: dropped"],
    ),
    "a proxy, temperature": (anthropic("temperature is deprecated for this model."), ["temperature: dropped"]),
    "Bedrock, caching": ({"message": "cache_control: Extra inputs are not permitted"}, ["cache_control: dropped"]),
    "Vertex, caching": (
        anthropic("messages.0.content.0.text.cache_control: Extra inputs are not permitted"),
        ["messages.content.cache_control: dropped"],
    ),
    "strict tools": (anthropic("tools.0.custom.strict: Extra inputs are not permitted"), ["tools.strict: dropped"]),
    "effort": (
        anthropic("output_config.effort: This model does not support the effort parameter."),
        ["output_config.effort: dropped"],
    ),
    "effort, in words": (
        anthropic("This model does not support the effort parameter."),
        ["output_config.effort: dropped"],
    ),
    "no effort at all": (anthropic("output_config: Extra inputs are not permitted"), ["output_config: dropped"]),
    "adaptive": (anthropic("adaptive thinking is not supported on this model"), ["thinking: with a budget of tokens"]),
    "adaptive, as a tag": (anthropic(TAG), ["thinking: with a budget of tokens"]),
    "adaptive, at another maker's": (openai(ONLY), ["thinking: with a budget of tokens"]),
    "thinking": (anthropic("thinking: Extra inputs are not permitted"), ["thinking: dropped"]),
    "thinking, in words": (anthropic("This model does not support thinking."), ["thinking: dropped"]),
    "a member of it": (
        anthropic("thinking.adaptive.display: Extra inputs are not permitted"),
        ["thinking.display: dropped"],
    ),
    "the limit": (anthropic(TOO_MANY), ["max_tokens: at most 2048"]),
    "no system at all": (anthropic("system: Extra inputs are not permitted"), ["system: in the first user message"]),
    "the limit, at Bedrock": (
        {
            "message": "The maximum tokens you requested exceeds the model limit of 2048. Try again with a maximum tokens "
            "value that is lower than 2048."
        },
        ["max_tokens: at most 2048"],
    ),
    "a range": (anthropic("temperature: range: 0..0.1"), ["temperature: at most 0.1"]),
    "a level": (
        anthropic("output_config.effort: 'high' is not supported by this model. Supported levels: low, medium"),
        ["output_config.effort: medium"],
    ),
    "a choice": (
        anthropic("tool_choice: Thinking may not be enabled when tool_choice forces tool use."),
        ["tool_choice: dropped"],
    ),
    "the role": (anthropic("system role is not supported"), ["system: in the first user message"]),
}
OTHER_FORMS: dict[str, tuple[dict[str, Any], str, list[str]]] = {
    "a budget": ({"type": "enabled", "budget_tokens": 2048}, "enabled", ["thinking: adaptive"]),
    "off": ({"type": "disabled"}, "disabled", ["thinking: dropped"]),
    "between tools": ({"type": "between_tools"}, "between_tools", ["thinking.type: disabled"]),
}
GEMINI_CASES: dict[str, tuple[object, list[str]]] = {
    "a schema": (
        {"error": {"message": f"{UNKNOWN} 'tools[0].function_declarations[0].parameters': Cannot find field."}},
        ["tools.functionDeclarations.parameters.additionalProperties: dropped"],
    ),
    "Gemma": (
        {"error": {"message": "Developer instruction is not enabled for models/gemma-3"}},
        ["system: in the first user message"],
    ),
    "a budget": (
        {"error": {"message": "Budget 0 is invalid. This model only works in thinking mode."}},
        ["generationConfig.thinkingConfig: dropped"],
    ),
    "a path": (
        {"error": {"message": "* GenerateContentRequest.generation_config.temperature: not supported"}},
        ["generationConfig.temperature: dropped"],
    ),
    "a format": (
        {
            "error": {
                "message": "* GenerateContentRequest.tools[0].function_declarations[0].parameters.properties[at].format: "
                "only 'enum' and 'date-time' are supported for STRING type"
            }
        },
        ["tools.functionDeclarations.parameters.format: dropped"],
    ),
    "instructions": (
        {"error": {"message": "System instruction is not supported for this model"}},
        ["system: in the first user message"],
    ),
    "a range": (
        {"error": {"message": "temperature must be in the range [0.0, 0.1]"}},
        ["generationConfig.temperature: at most 0.1"],
    ),
    "the level": (
        {"error": {"message": "Thinking level is not supported for this model."}},
        ["generationConfig.thinkingConfig.thinkingLevel: dropped"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_messages(case: str) -> None:
    error, words = CASES[case]
    assert cured(MESSAGES | {"tool_choice": {"type": "any"}}, error) == words


@pytest.mark.parametrize("thinking", [{"type": "enabled", "budget_tokens": 2048}, {"type": "adaptive"}])
@pytest.mark.parametrize("name", ["temperature", "top_p", "top_k"])
def test_what_is_refused_because_the_model_thinks_is_left_out_and_thinking_stays(
    name: str, thinking: dict[str, Any]
) -> None:
    body = without(MESSAGES, "temperature") | {"thinking": thinking, name: 0.5}
    for words in (
        f"`{name}` may only be set to 1 when thinking is enabled or in adaptive mode.",
        f"`{name}` may only be set to 1 when `thinking` is enabled",
        f"{name} must be 1 with extended thinking",
        f"Thinking requires {name} to be 1",
        f"`{name}` must be unset when `thinking` is adaptive.",
        f"`{name}` must be unset when thinking is enabled or in adaptive mode.",
        f"{name} is not supported while adaptive thinking is enabled",
    ):
        assert cured(body, anthropic(words)) == [f"{name}: dropped"]


@pytest.mark.parametrize("case", OTHER_FORMS)
def test_a_form_of_thinking_that_is_refused(case: str) -> None:
    thinking, kind, words = OTHER_FORMS[case]
    error = anthropic(f'"thinking.type.{kind}" is not supported for this model. {INSTEAD}')
    assert cured(MESSAGES | {"thinking": thinking}, error) == words


@pytest.mark.parametrize("case", GEMINI_CASES)
def test_gemini(case: str) -> None:
    error, words = GEMINI_CASES[case]
    assert cured(GEMINI, error) == words


def test_a_budget_leaves_words_for_the_answer() -> None:
    assert [budget_of(effort, 64_000) for effort in ("low", "medium", "high", "max")] == [2048, 8192, 16_384, 32_000]
    assert [budget_of("high", most) for most in (8000, 2048, 1300, 1024)] == [4000, 1024, 1024, None]
    made: dict[str, Any] = ThinkingAs("budget").apply(MESSAGES)
    assert made["thinking"] == {"type": "enabled", "budget_tokens": 2048}
    assert "output_config" not in made
    assert "thinking" not in ThinkingAs("budget").apply(MESSAGES | {"max_tokens": 1000})


def test_an_effort_is_kept_where_a_budget_becomes_one() -> None:
    body: dict[str, Any] = {
        "thinking": {"type": "enabled", "budget_tokens": 16_384},
        "output_config": {"format": {"x": 1}},
    }
    assert ThinkingAs("adaptive").apply(body) == {
        "thinking": {"type": "adaptive", "display": "summarized"},
        "output_config": {"effort": "high", "format": {"x": 1}},
    }


def test_instructions_go_to_the_beginning_of_the_first_user_message() -> None:
    def told(body: dict[str, Any]) -> dict[str, Any]:
        return SystemAs("user").apply(body)

    assert told(CHAT)["messages"][0] == {"role": "user", "content": "Be brief.\n\nHi", "name": "ada"}
    assert "system" not in told(MESSAGES)
    assert told(MESSAGES)["messages"][0]["content"][0] == {"type": "text", "text": "Be brief."}
    assert told(RESPONSES)["input"][0]["content"][0] == {"type": "input_text", "text": "Be brief."}
    assert told(GEMINI)["contents"][0]["parts"] == [{"text": "Be brief."}, {"text": "Hi"}]
    results = MESSAGES | {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a"}]}]}
    assert [block["type"] for block in told(results)["messages"][0]["content"]] == ["tool_result", "text"]
    assert told({"messages": [{"role": "user", "content": "x"}]}) == {"messages": [{"role": "user", "content": "x"}]}
