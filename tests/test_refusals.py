"""What servers of Chat Completions and Responses refuse, in their own words, and what becomes of the request.

The words are from public reports of people who run such servers.
"""

import json
from typing import Any

import pytest

from perdure.activities.models.adaptation import AtMost
from tests.support.refusals import CHAT, RESPONSES, cured, forbidden, openai, without

OTHER_LIMIT = (
    "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
)
TOOLS_AND_EFFORT = "Function tools with reasoning_effort are not supported for gpt-5.6-sol in /v1/chat/completions."
LEVELS = "Supported values are: 'low', 'medium', and 'high'."
UNKNOWN = "Invalid JSON payload received. Unknown name"
SCHEMA = f"{UNKNOWN} \"additionalProperties\" at 'tools[0].function_declarations[0].parameters.properties[1].value'"
AS_TEXT = (
    "[{'type': 'extra_forbidden', 'loc': ('body', 'parallel_tool_calls'), 'msg': 'Extra inputs are not permitted'}]"
)
RAW = {"message": "Provider returned error", "code": 400, "metadata": {"raw": json.dumps(openai("no", "top_p"))}}

CHAT_CASES: dict[str, tuple[object, list[str]]] = {
    "OpenAI, the limit": (openai(OTHER_LIMIT, "max_tokens"), ["max_tokens → max_completion_tokens"]),
    "Copilot, the limit": (openai(OTHER_LIMIT), ["max_tokens → max_completion_tokens"]),
    "no hint at the other name": (
        openai("Unrecognized request argument supplied: max_tokens"),
        ["max_tokens → max_completion_tokens"],
    ),
    "Azure": (
        openai("Unrecognized request argument supplied: stream_options. Please contact us"),
        ["stream_options: dropped"],
    ),
    "Azure, misspelt": (openai("Unknwon parameter: 'stream_options'."), ["stream_options: dropped"]),
    "several": (
        openai("Unrecognized request arguments supplied: parallel_tool_calls, seed"),
        ["seed: dropped", "parallel_tool_calls: dropped"],
    ),
    "Mistral": (
        {"message": {"detail": [forbidden("stream_options"), forbidden("seed")]}, "type": "invalid_request_error"},
        ["stream_options: dropped", "seed: dropped"],
    ),
    "Mistral, in a message": (
        {"detail": [forbidden("messages", 2, "assistant", "reasoning_content")]},
        ["messages.reasoning_content: dropped"],
    ),
    "Mistral, a name": (
        {"message": {"detail": [forbidden("messages", 0, "user", "name")]}},
        ["messages.name: dropped"],
    ),
    "vLLM, as a text": ({"object": "error", "message": AS_TEXT, "code": 400}, ["parallel_tool_calls: dropped"]),
    "JSON as a text": ({"message": json.dumps({"detail": [forbidden("seed")]}), "code": "1000"}, ["seed: dropped"]),
    "OpenRouter": ({"error": RAW}, ["top_p: dropped"]),
    "Cerebras": (
        {"message": "seed: property 'seed' is unsupported", "param": "validation_error", "code": "wrong_api_format"},
        ["seed: dropped"],
    ),
    "Cohere": (
        {"message": "unknown field: parameter 'strict' is not a valid field."},
        ["tools.function.strict: dropped"],
    ),
    "Go": ({"error": 'json: unknown field "top_p"'}, ["top_p: dropped"]),
    "xAI": ({"error": "Model grok-4 does not support parameter reasoningEffort."}, ["reasoning_effort: dropped"]),
    "Groq, levels": (openai("`reasoning_effort` must be one of `none` or `default`"), ["reasoning_effort: default"]),
    "OpenAI, temperature": (
        openai("Unsupported value: 'temperature' does not support 0.2 with this model.", "temperature"),
        ["temperature: dropped"],
    ),
    "Kimi, temperature": (openai("invalid temperature: only 1 is allowed for this model"), ["temperature: dropped"]),
    "one of two": (openai("`temperature` and `top_p` cannot both be specified for this model."), ["top_p: dropped"]),
    "tools with thinking": (
        openai(f"{TOOLS_AND_EFFORT} Use /v1/responses or set reasoning_effort to 'none'.", "reasoning_effort"),
        ["reasoning_effort: none"],
    ),
    "tools with thinking, without a hint": (openai(TOOLS_AND_EFFORT, "reasoning_effort"), ["reasoning_effort: none"]),
    "DashScope": (openai("parameter.enable_thinking must be set to false for this call"), ["enable_thinking: false"]),
    "Gemini": (
        [
            {
                "error": {
                    "message": f'{UNKNOWN} "seed": Cannot find field.\n{UNKNOWN} "parallel_tool_calls": Cannot find field.'
                }
            }
        ],
        ["seed: dropped", "parallel_tool_calls: dropped"],
    ),
    "Gemini, a schema": ([{"error": {"message": SCHEMA}}], ["tools.function.parameters.additionalProperties: dropped"]),
    "vLLM, the role": (
        {"object": "error", "message": "System role not supported"},
        ["system: in the first user message"],
    ),
    "OpenAI, the role": (
        openai("Unsupported value: 'messages[0].role' does not support 'system' with this model.", "messages[0].role"),
        ["system: in the first user message"],
    ),
    "a range": (openai("the valid range of max_tokens is [1, 2048]"), ["max_tokens: at most 2048"]),
    "Groq, the limit": (openai("`max_tokens` must be less than or equal to `2048`"), ["max_tokens: at most 2048"]),
    "Bedrock": (
        {"message": "Malformed input request: #: extraneous key [seed] is not permitted, please reformat your input"},
        ["seed: dropped"],
    ),
    "LM Studio": ({"error": "Unrecognized key(s) in object: 'stream_options'"}, ["stream_options: dropped"]),
    "Fireworks": (openai("Extra inputs are not permitted, field: 'seed', value: 7"), ["seed: dropped"]),
    "LiteLLM": (
        openai("litellm.UnsupportedParamsError: x does not support parameters: ['reasoning_effort'], for model=m"),
        ["reasoning_effort: dropped"],
    ),
    "Groq, in a message": (
        openai(
            "'messages.2' : for 'role:assistant' the following must be satisfied[('messages.2' : property "
            "'reasoning_content' is unsupported)]"
        ),
        ["messages.reasoning_content: dropped"],
    ),
    "xAI, at the end": ({"error": "Argument not supported on this model: stop"}, ["stop: dropped"]),
    "Ollama, levels": (
        openai('invalid reasoning value: \'medium\' (must be "high", "low", or "none")'),
        ["reasoning_effort: high"],
    ),
    "Ollama": (openai('"llama3.2" does not support thinking'), ["reasoning_effort: dropped"]),
    "OpenRouter, always": (
        openai("Reasoning is mandatory for this endpoint and cannot be disabled."),
        ["reasoning_effort: dropped"],
    ),
    "a template": (openai("Only user and assistant roles are supported!"), ["system: in the first user message"]),
    "another template": (
        openai("roles must alternate user/assistant/user/assistant/..."),
        ["system: in the first user message"],
    ),
    "FastAPI, the role": (
        {
            "detail": [
                {"type": "enum", "loc": ["body", "messages", 0, "role"], "msg": "Input should be 'user' or 'assistant'"}
            ]
        },
        ["system: in the first user message"],
    ),
    "the roles that there are": (
        openai("Invalid role. It must be one of: user, assistant, tool"),
        ["system: in the first user message"],
    ),
    "the user first": (openai("First message must be from the user"), ["system: in the first user message"]),
    "a conversation begins": (
        openai("The conversation must start with a user message"),
        ["system: in the first user message"],
    ),
    "the other limit is missing": (
        openai("Missing required parameter: 'max_completion_tokens'.", "max_completion_tokens"),
        ["max_tokens → max_completion_tokens"],
    ),
    "FastAPI, the other limit": (
        {"detail": [{"type": "missing", "loc": ["body", "max_completion_tokens"], "msg": "Field required"}]},
        ["max_tokens → max_completion_tokens"],
    ),
    "the limit, with a comma": (openai("max_tokens cannot exceed 2,048"), ["max_tokens: at most 2048"]),
    "the limit, in words": (
        openai("The maximum number of output tokens must not be greater than 2048."),
        ["max_tokens: at most 2048"],
    ),
    "a range of a fraction": (openai("top_p must be between 0 and 0.8"), ["top_p: at most 0.8"]),
    "the most of a fraction": (openai("top_p: Input should be less than or equal to 0.5"), ["top_p: at most 0.5"]),
    "the least of a fraction": (openai("temperature must be in [0.6, 1.0]"), ["temperature: dropped"]),
    "Gemini behind a proxy": (
        openai(
            "* GenerateContentRequest.tools[0].function_declarations[0].parameters.properties[at].format: only 'enum' and "
            "'date-time' are supported for STRING type"
        ),
        ["tools.function.parameters.format: dropped"],
    ),
    "in Chinese": (openai("参数 temperature 不支持"), ["temperature: dropped"]),
    "the choice of tools": (openai("tool_choice: unsupported"), ["tool_choice: dropped"]),
}
RESPONSES_CASES: dict[str, tuple[object, list[str]]] = {
    "xAI": ({"error": "Model grok-4 does not support parameter reasoningEffort."}, ["reasoning.effort: dropped"]),
    "a level": (
        openai(f"Unsupported value: 'minimal' is not supported with this model. {LEVELS}", "reasoning.effort"),
        ["reasoning.effort: low"],
    ),
    "include": (openai("Unsupported parameter: 'include' is not supported with this model."), ["include: dropped"]),
    "encrypted": (openai("Encrypted content is not supported with this model.", "include"), ["include: dropped"]),
    "store": (openai("Unknown parameter: 'store'.", "store"), ["store: dropped"]),
    "the tier": (openai("Invalid service_tier argument", "service_tier"), ["service_tier: dropped"]),
    "instructions": (
        openai("Unknown parameter: 'instructions'.", "instructions"),
        ["system: in the first user message"],
    ),
    "instructions, in words": (
        openai("instructions are not supported for this model"),
        ["system: in the first user message"],
    ),
    "the user first": (openai("the first message must use the 'user' role"), ["system: in the first user message"]),
    "of an item": (openai("Unknown parameter: 'input[1].status'.", "input[1].status"), ["input.status: dropped"]),
    "summaries": (
        openai("Unsupported parameter: 'reasoning.summary' is not supported with this model."),
        ["reasoning.summary: dropped"],
    ),
}


