"""Sessions are released from a dead worker's memory where the server can do that."""

from pathlib import Path

import pytest
from temporalio.api.workflowservice.v1 import ResetStickyTaskQueueRequest
from temporalio.service import RPCError, RPCStatusCode

from perdure.temporal.server.sticky import forget_worker
from tests.support.tool_lab import skipping_lab

pytestmark = pytest.mark.server


async def test_a_server_that_cannot_forget_a_worker_fails_nobody(tmp_path: Path) -> None:
    async with skipping_lab(tmp_path) as (_, lab):
        with pytest.raises(RPCError) as refused:
            await lab.client.workflow_service.reset_sticky_task_queue(ResetStickyTaskQueueRequest(namespace="default"))
        assert refused.value.status is RPCStatusCode.UNIMPLEMENTED
        await forget_worker(lab.client, "default/s1")
