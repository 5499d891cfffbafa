"""Leases of the purses of a session's user and tenant: one activity for both."""

from temporalio import workflow
from temporalio.exceptions import ActivityError

from perdure.workflows.core.effects import AskPurses
from perdure.workflows.core.outcomes import PursesAnswered
from perdure.workflows.protocol.purse_activities import draw_leases
from perdure.workflows.protocol.purses import LeasesDrawn
from perdure.workflows.running.activity_options import leases_config


async def ask_purses(effect: AskPurses) -> PursesAnswered:
    """A step waits for its lease as long as need be. A session that closes does not: the purse finds out by itself."""
    config = leases_config(effect.closes)
    try:
        answer: LeasesDrawn = await workflow.execute_activity(draw_leases, effect.request, **config)
    except ActivityError as failure:
        workflow.logger.warning("purses_unreachable", extra={"error": str(failure.cause or failure)})
        return PursesAnswered(None)
    return PursesAnswered(answer)
