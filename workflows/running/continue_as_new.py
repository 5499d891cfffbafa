"""When a run of a session hands over to the next."""

from typing import Any, Final, NoReturn

from temporalio import workflow
from temporalio.workflow import ContinueAsNewVersioningBehavior as Behavior

from perdure.workflows.core.actions import Action, CloseSession
from perdure.workflows.core.runs import handed_over
from perdure.workflows.core.state.session import SessionState

#: The server refuses a run's 10,001st signal.
MAX_SIGNALS: Final = 8_000
#: A session that closes in a run longer than this ends in a fresh short one, so that asking it later is quick.
SHORT_RUN_EVENTS: Final = 50


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
    carried: Any = handed_over(state)
    # Else the next run would begin with the memo that this one began with.
    workflow.continue_as_new(carried, memo=workflow.memo() or None, initial_versioning_behavior=Behavior.AUTO_UPGRADE)


def _version_changed() -> bool:
    return workflow.info().is_target_worker_deployment_version_changed()
