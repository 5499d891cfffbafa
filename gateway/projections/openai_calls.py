"""Tool calls and what people are asked, as output items of OpenAI's Responses API. Pure.

| what the agent does | item | who acts on it |
|---|---|---|
| calls a tool that the app runs (`client:`) | `function_call` | the caller, with `function_call_output` |
| asks whether a call may run | `mcp_approval_request` | the caller, with `mcp_approval_response` |
| calls any other tool | `mcp_call`, with its result | nobody: it ran on a worker |
"""

from collections.abc import Iterator
from typing import Any, Final

from pydantic import JsonValue

from perdure.gateway.projections.openai_step import StreamEvent
from perdure.temporal.sessions.json_bytes import to_json
from perdure.workflows.vocabulary.parts import ToolResult
from perdure.workflows.vocabulary.questions import Question

#: What stands where OpenAI names an MCP server: the tools are the agent's.
SERVER_LABEL: Final = "perdure"
_APPROVAL: Final = "mcpr_"


def approval_id(mark: str, question_id: str) -> str:
    """The id of the item that asks; `mark` tells the session from others."""
    return f"{_APPROVAL}{mark}_{question_id}"


def is_function(question: Question) -> bool:
    """Whether a client's program can answer it as the result of a function."""
    return question.kind == "input" and question.subject == "call" and question.form == "result"


def is_told(question: Question) -> bool:
    """Whether an item asks it: a caller that knows only OpenAI's API can answer it."""
    return is_function(question) or (question.kind == "approval" and question.subject == "call")


def function_item(mark: str, question: Question) -> dict[str, Any]:
    return {
        "type": "function_call",
        "id": f"fc_{mark}_{question.call_id}",
        "call_id": question.call_id,
        "name": question.name,
        "arguments": _text(question.args or {}),
        "status": "completed",
    }


def approval_item(mark: str, question: Question) -> dict[str, Any]:
    return {
        "type": "mcp_approval_request",
        "id": approval_id(mark, question.question_id),
        "server_label": SERVER_LABEL,
        "name": question.name,
        "arguments": _text(question.args or {}),
    }


def call_item(
    mark: str, call_id: str, name: str, args: dict[str, JsonValue], approval: str | None = None
) -> dict[str, Any]:
    """A call that runs; `approval` is the id of the item that asked whether it may."""
    return {
        "type": "mcp_call",
        "id": f"mcp_{mark}_{call_id}",
        "server_label": SERVER_LABEL,
        "name": name,
        "arguments": _text(args),
        "status": "in_progress",
        "output": None,
        "error": None,
        "approval_request_id": approval,
    }


def called_item(item: dict[str, Any], result: ToolResult) -> dict[str, Any]:
    """The call with its result."""
    if not result.is_error:
        return {**item, "status": "completed", "output": _text(result.output)}
    content = [{"type": "text", "text": _words(result.output)}]
    return {**item, "status": "failed", "error": {"type": "mcp_tool_execution_error", "content": content}}


def function_events(item: dict[str, Any], index: int) -> Iterator[StreamEvent]:
    begun = {**item, "arguments": "", "status": "in_progress"}
    yield {"type": "response.output_item.added", "output_index": index, "item": begun}
    where = {"item_id": item["id"], "output_index": index}
    yield {"type": "response.function_call_arguments.delta", **where, "delta": item["arguments"]}
    yield {
        "type": "response.function_call_arguments.done",
        **where,
        "name": item["name"],
        "arguments": item["arguments"],
    }
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def whole_events(item: dict[str, Any], index: int) -> Iterator[StreamEvent]:
    """Of an item that is there at once."""
    yield {"type": "response.output_item.added", "output_index": index, "item": item}
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def call_events(item: dict[str, Any], index: int) -> Iterator[StreamEvent]:
    """A call begins."""
    where = {"item_id": item["id"], "output_index": index}
    yield {"type": "response.output_item.added", "output_index": index, "item": item}
    yield {"type": "response.mcp_call.in_progress", **where}
    yield {"type": "response.mcp_call_arguments.done", **where, "arguments": item["arguments"]}


def called_events(item: dict[str, Any], index: int) -> Iterator[StreamEvent]:
    """A call has ended."""
    ended = "completed" if item["status"] == "completed" else "failed"
    yield {"type": f"response.mcp_call.{ended}", "item_id": item["id"], "output_index": index}
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else to_json(value).decode()


def _words(error: JsonValue) -> str:
    match error:
        case {"type": str(kind), "message": str(message)}:
            return f"{kind}: {message}"
        case _:
            return _text(error)
