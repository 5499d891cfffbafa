"""An MCP server that is a program: its process and its stdio lines, as a transport for the SDK's client.

Rule: which line answers which request is decided in `lines`.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import anyio
import anyio.lowlevel
from anyio.abc import Process
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.client.stdio import get_default_environment
from mcp.os.posix.utilities import terminate_posix_process_tree
from mcp.shared.message import SessionMessage

from perdure.activities.mcp.lines import Lines

#: Grace periods in seconds, for a program to end by itself and after a signal.
_GRACE_S: Final = 2.0
_POLL_S: Final = 0.01
_FLUSH_S: Final = 0.5
#: Seconds in which something follows a log line that a call prints.
_FOLLOWS_S: Final = 2.0
#: Bytes kept of a line that is too long.
_HEAD: Final = 1024

Incoming = MemoryObjectSendStream[SessionMessage | Exception]
Streams = tuple[MemoryObjectReceiveStream[SessionMessage | Exception], MemoryObjectSendStream[SessionMessage]]


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
    with suppress(anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError, ConnectionError):
        async with incoming:
            while True:
                with anyio.move_on_after(_FOLLOWS_S if lines.doubtful else None) as waits:
                    chunk = await process.stdout.receive()
                if waits.cancelled_caught:
                    for message in lines.silent():
                        await incoming.send(message)
                    continue
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
