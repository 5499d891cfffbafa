"""What the fake provider writes on the wire in the chunks of the Gemini API. Pure, and lazy like `replies`."""

import json
from typing import Any

from perdure.temporal.app.fakes.manners import GeminiManner
from perdure.temporal.app.fakes.replies import Frame, Reply, Stream, data_line, stamp, words
from perdure.temporal.app.fakes.seals import seal, wrapped


def call_signature(manner: GeminiManner, call: dict[str, Any]) -> str:
    """The thought signature of the first call of an answer, in the form of the API's JSON."""
    return wrapped(seal(manner.server, call.get("id") or call["name"]))


def gemini_stream(reply: Reply, body: dict[str, Any], manner: GeminiManner) -> Stream:
    def chunk(*parts: dict[str, Any], finish: str | None = None, used: bool = False) -> bytes:
        candidate: dict[str, Any] = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
        if finish:
            candidate["finishReason"] = finish
        usage = {"usageMetadata": _usage(reply)} if used and reply.usage != "none" else {}
        return data_line({"candidates": [candidate], **usage, "modelVersion": "fake", "responseId": "resp_fake"})

    pause = reply.first_token
    for thought, text in ((True, reply.reasoning), (False, reply.refusal or reply.text)):
        for piece in words(text):
            yield pause
            token = stamp() if reply.stamped and not thought else piece
            yield Frame(chunk({"text": token} | ({"thought": True} if thought else {})), token)
            pause = reply.gap
    for index, (name, args) in enumerate(reply.tools):
        call: dict[str, Any] = {"name": name, "args": args if isinstance(args, dict) else _object(args)}
        if manner.call_ids is not None:
            call["id"] = manner.call_ids.make(manner.server, reply.reasoning, len(body["contents"]), name, index)
        signed = {"thoughtSignature": call_signature(manner, call)} if index == 0 else {}
        yield pause
        yield Frame(chunk({"functionCall": call, **signed}), json.dumps(args))
        pause = reply.gap
    # The API ends with an empty text, which bears the signature of thinking that led to no call.
    last = {"text": ""}
    if reply.reasoning and not reply.tools:
        last["thoughtSignature"] = wrapped(seal(manner.server, reply.reasoning))
    yield Frame(chunk(last, finish=reply.stop or ("SAFETY" if reply.refusal else "STOP"), used=True), terminal=True)


def _usage(reply: Reply) -> dict[str, Any]:
    shown = reply.output_tokens - reply.reasoning_tokens
    counts = {"promptTokenCount": reply.input_tokens, "candidatesTokenCount": shown}
    if reply.usage == "full":
        counts |= {"thoughtsTokenCount": reply.reasoning_tokens, "cachedContentTokenCount": reply.cached_tokens}
    return counts | {"totalTokenCount": reply.input_tokens + reply.output_tokens}


def _object(written: str) -> dict[str, Any]:
    """The arguments as an object, for the API has no other form for them."""
    try:
        value = json.loads(written)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
