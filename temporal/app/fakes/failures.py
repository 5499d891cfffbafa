"""How vendors say that a key is wrong, a prompt too long, an account empty, or their servers overloaded. Data only."""

from typing import Any, Final

from perdure.temporal.app.fakes.refusals import Failures, Refusal


def _caller(message: str, status: int = 401, **more: Any) -> Refusal:
    return Refusal(message=message, status=status, about="caller", **more)


def _server(message: str, status: int, **more: Any) -> Refusal:
    return Refusal(message=message, status=status, about="server", **more)


ANTHROPIC: Final[Failures] = {
    "bad_key": _caller("invalid x-api-key", kind="authentication_error"),
    "too_long": Refusal(message="prompt is too long: 200001 tokens > 200000 maximum"),
    "no_credit": Refusal(
        message="Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or "
        "purchase credits.",
        about="caller",
    ),
    "overloaded": _server("Overloaded", 529, kind="overloaded_error"),
}
OPENAI: Final[Failures] = {
    "bad_key": _caller(
        "Incorrect API key provided: sk-***. You can find your API key at https://platform.openai.com/account/api-keys.",
        code="invalid_api_key",
    ),
    "too_long": Refusal(
        message="Your input exceeds the context window of this model. Please adjust your input and try again.",
        code="context_length_exceeded",
        param="input",
    ),
    "no_credit": _caller(
        "You exceeded your current quota, please check your plan and billing details.",
        429,
        kind="insufficient_quota",
        code="insufficient_quota",
    ),
    "overloaded": _server("The server is currently overloaded with other requests.", 503, kind="server_error"),
}
AZURE: Final[Failures] = {
    **OPENAI,
    "bad_key": _caller(
        "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active "
        "subscription and use a correct regional API endpoint for your resource.",
        code="401",
    ),
    "filtered": Refusal(
        message="The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please "
        "modify your prompt and retry.",
        code="content_filter",
        param="prompt",
    ),
}
BEDROCK: Final[Failures] = {
    "bad_key": _caller("The security token included in the request is invalid.", 403),
    "too_long": Refusal(message="Input is too long for requested model."),
    "overloaded": _server("Bedrock is unable to process your request.", 503),
}
DEEPSEEK: Final[Failures] = {
    "bad_key": _caller("Authentication Fails, Your api key: ****fake is invalid", kind="authentication_error"),
    "too_long": Refusal(
        message="This model's maximum context length is 131072 tokens. However, you requested 140000 tokens (135904 in the "
        "messages, 4096 in the completion). Please reduce the length of the messages or completion."
    ),
    "no_credit": _caller("Insufficient Balance", 402, kind="unknown_error", code="invalid_request_error"),
    "overloaded": _server("Service is too busy. Please try again later.", 503, kind="service_unavailable_error"),
}
KIMI: Final[Failures] = {
    "bad_key": _caller("Invalid Authentication", kind="invalid_authentication_error"),
    "too_long": Refusal(message="Invalid request: Your request exceeded model token limit: 262144"),
    "no_credit": _caller(
        "Your account is suspended, please check your plan and billing details",
        429,
        kind="exceeded_current_quota_error",
    ),
    "overloaded": _server(
        "The engine is currently overloaded, please try again later", 429, kind="engine_overloaded_error"
    ),
}
MISTRAL: Final[Failures] = {
    "bad_key": _caller("Unauthorized", kind="unauthorized"),
    "too_long": Refusal(
        message="Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
        kind="invalid_request_prompt",
        code="3051",
    ),
    "overloaded": _server("Service tier capacity exceeded for this model.", 429, code="3505"),
}
XAI: Final[Failures] = {
    "bad_key": _caller(
        "Incorrect API key provided: xa***ke. You can obtain an API key from https://console.x.ai.",
        400,
    ),
    "too_long": Refusal(
        message="This model's maximum prompt length is 131072 but the request contains 140000 tokens.",
    ),
    "no_credit": _caller(
        "Your team has either used all available credits or reached its monthly spending limit.",
        403,
        code="The caller does not have permission to execute the specified operation",
    ),
    "overloaded": _server(
        "Service temporarily unavailable. The model is at capacity.", 503, code="Service unavailable"
    ),
}
OPENROUTER: Final[Failures] = {
    "bad_key": _caller("User not found."),
    "too_long": Refusal(
        message="This endpoint's maximum context length is 131072 tokens. However, you requested about 140000 tokens (135904 "
        "of text input, 4096 in the output). Please reduce the length of either one.",
        about="server",
    ),
    "no_credit": _caller(
        "This request requires more credits, or fewer max_tokens. You requested up to 32000 tokens, but can only afford 100.",
        402,
    ),
    "overloaded": _server("Provider returned error", 502),
}
GROQ: Final[Failures] = {
    "bad_key": _caller("Invalid API Key", code="invalid_api_key"),
    "too_long": Refusal(
        message="Please reduce the length of the messages or completion.",
        code="context_length_exceeded",
        param="messages",
    ),
    "overloaded": _server("The model is currently over capacity.", 503, kind="internal_server_error"),
}
GEMINI: Final[Failures] = {
    "bad_key": _caller("API key not valid. Please pass a valid API key.", 400),
    "too_long": Refusal(
        message="The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
    ),
    "no_credit": _caller(
        "You exceeded your current quota, please check your plan and billing details.", 429, code="RESOURCE_EXHAUSTED"
    ),
    "overloaded": _server("The model is overloaded. Please try again later.", 503, code="UNAVAILABLE"),
}
VLLM: Final[Failures] = {
    "bad_key": _caller("Unauthorized"),
    "too_long": Refusal(
        message="This model's maximum context length is 4096 tokens. However, your request has 5000 input tokens. Please "
        "reduce the length of the input messages."
    ),
}
LLAMA_CPP: Final[Failures] = {
    "bad_key": _caller("Invalid API Key", kind="authentication_error"),
    "too_long": Refusal(
        message="the request exceeds the available context size, try increasing it", kind="exceed_context_size_error"
    ),
    "overloaded": _server("Loading model", 503, kind="unavailable_error"),
}
