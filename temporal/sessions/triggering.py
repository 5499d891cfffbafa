"""Triggering a handler of a session's agent, or sending it an event, once however often it is asked for; see `sending.py`."""

import uuid
from dataclasses import dataclass

from pydantic import JsonValue

from perdure.temporal.definitions.inputs import InputProblem, check_values
from perdure.temporal.definitions.store import Definitions
from perdure.temporal.live.protocols import LivePublisher
from perdure.temporal.sessions.admission import Admissions
from perdure.temporal.sessions.backend import Backend
from perdure.temporal.sessions.content import trigger_sha256
from perdure.temporal.sessions.errors import IdConflict, InvalidRequest, SessionClosed
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.requests import TriggerBody
from perdure.temporal.sessions.sending import rejection
from perdure.workflows.core.handlers.events import TOO_MANY
from perdure.workflows.definition.agent import AgentDefinition
from perdure.workflows.definition.handlers import MESSAGE
from perdure.workflows.protocol.queries import Receipt
from perdure.workflows.protocol.signals import Trigger
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.content_marks import is_same
from perdure.workflows.vocabulary.near_names import did_you_mean


@dataclass(frozen=True, slots=True)
class TriggerSent:
    """A trigger, or an event, that is in its session's history."""

    trigger_id: str
    #: A cursor from before its first event.
    cursor: int
    #: Where it waits, from 1; None where it does not, as an event never does.
    position: int | None


class Triggerer:
    def __init__(self, backend: Backend, admissions: Admissions, definitions: Definitions, live: LivePublisher) -> None:
        self._backend = backend
        self._admissions = admissions
        self._definitions = definitions
        self._live = live

    async def trigger(self, caller: Principal, session_id: str, name: str, wanted: TriggerBody) -> TriggerSent:
        """Without a `trigger_id` it gets one. Raises `InvalidRequest` where the agent has no such handler or event, or it
        takes other inputs, `SessionClosed`, `TooMany` where no more may wait or be kept, `IdConflict` where the id was used
        for something else, and what `Backend.query` raises."""
        session = caller.workflow_id(session_id)
        trigger_id = wanted.trigger_id or uuid.uuid4().hex
        sha256 = trigger_sha256(name, wanted.inputs)
        async with self._admissions.asking(session, trigger_id) as place:
            receipt = place.receipt
            if receipt.content_sha256 is not None and receipt.cursor is not None:
                if not is_same(receipt.content_sha256, sha256):
                    raise IdConflict("This trigger_id was used for something else.")
                if receipt.withdrawn:
                    raise rejection("withdrawn")
                return TriggerSent(trigger_id, receipt.cursor, receipt.position)
            if receipt.closed:
                raise SessionClosed("The session is closed, so the handler was not triggered.")
            digest, definition = await self._definition(caller.tenant, receipt)
            event = definition is not None and name in definition.events
            command = Trigger(
                id=trigger_id,
                name=name,
                event=event,
                inputs=trigger_inputs(definition, name, wanted.inputs),
                content_sha256=sha256,
                cursor=receipt.seq,
                digest=digest,
                traceparent=caller.traceparent,
                sender=caller.sender,
            )
            if event and receipt.event_room is not None and receipt.event_room < 1:
                raise rejection(TOO_MANY)
            position = None if event else await place.take()
            await self._backend.let_spend(session, receipt.user, command)
        self._live.poke(session)
        if event or place.scarce:
            receipt = await self._backend.query(session, SessionWorkflow.receipt, trigger_id)
            if receipt.cursor is None:
                # Others have filled the last places, or closed the session.
                raise rejection("session_closed" if receipt.closed else TOO_MANY if event else "queue_full")
        return TriggerSent(trigger_id, command.cursor, position)

    async def _definition(self, tenant: str, receipt: Receipt) -> tuple[str | None, AgentDefinition | None]:
        """The digest that the session is told of, and the definition that its next turn runs; None where nobody has that."""
        current = None if receipt.pinned else self._definitions.current(receipt.agent, tenant)
        if current is not None:
            return current.digest, current.definition
        return None, await self._definitions.by_digest(receipt.digest, tenant)


def trigger_inputs(definition: AgentDefinition | None, name: str, inputs: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """With defaults filled in. Raises `InvalidRequest`."""
    taken = {} if definition is None else triggerable(definition)
    if name not in taken:
        near = did_you_mean(name, taken) or f"; there are: {', '.join(taken) or 'none'}"
        agent = definition.name if definition is not None else "the session's agent"
        raise InvalidRequest("name", f"{agent} has no handler {name!r} that can be triggered, and no such event{near}")
    try:
        return check_values(name, taken[name], inputs)
    except InputProblem as problem:
        raise InvalidRequest(f"inputs.{problem.field}", problem.message) from None


def triggerable(definition: AgentDefinition) -> dict[str, dict[str, dict[str, JsonValue]]]:
    """The inputs of what can be triggered, and of events, by name."""
    handlers = {name: handler.inputs for name, handler in definition.handlers.items() if name != MESSAGE}
    return {**handlers, **{name: event.inputs for name, event in definition.events.items()}}
