"""The session workflow: one driver over the pure core, with Temporal around it.

Rule 1: a handler never awaits. It changes the state and leaves; the main loop sees the change at its next look, so no
handler can interleave with another.
Rule 2: every decision is `next_action`'s. Here is only what carries it out, and when a run hands over to the next.
Rule 3: a bad signal becomes an event or nothing, never a failed workflow task, which would be retried for ever.
"""

from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from perdure.workflows.core import answers
from perdure.workflows.core.actions import Action, Exit, Rest, Wait
from perdure.workflows.core.changes import Change, CloseRequested, StopRequested
from perdure.workflows.core.effects import AskModel, Effect, SealPart
from perdure.workflows.core.feedback import feedback_state
from perdure.workflows.core.idle import closes_at
from perdure.workflows.core.leases import lease_report
from perdure.workflows.core.next_action import next_action
from perdure.workflows.core.outcomes import TimePassed
from perdure.workflows.core.pieces import part
from perdure.workflows.core.rewinds.branches import branches
from perdure.workflows.core.runs import SessionInput, taken_over
from perdure.workflows.core.state.session import SessionState, new_state
from perdure.workflows.core.sub_answer import answer_of
from perdure.workflows.core.working import ends_at
from perdure.workflows.protocol.branch_queries import BranchesPage, BranchesRequest
from perdure.workflows.protocol.feedback import FeedbackState
from perdure.workflows.protocol.purses import HolderReport, PurseChanged, Scope
from perdure.workflows.protocol.queries import (
    EventsPage,
    PageRequest,
    PastPage,
    PastRequest,
    QuestionState,
    Receipt,
    SnapshotPage,
    TimersPage,
    VariablesPage,
)
from perdure.workflows.protocol.sealing import PartPage, PartRequest
from perdure.workflows.protocol.signals import (
    Answer,
    CancelTimer,
    Close,
    Configure,
    EditMessage,
    GiveFeedback,
    Retry,
    Rewind,
    SendMessage,
    Signal,
    Stop,
    Supersede,
    Trigger,
    WithdrawMessage,
)
from perdure.workflows.protocol.steps import ModelInputPage, ModelInputRequest, StepState
from perdure.workflows.protocol.traces import TracePage
from perdure.workflows.running.behavior import as_now
from perdure.workflows.running.breathing import breathe
from perdure.workflows.running.continue_as_new import Run, hand_over
from perdure.workflows.running.driver import Driver
from perdure.workflows.running.lone_timer import LoneTimer
from perdure.workflows.running.open_effects import OpenEffects
from perdure.workflows.running.reporting import Reporting
from perdure.workflows.running.signals import command_only


