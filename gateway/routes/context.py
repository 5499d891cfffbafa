"""What the routes share: the collaborators of one gateway, and the ways in which a route names them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends
from pydantic import JsonValue
from starlette.requests import Request

from perdure.gateway.backend.admission import Admissions
from perdure.gateway.backend.erase import Eraser
from perdure.gateway.backend.sessions import Backend
from perdure.gateway.http.auth import Authenticate, Principal
from perdure.gateway.http.open_streams import OpenStreams
from perdure.gateway.live.watches import Watches
from perdure.temporal.definitions.store import Definitions
from perdure.temporal.live.live import Live
from perdure.temporal.settings import Settings
from perdure.temporal.stores.blobs import BlobStore
from perdure.workflows.protocol.commands import Prompt
from perdure.workflows.vocabulary.parts import Message

#: The exact body that the provider of this prompt would be sent now; None where this process cannot build it.
RebuildRequest = Callable[[Prompt, tuple[Message, ...]], bytes | None]
#: A tool's description by its name; None for a tool that this process does not know.
DescribeTool = Callable[[str], str | None]
#: Arguments that a person gives a call of a tool, by its name and its `spec_sha256`, as the tool will take them; None where
#: this process cannot say. Raises InputProblem.
EditArguments = Callable[[str, str, dict[str, JsonValue]], dict[str, JsonValue] | None]
#: All metrics of this process as Prometheus' text. Raises OSError.
ReadMetrics = Callable[[], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Gateway:
    backend: Backend
    eraser: Eraser
    admissions: Admissions
    streams: OpenStreams
    watches: Watches
    live: Live
    blobs: BlobStore
    definitions: Definitions
    settings: Settings
    authenticate: Authenticate
    rebuild_request: RebuildRequest
    describe_tool: DescribeTool
    edit_arguments: EditArguments
    read_metrics: ReadMetrics | None
    #: Address of Temporal's Web UI, where there is one.
    temporal_ui: str | None


async def _gateway(request: Request) -> Gateway:
    return cast(Gateway, request.app.state.gateway)


async def _principal(request: Request) -> Principal:
    return (await _gateway(request)).authenticate(request)


Here = Annotated[Gateway, Depends(_gateway)]
By = Annotated[Principal, Depends(_principal)]
