"""What `dev`, `worker` and `gateway` are put together from. The only place that knows all four packages' parts."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import structlog
from fastapi import FastAPI
from temporalio.client import Client
from temporalio.worker import (
    Interceptor,
    UnsandboxedWorkflowRunner,
    Worker,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from perdure.activities.mcp.calls import McpServers
from perdure.activities.mcp.published import Published
from perdure.activities.models.call import ModelCalls
from perdure.activities.models.given_results import GivenResults
from perdure.activities.models.media.addresses import fetcher
from perdure.activities.models.media.loading import MediaLoader
from perdure.activities.models.providers import Providers
from perdure.activities.models.rebuilding import Rebuilding
from perdure.activities.sessions.agents import Agents
from perdure.activities.sessions.delivery import Deliveries
from perdure.activities.sessions.purses import Purses
from perdure.activities.sessions.reaching import Reaching
from perdure.activities.sessions.sealing import Sealing
from perdure.activities.sessions.stale_attempts import StaleAttempts
from perdure.activities.sessions.strangers import NoStrangers
from perdure.activities.tools.catalogue import Catalogue, load_tools
from perdure.activities.tools.document_reading import DocumentReading
from perdure.activities.tools.places import ToolPlaces
from perdure.activities.tools.remote_results import Taking
from perdure.activities.tools.runner import ToolRunner
from perdure.activities.tools.sub_agents import SubAgentCalls
from perdure.activities.tools.tenant import tenant_here
from perdure.gateway.app import create_app
from perdure.gateway.auth.authenticate import anonymous
from perdure.gateway.auth.authentication import Authentication
from perdure.temporal.app.processes.sources import DESK, Sources, agent_folders
from perdure.temporal.app.processes.telemetry import SILENT, Telemetry
from perdure.temporal.app.processes.toolset import load_catalogue, replaced_at_the_desk
from perdure.temporal.app.processes.tuning import worker_options
from perdure.temporal.definitions.endpoints import missing_key
from perdure.temporal.definitions.store import Definitions
from perdure.temporal.live.protocols import Live
from perdure.temporal.sessions.budgets import Budgets
from perdure.temporal.sessions.erase import Scrub
from perdure.temporal.sessions.limits.limits import Limits
from perdure.temporal.sessions.service import Sessions
from perdure.temporal.sessions.workers import Workers
from perdure.temporal.settings import Settings, environment
from perdure.temporal.stores.blobs import BlobStore
from perdure.temporal.stores.handover import Handover
from perdure.temporal.stores.opened import open_blobs
from perdure.temporal.task_queues import Serves
from perdure.workflows.core.session_tools import SPECS
from perdure.workflows.definition.tools import documents
from perdure.workflows.ledger import LedgerWorkflow
from perdure.workflows.protocol.activities import TASK_QUEUE
from perdure.workflows.scheduled import DeliverMessage
from perdure.workflows.session import SessionWorkflow

#: Seconds between two looks at the definitions' files: `dev` says within a second what a change came to.
DEFINITIONS_CHECK_S = 0.5


@dataclass
class Parts:
    """What the processes of one machine share, each made once."""

    settings: Settings
    blobs: BlobStore
    catalogue: Catalogue
    definitions: Definitions
    mcp: McpServers
    #: None: tools run on the worker's own loop.
    tool_places: ToolPlaces | None = None
    providers: Providers = field(default_factory=lambda: Providers(environment()))
    telemetry: Telemetry = SILENT

    async def aclose(self) -> None:
        """Ends what was opened on the way: connections, and programs that serve tools."""
        if self.tool_places is not None:
            await self.tool_places.aclose()
        await self.mcp.aclose()
        await self.providers.aclose()


def assemble(settings: Settings, sources: Sources, *, demo_without_keys: bool, telemetry: Telemetry = SILENT) -> Parts:
    """Loads tools and definitions; a definition that is refused is logged and absent. Raises `ToolLoadError` and
    `BucketUnusable`."""
    catalogue = load_catalogue(sources.tools)
    blobs = open_blobs(settings.blob_store)
    definitions = Definitions(
        agent_folders(dict.fromkeys(folder.resolve() for folder in sources.agents), settings, catalogue),
        sources.models,
        blobs=blobs,
        tool_names=frozenset(catalogue.names),
        tools_digest=catalogue.digest,
        tool_spec=catalogue.spec,
        demo_for=(lambda model: missing_key(model) is not None) if demo_without_keys else None,
    )
    log = structlog.get_logger(__name__)
    for source in sources.tools:
        if not load_tools(source):
            log.warning(
                "tools.none", source=source, advice="a tool is a function that temporalio's activity.defn decorates"
            )
    yours = replaced_at_the_desk(catalogue)
    if yours and settings.shipped_agents:
        log.info("agent.left_out", agent=DESK, shipped=True, your_tools=", ".join(yours))
    for problem in definitions.problems:
        log.warning("definition.refused", problem=str(problem))
    for warning in definitions.warnings:
        log.warning("definition.warning", problem=str(warning))
    places = ToolPlaces(
        sources.tools, settings.tool_processes, held_up=telemetry.metrics.tool_blocked, found=telemetry.blocked
    )
    mcp = McpServers(environment(), blobs, published_in(definitions))
    return Parts(settings, blobs, catalogue, definitions, mcp, places, telemetry=telemetry)


def published_in(definitions: Definitions) -> Published:
    """The definitions that an activity may look up: those of its session's tenant."""
    return lambda digest: definitions.by_digest(digest, tenant_here())


def make_worker(client: Client, live: Live, parts: Parts, limits: Limits | None = None) -> Worker:
    """A worker that takes everything of the queue of sessions. Must be made on the loop that runs it."""
    (worker,) = make_workers(client, live, parts, ["sessions"], limits)
    return worker


