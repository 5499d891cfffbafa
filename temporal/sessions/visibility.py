"""How sessions are found in Temporal's visibility store: what stands there, and the query for it."""

from datetime import UTC, datetime
from typing import Final, Literal

from temporalio.client import Client

from perdure.temporal.sessions.json_bytes import rfc3339
from perdure.temporal.sessions.starting import searchable
from perdure.workflows.core.purses_asked import NOBODY
from perdure.workflows.protocol.purses import PurseName
from perdure.workflows.vocabulary.search_attributes import ACTIVE, AGENT, DIGEST, STATUS, TENANT, USER

Status = Literal["idle", "working", "waiting", "closed"]

#: Sessions, of which the tenants are told that have any.
_LOOKED_AT: Final = 200


def visibility_query(
    tenant: str,
    *,
    agent: str | None,
    status: Status | None,
    user: str | None,
    nobodys: bool = False,
    active_after: datetime | None = None,
) -> str:
    """Sessions of a tenant; a filter that is None lets all through. `nobodys`: only those of no user."""
    clauses = ["WorkflowType = 'SessionWorkflow'", "ExecutionStatus != 'ContinuedAsNew'"]
    if nobodys:
        clauses.append(f"{USER.name} IS NULL")
    for key, value in ((TENANT, tenant), (AGENT, agent), (USER, user)):
        if value is not None:
            clauses.append(f"{key.name} = '{searchable(value)}'")
    if status == "closed":
        # Also sessions that somebody terminated, whose own attribute could not change any more.
        clauses.append("ExecutionStatus != 'Running'")
    elif status is not None:
        clauses.append(f"ExecutionStatus = 'Running' AND {STATUS.name} = '{status}'")
    if active_after is not None:
        # One that has had no turn yet shows no time.
        moment = rfc3339(active_after.astimezone(UTC))
        clauses.append(f"({ACTIVE.name} > '{moment}' OR StartTime > '{moment}')")
    return " AND ".join(clauses)


def resting_query(tenant: str, *, digest: str | None, agent: str | None, user: str | None, nobodys: bool) -> str:
    """Open sessions of a tenant that rest on the definition with this digest; with None, those of `agent` that no digest is
    known of. `user` and `nobodys` as above."""
    among = visibility_query(tenant, agent=agent, status=None, user=user, nobodys=nobodys)
    shown = f"{DIGEST.name} IS NULL" if digest is None else f"{DIGEST.name} = '{searchable(digest)}'"
    return f"{among} AND ExecutionStatus = 'Running' AND {shown}"


async def tenants_besides(client: Client, tenant: str) -> list[str]:
    """Other tenants among those whose sessions were started last, sorted. Raises `RPCError`."""
    query = f"WorkflowType = 'SessionWorkflow' AND {TENANT.name} != '{searchable(tenant)}'"
    found = client.list_workflows(query, limit=_LOOKED_AT)
    return sorted({name async for one in found if (name := one.typed_search_attributes.get(TENANT)) is not None})


def at_work_query(purse: PurseName) -> str:
    """Open sessions that draw on this purse and are not idle."""
    clauses = [
        "WorkflowType = 'SessionWorkflow'",
        "ExecutionStatus = 'Running'",
        f"{TENANT.name} = '{searchable(purse.tenant)}'",
        f"{STATUS.name} != 'idle'",
    ]
    if purse.scope == "user":
        own = f"{USER.name} = '{searchable(purse.id)}'"
        clauses.append(f"({own} OR {USER.name} IS NULL)" if purse.id == NOBODY else own)
    return " AND ".join(clauses)