@pytest.mark.parametrize("case", CHAT_CASES)
def test_chat_completions(case: str) -> None:
    error, words = CHAT_CASES[case]
    assert cured(CHAT, error) == words


@pytest.mark.parametrize("case", RESPONSES_CASES)
def test_responses(case: str) -> None:
    error, words = RESPONSES_CASES[case]
    body = RESPONSES | {"reasoning": {"effort": "minimal", "summary": "auto"}}
    assert cured(body, error) == words


def test_a_level_goes_to_the_nearest_that_there_is_and_off_is_left_unsaid() -> None:
    groq = openai(
        "'reasoning_effort' : value is not one of the allowed values ['none','default','low','medium','high']"
    )
    assert cured(CHAT | {"reasoning_effort": "xhigh"}, groq) == ["reasoning_effort: high"]
    off = openai(f"Unsupported value: 'none' is not supported. {LEVELS}", "reasoning.effort")
    assert cured(RESPONSES | {"reasoning": {"effort": "none"}}, off) == ["reasoning.effort: dropped"]


def test_a_value_that_a_server_wants_is_set_where_nobody_gave_one() -> None:
    bare = without(CHAT, "reasoning_effort")
    assert cured(bare, openai(TOOLS_AND_EFFORT, "reasoning_effort")) == ["reasoning_effort: none"]


