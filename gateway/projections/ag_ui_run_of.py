"""What a run of AG-UI is of."""

import uuid
from dataclasses import dataclass, field
from typing import Any, Final

from perdure.gateway.projections.ag_ui_messages import native
from perdure.temporal.sessions.snapshot import Snapshot
from perdure.workflows.vocabulary.ids import RUN_ANSWER, turn_of

#: Ids may be as long.
_MOST: Final = 200


@dataclass(frozen=True, slots=True)
class RunOf:
    """What a client asks for."""

    thread_id: str
    run_id: str
    parent_run_id: str | None = None
    #: The user's message that the run answers, which has not had its turn; None: the run is what the session is at.
    message_id: str | None = None
    #: Interrupts that were answered after the snapshot with which the run begins.
    answered: frozenset[str] = frozenset()
    #: Tools that the client runs; None: whatever the session leaves to clients.
    tools: frozenset[str] | None = None
    #: JSON Schemas of the results of the agent's client tools, by name.
    results: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    #: What the client asked for and is not done, as the value of a `CUSTOM` event `ignored`.
    ignored: dict[str, Any] = field(default_factory=dict)


def answer_id(run_id: str, number: int) -> str:
    """The id of the `number`th answer that a run gives, by which the run is found again."""
    made = f"{RUN_ANSWER}{run_id}:{number}"
    return made if len(made) <= _MOST else uuid.uuid4().hex


def last_run(snapshot: Snapshot) -> RunOf:
    """What its client calls the run that goes on, or the last one: that of the request which began it, or had it go on. The
    turn's own id where no client of AG-UI did."""
    page = snapshot.page
    if page.queued:
        last = page.queued[-1]
        return RunOf(page.session_id, last.run_id or last.id, message_id=last.id)
    turn_id = page.turn_id or (page.ended.turn_id if page.ended is not None else None)
    if turn_id is None:
        return RunOf(page.session_id, page.session_id)
    given = page.answered
    if given is not None and turn_of(given.question_id) == turn_id and given.answer_id.startswith(RUN_ANSWER):
        return RunOf(page.session_id, given.answer_id.removeprefix(RUN_ANSWER).rpartition(":")[0])
    for message in reversed(snapshot.messages):
        told = native(message)
        if told["turn_id"] == turn_id and "run_id" in told:
            return RunOf(page.session_id, told["run_id"])
    return RunOf(page.session_id, turn_id)
