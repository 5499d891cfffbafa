"""How sessions are found in Temporal's visibility store: what stands there, and the query for it. Pure."""

from typing import Literal

from perdure.temporal.sessions.starting import searchable
from perdure.workflows.core.purses_asked import NOBODY
from perdure.workflows.protocol.purses import PurseName
from perdure.workflows.vocabulary.search_attributes import AGENT, DIGEST, STATUS, TENANT, USER

Status = Literal["idle", "working", "waiting", "closed"]


def visibility_query(
    tenant: str, *, agent: str | None, status: Status | None, user: str | None, nobodys: bool = False
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
    return " AND ".join(clauses)


def resting_query(tenant: str, *, digest: str | None, agent: str | None, user: str | None, nobodys: bool) -> str:
    """Open sessions of a tenant that rest on the definition with this digest; with None, those of `agent` that no digest is
    known of. `user` and `nobodys` as above."""
    among = visibility_query(tenant, agent=agent, status=None, user=user, nobodys=nobodys)
    shown = f"{DIGEST.name} IS NULL" if digest is None else f"{DIGEST.name} = '{searchable(digest)}'"
    return f"{among} AND ExecutionStatus = 'Running' AND {shown}"


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
