"""Replays what the sessions of a test have left, so that every test is also a test of determinism.

Rule: histories come from the test server as they are, through the client's own converter; nothing is recorded for it.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from perdure.workflows.session import SessionWorkflow

#: Real seconds; the SDK's replayer may wait for ever for what a history does not tell.
_PATIENCE_S: Final = 30


async def replay(client: Client, histories: Sequence[WorkflowHistory]) -> None:
    """Raises `AssertionError` where a session does not do again what its history says."""
    replayer = Replayer(
        workflows=[SessionWorkflow],
        data_converter=client.data_converter,
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    async with asyncio.timeout(_PATIENCE_S):
        for history in filter(_decided, histories):
            failure = (await replayer.replay_workflow(history, raise_on_replay_failure=False)).replay_failure
            if failure is not None:
                raise AssertionError(f"session {history.workflow_id} cannot be replayed: {failure}") from failure


def _decided(history: WorkflowHistory) -> bool:
    # The replayer waits for ever for the first workflow task of a session that had none.
    return any(event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED for event in history.events)
