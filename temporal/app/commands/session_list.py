"""`perdure sessions list`: by a gateway that is named, or that of a `perdure dev` on the data directory; else from Temporal.

Both give the same list. The gateway's needs neither Temporal's SDK nor the rest of Perdure, which take a second to load.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx2
from rich.console import Console

from perdure.temporal.app.commands.session_rows import session_rows
from perdure.temporal.app.console.gateway import GatewayAddress, gateway_address, problem_of
from perdure.temporal.app.console.refused import Refused
from perdure.temporal.app.console.terminal import plain
from perdure.temporal.environment import DEFAULT_DATA_DIR, environment
from perdure.temporal.server.dev_addresses import find_dev, temporal_is_named

if TYPE_CHECKING:
    from perdure.temporal.sessions.visibility import Status

_TIMEOUT_S: Final = 30
#: The only tenant of a `dev`.
_TENANT: Final = "default"

Page = dict[str, Any]


def list_sessions(
    agent: str | None,
    status: "Status | None",
    user: str | None,
    limit: int,
    tenant: str,
    url: str | None,
    data_dir: Path | None,
    api_key_file: Path | None,
) -> None:
    """Prints at most `limit` sessions: open ones, the newest first, then closed ones. Raises `Refused` and
    `TemporalUnavailable`."""
    if url is not None and tenant != _TENANT:
        raise Refused("--tenant is for Temporal; a gateway lists the sessions of the API key's tenant")
    wanted = {"agent": agent, "status": status, "user": user}
    dev = tenant == _TENANT and not temporal_is_named(environment()) and find_dev(data_dir or DEFAULT_DATA_DIR)
    others: list[str] = []
    if url is not None or dev:
        found, more = _from_gateway(wanted, limit, gateway_address(url, data_dir, api_key_file))
    else:
        found, more, others = _from_temporal(wanted, limit, tenant, data_dir)
    console = Console(highlight=False, soft_wrap=True)
    if others:
        console.print(f"no sessions of the tenant {tenant}, but of {', '.join(map(plain, others))}: --tenant names one")
    elif not found:
        console.print("no sessions")
    else:
        for row in session_rows(found, datetime.now(UTC), console.width):
            console.print(row)
    if more:
        console.print(f"there are more than {limit}; --limit shows more", style="dim")


def _from_gateway(wanted: Mapping[str, str | None], limit: int, gateway: GatewayAddress) -> tuple[list[Page], bool]:
    found: list[Page] = []
    asked = {name: value for name, value in wanted.items() if value is not None}
    with httpx2.Client(base_url=gateway.url, headers=gateway.headers, timeout=_TIMEOUT_S) as http:
        while True:
            try:
                answer = http.get("/v1/sessions", params=asked)
            except httpx2.TransportError as error:
                raise gateway.away(error) from None
            if not answer.is_success:
                raise Refused(problem_of(answer))
            page = answer.json()
            found += page["sessions"]
            if page["next_cursor"] is None or len(found) > limit:
                return found[:limit], len(found) > limit
            asked["cursor"] = page["next_cursor"]


def _from_temporal(
    wanted: Mapping[str, Any], limit: int, tenant: str, data_dir: Path | None
) -> tuple[list[Page], bool, list[str]]:
    """Where there is none at all, also other tenants that have some."""
    from perdure.temporal.app.console.direct import reach, run
    from perdure.temporal.sessions.visibility import tenants_besides

    async def work() -> tuple[list[Page], list[str]]:
        to = await reach(tenant, data_dir)
        found: list[Page] = []
        cursor: str | None = None
        while True:
            page = await to.sessions.list(
                to.caller, agent=wanted["agent"], status=wanted["status"], user=wanted["user"], cursor=cursor
            )
            found += page["sessions"]
            cursor = page["next_cursor"]
            if cursor is None or len(found) > limit:
                break
        unfiltered = all(one is None for one in wanted.values())
        return found, [] if found or not unfiltered else await tenants_besides(to.client, tenant)

    found, others = run(work())
    return found[:limit], len(found) > limit, others
