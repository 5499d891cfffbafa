"""AG-UI's events as JSON objects. Pure.

Rule: a field that has nothing to say is absent. AG-UI's clients refuse null, and warn of fields that they do not know.
Source: AG-UI protocol 1.0.
"""

from typing import Any, Final

PROTOCOL: Final = "1.0"

AgUiEvent = dict[str, Any]


def run_started(thread_id: str, run_id: str, parent_run_id: str | None = None) -> AgUiEvent:
    ids = {"threadId": thread_id, "runId": run_id}
    parent = {} if parent_run_id is None else {"parentRunId": parent_run_id}
    return {"type": "RUN_STARTED", **ids, **parent, "protocolVersion": PROTOCOL}


def run_finished(
    thread_id: str, run_id: str, outcome: dict[str, Any], result: dict[str, Any], usage: list[dict[str, Any]]
) -> AgUiEvent:
    more = {name: value for name, value in (("result", result), ("usage", usage)) if value}
    return {"type": "RUN_FINISHED", "threadId": thread_id, "runId": run_id, "outcome": outcome, **more}


def run_error(message: str, code: str, usage: list[dict[str, Any]]) -> AgUiEvent:
    return {"type": "RUN_ERROR", "message": message, "code": code, **({"usage": usage} if usage else {})}


def step_started(name: str, model: str | None = None) -> AgUiEvent:
    metadata = {} if model is None else {"metadata": {"model": model}}
    return {"type": "STEP_STARTED", "stepName": name, **metadata}


def step_finished(name: str) -> AgUiEvent:
    return {"type": "STEP_FINISHED", "stepName": name}


def text_start(message_id: str, role: str = "assistant") -> AgUiEvent:
    return {"type": "TEXT_MESSAGE_START", "messageId": message_id, "role": role}


def text_content(message_id: str, delta: str) -> AgUiEvent:
    return {"type": "TEXT_MESSAGE_CONTENT", "messageId": message_id, "delta": delta}


def text_end(message_id: str) -> AgUiEvent:
    return {"type": "TEXT_MESSAGE_END", "messageId": message_id}


def reasoning_start(message_id: str) -> list[AgUiEvent]:
    span = {"type": "REASONING_START", "messageId": message_id}
    return [span, {"type": "REASONING_MESSAGE_START", "messageId": message_id, "role": "reasoning"}]


def reasoning_content(message_id: str, delta: str) -> AgUiEvent:
    return {"type": "REASONING_MESSAGE_CONTENT", "messageId": message_id, "delta": delta}


def reasoning_end(message_id: str) -> list[AgUiEvent]:
    span = {"type": "REASONING_END", "messageId": message_id}
    return [{"type": "REASONING_MESSAGE_END", "messageId": message_id}, span]


def call_start(call_id: str, name: str, message_id: str) -> AgUiEvent:
    return {"type": "TOOL_CALL_START", "toolCallId": call_id, "toolCallName": name, "parentMessageId": message_id}


def call_args(call_id: str, delta: str) -> AgUiEvent:
    return {"type": "TOOL_CALL_ARGS", "toolCallId": call_id, "delta": delta}


def call_end(call_id: str) -> AgUiEvent:
    return {"type": "TOOL_CALL_END", "toolCallId": call_id}


def call_result(message: dict[str, Any]) -> AgUiEvent:
    """`message` is AG-UI's, of the role `tool`."""
    told = {"messageId": message["id"], "toolCallId": message["toolCallId"], "content": message["content"]}
    metadata = {"metadata": message["metadata"]} if "metadata" in message else {}
    return {"type": "TOOL_CALL_RESULT", **told, "role": "tool", **metadata}


def state(snapshot: dict[str, Any]) -> AgUiEvent:
    return {"type": "STATE_SNAPSHOT", "snapshot": snapshot}


def messages(all_of_them: list[dict[str, Any]]) -> AgUiEvent:
    return {"type": "MESSAGES_SNAPSHOT", "messages": all_of_them}


def custom(name: str, value: Any) -> AgUiEvent:
    return {"type": "CUSTOM", "name": name, "value": value}


def subagent_started(session_id: str, name: str, call_id: str) -> AgUiEvent:
    return {"type": "SUBAGENT_STARTED", "subagentRunId": session_id, "name": name, "parentToolCallId": call_id}


def subagent_finished(session_id: str, interrupts: list[str] | None = None) -> AgUiEvent:
    """`interrupts`: it is not over, but waits for these."""
    outcome: dict[str, Any] = {"type": "success"}
    if interrupts is not None:
        outcome = {"type": "suspended", "interruptIds": interrupts}
    return {"type": "SUBAGENT_FINISHED", "subagentRunId": session_id, "outcome": outcome}


def subagent_error(session_id: str, message: str, code: str) -> AgUiEvent:
    return {"type": "SUBAGENT_ERROR", "subagentRunId": session_id, "message": message, "code": code}
