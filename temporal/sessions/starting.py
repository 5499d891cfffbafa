"""Starting a session's workflow: the one place where that happens, for whoever starts it.

Beside its input a session has a memo, search attributes and a priority. Lists of sessions are made from the former two
alone. The session of a sub-agent is started by the workflow that calls it, with the same of each.
"""

import hashlib
import re
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from temporalio.client import Client
from temporalio.common import (
    Priority,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError

from perdure.temporal.sessions.json_bytes import rfc3339
from perdure.workflows.core.runs import SessionInput
from perdure.workflows.protocol.activities import TASK_QUEUE
from perdure.workflows.protocol.signals import NewSession, SendMessage, Trigger
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.search_attributes import AGENT, COST, STATUS, TENANT, USER

#: Of sessions that somebody looks at, and of those that nobody waits for. Any other session begins between them. Tasks of
#: the former are taken first wherever workers have more than they can do; sub-agents are as urgent as their caller.
WATCHED: Final = Priority(priority_key=1)
BACKGROUND: Final = Priority(priority_key=5)
#: Bytes of a fairness key that Temporal takes (`Priority.fairness_key`).
_KEY_BYTES: Final = 64

_UNSEARCHABLE: Final = re.compile(r"[%'\"\\]")
_ESCAPED: Final = re.compile("%([0-9A-F]{2})")


@dataclass(frozen=True, slots=True)
class Memo:
    """What a session's memo holds, for lists and for telling the same create from another."""

    #: Of the request that created it; empty where there was none.
    body_sha256: str
    created_at: str
    title: str
    demo: bool
    #: An agent is run once for a result.
    run: bool = False
    #: The session whose past it has.
    forked_from: str | None = None

    def values(self) -> dict[str, Any]:
        values = asdict(self)
        return {name: value for name, value in values.items() if value or name not in ("run", "forked_from")}


@dataclass(frozen=True, slots=True)
class Start:
    """A session that is to start."""

    input: SessionInput
    #: Of the definition that the first turn runs.
    digest: str
    title: str = ""
    #: The model that answers is the demo model.
    demo: bool = False
    #: Tells the same create from another; no create has an empty one, so that none is taken for a repeat.
    body_sha256: str = ""
    #: A schedule that starts it.
    schedule_id: str | None = None
    priority: Priority = Priority.default
    #: Is signalled with the start. A session with this id that is open already gets it, too, and counts as started.
    signal: SendMessage | Trigger | None = None

    @property
    def new(self) -> NewSession:
        new = self.input.carried.new if self.input.carried is not None else self.input.new
        assert new is not None
        return new

    @property
    def workflow_id(self) -> str:
        return f"{self.new.tenant}/{self.new.session_id}"

    @property
    def works(self) -> bool:
        """It starts with a message, or with a trigger."""
        return any(message is not None for message in (self.new.message, self.input.message, self.signal))

    @property
    def details(self) -> str:
        """For Temporal's Web UI."""
        said = f"Session of the agent **{self.new.agent}**"
        if self.schedule_id is not None:
            return f"{said}, by the schedule `{self.schedule_id}`."
        said += f" (definition {self.digest[:12]})."
        source = self.new.forked_from
        return said if source is None else f"{said} Forked from {source.session_id}, {source.turn_id}."


async def start_session(client: Client, start: Start, task_timeout: timedelta) -> bool:
    """Starts the session's workflow. False where one with this id exists or existed. Raises `RPCError`."""
    new, title = start.new, start.title
    source = None if new.forked_from is None else new.forked_from.session_id
    memo = Memo(start.body_sha256, rfc3339(datetime.now(UTC)), title, start.demo, new.once, source)
    joins = start.signal is not None
    name = "trigger" if isinstance(start.signal, Trigger) else "send_message"
    try:
        await client.start_workflow(
            SessionWorkflow.run,
            start.input,
            id=start.workflow_id,
            task_queue=TASK_QUEUE,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING if joins else WorkflowIDConflictPolicy.FAIL,
            task_timeout=task_timeout,
            memo=memo.values(),
            search_attributes=session_attributes(new, works=start.works),
            static_summary=f"{new.agent}: {title}" if title else new.agent,
            static_details=start.details,
            start_signal=name if joins else None,
            start_signal_args=[start.signal] if joins else [],
            priority=among_tenants(start.priority, new.tenant),
        )
    except WorkflowAlreadyStartedError:
        return False
    return True


def among_tenants(priority: Priority, tenant: str) -> Priority:
    """The same, so that tenants take turns among the tasks of one priority where the server shares them out fairly
    (`matching.enableFairness`): one that has many sessions at work does not hold up the others."""
    key = tenant if len(tenant.encode()) <= _KEY_BYTES else hashlib.sha256(tenant.encode()).hexdigest()
    return replace(priority, fairness_key=key)


def session_attributes(new: NewSession, *, works: bool) -> TypedSearchAttributes:
    """`works`: it starts with a message, or with a trigger."""
    attributes: list[SearchAttributePair[Any]] = [
        SearchAttributePair(AGENT, new.agent),
        SearchAttributePair(STATUS, "working" if works else "idle"),
        SearchAttributePair(TENANT, new.tenant),
        SearchAttributePair(COST, 0.0),
    ]
    if new.user is not None:
        attributes.append(SearchAttributePair(USER, searchable(new.user)))
    return TypedSearchAttributes(attributes)


def searchable(value: str) -> str:
    """`value` as a search attribute holds it: without the characters that Temporal's SQL stores do not find again, or
    stumble over."""
    return _UNSEARCHABLE.sub(lambda match: f"%{ord(match[0]):02X}", value)


def readable(value: str) -> str:
    """The inverse of `searchable`."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), value)
