"""What each vendor's words for a failure mean, as these and the servers that speak their protocols write them."""

from datetime import timedelta

import pytest

from perdure.activities.models.error_texts import codes_in, text_in
from perdure.activities.models.failure_kinds import LONGEST_WAIT, classify
from perdure.activities.models.failure_words import kind_in, wait_in
from perdure.activities.models.failures import ProviderError, Source
from perdure.workflows.definition.providers.openai_chat import OPENAI_CHAT
from perdure.workflows.vocabulary import errors

SOURCE = Source.of(OPENAI_CHAT)


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (400, "prompt is too long: 208310 tokens > 200000 maximum"),
        (400, "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000, decrease input length"),
        (400, "Input is too long for requested model."),
        (400, "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."),
        (400, "Unable to submit request because the input token count is 1200000 but model only supports up to 1048576."),
        (400, "This model's maximum prompt length is 131072 but the request contains 537812 tokens."),
        (400, "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens."),
        (400, "Your input exceeds the context window of this model. Please adjust your input and try again."),
        (400, "Please reduce the length of the messages or completion."),
        (400, "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length"),
        (400, "The decoder prompt (length 5000) is longer than the maximum model length of 4096."),
        (500, "the request exceeds the available context size, try increasing it"),
        (400, "request (9000 tokens) exceeds the available context size (4096 tokens), try increasing it"),
        (400, "Trying to keep the first 9000 tokens when context the overflows. However, the model is loaded with context "
        "length of only 4096 tokens, which is not enough."),
        (422, "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens"),
        (422, "Input validation error: `inputs` must have less than 1024 tokens. Given: 2000"),
        (400, "The input (9000 tokens) is longer than the model's context length (8192 tokens)."),
        (400, "Invalid request: Your request exceeded model token limit: 131072"),
        (400, "Prompt exceeds max length"),
        (400, "Range of input length should be [1, 98304]"),
        (400, "invalid params, context window exceeds limit"),
        (400, "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 5000"),
        (413, "Request body too large for gpt-4o model. Max size: 8000 tokens."),
        (400, "Input length 200000 exceeds the maximum length 131072"),
        (400, "输入长度超过模型上下文长度"),
        (400, "Total tokens of image and text exceed max message tokens"),
        (400, "Malformed input request: expected maxLength: 50000, actual: 90000, please reformat your input"),
        (400, "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 300000 tokens."),
        (400, "prompt token count of 140000 exceeds the limit of 128000"),
        (None, "prompt is too long"),
        (400, "The model has a context window of 8192 tokens, but your prompt has 9000 tokens."),
        (400, "Your prompt has 9000 tokens, but the context window is 8192 tokens"),
        (400, "The prompt is 9000 tokens, which is over the limit of 8192"),
        (400, "Request contains 9000 tokens; the maximum is 8192 tokens"),
        (400, "max_model_len is 8192 but the prompt has 9000 tokens"),
        (400, "The number of tokens (9000) exceeds 8192"),
        (400, "Token limit exceeded: 9000 > 8192"),
        (500, "Context overflow"),
        (400, "max_new_tokens must be > 0, got -100"),
        (400, "max_tokens=-500 must be at least 1"),
        (400, "The context size is 4,096 tokens, however this request needs 5,000"),
        (400, "Sequence length 9000 exceeds max_seq_len 8192"),
        (400, "prompt (9000) is longer than max_model_len"),
        (500, "Requested tokens (9000) exceed n_ctx of 8192"),
        (400, "validation error: the sum of prompt tokens (30000) and max tokens (4096) must not exceed 32768"),
        (400, "input tokens (30000) + max_tokens (4096) exceeds 32768"),
        (400, "The total number of tokens (prompt + max_tokens) is too large"),
        (400, "Current length is 136000 while limit is 131072"),
        (422, "Input length is 9000, but the maximum is 8192"),
        (400, "max_tokens must be at least 1, got -500"),
        (400, "max_completion_tokens must be greater than 0 (given: -12)"),
        (400, "tokens in request more than max tokens allowed"),
        (400, "This model supports at most 32768 tokens; the conversation has 40000"),
        (400, "The text you entered is too long: it contains 9000 tokens but only 8192 are allowed"),
        (400, "The input or output tokens must be less than 8192"),
        (402, "Prompt tokens limit exceeded: 12000 > 8000. To increase, visit the settings and upgrade to a paid account"),
        (413, "Request too large for model `llama` in organization `org_x` service tier `on_demand` on tokens per minute "
        "(TPM): Limit 6000, Requested 9000, please reduce your message size and try again."),
        (429, "Request too large for gpt-6 in organization org-x on tokens per min (TPM): Limit 10000, Requested 20000."),
    ],
)  # fmt: skip
def test_too_long(status: int | None, text: str) -> None:
    told = classify(ProviderError(text, status=status, kind="invalid_request_error" if status else None), SOURCE)
    assert (told.kind, told.retryable) == (errors.MODEL_CONTEXT_LENGTH, False)
    assert "Start a new session" in told.message


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (400, "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade."),
        (402, "Insufficient Balance"),
        (
            402,
            "This request requires more credits, or fewer max_tokens. You requested up to 32000 tokens, but can only "
            "afford 100.",
        ),
        (400, "Insufficient balance"),
        (429, "You exceeded your current quota, please check your plan and billing details."),
        (403, "Your team has either used all available credits or reached its monthly spending limit."),
        (400, "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC."),
        (403, "This request requires more credits, or fewer max_tokens."),
        (429, "Your account org-x is suspended, please check your plan and billing details"),
        (429, "余额不足或无可用资源包,请充值。"),
        (403, "You have run out of free credits."),
        (403, "No credits left. Purchase more"),
        (403, "Your free trial has expired"),
        (429, "Your account is not active, please check your billing details on our website."),
        (
            403,
            "Your newly created team doesn't have any credits or licenses yet. You can purchase those on our console.",
        ),
        (
            403,
            "The free tier of the model has been exhausted. If you wish to continue access the model on a paid basis, "
            "please disable the use free tier only mode.",
        ),
        (403, "The free quota has been exhausted"),
        (429, "Free allocated quota exceeded."),
        (403, "insufficient user quota, remaining quota: $0.00"),
        (403, "token quota is not enough, token remain quota: 10"),
        (403, "Quota exceeded for this billing period"),
        (403, "You have exceeded your inference quota"),
        (403, "Billing is not active"),
        (403, "This API method requires billing to be enabled. Please enable billing on project #1."),
        (403, "This account does not have an active billing plan"),
        (403, "A valid payment instrument must be provided."),
        (403, "this model requires a subscription, upgrade for access"),
        (403, "Key limit exceeded (total limit). Manage it in your settings."),
        (400, "budget has been exceeded! Current cost: 10.2, Max budget: 10.0"),
        (400, "ExceededBudget: User=u over budget. Spend=5.1, Budget=5.0"),
        (401, "Authentication Error, ExceededTokenBudget: Current spend for token: 7.2; Max Budget for Token: 2.0"),
        (400, "Access denied, please make sure your account is in good standing."),
        (401, "User has no remaining prepaid balance"),
        (403, "Your subscription has expired"),
        (429, "Your balance is too low"),
        (403, "You have used up your free credits"),
        (403, "Your card was declined"),
        (403, "Your organization has no active subscription"),
        (403, "This model is only available on paid plans"),
        (429, "You have used your monthly token allowance"),
        (403, "用户额度不足, 剩余额度: 0"),
    ],
)
def test_no_credit(status: int, text: str) -> None:
    told = classify(ProviderError(text, status=status, kind="invalid_request_error"), SOURCE)
    assert (told.kind, told.retryable) == (errors.MODEL_QUOTA, False)


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (400, "API key not valid. Please pass a valid API key."),
        (400, "Incorrect API key provided: xa***. You can obtain an API key from https://console.x.ai."),
        (400, "Invalid API Key"),
        (400, "No API key was provided"),
        (400, "The api_key is required"),
        (400, "API key expired. Please renew the API key."),
        (400, "The security token included in the request is expired"),
        (400, "Invalid Authentication"),
        (400, "Key is disabled"),
        (400, "This key has been revoked"),
        (400, "Invalid credentials in Authorization header"),
        (400, "Could not validate credentials"),
        (400, "Cannot decode API key"),
        (400, "invalid token"),
        (400, "Your token has expired"),
        (400, "Invalid api token"),
        (400, "Invalid key"),
        (400, "The credentials provided are invalid"),
        (400, "No auth credentials found"),
        (400, "Authorization header is missing"),
        (400, "Login fail: Please carry the API secret key in the 'Authorization' field of the request header"),
        (400, "jwt expired"),
        (400, "Unauthorized"),
        (400, "API 密钥无效"),
        (400, "无效的令牌"),
        (401, "whatever it says"),
        (403, "whatever it says"),
    ],
)
def test_a_bad_key(status: int, text: str) -> None:
    told = classify(ProviderError(text, status=status), SOURCE)
    assert (told.kind, told.retryable) == (errors.MODEL_AUTH, False)
    assert "xa***" not in told.message


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (400, "The response was filtered due to the prompt triggering Azure OpenAI's content management policy."),
        (403, "Content violates usage guidelines. Team: t, API key ID: k, Model: m, Failed check: SAFETY_CHECK"),
        (400, "Content Exists Risk"),
        (400, "The request was rejected because it was considered high risk"),
        (400, "Input data may contain inappropriate content."),
        (400, "Output blocked by content filtering policy"),
        (403, 'Your chosen model requires moderation and your input was flagged for "violence".'),
        (400, "Your request was rejected as a result of our safety system."),
        (400, "blocked due to safety"),
    ],
)
def test_a_declined_request(status: int, text: str) -> None:
    told = classify(ProviderError(text, status=status), SOURCE)
    assert (told.kind, told.retryable) == (errors.MODEL_CONTENT_POLICY, False)


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (400, "The provided model identifier is invalid."),
        (400, "Model Not Exist"),
        (400, "Invalid model: mistral-huge"),
        (400, "foo/bar is not a valid model ID"),
        (400, "The model `llama2-70b-4096` has been decommissioned and is no longer supported."),
        (400, "Unknown model gpt-9"),
        (400, "model 'gpt-9' is not supported"),
        (403, "Project proj_x does not have access to model gpt-6"),
        (404, "model 'qwen9' not found, try pulling it first"),
        (400, "The model `gpt-9` does not exist or you do not have access to it."),
    ],
)
def test_an_unknown_model(status: int, text: str) -> None:
    told = classify(ProviderError(text, status=status), SOURCE)
    assert (told.kind, told.retryable) == (errors.MODEL_NOT_FOUND, False)


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (503, "The model is overloaded. Please try again later."),
        (429, "The engine is currently overloaded, please try again later"),
        (400, "Server overloaded, please retry"),
        (503, "no healthy upstream"),
        (503, "Model is currently loading"),
    ],
)
def test_overloaded(status: int, text: str) -> None:
    told = classify(ProviderError(text, status=status), SOURCE)
    assert (told.kind, told.retryable) == (errors.MODEL_OVERLOADED, True)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (
            "You exceeded your current quota. * Quota exceeded for metric: requests, limit: 20\nPlease retry in 36.6s.",
            36.6,
        ),
        ("Quota exceeded for quota metric 'Generate Content API requests per minute'. Please retry in 5s.", 5),
        ("Rate limit reached for gpt-6 on requests per min: Limit 3. Please try again in 20s.", 20),
        ("Rate limit reached. Please try again in 6m0s.", 360),
        ("Please try again in 320ms.", 0.32),
        ("Too many requests, retry after 2 minutes", 120),
        ("Usage limit reached. Resets in 2 hours", 7200),
        ("Too many tokens, please wait before trying again.", None),
        ("Resource has been exhausted (e.g. check quota).", None),
        ("Number of request tokens has exceeded your per-minute rate limit", None),
        ("Quota exceeded for aiplatform.googleapis.com/online_prediction_requests_per_base_model", None),
        ("Rate limit reached for requests. Upgrade your plan for a higher limit.", None),
        ("Allocated quota exceeded, please increase your quota limit.", None),
        ("Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model requests per day", None),
    ],
)
def test_a_rate_limit_stays_one_whatever_it_says_of_quotas(text: str, seconds: float | None) -> None:
    told = classify(ProviderError(text, status=429, headers={}), SOURCE)
    assert (told.kind, told.retryable) == (errors.MODEL_RATE_LIMITED, True)
    wait = None if seconds is None else timedelta(seconds=seconds)
    assert wait_in(text) == wait
    assert told.retry_after == (wait and min(wait, LONGEST_WAIT))


