"""What the answer of a model means to the handler whose block asked for it. Pure."""

from pydantic import JsonValue

from perdure.workflows.core.changes import TurnBroken
from perdure.workflows.core.draft import Draft
from perdure.workflows.core.endings import GOOD, fault
from perdure.workflows.core.handler_changes import BlockAnswered, HandlerMoved, VariablesSet
from perdure.workflows.core.handlers.answers import MOST_AGAIN, value_of
from perdure.workflows.core.handlers.interpreter import advanced
from perdure.workflows.core.handlers.landing import shared_value
from perdure.workflows.core.limit_words import cut_short
from perdure.workflows.core.routing import route_of
from perdure.workflows.core.state.handlers import Asking, HandlerRun
from perdure.workflows.core.state.record import replace
from perdure.workflows.protocol.activities import StepOutput
from perdure.workflows.protocol.blocks import Misfit
from perdure.workflows.protocol.steps import StepRecord
from perdure.workflows.vocabulary.errors import ANSWER_INVALID
from perdure.workflows.vocabulary.parts import Part, Reasoning, Text, ToolError


def block_answered(draft: Draft, record: StepRecord, output: StepOutput) -> None:
    """The step has ended with this answer, and its event is there."""
    if record.hides:
        draft.add(BlockAnswered(step_id=record.step_id, parts=tuple(map(_for_people, output.parts))))
    run = draft.turn.run
    # A stop, or the end of the turn's working time, cut it: should the turn go on, the block asks again.
    if run is None or not isinstance(run.doing, Asking) or output.stop == "stopped":
        return
    asking = run.doing
    if output.stop not in GOOD and output.stop != "pause":
        limit = route_of(draft.state, record.role)[record.hop].model.max_output_tokens
        error = fault(output.stop, (), role=record.role, limit=limit, word=output.stop_raw)
        if output.stop == "max_tokens" and record.bound is not None:
            error = cut_short(record.bound)
        assert error is not None
        draft.add(TurnBroken(error=error.saying(f"{asking.block.at}: {error.message}")))
        return
    value = value_of(asking, output)
    if not isinstance(value, Misfit):
        _land(draft, run, asking, value)
    elif len(asking.misfits) < MOST_AGAIN:
        draft.add(HandlerMoved(run=replace(run, doing=replace(asking, misfits=(*asking.misfits, value)))))
    else:
        again = "the answer is not what was asked for, also when the model was asked again."
        message = f"{asking.block.at}: {again} {value.why}"
        draft.add(TurnBroken(error=ToolError(type=ANSWER_INVALID, message=message, retryable=True)))


def _land(draft: Draft, run: HandlerRun, asking: Asking, value: JsonValue) -> None:
    """The block is done, and its value goes to its variable."""
    shared = shared_value(draft.state, draft.state.slot.loaded, asking.into, value, asking.block.at)
    if isinstance(shared, ToolError):
        draft.add(TurnBroken(error=shared))
        return
    if shared is not None:
        draft.add(VariablesSet(values=shared))
    draft.add(HandlerMoved(run=advanced(run, asking.into, value) if shared is None else advanced(run)))


def _for_people(part: Part) -> Part:
    """Without what only its server reads, and of a very long one head and tail: nobody goes on from it."""
    return part.model_copy(update={"native": None, "blob": None}) if isinstance(part, Text | Reasoning) else part
