"""Time-outs and retry policies of what a session asks of the world."""

from datetime import timedelta
from typing import Final

from temporalio import workflow
from temporalio.common import RetryPolicy

from perdure.workflows.definition.tools import ToolUse
from perdure.workflows.protocol.activities import DELIVERED_WITHIN
from perdure.workflows.running.queues import own_queue
from perdure.workflows.vocabulary.errors import PAYLOADS_TOO_LARGE

#: Of one model call.
MODEL_ATTEMPTS: Final = 12
#: Of one attempt of a call whose answer the session can do without.
BRIEF: Final = timedelta(seconds=15)
#: A worker that is silent for longer is dead.
HEARTBEAT_TIMEOUT: Final = timedelta(seconds=6)

#: Local: a check, and at times a write to the blob store.
TAKE_RESULT: Final = workflow.LocalActivityConfig(
    start_to_close_timeout=timedelta(seconds=30),
    retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_attempts=5),
)

#: Local: a lookup in the worker's memory or the blob store.
LOAD_AGENT: Final = workflow.LocalActivityConfig(
    start_to_close_timeout=timedelta(seconds=10),
    retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_attempts=5),
)


#: Local: asks servers for their lists, and waits for none of them for long.
TOOLS_CHANGED: Final = workflow.LocalActivityConfig(
    start_to_close_timeout=timedelta(seconds=10), retry_policy=RetryPolicy(maximum_attempts=1)
)


#: A write to the blob store. The session does without it, and tries again later, so it is given up soon.
SEAL: Final = workflow.ActivityConfig(
    summary="seal a part of the past",
    start_to_close_timeout=timedelta(seconds=10),
    retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_attempts=4),
)


def delivery_config(summary: str) -> workflow.ActivityConfig:
    """Options of the delivery of a scheduled message: a worker that died over it is found out by the time-out."""
    return workflow.ActivityConfig(
        summary=summary,
        start_to_close_timeout=timedelta(seconds=30),
        schedule_to_close_timeout=DELIVERED_WITHIN,
        retry_policy=RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1)),
    )


def leases_config(closes: bool) -> workflow.ActivityConfig:
    """Options of a request to purses; `closes`: everything is given back, which nobody waits for longer than a moment."""
    return workflow.ActivityConfig(
        summary="give leases back" if closes else "draw a lease",
        start_to_close_timeout=timedelta(seconds=30),
        schedule_to_close_timeout=timedelta(minutes=1) if closes else None,
        retry_policy=RetryPolicy(
            initial_interval=timedelta(milliseconds=100),
            backoff_coefficient=2,
            maximum_interval=timedelta(seconds=10),
        ),
    )


def visit_config(summary: str) -> workflow.ActivityConfig:
    """Options of a purse's visit to sessions. What it did not find out is tried again by the purse itself."""
    return workflow.ActivityConfig(
        summary=summary,
        start_to_close_timeout=timedelta(minutes=2),
        heartbeat_timeout=timedelta(seconds=30),
        retry_policy=RetryPolicy(initial_interval=timedelta(seconds=1), maximum_attempts=3),
    )


def model_config(activity_id: str, summary: str, *, brief: bool = False) -> workflow.ActivityConfig:
    """Options of one model call.

    A provider that is down is tried for about two minutes; a longer `Retry-After` is obeyed. There is no
    schedule-to-close limit: a session whose workers are all away waits for one. So does a call on a task queue of its own,
    and gateways say that nobody polls it. `brief`: the session does without the answer, and waits for it only shortly.
    """
    config = workflow.ActivityConfig(
        activity_id=activity_id,
        summary=summary,
        start_to_close_timeout=BRIEF if brief else timedelta(minutes=30),
        heartbeat_timeout=HEARTBEAT_TIMEOUT,
        cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        retry_policy=RetryPolicy(
            initial_interval=timedelta(milliseconds=100),
            backoff_coefficient=2,
            maximum_interval=timedelta(seconds=30),
            maximum_attempts=2 if brief else MODEL_ATTEMPTS,
        ),
    )
    if (queue := own_queue("models")) is not None:
        config["task_queue"] = queue
    return config


def tool_config(activity_id: str, summary: str, use: ToolUse) -> workflow.ActivityConfig:
    """Options of one tool call; its time-out holds for one attempt.

    Perdure's workers heartbeat for their tools (`activities/tools/runner.py`), so a dead one is noticed in seconds. What
    no worker of somebody else's task queue takes fails after a while. On a queue of ours it waits, as the session itself
    does, and gateways say that nobody polls it.
    """
    remote = use.task_queue is not None
    config = workflow.ActivityConfig(
        activity_id=activity_id,
        summary=summary,
        start_to_close_timeout=use.timeout,
        heartbeat_timeout=use.heartbeat if remote else HEARTBEAT_TIMEOUT,
        cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        retry_policy=RetryPolicy(
            initial_interval=use.retry.initial,
            backoff_coefficient=use.retry.backoff,
            maximum_interval=max(use.retry.maximum, use.retry.initial),
            maximum_attempts=use.retry.attempts,
            # The tool ran, and would return as much again.
            non_retryable_error_types=[*use.retry.non_retryable, PAYLOADS_TOO_LARGE],
        ),
    )
    if use.task_queue is not None:
        config["task_queue"] = use.task_queue
        config["schedule_to_start_timeout"] = use.queue_timeout
    elif (queue := own_queue("tools")) is not None:
        config["task_queue"] = queue
    return config
