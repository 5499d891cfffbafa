"""The activities around calls of other agents: the arguments of such a call, validated, and its answer, offloaded if
large.
"""

from pydantic import JsonValue
from temporalio import activity
from temporalio.exceptions import ApplicationError

from perdure.activities.tools.outputs import output_of, sized_result
from perdure.activities.tools.tenant import tenant_here
from perdure.temporal.definitions.store import Definitions, InputProblem, check_inputs
from perdure.temporal.sessions.content import content_sha256
from perdure.temporal.stores.blobs import BlobStore, fold, fold_part, unfold
from perdure.workflows.core.sub_answer import text_of
from perdure.workflows.definition.agent import AgentDefinition
from perdure.workflows.definition.tools import AgentTool
from perdure.workflows.protocol.activities import OpenAgentInput, OpenedAgent, TakeAnswerInput, ToolOutput
from perdure.workflows.vocabulary.errors import AGENT_UNAVAILABLE, INVALID_ARGUMENTS, TOOL_FAILED
from perdure.workflows.vocabulary.parts import Text, ToolCall, ToolSpec


class SubAgentCalls:
    def __init__(self, definitions: Definitions, blobs: BlobStore) -> None:
        self._definitions = definitions
        self._blobs = blobs

    @activity.defn(name="open_agent")
    async def open_agent(self, request: OpenAgentInput) -> OpenedAgent:
        """Raises ApplicationError `invalid_arguments`, which names the field; `agent_unavailable`."""
        definition = await self._definitions.by_digest(request.digest, tenant_here())
        if definition is None:
            raise ApplicationError(
                f"The definition {request.digest[:12]} of agent {request.name!r} is not known to this worker.",
                type=AGENT_UNAVAILABLE,
            )
        args = await self._arguments(request)
        message = args.pop("message", None)
        if not isinstance(message, str) or not message.strip():
            raise _wrong(request.name, "message: is required, a text")
        if request.child is None:
            args = {name: value for name, value in request.inputs.items() if name in definition.inputs} | args
        try:
            inputs = check_inputs(definition, args)
        except InputProblem as problem:
            raise _wrong(request.name, str(problem)) from None
        parts: tuple[Text, ...] = (Text(text=message),)
        return OpenedAgent(
            inputs=inputs,
            # An agent that takes the session over reads the message in the call.
            parts=await fold(self._blobs, request.child, parts) if request.child else (),
            content_sha256=content_sha256(parts),
            demo=definition.models[definition.model].provider == "demo",
        )

    @activity.defn(name="take_answer")
    async def take_answer(self, request: TakeAnswerInput) -> ToolOutput:
        """Raises ApplicationError `result_too_large`."""
        text = text_of(await unfold(self._blobs, request.parts))
        output: dict[str, JsonValue] = {"text": text, "session_id": request.session_id}
        result, big = sized_result(request.call_id, request.name, output)
        part = await fold_part(self._blobs, activity.info().workflow_id or "", result) if big else result
        return output_of(part, attempt=None)

    async def _arguments(self, request: OpenAgentInput) -> dict[str, JsonValue]:
        if request.blob is None:
            return dict(request.args)
        call = ToolCall(call_id=request.call_id, name=request.name, args={}, blob=request.blob)
        (part,) = await unfold(self._blobs, (call,))
        if not isinstance(part, ToolCall) or part.blob is not None:
            raise ApplicationError("The arguments of this call were lost.", type=TOOL_FAILED, non_retryable=True)
        if part.args_raw is not None:
            raise _wrong(request.name, "the arguments are not a JSON object")
        return dict(part.args)


def agent_spec(tool: AgentTool, other: AgentDefinition) -> ToolSpec:
    """The description for a model of an agent that it may call, or hand over to."""
    # The session may already have an input that a hand-off leaves out, so a default must not replace it.
    left_out = {"default"} if tool.handoff else set()
    inputs = {
        name: {key: value for key, value in schema.items() if key not in left_out}
        for name, schema in other.inputs.items()
    }
    required = [] if tool.handoff else [name for name, schema in inputs.items() if "default" not in schema]
    about = (
        "What the other agent has to know to go on with the conversation, all of which it can read"
        if tool.handoff
        else "What the agent has to do or find out, with all that it has to know: it sees nothing of this conversation"
    )
    kind = "Hands this conversation over to another agent." if tool.handoff else "Asks another agent, which answers."
    return ToolSpec(
        name=tool.name,
        description=tool.description or other.description or kind,
        input={
            "type": "object",
            "properties": {"message": {"type": "string", "description": about, "minLength": 1}, **inputs},
            "required": ["message", *required],
            "additionalProperties": False,
        },
        output={
            "type": "object",
            "properties": {"text": {"type": "string"}},
            "required": ["text"],
        },
    )


def _wrong(name: str, why: str) -> ApplicationError:
    message = f"{name} was not called, because its arguments are wrong. {why}."
    return ApplicationError(message, type=INVALID_ARGUMENTS, non_retryable=True)
