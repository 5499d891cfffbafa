"""Attempts that Temporal has given up before they began do not run.

A process that is paused, by a debugger or a closed laptop, still holds polls at the server. Each poll gets an attempt, which
times out unseen, and when the process resumes all of them would run: one model call, or one tool call, for each.

Rule: the worker's clock only raises the suspicion. The server decides whether the attempt still counts, so a wrong clock
costs a request and never an attempt.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from temporalio import activity
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from perdure.workflows.vocabulary.errors import STALE_ATTEMPT

_RPC_TIMEOUT: Final = timedelta(seconds=5)


class StaleAttempts(Interceptor):
    """Refuses, with `STALE_ATTEMPT`, an attempt that is older than its time-out when it begins, if the server has given
    it up. This interceptor has to come before those that have effects.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        return _Inbound(next, self._client)


class _Inbound(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, client: Client) -> None:  # noqa: A002 - the SDK's name
        super().__init__(next)
        self._client = client

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - the SDK's name
        info = activity.info()
        allowed = info.heartbeat_timeout or info.start_to_close_timeout
        late = allowed is not None and datetime.now(UTC) - info.started_time >= allowed
        if late and not info.is_local and await self._given_up(info):
            raise ApplicationError(
                f"attempt {info.attempt} of {info.activity_id} was given up before it began", type=STALE_ATTEMPT
            )
        return await super().execute_activity(input)

    async def _given_up(self, info: activity.Info) -> bool:
        execution = WorkflowExecution(workflow_id=info.workflow_id or "", run_id=info.workflow_run_id or "")
        request = DescribeWorkflowExecutionRequest(namespace=info.namespace, execution=execution)
        try:
            found = await self._client.workflow_service.describe_workflow_execution(request, timeout=_RPC_TIMEOUT)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return True
            raise
        open_states = (
            PendingActivityState.PENDING_ACTIVITY_STATE_STARTED,
            PendingActivityState.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED,
        )
        return not any(
            pending.activity_id == info.activity_id and pending.attempt == info.attempt and pending.state in open_states
            for pending in found.pending_activities
        )
