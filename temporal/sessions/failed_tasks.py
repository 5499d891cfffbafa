"""What a worker said when it failed at a session, and what that means for whoever asks the session.

Rule: a failed query and a failed workflow task are judged here, by the same words. A session at rest fails the query; one
with a workflow task to do fails the task, and the queries behind it wait in vain or are refused unasked.
"""

import re
from typing import Final

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryReverseRequest
from temporalio.client import Client

from perdure.temporal.sessions.errors import NoWorker, Overloaded, SessionError, StateLost

#: The words of `BlobMissing` and `BlobDamaged`.
_LOST: Final = re.compile(r"no blob \S+/|blob \S+ is damaged")
_STATE_LOST: Final = (
    "A blob that the session cannot go on without is lost or damaged. Put it back from a backup of the blob store, or "
    "erase the session."
)
#: The SDK's code for code that does not fit a history; a query that has to replay it first fails with it.
_REPLAY_FAILED: Final = "[TMPRL1100]"
#: The same for workflow code that got no turn for seconds, as on a worker that has far too much to do.
_STARVED: Final = "[TMPRL1101]"
#: What the SDK says of a query that the worker's code does not have.
_NEWER: Final = re.compile(r"Query handler for '\w+' expected but not found")

_LAST_EVENTS: Final = 20
_TASK_ENDS: Final = (
    EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT,
)


def meaning(message: str) -> SessionError | None:
    """What a worker's failure with this message means; None where it is none of those that are known."""
    if _LOST.search(message):
        return StateLost(_STATE_LOST)
    if _REPLAY_FAILED in message:
        return NoWorker("No worker's code can replay what the session did before.")
    if _STARVED in message:
        return Overloaded()
    if _NEWER.search(message):
        return NoWorker("The session's worker is of an older version than the gateway, and does not know of this.")
    return None


async def failing_task(client: Client, session: str) -> SessionError | None:
    """What it means that the session's last workflow task failed; None where it did not.

    `session` is a workflow id. Of failures in a row only the first is known: Temporal keeps no more. Raises `RPCError`."""
    found = await client.workflow_service.get_workflow_execution_history_reverse(
        GetWorkflowExecutionHistoryReverseRequest(
            namespace=client.namespace,
            execution=WorkflowExecution(workflow_id=session),
            maximum_page_size=_LAST_EVENTS,
        )
    )
    last = next((event for event in found.history.events if event.event_type in _TASK_ENDS), None)
    if last is None or last.event_type != EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
        return None
    failure = last.workflow_task_failed_event_attributes.failure
    return meaning(failure.message) or NoWorker("No worker's code can carry the session on.")
