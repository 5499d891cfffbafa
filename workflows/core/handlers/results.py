"""A handler that ends with a result: it is checked as any answer is, and is the turn's answer where it fits. Pure."""

from pydantic_core import to_json

from perdure.workflows.core.changes import AnswerRead, TurnBroken
from perdure.workflows.core.draft import Draft
from perdure.workflows.core.effects import CheckAnswer
from perdure.workflows.core.handler_changes import HandlerMoved
from perdure.workflows.core.handlers.saying import said
from perdure.workflows.core.state.handlers import Finishing
from perdure.workflows.core.state.record import replace
from perdure.workflows.protocol.checked_answers import CheckAnswerInput
from perdure.workflows.vocabulary.errors import ANSWER_INVALID
from perdure.workflows.vocabulary.parts import ToolError


def check_result(draft: Draft) -> CheckAnswer:
    run, loaded = draft.turn.run, draft.state.slot.loaded
    assert run is not None
    assert loaded is not None
    doing, answer = run.doing, loaded.definition.answer
    assert isinstance(doing, Finishing)
    assert answer is not None
    draft.add(HandlerMoved(run=replace(run, doing=replace(doing, asked=True))))
    return CheckAnswer(CheckAnswerInput(value=doing.result, form=answer.form))


def result_weighed(draft: Draft, misfit: str | ToolError | None) -> None:
    """The result has been checked; see `AnswerWeighed`."""
    turn = draft.state.turn
    run = turn.run if turn is not None else None
    if turn is None or run is None or not isinstance(run.doing, Finishing) or not run.doing.asked:
        return
    doing = run.doing
    if turn.stopping or misfit is not None:
        # Should the turn go on, the block is carried out anew.
        draft.add(HandlerMoved(run=replace(run, doing=None)))
    if turn.stopping:
        return
    match misfit:
        case None:
            run = said(draft, run, to_json(doing.result).decode())
            draft.add(AnswerRead(value=doing.result))
            draft.add(HandlerMoved(run=replace(run, doing=None, over=True)))
        case str():
            message = f"{doing.at}: the result does not fit answer.schema: {misfit}"
            draft.add(TurnBroken(error=ToolError(type=ANSWER_INVALID, message=message)))
        case ToolError():
            draft.add(TurnBroken(error=misfit.saying(f"{doing.at}: {misfit.message}")))
