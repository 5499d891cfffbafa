"""A response as a chat completion, for clients that know nothing else. Pure.

Text and reasoning only: tools run on workers and are not shown, and what an agent asks is told in words.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from perdure.gateway.projections.openai_step import StreamEvent

_LENGTH: Final = {"max_output_tokens": "length", "content_filter": "content_filter"}
_BETWEEN: Final = "\n\n"


@dataclass(slots=True)
class ChatChunks:
    """Give it the events of a response, in order."""

    id: str
    model: str
    include_usage: bool = False
    _created: int = 0
    #: The last item that said something.
    _item: str | None = None

    def take(self, event: StreamEvent) -> Iterator[dict[str, Any]]:
        """The pieces to be sent because of it. One with `error` is the last."""
        match event["type"]:
            case "response.created":
                self._created = int(event["response"]["created_at"])
                yield self._chunk({"role": "assistant", "content": ""})
            case "response.output_text.delta":
                between = _BETWEEN if self._item not in (None, event["item_id"]) else ""
                self._item = event["item_id"]
                yield self._chunk({"content": between + event["delta"]})
            case "response.reasoning_summary_text.delta":
                yield self._chunk({"reasoning_content": event["delta"]})
            case "response.completed" | "response.incomplete" | "response.failed":
                yield from self._last(event["response"])
            case _:
                pass

    def _last(self, response: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if response["status"] == "failed":
            yield {"error": failure(response)}
            return
        if note := waiting_note(response):
            yield self._chunk({"content": (_BETWEEN if self._item else "") + note})
        yield self._chunk({}, finish_reason(response))
        if self.include_usage:
            yield {**self._head("chat.completion.chunk"), "choices": [], "usage": chat_usage(response)}

    def _chunk(self, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        more = {"usage": None} if self.include_usage else {}
        return {**self._head("chat.completion.chunk"), "choices": [choice], **more}

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self._created, "model": self.model}


def completion(response: dict[str, Any], id: str) -> dict[str, Any]:  # noqa: A002
    """The whole answer; of a response that did not fail."""
    texts = [part["text"] for item in response["output"] if item["type"] == "message" for part in item["content"]]
    thoughts = [part["text"] for item in response["output"] if item["type"] == "reasoning" for part in item["summary"]]
    note = waiting_note(response)
    message: dict[str, Any] = {"role": "assistant", "content": _BETWEEN.join([*texts, *([note] if note else [])])}
    message["refusal"] = None
    if thoughts:
        message["reasoning_content"] = _BETWEEN.join(thoughts)
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason(response)}
    head = {"id": id, "object": "chat.completion", "created": int(response["created_at"]), "model": response["model"]}
    return {**head, "choices": [choice], "usage": chat_usage(response)}


def finish_reason(response: dict[str, Any]) -> str:
    details = response["incomplete_details"] or {}
    return _LENGTH.get(details.get("reason", ""), "stop")


def waiting_note(response: dict[str, Any]) -> str:
    """What the agent waits for, in words for whoever reads the answer; empty where it has ended its turn."""
    metadata = response["metadata"]
    if "next_response_id" not in metadata and response["status"] not in ("queued", "in_progress"):
        return ""
    where = f"session {metadata['session_id']}"
    if response["status"] == "queued":
        return f"(Not begun yet: in {where}, the message waits behind what was said or asked before.)"
    if response["status"] == "in_progress":
        return f"(Not finished yet: the answer goes on in {where}.)"
    asked = [item for item in response["output"] if item["type"] in ("function_call", "mcp_approval_request")]
    words = [f"{item['name']} {item['arguments']}" for item in asked]
    if "question" in metadata:
        words.append(metadata["question"])
    return f"(Waiting for an answer at {where}: {'; '.join(words) or metadata.get('question_kind', 'a question')})"


def failure(response: dict[str, Any]) -> dict[str, Any]:
    """The `error` of OpenAI's envelope."""
    error = response["error"] or {}
    kind = "rate_limit_error" if error.get("code") == "rate_limit_exceeded" else "server_error"
    message = error.get("message", "The turn failed.")
    return {"message": message, "type": kind, "param": None, "code": response["metadata"].get("reason")}


def chat_usage(response: dict[str, Any]) -> dict[str, Any] | None:
    usage = response["usage"]
    if usage is None:
        return None
    return {
        "prompt_tokens": usage["input_tokens"],
        "completion_tokens": usage["output_tokens"],
        "total_tokens": usage["total_tokens"],
        "prompt_tokens_details": {"cached_tokens": usage["input_tokens_details"]["cached_tokens"]},
        "completion_tokens_details": {"reasoning_tokens": usage["output_tokens_details"]["reasoning_tokens"]},
    }