def make_workers(
    client: Client, live: Live, parts: Parts, serves: Iterable[Serves], limits: Limits | None = None
) -> list[Worker]:
    """One worker for each of the task queues that `serves` names, those of model calls and tools only where they have
    one of their own. They tell `limits` of the sessions at work. Must be made on the loop that runs them."""
    settings = parts.settings
    handover = Handover()
    telemetry = parts.telemetry
    models = ModelCalls(
        client,
        live,
        parts.blobs,
        parts.providers,
        parts.catalogue.digest,
        handover,
        published_in(parts.definitions),
        telemetry.metrics,
        telemetry.asked,
        parts.catalogue.arguments,
        MediaLoader(parts.blobs, environment(), fetcher(environment())),
    )
    here = Workers(client, here=True)
    budgets = Budgets(client, settings, here)
    agents = Agents(parts.definitions, parts.catalogue, parts.mcp.listings, announced=budgets.announced)
    sub_agents = SubAgentCalls(parts.definitions, parts.blobs)
    purses = Purses(client, settings)
    loop = asyncio.get_running_loop()
    if parts.tool_places is not None:
        parts.tool_places.watch.attach(loop)

    counting: dict[str, Callable[..., None]] = {}
    if limits is not None and limits.counts_turns:
        limits.hear_sessions()
        counting["perdure_at_work"] = limits.at_work

    def stop(session: str) -> None:
        # Workflow code runs on threads of its own.
        loop.call_soon_threadsafe(live.stop, session)

    sessions = Sessions(client, settings, parts.blobs, parts.definitions, live, workers=here, limits=limits)
    interceptors = [
        _WaysOut(
            perdure_poke=live.poke,
            perdure_offer=handover.offer,
            perdure_tell=telemetry.event,
            perdure_abandoned=telemetry.abandoned,
            perdure_stop=stop,
            perdure_queue=settings.queue_of,
            **counting,
        ),
        NoStrangers(),
        StaleAttempts(client),
        Reaching(sessions, parts.definitions),
        *([telemetry.tracing] if telemetry.tracing else []),
        ToolRunner(
            live,
            frozenset([*parts.catalogue.names, "call_mcp_tool", documents.ACTIVITY]).__contains__,
            settings.heartbeat_throttle_s,
        ),
    ]
    tools: list[Callable[..., Any]] = [
        parts.mcp.call_mcp_tool,
        DocumentReading(parts.blobs).read_documents,
        *parts.catalogue.activities(parts.blobs, loop, parts.tool_places),
    ]
    everything: list[Callable[..., Any]] = [
        models.call_model,
        *tools,
        agents.load_agent,
        agents.tools_changed,
        agents.current_agent,
        Deliveries(client, parts.definitions, parts.blobs, settings, limits).deliver_message,
        purses.draw_leases,
        purses.visit_sessions,
        Taking(parts.blobs).take_result,
        GivenResults().check_answer,
        sub_agents.open_agent,
        sub_agents.take_answer,
        Sealing(client, parts.blobs, handover).seal_past,
    ]
    activities: dict[Serves, list[Callable[..., Any]]] = {
        "sessions": everything,
        "models": [models.call_model],
        "tools": tools,
    }
    return [
        Worker(
            client,
            task_queue=queue,
            workflows=[SessionWorkflow, LedgerWorkflow, DeliverMessage] if kind == "sessions" else [],
            activities=activities[kind],
            # Workflow code passes no import of ours through a sandbox, which would load it anew for each session and
            # triple the time of a cold resume. import-linter, ruff's banned APIs and golden histories keep it
            # deterministic.
            workflow_runner=UnsandboxedWorkflowRunner(),
            interceptors=interceptors,
            **worker_options(settings, kind),
        )
        for kind in serves
        if (queue := TASK_QUEUE if kind == "sessions" else settings.queue_of(kind)) is not None
    ]


def make_app(
    client: Client,
    live: Live,
    parts: Parts,
    limits: Limits | None = None,
    *,
    host: str,
    temporal_ui: str | None,
    scrub: Scrub | None = None,
    asks: Authentication | None = None,
) -> FastAPI:
    """The gateway, to be served on `host`. Without `asks`, nobody is asked who they are."""
    asking, tokens = (None, None) if asks is None else asks.with_tokens(parts.blobs)

    def describe_tool(name: str) -> str | None:
        spec = parts.catalogue.spec(name) or SPECS.get(name) or documents.SPECS.get(name)
        return spec.description if spec else None

    return create_app(
        client=client,
        live=live,
        blobs=parts.blobs,
        definitions=parts.definitions,
        settings=parts.settings,
        host=host,
        temporal_ui=temporal_ui,
        scrub=scrub,
        authenticate=asking or anonymous,
        tokens=tokens,
        sign_in=None if asking is None else asking.sign_in,
        sign_out=None if asking is None else asking.sign_out,
        rebuild_request=Rebuilding(parts.providers, parts.blobs, environment()).request,
        describe_tool=describe_tool,
        edit_arguments=parts.catalogue.edited,
        measures=parts.telemetry.metrics,
        read_metrics=parts.telemetry.exporter.read if parts.telemetry.exporter else None,
        limits=limits,
    )


class _WaysOut(Interceptor):
    """Functions that workflow code may call: the SDK's public way out of a workflow."""

    def __init__(self, **functions: Callable[..., Any]) -> None:
        self._functions = functions

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002 - the SDK's name
    ) -> type[WorkflowInboundInterceptor] | None:
        input.unsafe_extern_functions.update(self._functions)
        return None
