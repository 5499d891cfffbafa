"""Changing how a session goes on: its model, its metadata, its definition, its title, its limits. What is left out stays."""

import uuid

from perdure.temporal.definitions.limit_check import cheaper_fault
from perdure.temporal.definitions.store import Definitions
from perdure.temporal.sessions.backend import Backend
from perdure.temporal.sessions.errors import InvalidRequest, SessionClosed
from perdure.temporal.sessions.requests import ConfigureSession
from perdure.temporal.sessions.snapshot import read_facts
from perdure.temporal.sessions.timezone import timezone_in
from perdure.workflows.definition.agent import AgentDefinition, Cheaper, Limits
from perdure.workflows.definition.partial_limits import partial_limits, with_partial
from perdure.workflows.protocol.queries import SnapshotPage
from perdure.workflows.protocol.signals import Configure


async def configured(
    backend: Backend, definitions: Definitions, session: str, wanted: ConfigureSession
) -> Configure | None:
    """The command that makes the changes; None where nothing is to change. `session` is a workflow id.

    Raises `InvalidRequest`, `SessionClosed`, and what `Backend.query` raises."""
    page = await _open_session(backend, session)
    definition = await _definition(definitions, session, page, wanted.digest)
    if wanted.model is not None:
        check_role(definition, wanted.model, page.agent)
    if not wanted.model_fields_set:
        return None
    return Configure(
        id=uuid.uuid4().hex,
        model=wanted.model,
        metadata=wanted.metadata,
        timezone=timezone_in(wanted.metadata or {}),
        digest=wanted.digest,
        title=wanted.title,
    )


async def limited(backend: Backend, definitions: Definitions, session: str, wanted: Limits) -> Configure | None:
    """The command that sets the limits in `wanted` and no others; null lifts a cap. None where nothing is to change. Raises
    as `configured`."""
    page = await _open_session(backend, session)
    if isinstance(wanted.on_limit, Cheaper):
        role, field = wanted.on_limit.cheaper, "on_limit.cheaper"
        definition = check_role(await _definition(definitions, session, page, None), role, page.agent, field)
        if (why := cheaper_fault(definition, role)) is not None:
            raise InvalidRequest(field, why)
    changes = partial_limits(wanted)
    return Configure(id=uuid.uuid4().hex, limit_changes=changes) if changes else None


async def limits_of(backend: Backend, definitions: Definitions, session: str) -> Limits:
    """The limits that hold in a session. Raises what `Backend.query` raises."""
    page = await read_facts(backend, session)
    if page.use is None and (definition := await definitions.by_digest(page.digest, tenant_of(session))) is not None:
        # The session has not loaded its definition yet, so it does not know the limits that it will have.
        return with_partial(definition.limits, page.limit_changes)
    return page.limits


def check_role(definition: AgentDefinition | None, role: str, agent: str, field: str = "model") -> AgentDefinition:
    """The definition of `agent`, which has this role. Raises `InvalidRequest`, which names the field that asks for it."""
    if definition is None or role not in definition.models:
        known = ", ".join(definition.models) if definition else "unknown"
        raise InvalidRequest(field, f"is not a model of {agent}; its models are: {known}")
    return definition


def tenant_of(session: str) -> str:
    """Whose session a workflow id is."""
    return session.partition("/")[0]


async def _open_session(backend: Backend, session: str) -> SnapshotPage:
    page = await read_facts(backend, session)
    if page.status == "closed":
        raise SessionClosed
    return page


async def _definition(
    definitions: Definitions, session: str, page: SnapshotPage, digest: str | None
) -> AgentDefinition | None:
    """The definition that the session runs, or will run with `digest`. Raises `InvalidRequest` where that is none of its
    agent's."""
    definition = await definitions.by_digest(digest or page.digest, tenant_of(session))
    if digest is not None and (definition is None or definition.name != page.agent):
        raise InvalidRequest("digest", f"is of no definition of {page.agent}")
    return definition
