"""What the session asks of the world: activity stubs, with their time-outs and retry policies.

`activities/` implements them under the same names and types (a test compares the two); workflow code calls only these.
"""

from datetime import timedelta

from pydantic import JsonValue
from temporalio import activity, workflow
from temporalio.common import RetryPolicy

from workflows.commands import StepRecord
from workflows.definition import LoadedAgent
from workflows.types import BlobRef, Frozen, Part, StopReason, Timing, Usage

#: Task queue of session workflows, model calls and Python tools.
TASK_QUEUE = "perdure"


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
    attempt: int = 1


@activity.defn(name="load_agent")
async def load_agent(request: LoadAgentInput) -> LoadedAgent:
    """The definition with this digest, made ready to run. Fails with `agent_unavailable` where there is none."""
    raise NotImplementedError


@activity.defn(name="call_model")
async def call_model(request: CallModelInput) -> StepOutput:
    """One model call: asks the session for its input, streams the answer to `Live`, returns the whole of it."""
    raise NotImplementedError


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
        heartbeat_timeout=timedelta(seconds=6),
        cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        retry_policy=RetryPolicy(
            initial_interval=timedelta(milliseconds=100),
            backoff_coefficient=2,
            maximum_interval=timedelta(seconds=30),
            maximum_attempts=12,
        ),
    )


def tool_config(call_id: str, summary: str, timeout: timedelta, attempts: int) -> workflow.ActivityConfig:
    """Options of one tool call; `timeout` holds for one attempt."""
    return workflow.ActivityConfig(
        activity_id=call_id,
        summary=summary,
        start_to_close_timeout=timeout,
        cancellation_type=workflow.ActivityCancellationType.TRY_CANCEL,
        retry_policy=RetryPolicy(
            initial_interval=timedelta(milliseconds=100),
            maximum_interval=timedelta(seconds=30),
            maximum_attempts=attempts,
        ),
    )
