"""The lines of an MCP server that is a program, and the requests that they answer. Pure.

Rule 1: a line that is a JSON-RPC message is passed on. A line that was meant as a response but is invalid (truncated,
of the wrong shape, with an unknown id) fails the call that it answers: the one with its id if that can be read, else
the only open call. If several calls are open it is one of them: once the others are answered, it is the one that
remains.
Rule 2: an error without an id is the error of the open call, or of one of several, as above.
Rule 3: any other line (a banner, a log line, JSON or not) is skipped, because programs print such lines and continue.
If it is no JSON, one call alone is open, and nothing more is printed for a moment, it was that call's answer, unless
this program has answered later than that before.
Rule 4: lines have a maximum length. Of a longer line only the beginning is kept, which fails its call as above.
Rule 5: an error that the program itself sent is marked with `Word`, to distinguish it from the SDK's errors.
"""

from dataclasses import dataclass, field
from typing import Any, Final

import pydantic_core
from mcp.shared.message import SessionMessage
from mcp_types import (
    CONNECTION_CLOSED,
    ErrorData,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
)
from mcp_types.jsonrpc import jsonrpc_message_adapter
from pydantic import ValidationError

from perdure.activities.mcp.mending import whole_result
from perdure.activities.mcp.messages import HANDSHAKES, Id, id_in, looks_like_response, read, repaired
from perdure.activities.mcp.odd_responses import whole_response

#: The whitespace that JSON allows around a value, and the byte order mark that some editors put before it.
_BLANK: Final = " \t\r\n\ufeff"


@dataclass(frozen=True, slots=True)
class Word:
    """The `data` of an error that the program itself sent."""

    data: Any


def data_of(error: ErrorData) -> Any:
    """The `data` that the server itself gave with its error."""
    return error.data.data if isinstance(error.data, Word) else error.data


class Unreadable:
    """The `data` of an error that stands for an invalid response."""


class Overlong(Unreadable):
    """The `data` of an error that stands for a response over the maximum length."""


@dataclass
class Lines:
    """Matches the lines of one program to its open requests."""

    #: Unanswered requests, by id as text.
    _open: dict[str, JSONRPCRequest] = field(default_factory=dict)
    #: Ids of all requests ever sent: a late response to a call that was given up is ignored.
    _sent: set[str] = field(default_factory=set)
    #: For each response whose call is unknown: the calls to which it may belong.
    _unclear: list[tuple[set[str], ErrorData]] = field(default_factory=list)
    #: The call of which a line that is no JSON may have been the answer.
    _doubted: str | None = None
    #: Calls that ended so. Where an answer comes nevertheless, the program prints such lines while it works.
    _given_up: set[str] = field(default_factory=set)
    _prints: bool = False

    def sent(self, message: object) -> list[SessionMessage]:
        """Records a message to the program. Returns messages for the session: the end of another call, if this message
        gives one up."""
        match message:
            case JSONRPCRequest():
                self._open[str(message.id)] = message
                self._sent.add(str(message.id))
            case JSONRPCNotification(method="notifications/cancelled", params={"requestId": request_id}):
                return self._close(str(request_id))
        return []

    def received(self, data: bytes) -> list[SessionMessage]:
        """Returns the messages for the session that result from this line."""
        line = repaired(data).decode().strip(_BLANK)
        if line.startswith("["):
            return self._batch(line)
        parsed = read(line.encode())
        if parsed is None:
            line = whole_response(line.encode(), calls=self._is_call).decode()
            parsed = read(line.encode())
        if parsed is None:
            if looks_like_response(line):
                return self._broken(line, Unreadable())
            self._doubt(line)
            return []
        self._doubted = None
        try:
            message = jsonrpc_message_adapter.validate_json(line, by_name=False)
        except ValidationError:
            return []
        if isinstance(message, JSONRPCError) and message.id is None:
            return self._one_of_the_open(message.error)
        if not isinstance(message, JSONRPCResponse | JSONRPCError):
            return [SessionMessage(message)]
        key = str(message.id)
        if key not in self._open:
            self._prints = self._prints or key in self._given_up
            return [] if key in self._sent else self._broken("", Unreadable())
        if isinstance(message, JSONRPCError):
            return self._failed(key, message.error)
        if self._open[key].method == "tools/call":
            message = message.model_copy(update={"result": whole_result(message.result)})
        return [SessionMessage(message), *self._close(key)]

    def overlong(self, head: bytes) -> list[SessionMessage]:
        """Returns the messages for the session that result from a line that is too long and begins with `head`."""
        line = repaired(head).decode().strip(_BLANK)
        return self._broken(line, Overlong()) if looks_like_response(line) else []

    @property
    def doubtful(self) -> bool:
        """A line that is no JSON came while one call alone was open, and nothing has followed yet."""
        return not self._prints and self._doubted is not None and self._doubted in self._open

    def silent(self) -> list[SessionMessage]:
        """Nothing followed for a moment. Returns the messages for the session that result."""
        key, self._doubted = self._doubted, None
        if key is None or key not in self._open:
            return []
        self._given_up.add(key)
        return self._failed(key, ErrorData(code=CONNECTION_CLOSED, message="no answer", data=Unreadable()))

    def _doubt(self, line: str) -> None:
        keys = list(self._open)
        if line and line[0] not in "{[" and len(keys) == 1 and self._open[keys[0]].method == "tools/call":
            self._doubted = keys[0]

    def _is_call(self, key: Id) -> bool:
        request = self._open.get(str(key))
        return request is not None and request.method == "tools/call"

    def _batch(self, line: str) -> list[SessionMessage]:
        """A batch, which JSON-RPC has and MCP has not any more; a log line may begin like one."""
        try:
            values = pydantic_core.from_json(line)
        except ValueError:
            self._doubt(line.lstrip("["))
            return []
        objects = [value for value in values if isinstance(value, dict)]
        return [message for value in objects for message in self.received(pydantic_core.to_json(value))]

    def _broken(self, line: str, why: Unreadable) -> list[SessionMessage]:
        error = ErrorData(code=CONNECTION_CLOSED, message="no answer", data=why)
        key = str(id_in(line))
        if key in self._sent:
            return self._failed(key, error) if key in self._open else []
        return self._one_of_the_open(error)

    def _one_of_the_open(self, error: ErrorData) -> list[SessionMessage]:
        self._unclear.append((set(self._open), error))
        return self._cleared_up()

    def _failed(self, key: str, error: ErrorData) -> list[SessionMessage]:
        request = self._open[key]
        if request.method not in HANDSHAKES and not isinstance(error.data, Unreadable):
            error = error.model_copy(update={"data": Word(error.data)})
        answer = JSONRPCError(jsonrpc="2.0", id=request.id, error=error)
        return [SessionMessage(answer), *self._close(key)]

    def _close(self, key: str) -> list[SessionMessage]:
        self._open.pop(key, None)
        for candidates, _ in self._unclear:
            candidates.discard(key)
        return self._cleared_up()

    def _cleared_up(self) -> list[SessionMessage]:
        self._unclear = [(candidates, error) for candidates, error in self._unclear if candidates]
        for index, (candidates, error) in enumerate(self._unclear):
            if len(candidates) == 1:
                del self._unclear[index]
                return self._failed(candidates.pop(), error)
        return []