@pytest.mark.parametrize(
    "text",
    [
        "max_tokens: 5000 > 4096, which is the maximum allowed number of output tokens for claude-haiku",
        "max_tokens is too large: 100000. This model supports at most 16384 completion tokens.",
        "Invalid request: max_tokens exceeds the limit of this model",
        "messages.0.content.1.image.source.base64: image exceeds 5 MB maximum",
        "Invalid 'tools': array too long. Expected an array with maximum length 128, but got an array with length 200.",
        "Invalid 'input[3].call_id': string too long. Expected a string with maximum length 64",
        "temperature: Input should be less than or equal to 1",
        "Unsupported parameter: 'temperature' is not supported with this model.",
        "registry.ollama.ai/library/gemma does not support tools",
        "This model does not support image input",
        "Image input is not supported for this model",
        "number of tools exceeds the limit of 128",
        "Too many images in request: limit 20",
        "thinking budget exceeds max_tokens limit",
        "tool 'find' not found in tools",
        "tools.0.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'",
        "messages.3: `tool_use` ids were found without `tool_result` blocks immediately after",
        "Invalid value: 'input[0].content'. Supported values are: 'input_text'",
        "thinking.budget_tokens: Input should be greater than or equal to 1024",
        "The model does not support the parameter `reasoning_effort`",
        "Unknown parameter: 'prompt_cache_key'.",
        "Unknown parameter: 'max_seq_len'.",
        "unexpected field max_input_tokens",
        "max_tokens must be at least 1, got 0",
        "This model supports at most 4096 tokens; your request asked for 8192 output tokens",
        "max_tokens and input must be numbers",
        "The maximum tokens you requested exceeds the model limit of 8192. Try again with a lower value.",
        "requested maximum output tokens exceed the limit",
        "thinking.budget_tokens: the thinking budget was exceeded",
        "tools.0.input_schema: key 'format' is disabled in strict mode",
        "Invalid JSON: unexpected token at 14",
        "invalid token 'x' in grammar",
        "logit_bias: invalid token id 70000",
        "tools.0.input_schema: missing credentials property",
        "Your request asked for 9000 output tokens but the maximum is 8192",
        "messages.0: at most 20 images are allowed, the request has 30 images and 9000 tokens",
        "tools.0: invalid authentication type 'x'",
        "files: storage quota exceeded",
    ],
)
def test_a_request_that_is_wrong_is_told_as_it_is(text: str) -> None:
    assert kind_in(text, 400) is None
    told = classify(ProviderError(text, status=400, kind="invalid_request_error"), SOURCE)
    assert (told.kind, told.retryable) == (errors.MODEL_INVALID_REQUEST, False)
    assert text[:40] in told.message


