"""Whose session an activity runs for. Its workflow id says so, which no caller chooses the beginning of."""

from temporalio import activity


def tenant_here() -> str | None:
    """The tenant of the session whose activity runs; None outside of a worker."""
    if not activity.in_activity():
        return None
    return (activity.info().workflow_id or "").partition("/")[0] or None
