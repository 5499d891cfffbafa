"""Budgets of users and tenants as callers have them: shown and set, and which of them a session has to ask.

Rule: a caller reaches the purses of its own tenant alone. Its own user's it sees by `session:read`, all others by
`session:read:any`; it sets them by `session:limits:any`.
"""

import asyncio
import time
import uuid
from collections import OrderedDict
from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from temporalio.client import Client, WorkflowExecution, WorkflowQueryFailedError, WorkflowUpdateFailedError
from temporalio.service import RPCError, RPCStatusCode

from perdure.temporal.sessions.errors import (
    BudgetNotFound,
    InvalidRequest,
    NoWorker,
    Overloaded,
    TemporalSilent,
    from_rpc,
)
from perdure.temporal.sessions.json_bytes import rfc3339
from perdure.temporal.sessions.ledgers import LEDGER, Ledgers
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.starting import searchable
from perdure.temporal.sessions.workers import Workers
from perdure.temporal.settings import Settings
from perdure.workflows.core.ledger.report import purse_state
from perdure.workflows.core.ledger.state import new_ledger
from perdure.workflows.core.purses_asked import NOBODY
from perdure.workflows.definition.agent import Caps, PurseLimits
from perdure.workflows.definition.purse_caps import PERIODS, UNITS, Period, Unit, caps_of
from perdure.workflows.protocol.amounts import Amounts
from perdure.workflows.protocol.purses import SCOPES, AllowedOver, PurseName, PurseState, Scope, SetCaps
from perdure.workflows.protocol.signals import SpendingCommand
from perdure.workflows.vocabulary.search_attributes import TENANT

R = TypeVar("R")
S = TypeVar("S", bound=SpendingCommand)


#: Seconds for which it is believed that a purse has caps, or none. What this process sets counts at once.
_BELIEVED_S: Final = 5.0
_MOST_BELIEVED: Final = 10_000
_PROBE_S: Final = 2.0


class Budgets:
    """Raises `NoWorker`, `Overloaded`, `TemporalSilent` and `TooMany`; methods name only what they raise beside."""

    def __init__(self, client: Client, settings: Settings, workers: Workers | None = None) -> None:
        self._client = client
        self._ledgers = Ledgers(client, settings.workflow_task_timeout)
        self._workers = workers or Workers(client)
        self._timeout_s = settings.query_timeout_s
        #: Whether a purse has caps, and until when that is believed.
        self._believed: OrderedDict[PurseName, tuple[bool, float]] = OrderedDict()

    async def show(self, caller: Principal, scope: Scope, purse_id: str) -> dict[str, Any]:
        """The budget as JSON; one that nobody has set or drawn on is empty. Raises `BudgetNotFound` and `Forbidden`."""
        name = _name(caller, scope, purse_id)
        caller.need_act("read")
        return budget_json(await self._asked(self._state(name)))

    async def set(self, caller: Principal, scope: Scope, purse_id: str, changes: PurseLimits) -> dict[str, Any]:
        """Sets the given caps, null lifting one, and returns the budget. Raises `BudgetNotFound`, `Forbidden` and
        `InvalidRequest`."""
        name = _name(caller, scope, purse_id)
        caller.need_any("limits", "To set budgets")
        command = SetCaps(id=uuid.uuid4().hex, caps=_changes(changes), by=caller.by, announces=True)
        if not command.caps:
            raise InvalidRequest(None, "give at least one of day, month and total")
        state = await self._asked(self._ledgers.set_caps(name, command))
        self._believe(name, state.caps.caps_spending)
        return budget_json(state)

    async def newest(self, caller: Principal, limit: int) -> list[dict[str, Any]]:
        """The caller's budgets, the newest first, `limit` at most. Raises `Forbidden`."""
        caller.need_act("read")
        if caller.session is not None:
            return []
        if not caller.holds_any("read"):
            return [await self.show(caller, "user", caller.user or NOBODY)]
        query = f"WorkflowType = '{LEDGER}' AND ExecutionStatus = 'Running'"
        query += f" AND {TENANT.name} = '{searchable(caller.tenant)}'"
        found = await self._asked(self._listed(query, limit))
        names = [name for one in found if (name := _parsed(one.id)) is not None]
        return [budget_json(await self._asked(self._state(name))) for name in names]

    async def announcing(self, command: S, tenant: str, user: str | None) -> S:
        """A command to a session of this user, with the purses that the session has to ask. Needs no worker."""
        return command.model_copy(update={"purses": await self.announced(tenant, user)})

    async def announced(self, tenant: str, user: str | None) -> tuple[Scope, ...]:
        """The purses with caps of their own that a session of this user has to ask. Needs no worker."""
        owners: dict[Scope, str] = {"user": user or NOBODY, "tenant": tenant}
        names = {scope: PurseName(tenant=tenant, scope=scope, id=owner) for scope, owner in owners.items()}
        capped = await asyncio.gather(*(self._has_caps(name) for name in names.values()))
        return tuple(scope for scope, has in zip(names, capped, strict=True) if has)

    async def _state(self, name: PurseName) -> PurseState:
        state = await self._ledgers.state(name)
        return _empty(name) if state is None else state

    async def _has_caps(self, name: PurseName) -> bool:
        believed = self._believed.get(name)
        if believed is not None and time.monotonic() < believed[1]:
            return believed[0]
        try:
            async with asyncio.timeout(self._timeout_s):
                capped = await self._ledgers.has_caps(name)
        except (TimeoutError, RPCError):
            # The message that it is for does not wait; the next one finds out.
            return believed[0] if believed is not None else False
        self._believe(name, capped)
        return capped

    def _believe(self, name: PurseName, capped: bool) -> None:
        self._believed[name] = (capped, time.monotonic() + _BELIEVED_S)
        self._believed.move_to_end(name)
        while len(self._believed) > _MOST_BELIEVED:
            self._believed.popitem(last=False)

    async def _listed(self, query: str, limit: int) -> list[WorkflowExecution]:
        return [one async for one in self._client.list_workflows(query, limit=limit)]

    async def _asked(self, answer: Awaitable[R]) -> R:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await answer
        except TimeoutError:
            raise await self._silent() from None
        except (WorkflowQueryFailedError, WorkflowUpdateFailedError) as error:
            raise NoWorker("No worker's code can carry the purse on.") from error
        except RPCError as error:
            if error.status in (RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED):
                raise await self._silent() from error
            if error.status is RPCStatusCode.FAILED_PRECONDITION:
                raise NoWorker from error
            raise from_rpc(error) from error

    async def _silent(self) -> NoWorker | Overloaded | TemporalSilent:
        try:
            async with asyncio.timeout(_PROBE_S):
                return Overloaded() if await self._workers.any_polls() else NoWorker()
        except (TimeoutError, RPCError):
            return TemporalSilent()


