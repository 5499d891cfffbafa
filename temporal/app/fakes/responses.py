"""What the fake provider writes on the wire in the frames of OpenAI Responses. Pure, and lazy like `replies`.

An item's id encodes the request that it answers and its index in the answer, with a final `r` if reasoning preceded it,
so the rules can check whether a later request returns the items completely.
"""

import hashlib
from collections.abc import Iterator
from typing import Any, Final

from perdure.temporal.app.fakes.manners import ResponsesManner
from perdure.temporal.app.fakes.replies import Fault, Frame, Reply, Stream, fragments, named, stamp, words
from perdure.temporal.app.fakes.seals import seal

_SUMMARY: Final = "response.reasoning_summary_text.delta"
_STATUS: Final = {"completed", "failed", "cancelled"}


def encrypted(item_id: str, summary: str, server: str = "") -> str:
    """The encrypted content that a server attaches to a reasoning item, and requires in later requests."""
    if server:
        return f"gAAAA-{seal(server, item_id, summary)}"
    return f"gAAAA-{hashlib.sha256(f'{item_id} {summary}'.encode()).hexdigest()[:16]}"


def failure_event(fault: Fault) -> bytes:
    if fault == "failed":
        response = _response("m", "failed") | {"error": {"code": "server_error", "message": "The server had an error"}}
        return named("response.failed", {"type": "response.failed", "response": response, "sequence_number": 9})
    error = {"type": "error", "code": "server_is_overloaded", "message": "Overloaded", "param": None}
    return named("error", error | {"sequence_number": 9})


def responses_stream(reply: Reply, body: dict[str, Any], manner: ResponsesManner) -> Stream:
    number = 0

    def event(kind: str, **fields: Any) -> bytes:
        nonlocal number
        number += 1
        return named(kind, {"type": kind, **fields, "sequence_number": number - 1})

    started = _response(body["model"], "in_progress")
    yield Frame(event("response.created", response=started))
    yield Frame(event("response.in_progress", response=started))
    yield Frame(event("keepalive"))
    pause = reply.first_token
    output: list[dict[str, Any]] = []
    for index, (empty, item, pieces) in enumerate(_items(reply, body, manner)):
        # Compatible servers send no indexes.
        place = {"output_index": index} if reply.usage == "full" else {}
        if reply.arguments == "last" and item["type"] == "function_call":
            output.append(item)
            continue
        yield Frame(event("response.output_item.added", **place, item=empty))
        for kind, key, section, piece in pieces:
            if kind.endswith(".done"):
                yield Frame(event(kind, item_id=item["id"], **place, **{key: section}, text=piece))
                continue
            yield pause
            token = stamp() if reply.stamped and kind == "response.output_text.delta" else piece
            within = {key: section} if key else {}
            yield Frame(event(kind, item_id=item["id"], **place, **within, delta=token), token)
            pause = reply.gap
        yield Frame(event("response.output_item.done", **place, item=item))
        output.append(item)
    status = reply.stop or "completed"
    ended = _response(body["model"], status if status in _STATUS else "incomplete") | {"output": output}
    ended["incomplete_details"] = None if status in _STATUS else {"reason": status}
    ended["usage"] = _usage(reply)
    kind = "incomplete" if ended["status"] == "incomplete" else "completed"
    yield Frame(event(f"response.{kind}", response=ended), terminal=True)


_Pieces = list[tuple[str, str, int, str]]


def _items(
    reply: Reply, body: dict[str, Any], manner: ResponsesManner
) -> Iterator[tuple[dict[str, Any], dict[str, Any], _Pieces]]:
    """Each item as announced, as completed, and its fragments in between."""
    seen = len(body["input"])
    request = f"{manner.server}_{seen}" if manner.server else str(seen)
    led = "r" if reply.reasoning else ""
    if reply.reasoning:
        yield _reasoning(reply, body, f"rs_{request}_0", manner)
    index = 1 if reply.reasoning else 0
    text = reply.refusal or reply.text
    if text:
        kind, key = ("refusal", "refusal") if reply.refusal else ("output_text", "text")
        content: dict[str, Any] = {"type": kind, key: text} | ({} if reply.refusal else {"annotations": []})
        item = {"id": f"msg_{request}_{index}{led}", "type": "message", "role": "assistant", "status": "completed"}
        empty = item | {"status": "in_progress", "content": []}
        pieces = [(f"response.{kind}.delta", "content_index", 0, piece) for piece in words(text)]
        yield empty, item | {"content": [content], "phase": None}, pieces
        index, led = index + 1, ""
    for number, (name, args) in enumerate(reply.tools, 1):
        written = [] if reply.arguments == "nowhere" else fragments(args)
        item = {"id": f"fc_{request}_{index}{led}", "type": "function_call", "name": name, "status": "completed"}
        made = reply.call_id.format(n=number)
        if manner.call_ids is not None:
            made = manner.call_ids.make(manner.server, reply.reasoning, seen, name, number - 1)
        item |= {"call_id": made, "arguments": "".join(written)}
        streamed = written if reply.arguments == "fragments" else []
        pieces = [("response.function_call_arguments.delta", "", 0, piece) for piece in streamed]
        yield item | {"status": "in_progress", "arguments": ""}, item, pieces
        index, led = index + 1, ""


def _reasoning(
    reply: Reply, body: dict[str, Any], item_id: str, manner: ResponsesManner
) -> tuple[dict[str, Any], dict[str, Any], _Pieces]:
    item: dict[str, Any] = {"id": item_id, "type": "reasoning", "summary": [], "status": None}
    sections = reply.reasoning.split("\n\n")
    if reply.reasoning_key == "reasoning_text" or not manner.encrypts:
        content = [{"type": "reasoning_text", "text": section} for section in sections]
        pieces = [
            (f"response.reasoning_text.{kind}", "content_index", at, piece)
            for at, section in enumerate(sections)
            for kind, piece in (*(("delta", word) for word in words(section)), ("done", section))
        ]
        return item, item | {"content": content}, pieces
    # The API returns summaries of the reasoning only on request.
    shown = sections if (body.get("reasoning") or {}).get("summary") else []
    done = item | {"content": None, "summary": [{"type": "summary_text", "text": section} for section in shown]}
    if "reasoning.encrypted_content" in (body.get("include") or ()):
        item = item | {"encrypted_content": "gAAAA-unfinished"}
        done["encrypted_content"] = encrypted(item_id, "\n\n".join(shown), manner.server)
    return (
        item,
        done,
        [(_SUMMARY, "summary_index", at, piece) for at, text in enumerate(shown) for piece in words(text)],
    )


def _response(model: str, status: str) -> dict[str, Any]:
    response = {"id": "resp_fake", "object": "response", "created_at": 1, "model": model, "status": status}
    return response | {"output": [], "error": None, "incomplete_details": None, "usage": None}


def _usage(reply: Reply) -> dict[str, Any] | None:
    if reply.usage == "none":
        return None
    usage: dict[str, Any] = {
        "input_tokens": reply.input_tokens,
        "output_tokens": reply.output_tokens,
        "total_tokens": reply.input_tokens + reply.output_tokens,
    }
    if reply.usage == "full":
        usage["input_tokens_details"] = {
            "cached_tokens": reply.cached_tokens,
            "cache_write_tokens": reply.cache_write_tokens,
        }
        usage["output_tokens_details"] = {"reasoning_tokens": reply.reasoning_tokens}
    return usage
