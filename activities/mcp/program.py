"""An MCP server that is a program: its process and its stdio lines, as a transport for the SDK's client.

Rule 1: a line that is a JSON-RPC message is passed on. A line that was meant as a response but is invalid (truncated,
of the wrong shape, with an unknown id) fails the call that it answers: the one with its id if that can be read, else
the only open call. If several calls are open it is one of them: once the others are answered, it is the one that
remains.
Rule 2: an error without an id is the error of the open call, or of one of several, as above.
Rule 3: any other line (a banner, a log line, JSON or not) is skipped, because programs print such lines and continue.
Rule 4: lines have a maximum length. Of a longer line only the beginning is kept, which fails its call as above.
Rule 5: an error that the program itself sent is marked with `Word`, to distinguish it from the SDK's errors.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import anyio
import anyio.lowlevel
from anyio.abc import Process
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.client.stdio import get_default_environment
from mcp.os.posix.utilities import terminate_posix_process_tree
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
from perdure.activities.mcp.messages import HANDSHAKES, id_in, looks_like_response, read, repaired

#: Grace periods in seconds, for a program to end by itself and after a signal.
_GRACE_S: Final = 2.0
_POLL_S: Final = 0.01
_FLUSH_S: Final = 0.5
#: Bytes kept of a line that is too long.
_HEAD: Final = 1024
#: The whitespace that JSON allows around a value, and the byte order mark that some editors put before it.
_BLANK: Final = " \t\r\n\ufeff"

Incoming = MemoryObjectSendStream[SessionMessage | Exception]
Streams = tuple[MemoryObjectReceiveStream[SessionMessage | Exception], MemoryObjectSendStream[SessionMessage]]


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
        parsed = read(line.encode())
        if parsed is None:
            return self._broken(line, Unreadable()) if looks_like_response(line) else []
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


@asynccontextmanager
async def run_program(
    command: tuple[str, ...], env: dict[str, str], errors: Any, longest: int
) -> AsyncGenerator[Streams]:
    """Starts a program and ends it with the block. `longest`: bytes of one line; `errors`: where its stderr goes.

    Raises OSError and ValueError if it cannot be started.
    """
    process = await anyio.open_process(
        list(command), env=get_default_environment() | env, stderr=errors, start_new_session=True
    )
    incoming, read_stream = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    write_stream, outgoing = anyio.create_memory_object_stream[SessionMessage](0)
    lines = Lines()
    written = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_listen, process, incoming, lines, longest)
        tasks.start_soon(_speak, process, outgoing, incoming, lines, written)
        try:
            yield read_stream, write_stream
        finally:
            with anyio.CancelScope(shield=True):
                read_stream.close()
                write_stream.close()
                with anyio.move_on_after(_FLUSH_S):
                    await written.wait()
                await _end(process)
            tasks.cancel_scope.cancel()
    await anyio.lowlevel.cancel_shielded_checkpoint()


async def _listen(process: Process, incoming: Incoming, lines: Lines, longest: int) -> None:
    assert process.stdout is not None
    begun = bytearray()
    skips = False
    with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError, ConnectionError):
        async with incoming:
            async for chunk in process.stdout:
                *ended, rest = chunk.split(b"\n")
                for line in ended:
                    for message in [] if skips else lines.received(bytes(begun + line)):
                        await incoming.send(message)
                    begun, skips = bytearray(), False
                if not skips:
                    begun += rest
                if len(begun) > longest:
                    for message in lines.overlong(bytes(begun[:_HEAD])):
                        await incoming.send(message)
                    begun, skips = bytearray(), True
    # Read and discard further output, so that a full pipe does not keep the program from ending.
    with suppress(anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError, ConnectionError):
        while True:
            await process.stdout.receive()


async def _speak(
    process: Process,
    outgoing: MemoryObjectReceiveStream[SessionMessage],
    incoming: Incoming,
    lines: Lines,
    written: anyio.Event,
) -> None:
    assert process.stdin is not None
    try:
        async with outgoing:
            async for item in outgoing:
                message = item.message
                for reply in lines.sent(message):
                    await incoming.send(reply)
                line = message.model_dump_json(by_alias=True, exclude_unset=True) + "\n"
                await process.stdin.send(line.encode(errors="replace"))
    except (anyio.ClosedResourceError, anyio.BrokenResourceError, OSError):
        # The program may still run; closing the stream tells the session that the connection has ended.
        await incoming.aclose()
    finally:
        written.set()


async def _end(process: Process) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    with suppress(OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
        await process.stdin.aclose()
    if not await _has_ended(process):
        await terminate_posix_process_tree(process, _GRACE_S)
        await _has_ended(process)
    with suppress(OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
        await process.stdout.aclose()
    transport = getattr(getattr(process, "_process", None), "_transport", None)
    if transport is not None:
        # A grandchild may have outlived the program and hold the pipes open.
        with suppress(PermissionError):
            transport.close()


async def _has_ended(process: Process) -> bool:
    with anyio.move_on_after(_GRACE_S):
        # Not `wait()`, which also waits for the end of the pipes, which a grandchild may hold open.
        while process.returncode is None:  # noqa: ASYNC110
            await anyio.sleep(_POLL_S)
    return process.returncode is not None
