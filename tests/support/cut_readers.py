"""Clients of each protocol that may be cut off anywhere, and come again by that protocol's own rule."""

import asyncio
import json
from abc import ABC, abstractmethod
from typing import Any

from perdure.gateway.projections.ai_sdk_message import AnswerMessage
from perdure.gateway.projections.openai_ids import ResponseId
from tests.support.ag_ui import Client, verify
from tests.support.ai_sdk_story import check, shown
from tests.support.cut_lines import Frame, Line, Refused, Request

AGENT = "staged"
MESSAGE = "m1"
SAYS = "Go on."


class Reader(ABC):
    """Reads the first turn of a session. `made`: another client has begun it; else this one's first request does."""

    #: Its stream goes on behind the turn.
    endless = False
    #: It is told everything each time.
    replays = False

    def __init__(self, session: str, *, made: bool) -> None:
        self.session = session
        self.over = False
        #: Whether the gateway has told anything, so that the turn need not be begun again.
        self.heard = asyncio.Event()
        if made:
            self.heard.set()

    @property
    @abstractmethod
    def request(self) -> Request:
        """The next one. It counts as a new connection."""

    @abstractmethod
    def take(self, frame: Frame) -> None: ...

    def refused(self, refused: Refused) -> None:
        """It was not answered with a stream."""
        raise refused

    @abstractmethod
    def ended(self, line: Line) -> None:
        """The connection is gone."""

    @property
    @abstractmethod
    def told(self) -> Any:
        """What the client has in the end: for all clients of the protocol the same."""


class NativeReader(Reader):
    """A session's own events, by `Last-Event-ID`."""

    endless = True

    def __init__(self, session: str, *, made: bool) -> None:
        super().__init__(session, made=made)
        self.events: list[tuple[str, dict[str, Any]]] = []
        #: What has streamed of the open step.
        self._step: str | None = None
        self._attempt = self._n = 0
        self._said: list[dict[str, Any]] = []

    @property
    def request(self) -> Request:
        self._attempt, self._n, self._said = 0, 0, []
        if not self.heard.is_set():
            # Without an answer to it, it is sent again.
            message = {"text": SAYS, "message_id": MESSAGE}
            return Request("/v1/sessions", {"agent": AGENT, "session_id": self.session, "message": message})
        cursor = len(self.events)
        header = {"last-event-id": str(cursor)} if cursor else {}
        return Request(f"/v1/sessions/{self.session}/events", headers=header)

    def take(self, frame: Frame) -> None:
        data = json.loads(frame.data)
        assert frame.type is not None
        if frame.id is None:
            self._take_live(frame.type, data)
            return
        assert int(frame.id) == data["seq"] == len(self.events) + 1
        self.events.append((frame.type, data))
        match frame.type:
            case "step.started":
                self._step, self._attempt, self._n, self._said = data["step_id"], 0, 0, []
            case "step.finished":
                assert data["step_id"] == self._step
                if self._attempt == data["attempt"]:
                    self._compare(data["message"]["parts"])
                self._step = None
            case "turn.finished":
                self.over = True

    def _take_live(self, kind: str, data: dict[str, Any]) -> None:
        assert kind in ("step.delta", "step.snapshot", "step.retrying"), kind
        assert data["step_id"] == self._step
        if kind == "step.retrying":
            return
        assert data["attempt"] >= self._attempt
        if kind == "step.snapshot":
            self._attempt, self._n, self._said = data["attempt"], data["n"], data["parts"]
            return
        assert (data["attempt"], data["n"]) == ((1, 0) if self._attempt == 0 else (self._attempt, self._n))
        self._attempt, self._n = data["attempt"], data["n"] + 1
        if data["part"] == len(self._said):
            self._said.append({"type": data["kind"], "text": ""})
        self._said[data["part"]]["text"] += data["delta"]

    def _compare(self, parts: list[dict[str, Any]]) -> None:
        """What streamed is the beginning of the answer."""
        for said, part in zip(self._said, parts, strict=False):
            if said["type"] == "tool_input":
                assert part["type"] == "tool_call"
            else:
                assert part["type"] == said["type"]
                assert part["text"].startswith(said["text"])

    def refused(self, refused: Refused) -> None:
        if self.heard.is_set() or refused.status not in (200, 201):
            raise refused
        self.heard.set()

    def ended(self, line: Line) -> None:
        # The stream of a session that is open has no end.
        assert not line.whole

    @property
    def told(self) -> Any:
        return self.events


