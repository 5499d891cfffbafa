"""What the session asks of the world: activity stubs; `running/activity_options.py` has their time-outs and retries.

`activities/` implements them under the same names and types (a test compares the two); workflow code calls only these.
"""

import operator
from datetime import datetime, timedelta

from pydantic import Field, JsonValue
from temporalio import activity

from perdure.workflows.definition.agent import LoadedAgent
from perdure.workflows.definition.pricing import Spent
from perdure.workflows.definition.schedules import Schedule
from perdure.workflows.definition.tools import McpAddress
from perdure.workflows.protocol.checked_answers import CheckedAnswer
from perdure.workflows.protocol.current_agent import CurrentAgent, CurrentAgentInput
from perdure.workflows.protocol.current_agent import LoadAgentInput as LoadAgentInput
from perdure.workflows.protocol.steps import Left, StepRecord
from perdure.workflows.vocabulary.elicitation import ServerAsks, ServerInput
from perdure.workflows.vocabulary.parts import (
    BlobRef,
    Blocked,
    Frozen,
    Part,
    StopReason,
    Timing,
    ToolError,
    Usage,
    absent,
)
from perdure.workflows.vocabulary.tool_context import ToolContext

#: Task queue of session workflows, model calls and Python tools.
TASK_QUEUE = "perdure"
#: A scheduled message that could not be delivered so long after its time is given up; the next one comes at its own.
DELIVERED_WITHIN = timedelta(hours=1)
#: Key of the one argument of a call whose arguments are folded: the blob that holds the whole part.
FOLDED_ARGS = "$perdure_blob"
#: Key beside the arguments of a call that a person may be asked about: `spec_sha256` of the tool that it is.
ALLOWED_SPEC = "$perdure_spec"


class CallModelInput(Frozen):
    """Little on purpose: the activity asks its own session for the conversation (query `model_input`)."""

    step_id: str
    agent_digest: str
    #: `provider/model`
    model: str
    #: The beginning of the view's prefix: what was handed over within a process must be of this view.
    view: str = ""
    #: Attempts that other models had at this step: this one's are numbered from there.
    attempts_before: int = Field(default=0, exclude_if=operator.not_)
    #: Another model goes on with the step where this one fails, so it is not waited for.
    has_next: bool = Field(default=False, exclude_if=operator.not_)
    left: Left | None = Field(default=None, exclude_if=absent)
    #: Viewers are not shown the answer, so nothing of it is streamed to them.
    hidden: bool = Field(default=False, exclude_if=operator.not_)


def call_of(record: StepRecord) -> CallModelInput:
    """The input of a step's model call."""
    return CallModelInput(
        step_id=record.step_id,
        agent_digest=record.digest,
        model=record.model,
        view=f"{record.view.epoch}.{record.view.count}.{record.view.prefix[:12]}",
        attempts_before=record.attempts_before,
        has_next=record.ahead > 0,
        left=record.left,
        hidden=record.hides,
    )


class Partial(Frozen):
    """Heartbeat details of a model call: what a stop that ends in a time-out can still keep."""

    attempt: int
    #: Lost attempts of which only that is known that they had begun to stream, this one not counted.
    lost: int
    #: This attempt has begun to stream, so it is paid for whatever becomes of it.
    streaming: bool
    parts: tuple[Part, ...] = ()
    #: What this attempt has cost so far; None: the worker that wrote this did not count it.
    spent: Spent | None = Field(default=None, exclude_if=absent)
    #: What earlier attempts have cost.
    before: Spent | None = Field(default=None, exclude_if=absent)
    #: Earlier attempts that ended without a word, and are not in `before`: each may have been sent.
    silent: int = Field(default=0, exclude_if=operator.not_)
    #: Attempts that failed in mid-answer, this one included where it has failed.
    broken: int = Field(default=0, exclude_if=operator.not_)


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
    #: Earlier attempts of which only that is known that they had begun to stream; each is charged what was reserved.
    lost: int = 0
    #: What all other earlier attempts have cost; `usage` and `cost_usd` are without it.
    before: Spent | None = Field(default=None, exclude_if=absent)
    request_sha256: str
    #: The provider's own word for an end that `stop` has no name for.
    stop_raw: str | None = Field(default=None, exclude_if=absent)
    #: Of the tool specs that this worker has for the agent.
    tools_digest: str = ""
    #: What of the request was left out or renamed because its server refused it, in words.
    adapted: tuple[str, ...] = Field(default=(), exclude_if=operator.not_)
    #: Pieces of the answer whose shape was not known, and which were passed over.
    skipped: int = Field(default=0, exclude_if=operator.not_)
    #: Where the prompt asks for an answer in a form (`Prompt.output`), and this is one: its value, or why it does not fit.
    answer: CheckedAnswer | None = Field(default=None, exclude_if=absent)


class CallOptions(Frozen):
    """What the activity of a Python tool is given behind the arguments, where the definition says more than the usual."""

    #: It runs in a process of its own.
    process: bool = False
    #: On whose behalf, for a tool that asks for it.
    context: ToolContext | None = Field(default=None, exclude_if=absent)


class ToolOutput(Frozen):
    """What a Python tool returned; a big one is folded, see `perdure.workflows.vocabulary.parts`."""

    output: JsonValue
    blob: BlobRef | None = None
    #: None where the worker is not ours and does not tell.
    attempt: int | None = 1
    #: It held up others on its worker.
    blocked: Blocked | None = Field(default=None, exclude_if=absent)
    #: The tool failed, and returned more than words: `output` is a dumped `ToolError`.
    is_error: bool = Field(default=False, exclude_if=operator.not_)

    @property
    def error(self) -> ToolError | None:
        return ToolError.model_validate(self.output) if self.is_error else None


