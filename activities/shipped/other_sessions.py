"""The tool `trigger_session`: one session triggers a handler of another, or sends it an event.

What it needs of the worker, the worker lends it for each call (`DELIVER`), on whichever loop or thread the tool runs.
"""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Annotated, Any, Final

from pydantic import Field, JsonValue
from temporalio import activity
from temporalio.exceptions import ApplicationError

from perdure.workflows.vocabulary.errors import TOOL_FAILED
from perdure.workflows.vocabulary.parts import Frozen
from perdure.workflows.vocabulary.tool_context import ToolContext


class Wanted(Frozen):
    """What is to be delivered."""

    session_id: str
    #: Of the handler, or of the event.
    name: str
    inputs: dict[str, JsonValue]
    #: The agent of a session that is started where there is none.
    agent: str | None


class Triggered(Frozen):
    session_id: str
    #: By which `turn.started` of that session tells of it.
    trigger_id: str
    #: A cursor from before its first event there.
    seq: int


#: Delivers it on behalf of the session that the context tells of. Raises ApplicationError.
Deliver = Callable[[ToolContext, Wanted], Awaitable[Triggered]]
DELIVER: Final[ContextVar[Deliver | None]] = ContextVar("perdure_deliver", default=None)


@activity.defn
async def trigger_session(
    session_id: Annotated[str, Field(min_length=1, max_length=200)],
    name: Annotated[str, Field(min_length=1, max_length=64)],
    context: ToolContext,
    inputs: dict[str, Any] | None = None,
    agent: Annotated[str, Field(min_length=1, max_length=64)] | None = None,
) -> Triggered:
    """Have another session of the same user carry out a handler, or send it an event. Does not wait for what comes of it.

    Args:
        session_id: The other session's id.
        name: The handler or event, as the definition of that session's agent calls it.
        inputs: What the handler or event is given, by name.
        agent: The agent of a new session, which is started under this id where there is none.
    """
    deliver = DELIVER.get()
    if deliver is None:
        message = "trigger_session needs its worker, and has none in a process of its own; remove process: true."
        raise ApplicationError(message, type=TOOL_FAILED, non_retryable=True)
    return await deliver(context, Wanted(session_id=session_id, name=name, inputs=inputs or {}, agent=agent))