class AiSdkReader(Reader):
    """The answer of a chat, which is told again from its beginning each time."""

    replays = True

    def __init__(self, session: str, *, made: bool) -> None:
        super().__init__(session, made=made)
        self._chunks: list[dict[str, Any]] = []
        self._done = False
        self._ids: set[str] = set()

    @property
    def request(self) -> Request:
        self._chunks, self._done = [], False
        if not self.heard.is_set():
            message = {"id": MESSAGE, "role": "user", "parts": [{"type": "text", "text": SAYS}]}
            body = {"id": self.session, "messages": [message], "trigger": "submit-message"}
            return Request(f"/v1/ai-sdk/{AGENT}", body)
        return Request(f"/v1/ai-sdk/{AGENT}/{self.session}/stream")

    def take(self, frame: Frame) -> None:
        assert not self._done
        if frame.data == "[DONE]":
            self._done = True
            return
        chunk = json.loads(frame.data)
        assert chunk["type"] == "start" or self._chunks, "a replay begins with `start`"
        self._chunks.append(chunk)
        if chunk["type"] == "start":
            self.heard.set()
            self._ids.add(chunk["messageId"])

    def refused(self, refused: Refused) -> None:
        # The turn has not begun.
        if refused.status != 204:
            raise refused

    def ended(self, line: Line) -> None:
        terminal = bool(self._chunks) and self._chunks[-1]["type"] in ("finish", "abort", "error")
        assert not line.whole or (terminal and self._done), "a clean end is a whole answer"
        if self._done:
            check(self._chunks)
            self.over = True

    @property
    def told(self) -> Any:
        assert self._ids == {"t1"}
        message = AnswerMessage()
        message.add(self._chunks)
        return shown(message.json())


class AgUiReader(Reader):
    """The run of a thread: all messages, then what follows."""

    replays = True

    def __init__(self, session: str, *, made: bool) -> None:
        super().__init__(session, made=made)
        self._client = Client([] if made else [self._said])
        self._events: list[dict[str, Any]] = []

    @property
    def _said(self) -> dict[str, Any]:
        return {"id": MESSAGE, "role": "user", "content": SAYS}

    @property
    def request(self) -> Request:
        self._events = []
        if not self.heard.is_set():
            body = {"threadId": self.session, "runId": "r1", "messages": [self._said], "tools": [], "context": []}
            return Request(f"/v1/ag-ui/{AGENT}", {**body, "state": None, "forwardedProps": {}})
        return Request(f"/v1/ag-ui/{AGENT}/{self.session}/events")

    def take(self, frame: Frame) -> None:
        event = json.loads(frame.data)
        self._events.append(event)
        self._client.apply([event])
        self.heard.set()

    def ended(self, line: Line) -> None:
        if self._events:
            verify(self._events, is_whole=line.whole)
            self.over = self._events[-1]["type"] == "RUN_FINISHED"

    @property
    def told(self) -> Any:
        """Reasoning by its id: clients keep its place where they keep it."""
        messages = self._client.told
        reasoned = {one["id"]: one["content"] for one in messages if one["role"] == "reasoning" and one["content"]}
        return reasoned, [one for one in messages if one["role"] != "reasoning"], self._client.state


class OpenAiReader(Reader):
    """A response, by `starting_after`. The session that it begins has another id than it was given."""

    def __init__(self, session: str, *, made: bool, whole: bool = True) -> None:
        """`whole`: no attempt is lost, so the numbers have no gap."""
        super().__init__(session, made=made)
        self.events: list[dict[str, Any]] = []
        self._whole = whole
        self._id = str(ResponseId(session, MESSAGE)) if made else ""
        self._said: dict[str, str] = {}

    @property
    def request(self) -> Request:
        if not self.heard.is_set():
            body = {"model": AGENT, "input": SAYS, "background": True, "stream": True}
            return Request("/v1/responses", body, {"idempotency-key": self.session})
        cursor = f"&starting_after={self._last}" if self.events else ""
        return Request(f"/v1/responses/{self._id}?stream=true{cursor}")

    @property
    def _last(self) -> int:
        return int(self.events[-1]["sequence_number"]) if self.events else -1

    def take(self, frame: Frame) -> None:
        event = json.loads(frame.data)
        assert not self.over
        number = event["sequence_number"]
        assert number == self._last + 1 if self._whole else number > self._last
        if event["type"] == "response.created":
            self._id = event["response"]["id"]
            self.session = event["response"]["metadata"]["session_id"]
            self.heard.set()
        if event["type"].endswith(("output_text.delta", "summary_text.delta")):
            self._said[event["item_id"]] = self._said.get(event["item_id"], "") + event["delta"]
        if event["type"].endswith(("output_text.done", "summary_text.done")):
            assert event["text"] == self._said[event["item_id"]]
        self.events.append(event)
        self.over = event["type"] == "response.completed"

    def ended(self, line: Line) -> None:
        assert self.over or not line.whole, "a clean end is a whole response"

    @property
    def told(self) -> Any:
        return self.events if self._whole else self.events[-1]["response"]
