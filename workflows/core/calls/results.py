"""Results of calls that did not run, or did not come to an end, in words for the model; and how a call gets its result."""

from datetime import datetime
from typing import Final

from pydantic_core import to_json

from perdure.workflows.core.calls.call import Call, Ending, Given, Running
from perdure.workflows.core.draft import Draft
from perdure.workflows.core.state.turn import Turn
from perdure.workflows.protocol.activities import ToolOutput
from perdure.workflows.vocabulary.blocks import Block
from perdure.workflows.vocabulary.errors import DENIED, EXPIRED, OUTCOME_UNKNOWN, TOO_MANY_QUESTIONS, TOOL_STOPPED
from perdure.workflows.vocabulary.events import ToolFinished, ToolStarted
from perdure.workflows.vocabulary.folding import preview
from perdure.workflows.vocabulary.parts import ToolCall, ToolError, ToolResult

STOPPED: Final = ToolError(type=TOOL_STOPPED, message="The turn was stopped before this call had a result.")
OUT_OF_TIME: Final = ToolError(
    type=TOOL_STOPPED, message="The turn's working time was used up before this call had a result."
)
UNKNOWN: Final = ToolError(
    type=OUTCOME_UNKNOWN,
    message="The connection to this call was lost after it had begun. It may have taken effect or not, and it was not "
    "repeated. Do not say that it succeeded, and do not call it again before you have found out.",
)
TOO_MANY: Final = ToolError(
    type=TOO_MANY_QUESTIONS, message="The server of this call asked again and again, so that the call was given up."
)


def denied(reason: str | None) -> ToolError:
    """The result of a call that a person did not allow."""
    told = f" The reason given: {reason}" if reason else ""
    return ToolError(type=DENIED, message=f"A person did not allow this call, and it did not run.{told}")


def expired(what: str) -> ToolError:
    """The result of a call whose question nobody answered. `what` did not come: `approval`, `answer`."""
    return ToolError(type=EXPIRED, message=f"No {what} came in time, so this call has no result.")


def declined(reason: str | None) -> ToolError:
    """The result of a call that the app or a person would not carry out."""
    told = f" The reason given: {reason}" if reason else ""
    return ToolError(type=DENIED, message=f"This was declined, so there is no result.{told}")


def changed_args(given: Given | None) -> str | None:
    """The arguments that a person gave a call, as its model is shown them; None: it runs with its own."""
    if given is None:
        return None
    if given.blob is not None:
        return f"{given.blob.size} bytes of JSON, too long to be shown here"
    return preview(to_json(given.args, inf_nan_mode="strings").decode(), 4096)


def start(draft: Draft, run: ToolCall, session_id: str | None = None) -> None:
    """Appends `tool.started` with these arguments; `session_id` is of the sub-agent's session that answers."""
    draft.add(
        ToolStarted(
            **draft.stamp,
            call_id=run.call_id,
            name=run.name,
            args=run.args,
            session_id=session_id,
            blob=run.blob,
            undoes=draft.turn.undoes,
            block=_block(draft, run.call_id),
        )
    )


def finish(draft: Draft, call: Call, outcome: ToolOutput | ToolError) -> None:
    """Gives a call its result; one that did not begin does so first, so that each call begins and ends."""
    if not call.started:
        start(draft, call.made)
    result = ToolResult(
        call_id=call.call_id,
        name=call.name,
        output=outcome.model_dump() if isinstance(outcome, ToolError) else outcome.output,
        is_error=isinstance(outcome, ToolError) or outcome.is_error,
        blob=None if isinstance(outcome, ToolError) else outcome.blob,
        changed_args=changed_args(call.given),
    )
    draft.add(
        ToolFinished(
            **draft.stamp,
            call_id=call.call_id,
            name=call.name,
            result=result,
            attempts=None if isinstance(outcome, ToolError) else outcome.attempt,
            duration_ms=round((draft.now - began(call, draft.now)).total_seconds() * 1000, 3),
            usage=call.spent.usage if call.spent else None,
            cost_usd=call.spent.cost_usd if call.spent else None,
            blocked=None if isinstance(outcome, ToolError) else outcome.blocked,
            undoes=draft.turn.undoes,
            block=call.block,
        )
    )


def goes_on(turn: Turn, call: Call) -> bool:
    """Whether what comes of a call may lead to more: it was not told to end, and neither was its turn."""
    return isinstance(call.stage, Running) and not turn.stopping and turn.error is None


def _block(draft: Draft, call_id: str) -> Block | None:
    call = draft.turn.call(call_id)
    return call.block if call is not None else None


def began(call: Call, now: datetime) -> datetime:
    """When the call that runs began."""
    return call.stage.began if isinstance(call.stage, Running | Ending) else now
