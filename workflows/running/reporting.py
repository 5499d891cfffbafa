"""What a session tells the world around it while it runs: the process that it runs in, visibility, and the Web UI.

Rule 1: what goes to the process goes once: never while a history is replayed, and nothing that comes back counts.
Rule 2: what visibility shows costs an event and server time, so it is written only when it has changed.
"""

from datetime import datetime
from typing import Any, Final

from temporalio import workflow
from temporalio.common import SearchAttributeUpdate

from perdure.workflows.core import answers
from perdure.workflows.core.actions import (
    Ask,
    CallModel,
    CloseSession,
    EndModelCall,
    FinishTurn,
    GoOn,
    PauseTurn,
    Rest,
    RunTools,
    StartTurn,
    TakeBack,
    TakeOver,
    Wait,
    WakeUp,
    Work,
)
from perdure.workflows.core.changes import Change, CloseRequested, Configured, StopRequested
from perdure.workflows.core.context_changes import CompactionAbandoned
from perdure.workflows.core.handler_actions import OfferEvent, OfferKept, ParkHandler, ResumeAnswered, ResumeHandler
from perdure.workflows.core.handlers.waiting import waits_in_words
from perdure.workflows.core.limit_words import told
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.core.titles import late_title
from perdure.workflows.vocabulary.events import EventBase
from perdure.workflows.vocabulary.search_attributes import ACTIVE, AGENT, COST, DIGEST, ENDED, STATUS

#: After these, the session may be at work, at rest, or waiting for people, where it was not before.
_SHOWN: Final = (
    StartTurn
    | WakeUp
    | ParkHandler
    | ResumeHandler
    | ResumeAnswered
    | OfferEvent
    | OfferKept
    | Ask
    | TakeBack
    | GoOn
    | PauseTurn
    | FinishTurn
    | CloseSession
)

#: In the memo, from which lists of sessions take it.
TITLE: Final = "title"


class Reporting:
    def __init__(self) -> None:
        #: What visibility shows; a run inherits it from the one before.
        shown = workflow.info().typed_search_attributes
        self._status = shown.get(STATUS)
        self._digest = shown.get(DIGEST)
        self._title = str(workflow.memo_value(TITLE, default=""))
        #: When the turn was told to stop, for those who measure; nothing depends on it.
        self._stop_at: datetime | None = None

    def describe(self, state: SessionState) -> None:
        """The session's details in the Temporal Web UI; costs no history."""
        lines = [
            f"**{state.status}** · {state.turns} {'turn' if state.turns == 1 else 'turns'} · ${state.books.known_usd:.4f}"
        ]
        if state.turn is not None:
            lines.append(f"turn {state.turn.turn_id}, step {state.turn.steps}")
        if state.turn is not None and state.turn.pause is not None:
            lines.append(told(state.turn.pause.short))
        lines += waits_in_words(state)
        transcript = state.transcript
        if state.branches.known:
            lines.append(f"branch {state.branches.current} of {state.branches.made}")
        for message in transcript.on(transcript.path, max(transcript.count - 1, 0), transcript.count):
            lines.append(f"> {message.role}: {answers.last_words(message)}")
        workflow.set_current_details("\n\n".join(lines))

    def _publish_status(self, state: SessionState) -> None:
        """Upserts search attributes, but not between two turns that follow each other at once."""
        status = state.status
        if status == self._status:
            return
        updates: list[SearchAttributeUpdate[Any]] = [STATUS.value_set(status), ACTIVE.value_set(workflow.now())]
        if status != "working":
            updates.append(COST.value_set(round(state.books.known_usd, 6)))
            if state.ended is not None:
                updates.append(ENDED.value_set(state.ended.reason))
        # Only beside another change, for an upsert of its own would be one more event.
        if state.slot.loaded is not None and state.slot.loaded.digest != self._digest:
            self._digest = state.slot.loaded.digest
            updates.append(DIGEST.value_set(self._digest))
        workflow.upsert_search_attributes(updates)
        self._status = status

    def _give_title(self, state: SessionState) -> None:
        title = state.title or self._title or late_title(state)
        if title == self._title:
            return
        workflow.upsert_memo({TITLE: title})
        self._title = title

    def begins(self, action: Work, state: SessionState) -> None:
        """Before `action` is carried out, which may take long."""
        if isinstance(action, CallModel | RunTools):
            self._publish_status(state)
        elif isinstance(action, EndModelCall) and state.turn is not None and not state.turn.stopping:
            # No gateway has told it.
            _tell("perdure_stop", workflow.info().workflow_id)

    def did(self, action: Work, state: SessionState) -> None:
        """After `action` was carried out."""
        if isinstance(action, _SHOWN):
            self._publish_status(state)
            self._give_title(state)
        elif isinstance(action, TakeOver):
            workflow.upsert_search_attributes([AGENT.value_set(action.handoff.agent.definition.name)])

    def waits(self, action: Wait | Rest, state: SessionState) -> None:
        """The session waits for people."""
        if isinstance(action, Wait) and not action.running:
            self._publish_status(state)

    def waits_for(self, action: Wait | Rest) -> str:
        """What the time is that `action` waits for, in the Web UI."""
        if isinstance(action, Rest):
            return "the next timer"
        return "a question expires" if action.questions else "a call's time is over"

    def took(self, before: SessionState, change: Change, after: SessionState, now: datetime) -> None:
        """Notifies `Live` that the session has moved on, and those who measure of what it did."""
        if isinstance(change, Configured) and change.title is not None:
            self._give_title(after)
        if isinstance(change, StopRequested | CloseRequested):
            if not (before.turn is not None and before.turn.stopping):
                self._stop_at = now
        elif isinstance(change, EventBase):
            self.describe(after)
            _tell("perdure_poke", workflow.info().workflow_id, change.seq)
            if after.new.parent is None:
                # The turn of a sub-agent is a part of its caller's.
                _tell("perdure_at_work", workflow.info().workflow_id, after.new.user, after.status == "working")
            _tell("perdure_tell", workflow.info().workflow_id, before, change, self._stop_at)
        elif isinstance(change, CompactionAbandoned) and before.context.open is not None:
            _tell("perdure_abandoned", before.context.open.record.model, change.spent)

    def stopped(self, state: SessionState, *, by_message: bool = False) -> None:
        """The model call of a sub-agent, and of a turn that a message interrupts, hears of it at once; of any other stop,
        from the gateway."""
        if by_message or state.new.parent is not None:
            _tell("perdure_stop", workflow.info().workflow_id)

    def offer(self, name: str, state: SessionState) -> None:
        """Leaves the state for the activity of a step, or of a seal, which need not ask for it if it runs in this process."""
        _tell("perdure_offer", workflow.info().run_id, name, state)


def _tell(what: str, *told: object) -> None:
    function = workflow.extern_functions().get(what)
    if function is not None and not workflow.unsafe.is_replaying():
        function(*told)