class TakeResultInput(Frozen):
    """What another's worker returned."""

    call_id: str
    name: str
    output: JsonValue
    #: JSON Schema; None: anything.
    result_schema: dict[str, JsonValue] | None


class CallMcpToolInput(Frozen):
    """One call of an MCP server's tool. Where the server is, the published definition says, and never the call."""

    #: Of the definition, and the server's place among its tools. Calls of older versions lack both and name an address,
    #: which is refused.
    digest: str = ""
    index: int = -1
    server: McpAddress | None = Field(default=None, exclude_if=absent)
    #: What people call the server.
    label: str
    #: What the model calls the tool, and what the server does.
    name: str
    tool: str
    args: dict[str, JsonValue]
    #: It must not run from its beginning again, once it has begun.
    once: bool = Field(default=False, exclude_if=operator.not_)
    #: What its server has asked so far, and been answered.
    so_far: ServerInput | None = Field(default=None, exclude_if=absent)
    #: Of the tool that was allowed (`perdure.workflows.core.binding.spec_sha256`): any other does not run.
    spec_sha256: str | None = Field(default=None, exclude_if=absent)
    #: On whose behalf, where the server's headers or environment are templates over it.
    context: ToolContext | None = Field(default=None, exclude_if=absent)


class ToolsChangedInput(Frozen):
    """Whether the MCP servers of a definition list other tools than a session has."""

    digest: str
    mcp_digest: str
    #: The turn that needs to know, for traces.
    turn_id: str | None = Field(default=None, exclude_if=absent)


class Delivery(Frozen):
    """What a schedule delivers each time: all that there is to know of it."""

    schedule_id: str
    tenant: str
    agent: str
    schedule: Schedule


class DeliverMessageInput(Frozen):
    delivery: Delivery
    #: When it was due, which tells it from the schedule's others.
    due: datetime


class OpenAgentInput(Frozen):
    """A call of another agent: for a session of its own, or to take the session over."""

    name: str
    digest: str
    call_id: str
    args: dict[str, JsonValue]
    #: Holds the call's part where the arguments are too long to travel.
    blob: BlobRef | None = None
    #: The session's own inputs, which stand in for what a hand-off's call leaves out.
    inputs: dict[str, JsonValue] = {}
    #: Workflow id of the session that shall answer; None: a hand-off.
    child: str | None = None


class OpenedAgent(Frozen):
    """What another agent is given."""

    inputs: dict[str, JsonValue]
    #: The message; big ones folded, in the child's name.
    parts: tuple[Part, ...]
    content_sha256: str
    #: Its model is the demo model.
    demo: bool


class TakeAnswerInput(Frozen):
    """What a sub-agent said, long parts folded in its own name."""

    call_id: str
    name: str
    session_id: str
    parts: tuple[Part, ...]


@activity.defn(name="load_agent")
async def load_agent(request: LoadAgentInput) -> LoadedAgent:
    """The definition with this digest, made ready to run. Fails with `agent_unavailable` where there is none."""
    raise NotImplementedError


@activity.defn(name="current_agent")
async def current_agent(request: CurrentAgentInput) -> CurrentAgent | str | None:
    """The digest of the definition that this agent has now; None where no agent of the name is known any more. Where purses
    of the session's user and tenant have caps, these, too."""
    raise NotImplementedError


@activity.defn(name="call_model")
async def call_model(request: CallModelInput) -> StepOutput:
    """One model call: asks the session for its input, streams the answer to `Live`, returns the whole of it."""
    raise NotImplementedError


@activity.defn(name="take_result")
async def take_result(request: TakeResultInput) -> ToolOutput:
    """Checks a result against its schema and puts a big one away. Fails with `invalid_result` or `result_too_large`."""
    raise NotImplementedError


@activity.defn(name="open_agent")
async def open_agent(request: OpenAgentInput) -> OpenedAgent:
    """Checks what a call gives another agent. Fails with `invalid_arguments`, or `agent_unavailable`."""
    raise NotImplementedError


@activity.defn(name="take_answer")
async def take_answer(request: TakeAnswerInput) -> ToolOutput:
    """A sub-agent's long answer as a call's result, put away in the caller's name. Fails with `result_too_large`."""
    raise NotImplementedError


@activity.defn(name="call_mcp_tool")
async def call_mcp_tool(request: CallMcpToolInput) -> ToolOutput | ServerAsks:
    """Calls an MCP server's tool, or goes on with a call whose server has asked something. Beside those of a tool,
    its failures are `mcp_unavailable`, `mcp_lost`, `input_not_supported`, `too_many_questions`,
    `denied`, `expired`, `tool_changed`, `context_unfit`."""
    raise NotImplementedError


@activity.defn(name="tools_changed")
async def tools_changed(request: ToolsChangedInput) -> bool:
    """Whether MCP servers list other tools now. Fails with `agent_unavailable` where the definition is not known."""
    raise NotImplementedError


@activity.defn(name="deliver_message")
async def deliver_message(request: DeliverMessageInput) -> str:
    """Sends a scheduled message to its session, or triggers its handler, once however often it is tried. Returns the
    session's id.

    Fails with `agent_unavailable`, `session_taken` or `inputs_invalid`, the last two for good."""
    raise NotImplementedError
