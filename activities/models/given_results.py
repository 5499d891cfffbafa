"""The activity `check_answer`: whether a result that a handler gives is of the form that its agent's answers have."""

import asyncio

from temporalio import activity

from perdure.activities.models.answer_validation import misfit_of
from perdure.workflows.protocol.checked_answers import CheckAnswerInput


class GivenResults:
    @activity.defn(name="check_answer")
    async def check_answer(self, request: CheckAnswerInput) -> str | None:
        """What is wrong; None: it fits."""
        # A pattern may take long, and other work must go on meanwhile.
        return await asyncio.to_thread(misfit_of, request.value, request.form)