@workflow.defn(name="SessionWorkflow")
class SessionWorkflow:
    @workflow.init
    def __init__(self, start: SessionInput) -> None:
        carried = taken_over(start)
        if carried is not None:
            state = as_now(carried)
        elif start.new is not None:
            state = new_state(start.new, workflow.now())
        else:
            raise ApplicationError("a session starts with `new` or `carried`", non_retryable=True)
        self._run = Run()
        self._reporting = Reporting()
        self._driver = Driver(state, self)
        self._open = OpenEffects(self._driver.settle)
        self._idle = LoneTimer(
            lambda: closes_at(self._driver.state), self._time_passed, summary="closes where nothing happens"
        )
        self._work = LoneTimer(
            lambda: ends_at(self._driver.state), self._time_passed, summary="the turn's working time"
        )
        self._reporting.describe(state)
        first = start.new.message if start.new is not None else start.message
        if start.new is not None or first is not None:
            # Here and not in `run`, before which the handlers of signals run that are there from the beginning.
            self._driver.open(first)

    @workflow.run
    async def run(self, start: SessionInput) -> Any:
        """Returns why the session was closed; a `SubAnswer` where it is a sub-agent's, or an agent is run once."""
        while not isinstance(action := next_action(self._driver.state), Exit):
            if self._open.empty and self._run.is_over(action, self._driver.state):
                await workflow.wait_condition(workflow.all_handlers_finished)
                hand_over(self._driver.state)
            await self._carry_out(action)
        await workflow.wait_condition(workflow.all_handlers_finished)
        state = self._driver.state
        return answer_of(state) if state.new.parent or state.new.once else state.closing or "closed"

    async def _carry_out(self, action: Action) -> None:
        match action:
            case Wait() | Rest():
                self._reporting.waits(action, self._driver.state)
                self._set_timers(action)
                await self._wait(action)
            case Exit():
                pass
            case _:
                self._reporting.begins(action, before := self._driver.state)
                self._driver.carry_out(action)
                self._reporting.did(action, self._driver.state)
                await breathe(before, self._driver.state)

    def _set_timers(self, action: Wait | Rest) -> None:
        if isinstance(action, Rest):
            self._idle.set(action.closes_at)
            self._work.drop()
        else:
            self._work.set(action.ends_at)

    def _time_passed(self) -> None:
        self._driver.settle(TimePassed())

    async def _wait(self, action: Wait | Rest) -> None:
        """Until there is something to do, or the time has come that `action` waits for."""
        left = None if action.until is None else action.until - workflow.now()
        if left is not None and left <= timedelta():
            self._time_passed()
            return
        try:
            await workflow.wait_condition(
                lambda: self._is_news(action), timeout=left, timeout_summary=self._reporting.waits_for(action)
            )
        except TimeoutError:
            self._time_passed()
        self._open.check()

    def _is_news(self, action: Wait | Rest) -> bool:
        if self._open.failed or next_action(self._driver.state) != action:
            return True
        # A session that rests has looked before whether its run is over for any other reason.
        if isinstance(action, Rest):
            return self._run.moves()
        return self._open.empty and self._run.is_over(action, self._driver.state)

    # The world that the driver drives in.

    def now(self) -> datetime:
        return workflow.now()

    def start(self, effect: Effect, state: SessionState) -> None:
        if isinstance(effect, AskModel):
            self._reporting.offer(effect.record.step_id, state)
        elif isinstance(effect, SealPart):
            self._reporting.offer(effect.request.handover, state)
        self._open.start(effect)

    def end(self, key: str) -> None:
        self._open.end(key)

    def tell(self, key: str) -> None:
        self._open.tell(key)

    def keep(self, keys: frozenset[str]) -> None:
        self._open.keep(keys)

    def took(self, before: SessionState, change: Change, after: SessionState) -> None:
        self._reporting.took(before, change, after, workflow.now())

    # Signals. Each only changes the state; see rule 1.

    @workflow.signal
    @command_only
    def send_message(self, command: SendMessage) -> None:
        self._receive(command)

    @workflow.signal
    @command_only
    def trigger(self, command: Trigger) -> None:
        self._receive(command)

    @workflow.signal
    @command_only
    def edit_message(self, command: EditMessage) -> None:
        self._receive(command)

    @workflow.signal
    @command_only
    def withdraw_message(self, command: WithdrawMessage) -> None:
        self._receive(command)

    @workflow.signal
    @command_only
    def supersede(self, command: Supersede) -> None:
        self._receive(command)

    @workflow.signal
    @command_only
    def stop(self, command: Stop) -> None:
        self._receive(command)

    @workflow.signal
    @command_only
    def answer(self, command: Answer) -> None:
        self._receive(command)

    @workflow.signal
    @command_only
    def cancel_timer(self, command: CancelTimer) -> None:
        self._receive(command)

    @workflow.signal
    @command_only
    def give_feedback(self, command: GiveFeedback) -> None:
        self._receive(command)

    @workflow.signal
    @command_only
    def rewind(self, command: Rewind) -> None:
        self._receive(command)

    @workflow.signal
    @command_only
    def retry(self, command: Retry) -> None:
        self._receive(command)

    @workflow.signal
    @command_only
    def configure(self, command: Configure) -> None:
        self._receive(command)

    @workflow.signal
    @command_only
    def close(self, command: Close) -> None:
        self._receive(command)

    @workflow.signal
    @command_only
    def purse_changed(self, command: PurseChanged) -> None:
        self._receive(command)

    def _receive(self, signal: Signal) -> None:
        self._run.signals += 1
        changes = self._driver.receive(signal)
        if any(isinstance(change, StopRequested | CloseRequested) for change in changes):
            self._reporting.stopped(self._driver.state, by_message=isinstance(signal, SendMessage))

    # Queries. None of them mutates anything; all are pure functions of the state.

    @workflow.query
    def receipt(self, message_id: str) -> Receipt:
        return answers.receipt(self._driver.state, message_id)

    @workflow.query
    def events(self, after: int) -> EventsPage:
        return answers.events(self._driver.state, after)

    @workflow.query
    def snapshot(self, request: PageRequest) -> SnapshotPage:
        return answers.snapshot(self._driver.state, workflow.info().workflow_id, request)

    @workflow.query
    def branches(self, request: BranchesRequest) -> BranchesPage:
        return branches(self._driver.state, request)

    @workflow.query
    def model_input(self, request: ModelInputRequest) -> ModelInputPage:
        return answers.model_input(self._driver.state, request)

    @workflow.query
    def timers(self) -> TimersPage:
        return answers.timers(self._driver.state)

    @workflow.query
    def feedback(self, turn_id: str) -> FeedbackState:
        return feedback_state(self._driver.state, turn_id)

    @workflow.query
    def variables(self) -> VariablesPage:
        return answers.variables(self._driver.state)

    @workflow.query
    def question(self, question_id: str) -> QuestionState:
        return answers.question(self._driver.state, question_id)

    @workflow.query
    def step_state(self, step_id: str) -> StepState:
        return answers.step_state(self._driver.state, step_id)

    @workflow.query
    def trace(self, after: int) -> TracePage:
        return answers.trace(self._driver.state, after)

    @workflow.query
    def lease(self, scope: Scope) -> HolderReport:
        return lease_report(self._driver.state, scope)

    @workflow.query
    def part(self, request: PartRequest) -> PartPage:
        return part(self._driver.state, request)

    @workflow.query
    def past(self, request: PastRequest) -> PastPage:
        return answers.past(self._driver.state, request)
