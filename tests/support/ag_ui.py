"""A client of AG-UI 1.0 as far as tests need one: the rules of its verifier, and how events become messages.

Written after `@ag-ui/client` 1.0; `test_ag_ui_client.py` drives the real one.
"""

import copy
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson

#: The fields of each event: those that it must have, and those that it may have.
FIELDS: dict[str, tuple[set[str], set[str]]] = {
    "RUN_STARTED": ({"threadId", "runId"}, {"parentRunId", "protocolVersion", "input"}),
    "RUN_FINISHED": ({"threadId", "runId"}, {"result", "outcome", "usage"}),
    "RUN_ERROR": ({"message"}, {"code", "usage"}),
    "STEP_STARTED": ({"stepName"}, set()),
    "STEP_FINISHED": ({"stepName"}, set()),
    "TEXT_MESSAGE_START": ({"messageId"}, {"role", "name"}),
    "TEXT_MESSAGE_CONTENT": ({"messageId", "delta"}, set()),
    "TEXT_MESSAGE_END": ({"messageId"}, set()),
    "REASONING_START": ({"messageId"}, set()),
    "REASONING_END": ({"messageId"}, set()),
    "REASONING_MESSAGE_START": ({"messageId", "role"}, set()),
    "REASONING_MESSAGE_CONTENT": ({"messageId", "delta"}, set()),
    "REASONING_MESSAGE_END": ({"messageId"}, set()),
    "TOOL_CALL_START": ({"toolCallId", "toolCallName"}, {"parentMessageId"}),
    "TOOL_CALL_ARGS": ({"toolCallId", "delta"}, set()),
    "TOOL_CALL_END": ({"toolCallId"}, set()),
    "TOOL_CALL_RESULT": ({"messageId", "toolCallId", "content"}, {"role"}),
    "STATE_SNAPSHOT": ({"snapshot"}, set()),
    "MESSAGES_SNAPSHOT": ({"messages"}, set()),
    "CUSTOM": ({"name", "value"}, set()),
    "SUBAGENT_STARTED": ({"subagentRunId", "name"}, {"parentToolCallId"}),
    "SUBAGENT_FINISHED": ({"subagentRunId"}, {"outcome"}),
    "SUBAGENT_ERROR": ({"subagentRunId", "message"}, {"code"}),
}
#: What is opened by the first and closed by the second of these, each by the field that names it.
_PAIRS = {
    "TEXT_MESSAGE": ("TEXT_MESSAGE_START", "TEXT_MESSAGE_END", "messageId"),
    "REASONING": ("REASONING_START", "REASONING_END", "messageId"),
    "REASONING_MESSAGE": ("REASONING_MESSAGE_START", "REASONING_MESSAGE_END", "messageId"),
    "TOOL_CALL": ("TOOL_CALL_START", "TOOL_CALL_END", "toolCallId"),
    "STEP": ("STEP_STARTED", "STEP_FINISHED", "stepName"),
    "SUBAGENT": ("SUBAGENT_STARTED", "SUBAGENT_FINISHED", "subagentRunId"),
}
_GOES_ON = {
    "TEXT_MESSAGE_CONTENT": "TEXT_MESSAGE",
    "REASONING_MESSAGE_CONTENT": "REASONING_MESSAGE",
    "TOOL_CALL_ARGS": "TOOL_CALL",
}


def verify(events: list[dict[str, Any]], *, is_whole: bool = True) -> None:
    """Fails where the real client would refuse the stream, warn of it, or take it for the end of the run where it is none.
    `is_whole`: the stream was not cut."""
    opened: dict[str, set[str]] = {kind: set() for kind in _PAIRS}
    assert events[0]["type"] == "RUN_STARTED"
    for place, event in enumerate(events):
        kind = event["type"]
        needed, allowed = FIELDS[kind]
        assert needed <= event.keys() <= needed | allowed | {"type", "metadata"}, event
        assert None not in event.values(), event
        assert kind != "RUN_STARTED" or place == 0
        assert kind not in ("RUN_FINISHED", "RUN_ERROR") or place == len(events) - 1, "something follows the end"
        for family, (start, end, name) in _PAIRS.items():
            if kind == start:
                assert event[name] not in opened[family], event
                opened[family].add(event[name])
            elif kind == end or (kind == "SUBAGENT_ERROR" and family == "SUBAGENT"):
                assert event[name] in opened[family], event
                opened[family].remove(event[name])
        if kind in _GOES_ON:
            family = _GOES_ON[kind]
            assert event[_PAIRS[family][2]] in opened[family], event
        if kind == "RUN_FINISHED":
            assert {family: names for family, names in opened.items() if names} == {}
            _outcome(event["outcome"])
        if kind == "MESSAGES_SNAPSHOT":
            ids = [message["id"] for message in event["messages"]]
            assert len(ids) == len(set(ids))
    if is_whole:
        assert events[-1]["type"] in ("RUN_FINISHED", "RUN_ERROR")


