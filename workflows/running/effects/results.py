"""Checks a result that a handler gives, in a local activity: its verdict stays the same in every replay."""

from temporalio import workflow
from temporalio.exceptions import FailureError

from perdure.workflows.core.effects import CheckAnswer
from perdure.workflows.core.outcomes import AnswerWeighed
from perdure.workflows.protocol.checked_answers import check_answer
from perdure.workflows.running.activity_options import TAKE_RESULT
from perdure.workflows.running.failures import local_failure


async def weigh_answer(effect: CheckAnswer) -> AnswerWeighed:
    try:
        misfit: str | None = await workflow.execute_local_activity(check_answer, effect.request, **TAKE_RESULT)
    except FailureError as failure:
        return AnswerWeighed(local_failure(failure))
    return AnswerWeighed(misfit)