def budget_json(state: PurseState) -> dict[str, Any]:
    """As callers are shown it. What is leased counts in every period."""
    periods: dict[Period, Amounts] = {
        "day": state.day.spent,
        "month": state.month.spent,
        "total": state.total.spent,
    }
    return {
        "scope": state.name.scope,
        "id": state.name.id,
        "caps": {period: _caps_json(state.caps, period) for period in PERIODS},
        "spent": {period: _amounts_json(spent) for period, spent in periods.items()},
        "leased": {period: _amounts_json(state.leased) for period in PERIODS},
        "periods": {"day": state.day.period, "month": state.month.period},
        "sessions": state.holders,
        "waiting": state.waiting,
        "allowed": [_allowed_json(one) for one in state.allowed],
    }


def _allowed_json(one: AllowedOver) -> dict[str, Any]:
    by = None if one.by is None else one.by.model_dump(mode="json")
    return {
        "question_id": one.question_id,
        "session_id": one.session_id,
        "at": rfc3339(one.at),
        "by": by,
        "amounts": _amounts_json(one.amounts),
    }


def _caps_json(caps: PurseLimits, period: Period) -> dict[str, Any] | None:
    found: Caps | None = getattr(caps, period)
    return None if found is None else {unit: getattr(found, unit) for unit in UNITS}


def _amounts_json(amounts: Amounts) -> dict[str, Any]:
    return {"cost_usd": amounts.cost_usd, "tokens": amounts.tokens, "tool_calls": amounts.tool_calls}


def _changes(wanted: PurseLimits) -> dict[Period, dict[Unit, int | float | None] | None]:
    changes: dict[Period, dict[Unit, int | float | None] | None] = {}
    for period in PERIODS:
        if period not in wanted.model_fields_set:
            continue
        caps = caps_of(wanted, period)
        given = {unit: getattr(caps, unit) for unit in UNITS if unit in caps.model_fields_set}
        changes[period] = None if getattr(wanted, period) is None else given
    return changes


def _name(caller: Principal, scope: Scope, purse_id: str) -> PurseName:
    own = scope == "user" and caller.session is None and (caller.user or NOBODY) == purse_id
    foreign = scope == "tenant" and purse_id != caller.tenant
    if foreign or not (own or caller.holds_any("read")):
        raise BudgetNotFound
    return PurseName(tenant=caller.tenant, scope=scope, id=purse_id)


def _empty(name: PurseName) -> PurseState:
    at = datetime.now(UTC)
    return purse_state(new_ledger(name, at), at)


def _parsed(workflow_id: str) -> PurseName | None:
    tenant, _, rest = workflow_id.partition("/")
    scope, _, purse_id = rest.partition("/")
    found: Scope | None = next((one for one in SCOPES if one == scope), None)
    return None if found is None or not purse_id else PurseName(tenant=tenant, scope=found, id=purse_id)