@pytest.mark.parametrize(
    "body",
    [
        [{"error": {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT"}}],
        {"detail": "API key not valid."},
        {"error": "API key not valid.", "code": "Client specified an invalid argument"},
        {"errors": [{"msg": "API key not valid."}]},
        {"error": True, "message": "API key not valid."},
    ],
)
def test_the_message_is_found_wherever_the_server_puts_it(body: object) -> None:
    assert text_in(body) == "API key not valid."
    assert classify(ProviderError("", status=400, details=body), SOURCE).kind == errors.MODEL_AUTH


def test_a_reason_deep_in_the_body_is_a_code() -> None:
    body = {"error": {"code": 400, "message": "Bad.", "details": [{"reason": "API_KEY_INVALID"}]}}
    assert "API_KEY_INVALID" in codes_in(body)
    assert classify(ProviderError("Bad.", status=400, details=body), SOURCE).kind == errors.MODEL_AUTH
    azure = {"error": {"code": "400", "innererror": {"code": "ResponsibleAIPolicyViolation"}}}
    assert classify(ProviderError("Bad.", status=400, details=azure), SOURCE).kind == errors.MODEL_CONTENT_POLICY


@pytest.mark.parametrize("code", ["billing_not_active", "AllocationQuota.FreeTierOnly", "budget_exceeded"])
@pytest.mark.parametrize("status", [400, 403, 429])
def test_a_code_of_billing_is_no_rate_limit_and_no_bad_key(code: str, status: int) -> None:
    body = {"error": {"code": code, "message": "Denied."}}
    assert classify(ProviderError("Denied.", status=status, details=body), SOURCE).kind == errors.MODEL_QUOTA


@pytest.mark.parametrize(
    "text",
    [
        "Permission denied on resource project x",
        "Your organization must be verified to use this",
        "Billing administrators alone may use this key",
        "Quota project has no permission for this API",
    ],
)
def test_a_403_of_something_else_stays_one_of_the_key(text: str) -> None:
    assert classify(ProviderError(text, status=403), SOURCE).kind == errors.MODEL_AUTH


@pytest.mark.parametrize(
    "body", [None, 3, [], {}, {"error": None}, [[[[[["deep"]]]]]], {"error": {"message": {"a": 1}}}]
)
def test_a_body_of_any_shape_is_borne(body: object) -> None:
    assert text_in(body) == ""
    assert classify(ProviderError("", status=400, details=body), SOURCE).kind == errors.MODEL_INVALID_REQUEST
