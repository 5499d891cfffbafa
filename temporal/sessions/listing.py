"""The list of sessions, from Temporal's visibility store. A session that continued as new is one entry: its open run."""

import base64
import binascii
import hashlib
from datetime import datetime
from typing import Any, Final

from temporalio.client import WorkflowExecution, WorkflowExecutionStatus

from perdure.temporal.sessions.backend import Backend
from perdure.temporal.sessions.errors import Forbidden, InvalidRequest
from perdure.temporal.sessions.json_bytes import rfc3339
from perdure.temporal.sessions.listed_runs import NOT_OF_THIS_LIST
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.starting import readable
from perdure.temporal.sessions.visibility import Status, visibility_query
from perdure.workflows.vocabulary.search_attributes import ACTIVE, AGENT, COST, ENDED, STATUS, USER

PAGE: Final = 50
_CHECK_BYTES: Final = 6


async def list_sessions(
    backend: Backend,
    caller: Principal,
    *,
    agent: str | None,
    status: Status | None,
    user: str | None,
    active_after: datetime | None,
    cursor: str | None,
) -> dict[str, Any]:
    """One page: `{sessions, next_cursor}`. Raises `InvalidRequest` where the cursor is not of this list, and `Forbidden`."""
    caller.need_act("read")
    if caller.session is not None:
        raise Forbidden("A session's token reaches that session alone.")
    nobodys = False
    if not caller.holds_any("read"):
        if user not in (None, caller.user):
            return {"sessions": [], "next_cursor": None}
        user, nobodys = caller.user, caller.user is None
    wanted = visibility_query(
        caller.tenant, agent=agent, status=status, user=user, nobodys=nobodys, active_after=active_after
    )
    found, token = await backend.list(wanted, PAGE, None if cursor is None else _token(wanted, cursor))
    # While a session continues as new, the store may know two runs of it; the newer comes first.
    newest = {execution.id: execution for execution in reversed(found)}
    return {
        "sessions": [await _entry(execution) for execution in found if newest[execution.id] is execution],
        "next_cursor": None if token is None else _cursor(wanted, token),
    }


def _cursor(query: str, token: bytes) -> str:
    return base64.urlsafe_b64encode(_check(query, token) + token).decode().rstrip("=")


def _token(query: str, cursor: str) -> bytes:
    try:
        data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        data = b""
    check, token = data[:_CHECK_BYTES], data[_CHECK_BYTES:]
    if not token or check != _check(query, token):
        raise InvalidRequest("cursor", NOT_OF_THIS_LIST)
    return token


def _check(query: str, token: bytes) -> bytes:
    # Tells a token that is damaged or of another query. Whoever forges one learns nothing: the query has the tenant in it.
    return hashlib.sha256(query.encode() + b"\0" + token).digest()[:_CHECK_BYTES]


async def _entry(execution: WorkflowExecution) -> dict[str, Any]:
    attributes = execution.typed_search_attributes
    memo = await execution.memo()
    running = execution.status is WorkflowExecutionStatus.RUNNING
    created_at = memo.get("created_at") or rfc3339(execution.start_time)
    active = max(filter(None, (attributes.get(ACTIVE), execution.close_time)), default=None)
    return {
        "session_id": execution.id.partition("/")[2],
        "workflow_id": execution.id,
        "agent": attributes.get(AGENT, ""),
        "status": attributes.get(STATUS, "idle") if running else "closed",
        "user": None if (user := attributes.get(USER)) is None else readable(user),
        "created_at": created_at,
        "active_at": created_at if active is None else rfc3339(active),
        "last_turn": attributes.get(ENDED),
        "cost_usd": attributes.get(COST, 0.0),
        "title": memo.get("title", ""),
        "demo": bool(memo.get("demo", False)),
        # The session whose call this one answers.
        **({"parent": parent} if (parent := memo.get("parent")) else {}),
        # The session whose past it began with.
        **({"forked_from": source} if (source := memo.get("forked_from")) else {}),
    }