def test_the_newer_role_goes_by_the_older_name() -> None:
    body = CHAT | {"messages": [{"role": "developer", "content": "x"}, {"role": "user", "content": "y"}]}
    error = openai(
        "Invalid value: 'developer'. Supported values are: 'system', 'assistant' and 'user'.", "messages[0].role"
    )
    assert cured(body, error) == ["developer → system"]


def test_the_other_name_of_the_limit_is_taken_back_where_a_server_asks_for_it() -> None:
    body = without(CHAT, "max_tokens") | {"max_completion_tokens": 9}
    missing = {"detail": [{"type": "missing", "loc": ["body", "max_tokens"], "msg": "Field required"}]}
    for error in (missing, openai("max_tokens is required"), openai("max_tokens must be specified")):
        assert cured(body, error) == ["max_completion_tokens → max_tokens"]


def test_a_list_of_roles_is_about_the_message_that_it_points_to() -> None:
    """That of a tool's result cannot be put otherwise, and what the model is told need not be."""
    loc = ["body", "messages", 3, "role"]
    error = {"detail": [{"type": "enum", "loc": loc, "msg": "Input should be 'system', 'user' or 'assistant'"}]}
    assert cured(CHAT, error) == []
    error["detail"][0]["msg"] = "Input should be 'user' or 'assistant'"
    assert cured(CHAT, error) == []
    developer = CHAT | {"messages": [{"role": "developer", "content": "x"}, {"role": "user", "content": "y"}]}
    assert cured(developer, openai("role: Input should be 'system', 'user' or 'assistant'")) == ["developer → system"]


