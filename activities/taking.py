"""The activity `take_result`: what a tool on somebody else's worker returned, checked and made fit to travel."""

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.results import BadResult, check_result
from activities.tools import output_of, sized_result
from temporal.blobs import BlobStore, fold_part
from workflows.contract import TakeResultInput, ToolOutput
from workflows.errors import INVALID_RESULT
from workflows.types import preview


class Taking:
    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    @activity.defn(name="take_result")
    async def take_result(self, request: TakeResultInput) -> ToolOutput:
        """Raises ApplicationError `invalid_result`, `result_too_large`."""
        if request.result_schema is not None:
            try:
                check_result(request.output, request.result_schema)
            except BadResult as error:
                message = f"{request.name} ran, but what it returned does not fit its output schema: {error}"
                raise ApplicationError(preview(message), type=INVALID_RESULT, non_retryable=True) from None
        result, big = sized_result(request.call_id, request.name, request.output)
        part = await fold_part(self._blobs, activity.info().workflow_id or "", result) if big else result
        # Whose worker it was does not tell the attempt.
        return output_of(part, attempt=None)
