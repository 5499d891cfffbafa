"""What sessions and purses ask of the world about each other: activity stubs, as in `activities.py`."""

from temporalio import activity

from perdure.workflows.protocol.purse_visits import SessionsVisited, VisitSessions
from perdure.workflows.protocol.purses import (
    DrawLeases,
    LeasesDrawn,
)


@activity.defn(name="draw_leases")
async def draw_leases(request: DrawLeases) -> LeasesDrawn:
    """Asks the purses of the calling session's user and tenant. A purse that there is not begins with this."""
    raise NotImplementedError


@activity.defn(name="visit_sessions")
async def visit_sessions(request: VisitSessions) -> SessionsVisited:
    """Tells sessions what a purse has to tell them, and asks what they hold of it. Who cannot be asked is `unknown`."""
    raise NotImplementedError
