"""What the session asks of the world: activity stubs, with their time-outs and retry policies.

`activities/` implements them under the same names and types (a test compares the two); workflow code calls only these.
"""

from datetime import timedelta

from pydantic import JsonValue
from temporalio import activity, workflow
from temporalio.common import RetryPolicy

from workflows.commands import StepRecord
from workflows.definition import LoadedAgent
from workflows.tool_definition import ToolUse
from workflows.types import BlobRef, Frozen, Part, StopReason, Timing, Usage

#: Task queue of session workflows, model calls and Python tools.
TASK_QUEUE = "perdure"
#: A worker that is silent for longer is dead.
HEARTBEAT_TIMEOUT = timedelta(seconds=6)


class LoadAgentInput(Frozen):
    name: str
    digest: str


class CallModelInput(Frozen):
    """Little on purpose: the activity asks its own session for the conversation (query `model_input`)."""

    step_id: str
    agent_digest: str
    #: `provider/model`
    model: str
    #: The beginning of the view's prefix: what was handed over within a process must be of this view.
    view: str = ""


def call_of(record: StepRecord) -> CallModelInput:
    """The input of a step's model call."""
    view = f"{record.view.epoch}.{record.view.count}.{record.view.prefix[:12]}"
    return CallModelInput(step_id=record.step_id, agent_digest=record.digest, model=record.model, view=view)


class Partial(Frozen):
    """Heartbeat details of a model call: what a stop that ends in a time-out can still keep."""

    attempt: int
    #: Attempts that began to stream and were lost, this one not counted.
    lost: int
    #: This attempt has begun to stream, so it is paid for whatever becomes of it.
    streaming: bool
    parts: tuple[Part, ...] = ()


class StepOutput(Frozen):
    parts: tuple[Part, ...]
    #: The model's name as the provider gave it, or as it was asked for.
    model: str
    usage: Usage
    #: None when the price is unknown.
    cost_usd: float | None
    timing: Timing
    stop: StopReason
    attempt: int
    #: Earlier attempts that had begun to stream; each is charged what was reserved for it.
    lost: int = 0
    request_sha256: str
    #: Of the tool specs that this worker has for the agent.
    tools_digest: str = ""


class ToolOutput(Frozen):
    """What a Python tool returned; a big one is folded, see `workflows.types`."""

    output: JsonValue
    blob: BlobRef | None = None
    #: None where the worker is not ours and does not tell.
    attempt: int | None = 1


class TakeResultInput(Frozen):
    """What another's worker returned."""

    call_id: str
    name: str
    output: JsonValue
    #: JSON Schema; None: anything.
    result_schema: dict[str, JsonValue] | None


@activity.defn(name="load_agent")
async def load_agent(request: LoadAgentInput) -> LoadedAgent:
    """The definition with this digest, made ready to run. Fails with `agent_unavailable` where there is none."""
    raise NotImplementedError


@activity.defn(name="call_model")
async def call_model(request: CallModelInput) -> StepOutput:
    """One model call: asks the session for its input, streams the answer to `Live`, returns the whole of it."""
    raise NotImplementedError


@activity.defn(name="take_result")
async def take_result(request: TakeResultInput) -> ToolOutput:
    """Checks a result against its schema and puts a big one away. Fails with `invalid_result` or `result_too_large`."""
    raise NotImplementedError


#: Local: a check, and at times a write to the blob store.
TAKE_RESULT = workflow.LocalActivityConfig(
    start_to_close_timeout=timedelta(seconds=30),
    retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_attempts=5),
)

#: Local: a lookup in the worker's memory or the blob store.
LOAD_AGENT = workflow.LocalActivityConfig(
    start_to_close_timeout=timedelta(seconds=10),
    retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_attempts=5),
)


def model_config(step_id: str, summary: str) -> workflow.ActivityConfig:
    """Options of one model call.

    A provider that is down is tried for about two minutes; a longer `Retry-After` is obeyed. There is no
    schedule-to-close limit: a session whose workers are all away waits for one.
    """
    return workflow.ActivityConfig(
        activity_id=step_id,
        summary=summary,
        start_to_close_timeout=timedelta(minutes=30),
        heartbeat_timeout=HEARTBEAT_TIMEOUT,
        cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        retry_policy=RetryPolicy(
            initial_interval=timedelta(milliseconds=100),
            backoff_coefficient=2,
            maximum_interval=timedelta(seconds=30),
            maximum_attempts=12,
        ),
    )


def tool_config(activity_id: str, summary: str, use: ToolUse) -> workflow.ActivityConfig:
    """Options of one tool call; its time-out holds for one attempt.

    Perdure's workers heartbeat for their tools (`activities/tool_runner.py`), so a dead one is noticed in seconds. What
    no worker of another task queue takes fails after a while; our own queue is that of the session itself, which waits.
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
            non_retryable_error_types=list(use.retry.non_retryable),
        ),
    )
    if use.task_queue is not None:
        config["task_queue"] = use.task_queue
        config["schedule_to_start_timeout"] = use.queue_timeout
    return config
