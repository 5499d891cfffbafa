"""What a session of a test is started with."""

import uuid
from typing import Any, Final

from perdure.temporal.app.processes.assembly import Parts
from perdure.temporal.definitions.inputs import check_inputs
from perdure.temporal.sessions.content import new_message
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.service import Sessions
from perdure.temporal.sessions.timezone import timezone_in
from perdure.workflows.protocol.signals import BEHAVIOR, NewSession
from perdure.workflows.vocabulary.parts import Text

#: The tenant of all sessions of tests.
TENANT: Final = "test"


async def new_session(
    parts: Parts,
    service: Sessions,
    agent: str,
    inputs: dict[str, Any],
    user: str | None,
    metadata: dict[str, Any],
    message: str | None,
    continue_as_new_after: int,
) -> NewSession:
    """Raises `LookupError` where there is no such agent, and `InputProblem` where the inputs are not those that it takes."""
    known = parts.definitions.current(agent, TENANT)
    if known is None:
        refused = "".join(f"\n  refused: {problem}" for problem in parts.definitions.problems_of(TENANT))
        raise LookupError(
            f"there is no agent {agent!r}; there are: {', '.join(parts.definitions.names(TENANT))}{refused}"
        )
    session_id = uuid.uuid4().hex
    first = None
    if message is not None:
        workflow_id = Principal.trusted(TENANT).workflow_id(session_id)
        first = await new_message(parts.blobs, workflow_id, (Text(text=message),), known.digest, "first")
    return NewSession(
        tenant=TENANT,
        session_id=session_id,
        agent=agent,
        digest=known.digest,
        inputs=check_inputs(known.definition, inputs),
        user=user,
        metadata=metadata,
        timezone=timezone_in(metadata),
        dated=True,
        behavior=BEHAVIOR,
        purses=dict.fromkeys(await service.budgets.announced(TENANT, user), ()),
        message=first,
        continue_as_new_after=continue_as_new_after,
    )
