"""What routes are given: the collaborators of one gateway as `App`, and who asks as `Caller`.

A route with `Caller` reads nothing of a body before the caller is known and the request is counted.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends
from starlette.requests import Request

from perdure.gateway.auth.authenticate import Authenticate, anonymous
from perdure.gateway.auth.session_tokens import SessionTokens
from perdure.gateway.auth.sign_ins import SignedIn
from perdure.gateway.http.draining import Draining
from perdure.gateway.http.limit_headers import tell
from perdure.gateway.http.problems import Problem
from perdure.gateway.http.readiness import Readiness
from perdure.gateway.live.watches import Watches
from perdure.gateway.routes.door import Entrance
from perdure.temporal.definitions.store import Definitions
from perdure.temporal.live.protocols import LiveState
from perdure.temporal.sessions.limits.limits import Limits
from perdure.temporal.sessions.missing_workers import MissingWorkers
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.service import Sessions
from perdure.temporal.settings import Settings
from perdure.temporal.stores.blobs import BlobStore, StoreUnavailable
from perdure.temporal.stores.health import StoreHealth
from perdure.temporal.telemetry.trace_context import read_traceparent

#: A tool's description by its name; None for a tool that this process does not know.
DescribeTool = Callable[[str], str | None]
#: Raises Problem `unauthenticated`.
SignIn = Callable[[str], Awaitable[SignedIn]]
Known = Callable[[], Awaitable[bool]]
#: All metrics of this process as Prometheus' text. Raises OSError.
ReadMetrics = Callable[[], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Gateway:
    sessions: Sessions
    limits: Limits
    watches: Watches
    blobs: BlobStore
    definitions: Definitions
    settings: Settings
    authenticate: Authenticate
    tokens: SessionTokens
    #: What a key or a token given on a page is exchanged for. Raises Problem `unauthenticated`.
    sign_in: SignIn | None
    describe_tool: DescribeTool
    read_metrics: ReadMetrics | None
    #: Address of Temporal's Web UI, where there is one.
    temporal_ui: str | None
    #: What is carried live between processes.
    live_state: Callable[[], LiveState]
    readiness: Readiness
    #: Of a blob store that all gateways share; None where each may have one of its own.
    shared_store: StoreHealth | None
    draining: Draining
    missing: MissingWorkers


async def _gateway(request: Request) -> Gateway:
    return cast(Gateway, request.app.state.gateway)


async def _enter(request: Request) -> Principal:
    gateway = await _gateway(request)
    who = await gateway.authenticate(request)
    verdict = await gateway.limits.request(who)
    if verdict is not None:
        tell(request.scope, verdict)
    return who.from_span(read_traceparent(request.headers.get("traceparent")))


async def _known(request: Request) -> Known | None:
    gateway = await _gateway(request)
    if gateway.authenticate is anonymous:
        return None

    async def known() -> bool:
        try:
            await gateway.authenticate(request)
        except Problem as problem:
            # Whoever cannot be asked about now was known before.
            return problem.code != "unauthenticated"
        except StoreUnavailable:
            return True
        return True

    return known


#: Whether the key or the token of a request still counts; None: nobody is asked for one.
StillKnown = Annotated[Known | None, Depends(_known)]
App = Annotated[Gateway, Depends(_gateway)]
Caller = Annotated[Principal, Depends(Entrance(_enter))]
