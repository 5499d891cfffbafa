"""What the fake provider writes on the wire in the frames of Chat Completions, in the manner of each server. Pure, and
lazy like `replies`."""

from collections.abc import Iterator
from typing import Any

from perdure.temporal.app.fakes.chat_usage import last_members, usage_chunk
from perdure.temporal.app.fakes.manners import ChatManner
from perdure.temporal.app.fakes.replies import Frame, Reply, Stream, data_line, fragments, stamp, words
from perdure.temporal.app.fakes.seals import seal


def chat_stream(reply: Reply, body: dict[str, Any], manner: ChatManner) -> Stream:
    head = {"id": "chatcmpl-fake", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}

    def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
        return data_line(head | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish, **more}]})

    if manner.filters:
        yield Frame(
            data_line({"id": "", "model": "", "choices": [], "prompt_filter_results": [_filtered(prompt_index=0)]})
        )
    yield Frame(chunk({"role": "assistant", "content": ""}))
    pause = reply.first_token
    for kind, text in (("reasoning", reply.reasoning), ("refusal", reply.refusal), ("content", reply.text)):
        for piece in words(text) if kind != "content" or not reply.refusal else []:
            yield pause
            token = stamp() if reply.stamped and kind == "content" else piece
            if delta := _said(kind, token, reply, manner):
                yield Frame(chunk(delta), token)
            pause = reply.gap
        if text and kind == "reasoning" and manner.details:
            signed = {"type": "reasoning.text", "signature": seal(manner.server, text), "format": "fake", "index": 0}
            yield Frame(chunk({"reasoning_details": [signed]}))
    if manner.filters:
        # Azure reports on the filter in a choice of its own, which has no delta.
        choice = {"index": 0, "finish_reason": None, **_filtered(), "content_filter_offsets": {"check_offset": 0}}
        yield Frame(data_line({"id": "", "model": "", "choices": [choice]}))
    for index in range(len(reply.tools)):
        for delta, fragment in _call(index, reply, body, manner):
            if fragment is not None:
                yield pause
                pause = reply.gap
            yield Frame(chunk({"tool_calls": [delta]}), fragment)
    finish = ("tool_calls" if reply.tools else "stop") if reply.stop is None else reply.stop or None
    of_choice, of_chunk = last_members(reply, manner)
    last = {"choices": [{"index": 0, "delta": {}, "finish_reason": finish, **of_choice}]}
    yield Frame(data_line(head | last | of_chunk), terminal=True)
    asked = bool((body.get("stream_options") or {}).get("include_usage"))
    if usage := usage_chunk(reply, manner) if asked else None:
        yield Frame(data_line(head | {"choices": [], "usage": usage}))
    yield Frame(b"data: [DONE]\n\n")


def _said(kind: str, token: str, reply: Reply, manner: ChatManner) -> dict[str, Any]:
    """The delta that holds the token; empty where the server does not show it."""
    if manner.lists and kind != "refusal":
        text = {"type": "text", "text": token}
        return {"content": [{"type": "thinking", "thinking": [text]} if kind == "reasoning" else text]}
    if kind != "reasoning":
        return {kind: token}
    key = reply.reasoning_key if manner.reasoning_key is None else manner.reasoning_key
    if not key:
        return {}
    details = [{"type": "reasoning.text", "text": token, "format": "fake", "index": 0}] if manner.details else []
    return {key: token} | ({"reasoning_details": details} if details else {})


def _call(
    index: int, reply: Reply, body: dict[str, Any], manner: ChatManner
) -> Iterator[tuple[dict[str, Any], str | None]]:
    """The deltas of a call, and the token in each."""
    name, args = reply.tools[index]
    place = {"index": 0 if manner.one_index else index}
    first: dict[str, Any] = place | {"type": "function", "function": {"name": name, "arguments": ""}}
    if manner.call_ids is not None:
        first["id"] = manner.call_ids.make(manner.server, reply.reasoning, len(body["messages"]), name, index)
    elif reply.call_id:
        first["id"] = reply.call_id.format(n=index + 1)
    if manner.signs_calls and index == 0:
        first["extra_content"] = {"google": {"thought_signature": seal(manner.server, first["id"])}}
    if reply.arguments == "whole":
        first["function"]["arguments"] = args
    if manner.whole_calls:
        first["function"]["arguments"] = "".join(fragments(args))
    yield first, None
    for piece in fragments(args) if reply.arguments == "fragments" and not manner.whole_calls else []:
        yield place | {"function": {"arguments": piece}}, piece


def _filtered(**more: Any) -> dict[str, Any]:
    return more | {"content_filter_results": {"hate": {"filtered": False, "severity": "safe"}}}
