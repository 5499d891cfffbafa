"""All runs of a session: each continue-as-new begins another one under the same workflow id."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

RPC_TIMEOUT: Final = timedelta(seconds=10)


async def runs_of(client: Client, session: str) -> list[str]:
    """Run ids, oldest first; empty where there is no such session. `session` is a workflow id. Raises `RPCError`.

    They are found from the latest one backwards, also those that the visibility store does not show yet. To that comes
    what the store shows and no chain leads to any more.
    """
    chain: list[str] = []
    run = await _latest(client, session)
    while run:
        chain.append(run)
        run = await _before(client.get_workflow_handle(session, run_id=run))
    listed = [found.run_id async for found in client.list_workflows(f"WorkflowId = '{session}'")]
    return [*(run for run in reversed(listed) if run not in chain), *reversed(chain)]


async def children_of(client: Client, session: str, runs: Iterable[str]) -> list[str]:
    """Workflow ids of the sessions that these runs of a session started. Raises `RPCError`.

    The histories know also those that the visibility store does not show yet; the store those whose history is gone. A
    session that had the id before this one wanted to start it is not among them.
    """
    found: dict[str, None] = {}
    for run in runs:
        try:
            async for event in client.get_workflow_handle(session, run_id=run).fetch_history_events(
                rpc_timeout=RPC_TIMEOUT
            ):
                if event.event_type == EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED:
                    found[event.start_child_workflow_execution_initiated_event_attributes.workflow_id] = None
        except RPCError as error:
            unless_not_found(error)
    async for listed in client.list_workflows(f"ParentWorkflowId = '{session}'"):
        found[listed.id] = None
    return [child for child in found if await _is_child(client, child, session)]


async def _is_child(client: Client, child: str, session: str) -> bool:
    """Whether this session is one that `session` started, or is gone."""
    try:
        described = await client.get_workflow_handle(child).describe(rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        unless_not_found(error)
        return True
    return described.parent_id == session


async def run_exists(client: Client, session: str, run: str) -> bool:
    """Whether Temporal still has this run. Raises `RPCError`."""
    try:
        await client.get_workflow_handle(session, run_id=run).describe(rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        unless_not_found(error)
        return False
    return True


def unless_not_found(error: RPCError) -> None:
    """Raises `error` again unless it says that there is no such workflow or run."""
    if error.status is not RPCStatusCode.NOT_FOUND:
        raise error


async def _latest(client: Client, session: str) -> str | None:
    try:
        return (await client.get_workflow_handle(session).describe(rpc_timeout=RPC_TIMEOUT)).run_id
    except RPCError as error:
        unless_not_found(error)
        return None


async def _before(run: WorkflowHandle[Any, Any]) -> str | None:
    """The run that continued as this one; None where this was the first or is gone."""
    try:
        async for event in run.fetch_history_events(page_size=1, rpc_timeout=RPC_TIMEOUT):
            return event.workflow_execution_started_event_attributes.continued_execution_run_id or None
    except RPCError as error:
        unless_not_found(error)
    return None
