"""A process that replays: `python -m perdure.temporal.app.replay.process SETUP`, started by `replay.pool`.

Rule 1: each line of standard input is a `Recorded`, and is answered in order by one line, an `Outcome`. An empty line
comes first and means that the process is ready. Nothing else is written to standard output: all printing goes to
standard error.
Rule 2: it imports only the workflow and its dependencies, because its start-up is part of every replay's time.
"""

import asyncio
import logging
import os
import sys
import traceback
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

from google.protobuf.json_format import ParseError
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHistory
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from perdure.temporal.app.console.exit import leave
from perdure.temporal.app.replay.verdicts import Outcome, Recorded, Setup, line, verdict
from perdure.temporal.blob_address import blob_address
from perdure.temporal.server.client import connect
from perdure.temporal.settings import Settings
from perdure.temporal.stores.codec import data_converter
from perdure.workflows.session import SessionWorkflow


class Unreadable(Exception):
    """There is no history to replay; the message says why, and the outcome has the verdict."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome


def read_file(path: Path) -> WorkflowHistory:
    """Raises `Unreadable`."""
    try:
        history = WorkflowHistory.from_json(path.stem, path.read_text(encoding="utf-8"))
    except (OSError, ValueError, ParseError, TypeError, AttributeError, KeyError) as error:
        raise Unreadable(_broken_file(f"{error}")) from error
    first = history.events[0].workflow_execution_started_event_attributes if history.events else None
    # Without them the SDK's replayer hangs instead of failing.
    if first is None or not first.original_execution_run_id:
        raise Unreadable(_broken_file("it does not begin as a session's history does"))
    return WorkflowHistory(first.workflow_id or path.stem, history.events)


def _broken_file(why: str) -> Outcome:
    return Outcome(verdict="unreadable", reason=line(f"broken file: {why}"))


async def fetch(client: Client, recorded: Recorded) -> WorkflowHistory:
    """Raises `Unreadable`."""
    try:
        handle = client.get_workflow_handle(recorded.workflow_id, run_id=recorded.run_id)
        return await handle.fetch_history()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise Unreadable(Outcome(verdict="gone", reason="the server no longer has it")) from error
        reason = line(f"cannot be read from Temporal: {error.message}")
        raise Unreadable(Outcome(verdict="unreadable", reason=reason)) from error


class ReplayProcess:
    """Reads requests from `asked`, writes outcomes to `answers`."""

    def __init__(self, replayer: Replayer, client: Client | None, asked: BinaryIO, answers: BinaryIO) -> None:
        self._replayer = replayer
        self._client = client
        self._asked = asked
        self._answers = answers
        self._loaded: asyncio.Queue[WorkflowHistory | Outcome] = asyncio.Queue()

    async def run(self) -> None:
        """Runs until the process ends."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._load())
            async with self._replayer.workflow_replay_iterator(self._replayable()) as results:
                async for result in results:
                    self._answer(verdict(result.replay_failure), result.history)

    async def _load(self) -> None:
        while asked := await asyncio.to_thread(self._asked.readline):
            recorded = Recorded.model_validate_json(asked)
            try:
                if recorded.file is not None:
                    self._loaded.put_nowait(await asyncio.to_thread(read_file, recorded.file))
                else:
                    assert self._client is not None
                    self._loaded.put_nowait(await fetch(self._client, recorded))
            except Unreadable as unreadable:
                self._loaded.put_nowait(unreadable.outcome)
        # The parent is gone, so no one reads further outcomes, and a hanging replay must not outlive its parent.
        leave(0)

    async def _replayable(self) -> AsyncIterator[WorkflowHistory]:
        """Histories in the order requested. Those that need no replay are answered when their turn comes."""
        while True:
            loaded = await self._loaded.get()
            if isinstance(loaded, Outcome):
                self._answer(loaded)
            elif not _has_workflow_task(loaded):
                self._answer(Outcome(verdict="same"), loaded)
            else:
                yield loaded

    def _answer(self, outcome: Outcome, history: WorkflowHistory | None = None) -> None:
        if history is not None:
            outcome = outcome.model_copy(update={"workflow_id": history.workflow_id, "run_id": history.run_id})
        self._answers.write(outcome.model_dump_json().encode() + b"\n")
        self._answers.flush()


def _has_workflow_task(history: WorkflowHistory) -> bool:
    # The SDK's replayer waits forever for the first workflow task of a session that has none yet.
    return any(event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED for event in history.events)


async def _serve(setup: Setup, answers: BinaryIO) -> None:
    # Every failure becomes a verdict; logging it as well would break up the progress bar.
    logging.disable(logging.CRITICAL)
    runtime = Runtime(telemetry=TelemetryConfig(logging=None))
    client, blobs = None, blob_address(setup.blobs)
    if setup.server:
        client = await connect(Settings.load(data_dir=setup.data_dir), blobs=blobs, runtime=runtime)
    replayer = Replayer(
        workflows=[SessionWorkflow],
        data_converter=data_converter(blobs),
        workflow_runner=UnsandboxedWorkflowRunner(),
        runtime=runtime,
    )
    answers.write(b"\n")
    answers.flush()
    await ReplayProcess(replayer, client, sys.stdin.buffer, answers).run()


async def _until_left(setup: Setup, answers: BinaryIO) -> None:
    try:
        await _serve(setup, answers)
    except Exception:
        traceback.print_exc()
    # From inside the loop, because ending the loop would wait for the thread that reads standard input.
    leave(1)


def main() -> None:
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    asyncio.run(_until_left(Setup.model_validate_json(sys.argv[1]), answers))


if __name__ == "__main__":
    main()
