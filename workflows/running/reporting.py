"""What a session tells the world around it while it runs: the process that it runs in, visibility, and the Web UI.

Rule 1: what goes to the process goes once: never while a history is replayed, and nothing that comes back counts.
Rule 2: what visibility shows costs an event and server time, so it is written only when it has changed.
"""

from datetime import datetime
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeUpdate

from perdure.workflows.core import answers
from perdure.workflows.core.state import SessionState
from perdure.workflows.vocabulary.events import Event
from perdure.workflows.vocabulary.search_attributes import AGENT, COST, STATUS


class Outside:
    def __init__(self) -> None:
        #: What visibility shows; a run inherits it from the one before.
        self._status = workflow.info().typed_search_attributes.get(STATUS)

    def describe(self, state: SessionState) -> None:
        """The session's details in the Temporal Web UI; costs no history."""
        lines = [f"**{state.status}** · {state.turns} turns · ${state.cost_usd:.4f}"]
        if state.turn is not None:
            lines.append(f"turn {state.turn.turn_id}, step {state.turn.steps}")
        if state.transcript:
            text = answers.last_words(state.transcript[-1])
            lines.append(f"> {state.transcript[-1].role}: {text}")
        workflow.set_current_details("\n\n".join(lines))

    def publish_status(self, state: SessionState) -> None:
        """Upserts search attributes, but not between two turns that follow each other at once."""
        status = state.status
        if status == self._status:
            return
        updates: list[SearchAttributeUpdate[Any]] = [STATUS.value_set(status)]
        if status != "working":
            updates.append(COST.value_set(round(state.cost_usd, 6)))
        workflow.upsert_search_attributes(updates)
        self._status = status

    def publish_agent(self, name: str) -> None:
        """Upserts the agent that the session is of now."""
        workflow.upsert_search_attributes([AGENT.value_set(name)])

    def appended(self, before: SessionState, event: Event, stop_at: datetime | None) -> None:
        """Tells `Live` that the session has moved on, and those who measure what it did. `before` is the state that the
        event was applied to; `stop_at` is when the turn was told to stop."""
        _tell("perdure_poke", workflow.info().workflow_id, event.seq)
        _tell("perdure_tell", workflow.info().workflow_id, before, event, stop_at)

    def stopped(self, state: SessionState) -> None:
        """A sub-agent's model call hears of a stop at once; of any other session, from the gateway."""
        if state.new.parent is not None:
            _tell("perdure_stop", workflow.info().workflow_id)

    def offer(self, step_id: str, state: SessionState) -> None:
        """Leaves the state for the step's model call, which need not ask for it if it runs in this process."""
        _tell("perdure_offer", workflow.info().run_id, step_id, state)


def _tell(what: str, *told: object) -> None:
    function = workflow.extern_functions().get(what)
    if function is not None and not workflow.unsafe.is_replaying():
        function(*told)
