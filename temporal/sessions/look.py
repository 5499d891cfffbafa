"""What Temporal itself knows of a session, without a worker: whether it goes on, and which calls are open where."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.converter import DataConverter
from temporalio.exceptions import ApplicationError

from perdure.temporal.live.frames import ToolProgress
from perdure.temporal.live.tool_progress import read_progress
from perdure.temporal.sessions.access import Belonging
from perdure.temporal.sessions.starting import WATCHED, readable
from perdure.temporal.telemetry.redaction import redacted_json
from perdure.workflows.protocol.activities import TASK_QUEUE
from perdure.workflows.vocabulary.errors import WORKER_DIED
from perdure.workflows.vocabulary.ids import call_of_activity
from perdure.workflows.vocabulary.parts import INLINE_LIMIT
from perdure.workflows.vocabulary.search_attributes import USER

_MODEL_CALL: Final = "call_model"
#: Of an attempt that failed for no reason of the provider's.
_LOST: Final = "The worker that ran it is gone."


@dataclass(frozen=True, slots=True)
class StepRetrying:
    """A model call whose attempts have failed so far, and that is tried again."""

    step_id: str
    #: Attempts that failed.
    failures: int
    #: The last failure, as an error's type and for people.
    type: str
    message: str
    #: When the next attempt begins; None: it has begun.
    retry_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """A session as Temporal describes it."""

    run_id: str
    #: Of the run's history.
    length: int
    #: Calls with an open activity on a worker of Perdure's.
    own: frozenset[str] = frozenset()
    #: Calls with one on another worker, and that worker's last progress; None: nothing for people.
    remote: Mapping[str, ToolProgress | None] = field(default_factory=dict)
    #: Model calls that are tried again.
    retrying: tuple[StepRetrying, ...] = ()
    #: Nothing more will happen in it.
    ended: bool = False
    #: Its tasks are taken first.
    watched: bool = False


def read_belonging(described: WorkflowExecutionDescription) -> Belonging:
    user = described.typed_search_attributes.get(USER)
    first_run = described.raw_description.workflow_execution_info.first_run_id
    return Belonging(None if user is None else readable(user), first_run or None)


async def read_look(
    described: WorkflowExecutionDescription, converter: DataConverter, own_queues: Collection[str]
) -> Look:
    """`own_queues`: the task queues of Perdure's workers beside that of sessions."""
    own: set[str] = set()
    remote: dict[str, ToolProgress | None] = {}
    retrying: list[StepRetrying] = []
    for pending in described.raw_description.pending_activities:
        if pending.activity_type.name == _MODEL_CALL:
            if pending.attempt > 1:
                retrying.append(await _retrying(pending, converter))
            continue
        call_id = call_of_activity(pending.activity_id)
        queue = pending.activity_options.task_queue.name
        # An old server does not name the queue. Nothing is reported then, rather than a tool of ours twice.
        if not queue or queue == TASK_QUEUE or queue in own_queues:
            own.add(call_id)
        else:
            details = await _decoded(pending.heartbeat_details.payloads, converter)
            remote[call_id] = read_progress(pending.activity_id, redacted_json(details))
    ended = described.status is not WorkflowExecutionStatus.RUNNING
    priority = described.raw_description.workflow_execution_info.priority.priority_key
    watched = priority == WATCHED.priority_key
    return Look(described.run_id, described.history_length, frozenset(own), remote, tuple(retrying), ended, watched)


async def _retrying(pending: PendingActivityInfo, converter: DataConverter) -> StepRetrying:
    waits = pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED and pending.HasField(
        "scheduled_time"
    )
    due = pending.scheduled_time.ToDatetime(UTC) if waits else None
    failure = await converter.decode_failure(pending.last_failure) if pending.HasField("last_failure") else None
    kind, message = WORKER_DIED, _LOST
    if isinstance(failure, ApplicationError) and failure.type and failure.type != WORKER_DIED:
        kind, message = failure.type, failure.message
    return StepRetrying(call_of_activity(pending.activity_id), pending.attempt - 1, kind, message, due)


async def _decoded(payloads: Sequence[Payload], converter: DataConverter) -> tuple[Any, ...]:
    """Each on its own: a tool may keep there what only its own worker can read."""
    details: list[Any] = []
    for payload in payloads:
        # A longer one is there for the next attempt, not for people.
        if payload.ByteSize() <= INLINE_LIMIT:
            with suppress(Exception):
                details += await converter.decode([payload])
    return tuple(details)
