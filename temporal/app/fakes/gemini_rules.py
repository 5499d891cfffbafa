"""What the Gemini API refuses, in its own words. Pure."""

import base64
from collections.abc import Iterator
from typing import Any, Final

from perdure.temporal.app.fakes.gemini import call_signature
from perdure.temporal.app.fakes.manners import GeminiManner
from perdure.temporal.app.fakes.output_rules import gemini_output

_UNSIGNED: Final = "skip_thought_signature_validator"
_BODY: Final = frozenset(
    (
        *("contents", "systemInstruction", "tools", "toolConfig", "safetySettings", "generationConfig"),
        *("cachedContent", "serviceTier", "labels"),
    )
)
_PART: Final = frozenset(
    ("text", "thought", "thoughtSignature", "functionCall", "functionResponse", "inlineData", "fileData")
)


def gemini(body: dict[str, Any], manner: GeminiManner) -> Iterator[str]:
    for name in sorted(set(body) - _BODY):
        yield f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.'
    yield from gemini_output(body)
    contents = body.get("contents") or []
    if not contents:
        yield "* GenerateContentRequest.contents: contents is not specified"
    calls: list[dict[str, Any]] = []
    users = [
        at for at, content in enumerate(contents) if content["role"] == "user" and not _of(content, "functionResponse")
    ]
    for at, content in enumerate(contents):
        if content.get("role") not in ("user", "model"):
            yield "Please use a valid role: user, model."
        if not content.get("parts"):
            yield f"* GenerateContentRequest.contents[{at}].parts: contents.parts must not be empty."
        for part in content.get("parts") or ():
            for name in sorted(set(part) - _PART):
                place = f"'contents[{at}].parts[0]'"
                yield f'Invalid JSON payload received. Unknown name "{name}" at {place}: Cannot find field.'
        results = _of(content, "functionResponse")
        if calls or results:
            yield from _paired(calls, results)
        calls = _of(content, "functionCall")
        if calls and at and contents[at - 1]["role"] != "user":
            yield (
                "Please ensure that function call turn comes immediately after a user turn or after a function response turn."
            )
        if calls:
            yield from _signed(content, at, in_loop=at > max(users, default=-1), manner=manner)
    if calls:
        yield "Please ensure that the number of function response parts is equal to the number of function call parts."


def _paired(calls: list[dict[str, Any]], results: list[dict[str, Any]]) -> Iterator[str]:
    if len(calls) != len(results):
        yield (
            "Please ensure that the number of function response parts is equal to the number of function call parts of the "
            "function call turn."
        )
    elif sorted(call["name"] for call in calls) != sorted(result["name"] for result in results):
        yield "Please ensure that the function response parts have the names of the function call parts."
    elif [call.get("id") for call in calls] != [result.get("id") for result in results]:
        yield "Please ensure that the function response parts have the ids of the function call parts."


def _signed(content: dict[str, Any], at: int, *, in_loop: bool, manner: GeminiManner) -> Iterator[str]:
    """In the turn that is open, the first call of an answer has to be signed, and where there is a signature, it holds."""
    first = True
    for part in content["parts"]:
        if "functionCall" not in part:
            continue
        given, call = part.get("thoughtSignature"), part["functionCall"]
        if given is not None and not _fits(given, call, manner):
            yield "Corrupted thought signature."
        if given is None and first and in_loop:
            yield (
                "Function call is missing a thought_signature in functionCall parts. This is required for tools to work "
                "correctly, and missing thought_signature may lead to degraded model performance. Additional data, function "
                f"call `default_api:{call['name']}` , position {at}. Please refer to "
                "https://ai.google.dev/gemini-api/docs/thought-signatures for more details."
            )
        first = False


def _fits(given: str, call: dict[str, Any], manner: GeminiManner) -> bool:
    own = manner.call_ids is not None and manner.call_ids.owns(call.get("id") or "")
    unsigned = given in (_UNSIGNED, base64.b64encode(_UNSIGNED.encode()).decode())
    # What the server made itself must not pass for another's.
    return not own if unsigned else given == call_signature(manner, call)


def _of(content: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [part[name] for part in content.get("parts") or () if name in part]
