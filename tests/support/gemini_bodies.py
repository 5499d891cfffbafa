"""Answers of the Gemini API, as its servers send them: the responses of a stream, the body of an error."""

import json
from typing import Any, Final

#: Of a model of the third generation, base64.
SIGNATURE: Final = "EqQECqEEAdHtim9zb21lIHRob3VnaHRz"
USAGE: Final = {
    "promptTokenCount": 120,
    "cachedContentTokenCount": 80,
    "candidatesTokenCount": 18,
    "thoughtsTokenCount": 64,
    "totalTokenCount": 202,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 120}],
}


def thought(text: str) -> dict[str, Any]:
    return {"text": text, "thought": True}


def call(name: str, args: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A part with a call. `more`: further members of the part, `id` excepted, which is the call's."""
    ident = {"id": more.pop("id")} if "id" in more else {}
    return {"functionCall": {"name": name, "args": args, **ident}, **more}


def response(*parts: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    """One response of a stream."""
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": [*parts]}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    prompt = {"promptTokenCount": 120, "totalTokenCount": 120}
    used = {"usageMetadata": USAGE if finish is not None else prompt}
    return {"candidates": [candidate], **used, "modelVersion": "gemini-3-pro", "responseId": "r-1", **more}


def stream(*responses: dict[str, Any]) -> bytes:
    return b"".join(f"data: {json.dumps(one)}\r\n\r\n".encode() for one in responses)


def answer(*parts: dict[str, Any], finish: str = "STOP") -> bytes:
    """A stream with a response for each part."""
    return stream(*(response(part) for part in parts[:-1]), response(*parts[-1:], finish=finish))


def error(status: int, word: str, message: str, *details: dict[str, Any]) -> bytes:
    """The body of an error, with `google.rpc` details."""
    body: dict[str, Any] = {"code": status, "message": message, "status": word}
    return json.dumps({"error": body | ({"details": [*details]} if details else {})}).encode()


BAD_KEY: Final = error(
    400,
    "INVALID_ARGUMENT",
    "API key not valid. Please pass a valid API key.",
    {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "API_KEY_INVALID",
        "domain": "googleapis.com",
        "metadata": {"service": "generativelanguage.googleapis.com"},
    },
)


def _exhausted(quota: str) -> bytes:
    return error(
        429,
        "RESOURCE_EXHAUSTED",
        "You exceeded your current quota, please check your plan and billing details.\n* Quota exceeded for metric: "
        "generativelanguage.googleapis.com/generate_content_free_tier_requests, limit: 5\nPlease retry in 34.074824224s.",
        {
            "@type": "type.googleapis.com/google.rpc.QuotaFailure",
            "violations": [
                {
                    "quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests",
                    "quotaId": quota,
                    "quotaDimensions": {"location": "global", "model": "gemini-3-pro"},
                    "quotaValue": "5",
                }
            ],
        },
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.074824224s"},
    )


RATE_LIMITED: Final = _exhausted("GenerateRequestsPerMinutePerProjectPerModel-FreeTier")
DAY_USED_UP: Final = _exhausted("GenerateRequestsPerDayPerProjectPerModel-FreeTier")
TOO_LONG: Final = error(
    400,
    "INVALID_ARGUMENT",
    "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
)
OVERLOADED: Final = error(503, "UNAVAILABLE", "The model is overloaded. Please try again later.")
UNSIGNED: Final = error(
    400,
    "INVALID_ARGUMENT",
    "Function call is missing a thought_signature in functionCall parts. Additional data, function call "
    "`default_api:find_order` , position 2.",
)
