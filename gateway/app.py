"""The gateway as one ASGI app: what it is made of, and the one place where failures become answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib import metadata
from typing import Any, Final

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Lifespan
from temporalio.client import Client
from temporalio.service import RPCError

from perdure.gateway.auth.authenticate import Authenticate, anonymous
from perdure.gateway.auth.key_file import SigningKey
from perdure.gateway.auth.session_tokens import SessionTokens
from perdure.gateway.http.allowed_origins import AllowedOrigins
from perdure.gateway.http.answer_headers import AnswerHeaders
from perdure.gateway.http.body_limit import BodyLimit
from perdure.gateway.http.draining import Draining
from perdure.gateway.http.hosts import KnownHosts
from perdure.gateway.http.json_bodies import JsonBodies
from perdure.gateway.http.openai_envelope import OpenAIEnvelope
from perdure.gateway.http.origin_guard import OriginGuard
from perdure.gateway.http.problems import MEDIA_TYPE, Problem, from_http, from_rpc, from_session, from_validation
from perdure.gateway.live.watches import Watches
from perdure.gateway.openapi.document import complete
from perdure.gateway.routes import health, pages, uploads
from perdure.gateway.routes import sign_in as signing_in
from perdure.gateway.routes.context import DescribeTool, Gateway, ReadMetrics, SignIn, SignOut
from perdure.gateway.routes.page_files import PAGES, PageFiles, VersionedFiles
from perdure.gateway.routes.table import ROUTERS
from perdure.temporal.blob_address import Bucket
from perdure.temporal.definitions.store import Definitions
from perdure.temporal.live.protocols import Live
from perdure.temporal.sessions.answers import EditArguments
from perdure.temporal.sessions.erase import Scrub
from perdure.temporal.sessions.errors import SessionError
from perdure.temporal.sessions.limits.caps import Caps
from perdure.temporal.sessions.limits.limits import Limits
from perdure.temporal.sessions.missing_workers import MissingWorkers
from perdure.temporal.sessions.service import Sessions
from perdure.temporal.sessions.trace import RebuildRequest, not_rebuilt
from perdure.temporal.sessions.workers import Workers
from perdure.temporal.settings import Settings
from perdure.temporal.stores.blobs import BlobStore, StoreFull, StoreUnavailable
from perdure.temporal.stores.health import StoreHealth
from perdure.temporal.telemetry.metrics import UNMEASURED, Metrics

log = structlog.get_logger(__name__)

_PROBLEM: Final[dict[str, Any]] = {
    "description": "A problem; its `code` is stable",
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemBody"}}},
}


class _App(FastAPI):
    def build_middleware_stack(self) -> ASGIApp:
        # Around the framework's own, which answers failures that nothing inside of it does.
        return AnswerHeaders(super().build_middleware_stack(), self.state.draining)

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = complete(super().openapi(), self.routes)
        return self.openapi_schema


def create_routes(lifespan: Lifespan[FastAPI] | None = None) -> FastAPI:
    """The routes without what they work on: enough for the OpenAPI document."""
    app = _App(
        title="Perdure",
        version=metadata.version("perdure"),
        description="Durable agent sessions over HTTP. Errors are problem documents with a stable `code`.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # Its spans are of requests; ours are of turns, and a stream of events is open for hours.
        telemetry={"tracing": False},
        responses={"4XX": _PROBLEM, "5XX": _PROBLEM},
    )
    app.state.draining = Draining()
    for router in ROUTERS:
        app.include_router(router)
    return app


def create_app(
    *,
    client: Client,
    live: Live,
    blobs: BlobStore,
    definitions: Definitions,
    settings: Settings,
    host: str = "localhost",
    temporal_ui: str | None = None,
    scrub: Scrub | None = None,
    authenticate: Authenticate = anonymous,
    tokens: SessionTokens | None = None,
    sign_in: SignIn | None = None,
    sign_out: SignOut | None = None,
    rebuild_request: RebuildRequest = not_rebuilt,
    describe_tool: DescribeTool = lambda name: None,
    edit_arguments: EditArguments = lambda name, spec, args: None,
    measures: Metrics = UNMEASURED,
    read_metrics: ReadMetrics | None = None,
    limits: Limits | None = None,
) -> FastAPI:
    """The app. `host` is what it is served on: a name there is one of its own, as those of `allowed_hosts` are. Without
    `tokens`, those of sessions count here alone; without `limits`, what the settings limit does; without `sign_in`, nobody
    signs in on the pages.

    When the server is told to stop, call `app.state.draining.begin()`, and `app.state.watches.cut()` once it takes no more:
    it waits for open streams.
    """
    workers = Workers(client, here=live.whole)
    missing = MissingWorkers(
        {
            "sessions": workers,
            **{kind: Workers(client, here=live.whole, queue=queue) for kind, queue in settings.own_queues.items()},
        }
    )
    limits = limits or Limits(Caps.of(settings), metrics=measures)
    service = Sessions(
        client,
        settings,
        blobs,
        definitions,
        live,
        workers=workers,
        scrub=scrub,
        edit_arguments=edit_arguments,
        rebuild_request=rebuild_request,
        limits=limits,
    )
    watches = Watches(
        live=live,
        blobs=blobs,
        sealed=service.sealed,
        ask=lambda session, after: service.at(session).events(after),
        look=lambda session: service.at(session).look(),
        snapshot=lambda session: service.at(session).snapshot(),
        viewer_queue=settings.viewer_queue,
        prefer=lambda session: service.at(session).prefer(),
        metrics=measures,
    )
    measures.serving()
    in_bucket = isinstance(settings.blob_store, Bucket)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(missing.keep_looking()), asyncio.create_task(service.uploads.keep_expiring())]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        watches.cut()

    app = create_routes(lifespan)
    app.state.watches = watches
    app.state.gateway = Gateway(
        sessions=service,
        limits=limits,
        watches=watches,
        blobs=blobs,
        definitions=definitions,
        settings=settings,
        authenticate=authenticate,
        tokens=tokens or SessionTokens(partial(tuple, [SigningKey.new()]), blobs),
        sign_in=sign_in,
        sign_out=sign_out,
        describe_tool=describe_tool,
        read_metrics=read_metrics,
        temporal_ui=temporal_ui,
        live_state=lambda: live.state,
        readiness=health.readiness(service, None if in_bucket else blobs),
        shared_store=StoreHealth(blobs) if in_bucket else None,
        draining=app.state.draining,
        missing=missing,
    )
    app.mount("/pages", PageFiles(directory=PAGES), name="pages")
    app.mount("/@{version}", VersionedFiles(directory=PAGES), name="versioned")
    _handle_failures(app)
    # The last is the outermost.
    app.add_middleware(JsonBodies, raw=[uploads.PATH])
    app.add_middleware(
        BodyLimit,
        limit=settings.body_limit_bytes,
        others={uploads.PATH: settings.upload_limit_bytes, signing_in.PATH: signing_in.BODY_BYTES},
    )
    hosts, origins = KnownHosts([host, *settings.allowed_hosts]), AllowedOrigins(settings.allowed_origins)
    app.add_middleware(OriginGuard, hosts=hosts, pages=pages.LINKED, allowed=origins)
    app.add_middleware(OpenAIEnvelope)
    return app


def _handle_failures(app: FastAPI) -> None:
    @app.exception_handler(Problem)
    async def problem(request: Request, error: Problem) -> Response:
        return _refusal(request, error, error.__cause__)

    @app.exception_handler(SessionError)
    async def session(request: Request, error: SessionError) -> Response:
        return _refusal(request, from_session(error), error.__cause__)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> Response:
        return from_validation(error.errors()).response()

    @app.exception_handler(HTTPException)
    async def refused(_request: Request, error: HTTPException) -> Response:
        return from_http(error.status_code, error.headers).response()

    @app.exception_handler(RPCError)
    async def temporal(request: Request, error: RPCError) -> Response:
        log.warning("temporal.refused", path=request.url.path, status=error.status.name, message=error.message)
        return from_rpc(error).response()

    @app.exception_handler(StoreUnavailable)
    async def store(request: Request, error: StoreUnavailable) -> Response:
        full = isinstance(error, StoreFull)
        # Which store and why is for the operator's log: a caller need not know paths of this machine.
        log.error("store.unavailable", path=request.url.path, problem=str(error))
        detail = "has no room" if full else "cannot be read or written"
        return Problem("store_full" if full else "store_unavailable", f"The blob store {detail}.").response()

    @app.exception_handler(ClientDisconnect)
    async def gone(_request: Request, _error: ClientDisconnect) -> Response:
        return Problem("bad_request", "The body ended early.").response()

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> Response:
        log.error("gateway.failed", method=request.method, path=request.url.path, exc_info=error)
        return Problem("internal").response()


def _refusal(request: Request, problem: Problem, cause: BaseException | None) -> Response:
    # That it stops is logged once, not for each probe.
    if problem.status >= 500 and problem.code != "stopping":
        log.warning("gateway.unavailable", path=request.url.path, code=problem.code, cause=str(cause or ""))
    return problem.response()
