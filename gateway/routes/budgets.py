"""Routes of budgets: what users and tenants may spend, have spent and have leased to sessions."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from starlette.responses import JSONResponse

from perdure.gateway.openapi.budget_answers import Budget, BudgetList
from perdure.gateway.routes.context import App, Caller
from perdure.gateway.routes.door import Door
from perdure.temporal.sessions.requests import Label
from perdure.workflows.definition.agent import PurseLimits

router = APIRouter(prefix="/v1/budgets", tags=["budgets"], route_class=Door)

ScopePath = Annotated[Literal["user", "tenant"], Path(description="Whose budget: a user's, or the tenant's")]
#: Whatever a session takes as its user, slashes included.
IdPath = Annotated[
    Label,
    Path(description="The user, or the tenant, percent-encoded. Sessions without a user belong to `local`"),
]


@router.get("", response_model=None, responses={200: {"model": BudgetList}})
async def get_budgets(
    app: App, caller: Caller, limit: Annotated[int, Query(ge=1, le=200, description="At most this many")] = 50
) -> dict[str, Any]:
    """All budgets, the newest first. A new one may take a second to be listed."""
    return {"budgets": await app.sessions.budgets.newest(caller, limit)}


@router.get("/{scope}/{id:path}", response_model=None, responses={200: {"model": Budget}})
async def get_budget(scope: ScopePath, id: IdPath, app: App, caller: Caller) -> dict[str, Any]:  # noqa: A002
    """The caps, what was spent, and what is leased to sessions. A budget that nobody has set or drawn on is empty."""
    return await app.sessions.budgets.show(caller, scope, id)


@router.put("/{scope}/{id:path}", response_model=None, responses={200: {"model": Budget}})
async def set_budget(
    scope: ScopePath,
    id: IdPath,  # noqa: A002
    body: PurseLimits,
    app: App,
    caller: Caller,
) -> JSONResponse:
    """Sets caps. What is left out stays as it is, null lifts a cap, and repeating the request changes nothing.

    Lowering a cap stops further leases; raising it lets sessions that wait for it go on."""
    return JSONResponse(await app.sessions.budgets.set(caller, scope, id, body))