def test_a_number_is_lowered_only_where_it_is_too_high() -> None:
    words = openai("temperature must be between 0 and 1")
    assert cured(CHAT | {"temperature": 1.7}, words) == ["temperature: at most 1"]
    assert cured(CHAT | {"temperature": 0.5}, words) == []
    assert AtMost(("temperature",), 1).apply({"temperature": 0.5}) == {"temperature": 0.5}


@pytest.mark.parametrize(
    ("words", "most"),
    [
        ("max_tokens must be less than 2048", 2047),
        ("max_tokens too large. Max: 2048", 2048),
        ("max_tokens (4096) exceeds the limit (2,048)", 2048),
        ("Value for max_tokens is out of range: 1 to 2048", 2048),
        ("it has a max_tokens value of 4096 but the supported range is from 1 (inclusive) to 2049 (exclusive).", 2048),
    ],
)
def test_a_limit_is_lowered_in_whatever_words_it_is_told(words: str, most: int) -> None:
    assert cured(CHAT, openai(words)) == [f"max_tokens: at most {most}"]
    # The number may be that of the question.
    assert cured(CHAT, openai(f"prompt of 900 and {words}")) != ["max_tokens: at most 900"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "temperature must be > 0"),
        (0, "temperature should be greater than 0."),
        (1.0, "temperature must be less than 1.0"),
        (0.2, "temperature must be 1 for this model"),
        (0.2, "This model requires temperature to be 1"),
        (0.2, "temperature must be in [0.6, 1.0]"),
    ],
)
def test_a_number_that_is_wrong_otherwise_is_left_out(value: float, words: str) -> None:
    assert cured(CHAT | {"temperature": value}, openai(words)) == ["temperature: dropped"]


def test_one_of_two_that_exclude_each_other() -> None:
    body = CHAT | {"thinking": {"type": "enabled"}}
    assert cured(body, openai("cannot specify both 'thinking' and 'reasoning_effort'")) == ["reasoning_effort: dropped"]


#: What no change helps against, or what a request cannot be without.
FINAL: list[Any] = [
    openai("Invalid 'tools': array too long. Expected an array with maximum length 128, but got 217 instead.", "tools"),
    openai("Invalid 'messages[2].tool_calls[0].id': string too long.", "messages[2].tool_calls[0].id"),
    openai("Invalid 'tools[0].function.name': string does not match pattern.", "tools[0].function.name"),
    openai("Missing required parameter: 'messages[1].content'.", "messages[1].content"),
    openai("The model `m` does not exist", "model"),
    openai("'stream' must be false", "stream"),
    openai('"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'),
    openai("registry.ollama.ai/library/m does not support tools"),
    openai("instructions: Input should be a valid string"),
    openai("messages[3].role: Input should be 'user' or 'assistant'"),
    openai("The input is 9 to 5 in length, and seed was set"),
    openai("The reasoning_content in the thinking mode must be passed back to the API."),
    openai("Bad Request"),
    {"message": {"detail": [forbidden("messages", 1, "user", "content")]}},
    {},
    "nothing that is JSON",
    "",
]


@pytest.mark.parametrize("error", FINAL, ids=range(len(FINAL)))
def test_what_is_final(error: Any) -> None:
    assert cured(CHAT, error) == []
