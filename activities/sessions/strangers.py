"""Around each activity of this worker: it runs for a session, a purse, or to deliver a scheduled message, and for nothing
else.

Anybody with write access to the namespace could otherwise start an activity directly, or from a workflow of their own,
and choose what it does on this machine. How far an activity trusts its input is decided in the activity; this decides who
may call it.
"""

import re
from typing import Any, Final

from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from perdure.temporal.stores.blobs import RESERVED_TENANTS
from perdure.workflows.vocabulary.errors import NOT_A_SESSION

_DELIVERY: Final = "deliver_message"
#: By activity, the workflow that may call it. Every other activity belongs to sessions.
_CALLERS: Final = {_DELIVERY: "DeliverMessage", "visit_sessions": "LedgerWorkflow"}
_SESSION: Final = "SessionWorkflow"
_LEDGER: Final = "LedgerWorkflow"
_LEDGER_ID: Final = re.compile(r"([A-Za-z0-9._~:-]{1,200})/(user|tenant)/.{1,200}", re.DOTALL)
_SESSION_ID: Final = re.compile(r"([A-Za-z0-9._~:-]{1,200})/([A-Za-z0-9._~:-]{1,200})")
_DOTS: Final = (".", "..")


class NoStrangers(Interceptor):
    """Fails activities that no session asks for with `not_a_session`, for good."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        return _Inbound(next)


class _Inbound(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - the SDK's name
        info = activity.info()
        why = objection(info.activity_type, info.workflow_type, info.workflow_id)
        if why is not None:
            raise ApplicationError(f"{info.activity_type} did not run: {why}.", type=NOT_A_SESSION, non_retryable=True)
        return await super().execute_activity(input)


def objection(activity_type: str, workflow_type: str | None, workflow_id: str | None) -> str | None:
    """Why an activity does not run for this workflow. None: it does. The workflow is None if none calls."""
    if not workflow_type or not workflow_id:
        return "activities of Perdure run for sessions only, never by themselves"
    expected = _CALLERS.get(activity_type, _SESSION)
    if workflow_type != expected:
        return f"it runs for {expected} only, not for {workflow_type[:100]}"
    if expected == _SESSION and not is_session(workflow_id):
        return f"{workflow_id[:100]} is the id of no session"
    if expected == _LEDGER and not is_purse(workflow_id):
        return f"{workflow_id[:100]} is the id of no purse"
    return None


def is_purse(workflow_id: str) -> bool:
    """Whether a purse can have this workflow id: `{tenant}/user/{id}` or `{tenant}/tenant/{id}`."""
    match = _LEDGER_ID.fullmatch(workflow_id)
    return match is not None and match[1] not in (*_DOTS, *RESERVED_TENANTS)


def is_session(workflow_id: str) -> bool:
    """Whether a session can have this workflow id: `{tenant}/{session}`."""
    match = _SESSION_ID.fullmatch(workflow_id)
    return (
        match is not None
        and not any(segment in _DOTS for segment in match.groups())
        and match[1] not in RESERVED_TENANTS
    )
