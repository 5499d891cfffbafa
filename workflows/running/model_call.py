"""Making a step's model call: one activity, cancelled when the turn is stopped, and what its end means for the turn."""

from collections.abc import Callable

from temporalio import workflow
from temporalio.exceptions import ActivityError

from perdure.workflows.core.private_changes import Note, StepOpened, StopRequested, ToolsChanged, TurnBroken
from perdure.workflows.core.prompt import PromptError, build_prompt
from perdure.workflows.core.state import SessionState
from perdure.workflows.core.step import finished_step, opened_step
from perdure.workflows.core.turn import CallModel
from perdure.workflows.protocol.activities import StepOutput, call_model, call_of, model_config
from perdure.workflows.protocol.commands import StepRecord


class ModelCalls:
    """`state` gives the session's state; `append` adds an event to it, `note` a note; `offer` leaves the state for the
    call of a step."""

    def __init__(
        self,
        state: Callable[[], SessionState],
        append: Callable[..., None],
        note: Callable[[Note], None],
        offer: Callable[[str, SessionState], None],
    ) -> None:
        self._state = state
        self._append = append
        self._note = note
        self._offer = offer

    async def make(self, action: CallModel) -> None:
        """From `step.started` to `step.finished`, whatever happens in between."""
        record = self._open(action)
        if record is None:
            return
        self._offer(record.step_id, self._state())
        name = record.model.partition("/")[2]
        step = record.step_id.rpartition(".s")[2]
        config = model_config(record.step_id, f"{name}, step {step}")
        handle = workflow.start_activity(call_model, call_of(record), **config)
        # A handler does not cancel the call itself: one that is done already must not be cancelled.
        await workflow.wait_condition(lambda: handle.done() or self._state().stopping)
        if not handle.done():
            handle.cancel()
        outcome: StepOutput | ActivityError
        try:
            outcome = await handle
        except ActivityError as failure:
            outcome = failure
        stopping = self._state().stopping
        finished = finished_step(record, outcome, stopping, workflow.now())
        self._append("step.finished", **finished.event)
        if finished.error is not None and not stopping:
            self._note(TurnBroken(error=finished.error))
        if finished.stopped and not stopping:
            # The provider's stream was closed for a stop that this run has not seen; the turn must not go on.
            self._note(StopRequested())
        loaded = self._state().loaded
        if finished.tools_digest and loaded and finished.tools_digest != loaded.tools_digest:
            self._note(ToolsChanged())

    def _open(self, action: CallModel) -> StepRecord | None:
        """None where there is nothing to call the model with; the turn has been told."""
        state = self._state()
        record = opened_step(state, action)
        model = record.model
        try:
            build_prompt(state, record)
        except PromptError as problem:
            self._note(TurnBroken(error=problem.error))
            return None
        if state.last_model is not None and state.last_model != model:
            reason = "configured" if action.role == state.role else "definition"
            change = {"from": state.last_model, "to": model, "reason": reason}
            self._append("model.switched", step_id=action.step_id, **change)
        self._note(StepOpened(record=record))
        self._append("step.started", step_id=action.step_id, model=model)
        return record
