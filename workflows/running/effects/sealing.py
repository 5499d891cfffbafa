"""A part of the session's past is put into the blob store: one activity, beside whatever else the session does."""

from temporalio import workflow
from temporalio.exceptions import ActivityError

from perdure.workflows.core.effects import SealPart
from perdure.workflows.core.outcomes import SealingEnded
from perdure.workflows.protocol.sealing import Sealed, seal_past
from perdure.workflows.running.activity_options import SEAL


async def seal_part(effect: SealPart) -> SealingEnded:
    try:
        sealed: Sealed = await workflow.execute_activity(seal_past, effect.request, **SEAL)
    except ActivityError as failure:
        workflow.logger.warning("past_not_sealed", extra={"error": str(failure.cause or failure)})
        return SealingEnded(None)
    return SealingEnded(sealed)