def _outcome(outcome: dict[str, Any]) -> None:
    assert outcome["type"] in ("success", "interrupt", "cancelled")
    if outcome["type"] == "interrupt":
        assert outcome["interrupts"]
        for one in outcome["interrupts"]:
            assert {"id", "reason"} <= one.keys()
            assert one.keys() <= {"id", "reason", "message", "toolCallId", "responseSchema", "expiresAt", "metadata"}
            assert None not in one.values()


@dataclass
class Client:
    messages: list[dict[str, Any]] = field(default_factory=list)
    state: Any = None
    interrupts: list[dict[str, Any]] = field(default_factory=list)

    def apply(self, events: Iterable[dict[str, Any]]) -> "Client":
        for event in copy.deepcopy(list(events)):
            self._apply(event)
        return self

    @property
    def told(self) -> list[dict[str, Any]]:
        """The messages, with the arguments of calls as values: a model's own spelling of them is not the session's."""
        shown = copy.deepcopy(self.messages)
        for message in shown:
            for call in message.get("toolCalls", ()):
                call["function"]["arguments"] = orjson.loads(call["function"]["arguments"] or "{}")
        return shown

    def _apply(self, event: dict[str, Any]) -> None:
        match event:
            case {"type": "TEXT_MESSAGE_START", "messageId": name, "role": role}:
                if self._find(name) is None:
                    self.messages.append({"id": name, "role": role, "content": ""})
            case {"type": "REASONING_MESSAGE_START", "messageId": name}:
                if self._find(name) is None:
                    self.messages.append({"id": name, "role": "reasoning", "content": ""})
            case {"type": "TEXT_MESSAGE_CONTENT" | "REASONING_MESSAGE_CONTENT", "messageId": name, "delta": delta}:
                message = self._find(name)
                assert message is not None
                message["content"] = message.get("content", "") + delta
            case {"type": "TOOL_CALL_START"}:
                self._begin_call(event)
            case {"type": "TOOL_CALL_ARGS", "toolCallId": name, "delta": delta}:
                self._call(name)["function"]["arguments"] += delta
            case {"type": "TOOL_CALL_RESULT"}:
                self._put_result(event)
            case {"type": "STATE_SNAPSHOT", "snapshot": snapshot}:
                self.state = snapshot
            case {"type": "MESSAGES_SNAPSHOT", "messages": messages}:
                self._merge(messages)
            case {"type": "RUN_FINISHED", "outcome": outcome}:
                self.interrupts = outcome.get("interrupts", [])
            case _:
                pass

    def _find(self, name: str) -> dict[str, Any] | None:
        return next((message for message in self.messages if message["id"] == name), None)

    def _calls(self) -> Iterable[dict[str, Any]]:
        return (call for message in self.messages for call in message.get("toolCalls", ()))

    def _call(self, name: str) -> dict[str, Any]:
        return next(call for call in self._calls() if call["id"] == name)

    def _begin_call(self, event: dict[str, Any]) -> None:
        if any(call["id"] == event["toolCallId"] for call in self._calls()):
            return
        message = self._find(event["parentMessageId"])
        if message is None:
            message = {"id": event["parentMessageId"], "role": "assistant"}
            self.messages.append(message)
        assert message["role"] == "assistant"
        function = {"name": event["toolCallName"], "arguments": ""}
        message.setdefault("toolCalls", []).append(
            {"id": event["toolCallId"], "type": "function", "function": function}
        )

    def _put_result(self, event: dict[str, Any]) -> None:
        made = {
            "id": event["messageId"],
            "toolCallId": event["toolCallId"],
            "role": "tool",
            "content": event["content"],
        }
        if "metadata" in event:
            made["metadata"] = event["metadata"]
        place = len(self.messages)
        for at, message in enumerate(self.messages):
            if any(call["id"] == event["toolCallId"] for call in message.get("toolCalls", ())):
                place = at + 1
                while place < len(self.messages) and self.messages[place]["role"] == "tool":
                    place += 1
                break
        self.messages.insert(place, made)

    def _merge(self, given: list[dict[str, Any]]) -> None:
        by_id = {message["id"]: message for message in given}
        reasons = any(message["role"] == "reasoning" for message in given)
        kept = [
            by_id.get(message["id"], message)
            for message in self.messages
            if message["id"] in by_id or (message["role"] == "reasoning" and not reasons)
        ]
        ids = {message["id"] for message in kept}
        self.messages = [*kept, *(message for message in given if message["id"] not in ids)]
