"""The activity `take_result`: the result of a tool on somebody else's worker, validated, and offloaded if it is large."""

import asyncio

from temporalio import activity
from temporalio.exceptions import ApplicationError

from perdure.activities.tools.outputs import output_of, sized_result
from perdure.activities.tools.results import BadResult, check_result
from perdure.temporal.stores.blobs import BlobStore, fold_part
from perdure.workflows.protocol.activities import TakeResultInput, ToolOutput
from perdure.workflows.vocabulary.errors import INVALID_RESULT
from perdure.workflows.vocabulary.folding import preview
from perdure.workflows.vocabulary.parts import ToolResult


def _checked(request: TakeResultInput) -> tuple[ToolResult, bool]:
    if request.result_schema is not None:
        try:
            check_result(request.output, request.result_schema)
        except BadResult as error:
            message = f"{request.name} ran, but what it returned does not fit its output schema: {error}"
            raise ApplicationError(preview(message), type=INVALID_RESULT, non_retryable=True) from None
    return sized_result(request.call_id, request.name, request.output)


class Taking:
    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    @activity.defn(name="take_result")
    async def take_result(self, request: TakeResultInput) -> ToolOutput:
        """Raises ApplicationError `invalid_result`, `result_too_large`."""
        # A result of many megabytes takes seconds, and other work must go on meanwhile.
        result, big = await asyncio.to_thread(_checked, request)
        part = await fold_part(self._blobs, activity.info().workflow_id or "", result) if big else result
        # The attempt is not known: it ran on somebody else's worker.
        return output_of(part, attempt=None)
