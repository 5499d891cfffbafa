"""A request that a server does not take, in its vendor's words."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    message: str
    status: int = 400
    #: The vendor's word for the kind of failure, and its code.
    kind: str = "invalid_request_error"
    code: str | None = None
    #: The field that is wrong.
    param: str | None = None
    #: What is wrong: the conversation; a field that this server does not know, or that its models do not; something that
    #: this server alone wants of every conversation, and that is missing; who asks; or nothing, because the server cannot
    #: answer now.
    about: Literal["conversation", "field", "missing", "caller", "server"] = "conversation"


#: What is wrong with a request body; a text stands for a refusal without more.
Rule = Callable[[dict[str, Any]], Iterable[str | Refusal]]
#: The body of an error response.
ErrorBody = Callable[[Refusal], Any]
Failures = Mapping[str, Refusal]


def first_refusal(rules: Iterable[Rule], body: dict[str, Any]) -> Refusal | None:
    for rule in rules:
        for found in rule(body):
            return Refusal(message=found) if isinstance(found, str) else found
    return None


def openai_error(refusal: Refusal) -> Any:
    named = {"param": refusal.param, "code": refusal.code}
    return {"error": {"message": refusal.message, "type": refusal.kind, **named}}


def anthropic_error(refusal: Refusal) -> Any:
    return {
        "type": "error",
        "error": {"type": refusal.kind, "message": refusal.message},
        "request_id": "req_fake",
    }


def mistral_error(refusal: Refusal) -> Any:
    message: Any = refusal.message
    if refusal.about == "field":
        place = ["body", *(refusal.param or "").split(".")]
        message = {"detail": [{"type": "extra_forbidden", "loc": place, "msg": message, "input": None}]}
    error = {"object": "error", "message": message, "type": refusal.kind, "param": None, "code": refusal.code}
    return error | {"raw_status_code": refusal.status}


def xai_error(refusal: Refusal) -> Any:
    return {"code": refusal.code or "Client specified an invalid argument", "error": refusal.message}


def google_error(refusal: Refusal) -> Any:
    error: dict[str, Any] = {
        "code": refusal.status,
        "message": refusal.message,
        "status": refusal.code or "INVALID_ARGUMENT",
    }
    if refusal.about == "caller" and refusal.status == 400:
        error["details"] = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]
    return {"error": error}


def google_list_error(refusal: Refusal) -> Any:
    """Of Gemini's endpoint for Chat Completions, which answers with a list."""
    return [google_error(refusal)]


def openrouter_error(refusal: Refusal) -> Any:
    if refusal.about != "conversation":
        return {"error": {"message": refusal.message, "code": refusal.status}}
    raw = {"raw": str(anthropic_error(refusal)), "provider_name": "Anthropic"}
    return {"error": {"message": "Provider returned error", "code": refusal.status, "metadata": raw}}


def vllm_error(refusal: Refusal) -> Any:
    error = {"object": "error", "message": refusal.message, "type": "BadRequestError"}
    return error | {"param": refusal.param, "code": refusal.status}


def llama_cpp_error(refusal: Refusal) -> Any:
    return {"error": {"code": refusal.status, "message": refusal.message, "type": refusal.kind}}


def bedrock_error(refusal: Refusal) -> Any:
    return {"message": refusal.message}
