"""The runs of one session: what each starts with, and when it hands over to the next.

A run hands over at a rest point only, and hands over everything: no viewer notices.
"""

from typing import Any, NoReturn

from temporalio import workflow
from temporalio.workflow import ContinueAsNewVersioningBehavior as Behavior

from perdure.workflows.core.state import SessionState
from perdure.workflows.core.turn import Action, CloseSession
from perdure.workflows.protocol.commands import NewSession, SendMessage
from perdure.workflows.vocabulary.parts import Frozen

#: The server refuses a run's 10,001st signal.
MAX_SIGNALS = 8_000
#: A session that closes in a run longer than this ends in a fresh short one, so that asking it later is quick.
SHORT_RUN_EVENTS = 50


class SessionInput(Frozen):
    """A new session, or the state that a run hands to the next, or that a fork begins with."""

    new: NewSession | None = None
    carried: SessionState | None = None
    #: The first message of a fork; a new session's comes in `new`.
    message: SendMessage | None = None


class Run:
    """This run of the session."""

    def __init__(self) -> None:
        #: Signals that it had.
        self.signals = 0
        #: Just continued, and on an old version all the same (somebody overrides where it runs): it must not try for ever.
        self._held = workflow.info().continued_run_id is not None and _version_changed()

    def is_over(self, action: Action, state: SessionState) -> bool:
        """Whether the next run should do `action`, given that this one could hand over now."""
        info = workflow.info()
        length = info.get_current_history_length()
        if isinstance(action, CloseSession):
            return length > SHORT_RUN_EVENTS
        return (
            length >= state.new.continue_as_new_after
            or info.is_continue_as_new_suggested()
            or self.signals >= MAX_SIGNALS
            or self.moves()
        )

    def moves(self) -> bool:
        """Whether another version is to carry on. The server says so with a workflow task, so history has it."""
        return not self._held and _version_changed()


def hand_over(state: SessionState) -> NoReturn:
    """Ends this run and begins the next one, whatever the reason, on the version that is current then. Unversioned, it is
    nothing."""
    carried: Any = SessionInput(carried=state)
    workflow.continue_as_new(carried, initial_versioning_behavior=Behavior.AUTO_UPGRADE)


def _version_changed() -> bool:
    return workflow.info().is_target_worker_deployment_version_changed()
