"""A session's conversation as AG-UI's messages. Pure.

Rule: a message is the same whether a client put it together from events, or was sent it whole (`MESSAGES_SNAPSHOT`).
A step is one assistant message with the step's id; each of its reasoning parts is a message of its own.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, Final

import orjson

from perdure.gateway.projections import ag_ui_events as events
from perdure.gateway.projections.ag_ui_events import AgUiEvent
from perdure.temporal.sessions.event_json import message_json
from perdure.temporal.sessions.json_bytes import to_json
from perdure.temporal.sessions.sealed import Shown
from perdure.workflows.vocabulary.parts import Message, is_reserved_data

AgUiMessage = dict[str, Any]

#: Of JSON in one event: AG-UI's clients give up at 10 MiB.
MOST_BYTES: Final = 8 * 1024 * 1024
_KINDS: Final = ("image", "audio", "video")


def reasoning_id(step_id: str, number: int) -> str:
    """The id of the `number`th reasoning of a step, counted from 1."""
    return f"{step_id}.r{number}"


def native(message: Message | Shown) -> dict[str, Any]:
    """A message as the session's routes show it."""
    found: dict[str, Any] = orjson.loads(message.json if isinstance(message, Shown) else to_json(message_json(message)))
    return found


def is_note(message: Mapping[str, Any]) -> bool:
    """Whether it is the session's own note to its model, which is nobody's message."""
    parts = message["parts"]
    return bool(parts) and all(part["type"] == "data" and is_reserved_data(part["name"]) for part in parts)


def open_calls(messages: Sequence[Mapping[str, Any]], turn_id: str | None) -> dict[str, str]:
    """The calls of a turn that have no result yet, and their names. `messages` are as the session's routes show them."""
    parts = [(message["turn_id"], part) for message in messages for part in message["parts"]]
    done = {part["call_id"] for _, part in parts if part["type"] == "tool_result"}
    return {
        part["call_id"]: part["name"]
        for turn, part in parts
        if part["type"] == "tool_call" and turn == turn_id and part["call_id"] not in done
    }


class Conversation:
    """AG-UI's messages in the order in which a client has them."""

    def __init__(self, begun: Iterable[AgUiMessage] = ()) -> None:
        self.messages: list[AgUiMessage] = []
        for message in begun:
            self.put(message)

    def __contains__(self, message_id: str) -> bool:
        return any(message["id"] == message_id for message in self.messages)

    def add(self, message: Mapping[str, Any], session_id: str) -> list[AgUiMessage]:
        """`message` as the session's routes show it. Returns what was added."""
        made = made_of(message, session_id)
        for one in made:
            self.put(one)
        return made

    def put(self, message: AgUiMessage) -> None:
        """A tool's result stands behind the message with its call, as clients put it."""
        place = len(self.messages)
        if message["role"] == "tool":
            for at, other in enumerate(self.messages):
                if any(call["id"] == message["toolCallId"] for call in other.get("toolCalls") or ()):
                    place = at + 1
                    while place < len(self.messages) and self.messages[place]["role"] == "tool":
                        place += 1
                    break
        self.messages.insert(place, message)


def made_of(message: Mapping[str, Any], session_id: str) -> list[AgUiMessage]:
    """The messages that a message of a session is, none where it holds nothing that AG-UI shows. `message` is as the
    session's routes show it."""
    if is_note(message):
        return []
    match message["role"]:
        case "user":
            return [{"id": message["id"], "role": "user", "content": _content(message["parts"], session_id)}]
        case "tool":
            return [tool_message(part) for part in message["parts"] if part["type"] == "tool_result"]
        case _:
            return said(message["id"], message["parts"])


def said(step_id: str, parts: Iterable[Mapping[str, Any]]) -> list[AgUiMessage]:
    """The messages of a model's answer. A call's `args` may also be text, as far as they were streamed."""
    found: list[AgUiMessage] = []
    answer: AgUiMessage = {"id": step_id, "role": "assistant"}
    reasoned = 0
    for part in parts:
        match part["type"]:
            case "reasoning" if part["text"].strip():
                reasoned += 1
                made = {"id": reasoning_id(step_id, reasoned), "role": "reasoning", "content": part["text"]}
                found.append(made)
                continue
            case "text" if part["text"].strip():
                answer["content"] = answer.get("content", "") + part["text"]
            case "tool_call":
                args = part["args"] if isinstance(part["args"], str) else to_json(part["args"]).decode()
                function = {"name": part["name"], "arguments": args}
                answer.setdefault("toolCalls", []).append(
                    {"id": part["call_id"], "type": "function", "function": function}
                )
            case _:
                continue
        if answer not in found:
            found.append(answer)
    return found


def tool_message(result: Mapping[str, Any]) -> AgUiMessage:
    """`result` is a part `tool_result`."""
    output = result["output"]
    content = output if isinstance(output, str) else to_json(output).decode()
    made = {"id": result["call_id"], "role": "tool", "toolCallId": result["call_id"], "content": content}
    return {**made, "metadata": {"isError": True}} if result["is_error"] else made


def without_reasoning(messages: list[AgUiMessage], taken_back: Set[str]) -> list[AgUiMessage]:
    """All messages for clients that have reasoning of these ids. Clients keep reasoning where there is none among the
    messages, so it is emptied then."""
    if any(message["role"] == "reasoning" for message in messages):
        return messages
    return [*messages, *({"id": name, "role": "reasoning", "content": ""} for name in sorted(taken_back))]


def all_anew(messages: Sequence[AgUiMessage]) -> list[AgUiEvent]:
    """The event that gives clients all messages. Of a conversation that is larger than clients take (`MOST_BYTES`), only the
    newest are given, and it is said how many are left out."""
    room, first = MOST_BYTES, len(messages)
    while first and (room := room - len(to_json(messages[first - 1]))) >= 0:
        first -= 1
    # A result is nothing without its call.
    while 0 < first < len(messages) and messages[first]["role"] == "tool":
        first += 1
    made = [events.messages(list(messages[first:]))]
    return [*made, events.custom("left_out", {"messages": first})] if first else made


def file_url(uri: str, session_id: str) -> str:
    """Where clients get a file: its own address, or the gateway's route, without its host."""
    if "://" in uri or uri.startswith("data:"):
        return uri
    return f"/v1/sessions/{session_id}/files/{uri.rpartition('/')[2]}"


def _content(parts: list[dict[str, Any]], session_id: str) -> str | list[dict[str, Any]]:
    shown = [_part(part, session_id) for part in parts if part["type"] in ("text", "file", "data")]
    if len(shown) == 1 and shown[0]["type"] == "text":
        return str(shown[0]["text"])
    return shown


def _part(part: dict[str, Any], session_id: str) -> dict[str, Any]:
    match part["type"]:
        case "text":
            return {"type": "text", "text": part["text"]}
        case "file":
            kind = part["media_type"].partition("/")[0]
            source = {"type": "url", "value": file_url(part["uri"], session_id), "mimeType": part["media_type"]}
            return {"type": kind if kind in _KINDS else "document", "source": source}
        case _:
            return {"type": "text", "text": to_json({part["name"]: part["value"]}).decode()}
