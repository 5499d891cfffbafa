"""Tools that block other tools, each until a file appears in the ledger, and tools that end their process."""

import asyncio
import ctypes
import os
import signal
import sys
import time
from pathlib import Path

from temporalio import activity
from temporalio.exceptions import ApplicationError

from tests.support.tool_shop import LOOK_S, note, there

#: Event loops that tools have run on; a module's client is bound to one loop.
_LOOPS: list[asyncio.AbstractEventLoop] = []
_CALLS: list[str] = []


@activity.defn
async def block(ledger: str, until: str) -> str:
    """Blocks its loop, as `time.sleep` does in the place of `asyncio.sleep`, and then takes effect."""
    note(ledger, "begun")
    while not (Path(ledger) / until).exists():
        time.sleep(LOOK_S)  # noqa: ASYNC251 - the fault under test
    note(ledger, "effect")
    return "done"


@activity.defn
def wait_apart(ledger: str, until: str) -> str:
    """Waits in a thread, or in a process of its own."""
    note(ledger, "begun")
    while not (Path(ledger) / until).exists():
        time.sleep(LOOK_S)
    note(ledger, "effect")
    return "done"


@activity.defn
async def block_inside(ledger: str, until: str) -> str:
    """Blocks its loop in a task of its own."""

    async def inside() -> str:
        return await block(ledger, until)

    return await asyncio.create_task(inside())


@activity.defn
async def block_briefly(ledger: str, until: str) -> str:
    """Blocks its loop for longer than it may."""
    return await block(ledger, until)


@activity.defn
async def block_once_briefly(ledger: str, until: str) -> str:
    """Blocks its loop for longer than it may; it must not be repeated."""
    return await block(ledger, until)


@activity.defn
def hold(ledger: str, until: str) -> str:
    """Holds the GIL, as a C extension may, until something is written to the pipe `until`."""
    note(ledger, "begun")
    libc = ctypes.PyDLL(None)
    libc.open(str(Path(ledger) / until).encode(), os.O_RDONLY)
    note(ledger, "effect")
    return "done"


@activity.defn
async def hold_async(ledger: str, until: str) -> str:
    """Holds the GIL in an `async def` tool."""
    return hold(ledger, until)


@activity.defn
async def same_loop() -> int:
    """The number of loops that this tool has seen."""
    loop = asyncio.get_running_loop()
    if loop not in _LOOPS:
        _LOOPS.append(loop)
    return len(_LOOPS)


@activity.defn
async def wait_to_stop(ledger: str) -> str:
    """Waits for its cancellation in the SDK's way, and reports the cancellation's details."""
    note(ledger, "begun")
    try:
        await activity.wait_for_cancelled()
    except asyncio.CancelledError:
        details = activity.cancellation_details()
        assert details is not None
        return f"{activity.is_cancelled()} {details.cancel_requested}"
    return "never"


@activity.defn
async def ask_server() -> str:
    """Queries Temporal through the activity's client."""
    info = activity.info()
    assert info.workflow_id is not None
    described = await activity.client().get_workflow_handle(info.workflow_id).describe()
    return described.id


@activity.defn
async def leave(code: int) -> str:
    """Calls `sys.exit`, as scripts turned into tools do."""
    sys.exit(code)


@activity.defn
def leave_thread(code: int) -> str:
    """Calls `sys.exit` in a thread."""
    sys.exit(code)


@activity.defn
async def crash(ledger: str, how: str, attempts: int = 100) -> str:
    """Ends its process in the first `attempts` attempts."""
    note(ledger, "begun")
    if activity.info().attempt > attempts:
        return "survived"
    if how == "exit":
        os._exit(3)
    os.kill(os.getpid(), signal.SIGSEGV)
    return "never"


@activity.defn
async def count_calls(word: str) -> list[str]:
    """Records calls in its module's state, in the process that it runs in."""
    _CALLS.append(word)
    return [str(os.getpid()), *_CALLS]


@activity.defn
async def tell_from_there(ledger: str, until: str) -> list[str]:
    """Reports progress and its activity's identity from a process of its own."""
    activity.heartbeat("half way", 0.5)
    info = activity.info()
    await there(ledger, until)
    return [info.workflow_id or "", info.activity_id, str(info.attempt), info.activity_type]


@activity.defn
def fail_there(kind: str) -> str:
    """Fails with its own error type."""
    if kind == "value":
        raise ValueError("no such value")
    raise ApplicationError("not this", {"left": 3}, type=kind, non_retryable=True)


@activity.defn
def big_there(size: int) -> str:
    """Returns a very long text."""
    return "x" * size


@activity.defn
def lie_there() -> int:
    """Returns text although it is annotated to return a number."""
    return "seven"  # type: ignore[return-value]
