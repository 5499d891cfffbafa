"""Messages as the AI SDK's clients keep them (`UIMessage`): a user's, and an answer put together from its chunks. Pure.

Rule: an answer is put together as `ai` itself does it, so a conversation that is loaded is the one that was streamed.
"""

from typing import Any, Final

from perdure.gateway.projections.ai_sdk_chunks import Chunk, file_url
from perdure.gateway.projections.ai_sdk_ids import user_id
from perdure.temporal.sessions.json_bytes import rfc3339
from perdure.workflows.vocabulary.parts import Data, File, Message, Text
from perdure.workflows.vocabulary.question_events import ApprovalResolved

UIMessage = dict[str, Any]

#: States of a call, by the chunk that tells of it.
_STATES: Final = {
    "tool-input-start": "input-streaming",
    "tool-input-available": "input-available",
    "tool-output-available": "output-available",
    "tool-output-error": "output-error",
}


def user_message(message: Message, session_id: str) -> UIMessage:
    parts: list[dict[str, Any]] = []
    for part in message.parts:
        match part:
            case Text():
                parts.append({"type": "text", "text": part.text})
            case File():
                url = file_url(part.uri, session_id)
                parts.append({"type": "file", "url": url, "mediaType": part.media_type, "filename": part.name})
            case Data():
                parts.append({"type": f"data-{part.name}", "data": part.value})
            case _:
                pass
    told = {"createdAt": rfc3339(message.at)} | ({} if message.turn_id is None else {"turnId": message.turn_id})
    return {"id": user_id(message.id), "role": "user", "metadata": told, "parts": parts}


class AnswerMessage:
    """An answer, as far as its chunks have told it."""

    def __init__(self) -> None:
        self.id = ""
        self.metadata: dict[str, Any] = {}
        self.parts: list[dict[str, Any]] = []
        self._speaks: dict[tuple[str, str], dict[str, Any]] = {}

    def add(self, made: list[Chunk]) -> None:
        for chunk in made:
            self._add(chunk)

    def json(self) -> UIMessage:
        return {"id": self.id, "role": "assistant", "metadata": self.metadata, "parts": self.parts}

    def allow(self, call_id: str, approval: ApprovalResolved) -> None:
        """How a question whether a call may run was answered, which no chunk tells."""
        part = self._call(call_id)
        if part["state"] in ("output-available", "output-error", "output-denied"):
            reason = {} if approval.reason is None else {"reason": approval.reason}
            part["approval"] = {"id": approval.question_id, "approved": approval.approved, **reason}

    def _add(self, chunk: Chunk) -> None:
        kind: str = chunk["type"]
        self.metadata = {**self.metadata, **chunk.get("messageMetadata", {})}
        if kind == "start":
            self.id = chunk["messageId"]
        elif kind == "start-step":
            self.parts.append({"type": "step-start"})
        elif kind == "finish-step":
            self._speaks = {}
        elif kind in ("file", "source-url"):
            self.parts.append(chunk)
        elif kind.startswith(("text-", "reasoning-")):
            spoken, _, what = kind.partition("-")
            self._speak(spoken, what, chunk)
        elif kind.startswith("tool-"):
            self._called(kind, chunk)
        elif kind.startswith("data-") and not chunk.get("transient"):
            for part in self.parts:
                if part["type"] == kind and part.get("id") == chunk["id"]:
                    part["data"] = chunk["data"]
                    return
            self.parts.append(dict(chunk))

    def _speak(self, kind: str, what: str, chunk: Chunk) -> None:
        key = kind, chunk["id"]
        if what == "start":
            named = {"id": chunk["id"]} if kind == "reasoning" else {}
            part = {"type": kind, **named, "text": "", "state": "streaming"}
            self._speaks[key] = part
            self.parts.append(part)
        elif what == "delta":
            self._speaks[key]["text"] += chunk["delta"]
        else:
            self._speaks.pop(key)["state"] = "done"

    def _called(self, kind: str, chunk: Chunk) -> None:
        call_id = chunk["toolCallId"]
        if kind == "tool-input-delta":
            # What a call is given counts once it is whole.
            return
        if kind == "tool-input-start":
            made = {"type": "dynamic-tool", "toolName": chunk["toolName"], "toolCallId": call_id}
            made["state"] = "input-streaming"
            for place in range(len(self.parts) - 1, -1, -1):
                if self.parts[place]["type"] == "step-start":
                    break
                if self.parts[place].get("toolCallId") == call_id:
                    self.parts[place] = made
                    return
            self.parts.append(made)
            return
        part = self._call(call_id)
        if kind == "tool-approval-request":
            part |= {"state": "approval-requested", "approval": {"id": chunk["approvalId"]}}
        elif kind == "tool-output-denied":
            part["state"] = "output-denied"
        else:
            part["state"] = _STATES[kind]
            if kind != "tool-output-available" and kind != "tool-output-error":
                part.pop("approval", None)
            part |= {
                name: chunk[name] for name in ("input", "output", "errorText", "providerExecuted") if name in chunk
            }

    def _call(self, call_id: str) -> dict[str, Any]:
        """The call's last part."""
        return next(part for part in reversed(self.parts) if part.get("toolCallId") == call_id)
