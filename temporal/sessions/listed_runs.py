"""Pages of Temporal's visibility store.

Temporal fails on a page token that it cannot read, and its client tries such a call again for seconds. So a token that comes
from a caller is tried once before.
"""

from typing import Final

from temporalio.api.workflowservice.v1 import ListWorkflowExecutionsRequest
from temporalio.client import Client, WorkflowExecution
from temporalio.service import RPCError, RPCStatusCode

from perdure.temporal.sessions.errors import InvalidRequest

NOT_OF_THIS_LIST: Final = "is not a cursor of this list"
#: How a server that is there answers to a token that it cannot read.
_MISREAD: Final = frozenset({RPCStatusCode.INVALID_ARGUMENT, RPCStatusCode.INTERNAL, RPCStatusCode.UNKNOWN})


#: With the token of the next one.
Page = tuple[list[WorkflowExecution], bytes | None]


async def listed_runs(client: Client, query: str, page_size: int, token: bytes | None) -> Page:
    """One page. Raises `InvalidRequest`, which names `cursor`, and `RPCError`."""
    if token is not None:
        await _check(client, query, token)
    found = client.list_workflows(query, page_size=page_size, next_page_token=token)
    await found.fetch_next_page()
    return list(found.current_page or ()), found.next_page_token


async def _check(client: Client, query: str, token: bytes) -> None:
    request = ListWorkflowExecutionsRequest(namespace=client.namespace, page_size=1, next_page_token=token, query=query)
    try:
        await client.workflow_service.list_workflow_executions(request)
    except RPCError as error:
        if error.status in _MISREAD:
            raise InvalidRequest("cursor", NOT_OF_THIS_LIST) from None
        raise
