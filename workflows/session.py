"""The session workflow: carries out what `next_action` says and appends events.

Rule 1: a handler never awaits. It changes the state with `apply` and leaves; the main loop sees the change at its next
look, so no handler can interleave with another.
Rule 2: what must not be decided twice is in the state before anything is awaited: `step.started` comes before the call.
Rule 3: a bad signal becomes an event or nothing, never a failed workflow task, which would be retried for ever.
"""

from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from perdure.workflows.core import answers
from perdure.workflows.core.approvals import plan_calls
from perdure.workflows.core.fold import apply
from perdure.workflows.core.private_changes import (
    Accepted,
    AgentFailed,
    AgentLoaded,
    AgentRenewed,
    CallsPlanned,
    CloseRequested,
    CommandSeen,
    Configured,
    Handoff,
    Note,
    StopRequested,
    TimerCancelled,
    ToolsChanged,
)
from perdure.workflows.core.runs import Run, SessionInput, hand_over
from perdure.workflows.core.state import begin
from perdure.workflows.core.turn import (
    AbandonTools,
    Action,
    Ask,
    CallModel,
    CloseSession,
    Exit,
    FinishTurn,
    LoadAgent,
    PlanCalls,
    Rest,
    RunHere,
    RunTools,
    StartTurn,
    TakeOver,
    Wait,
    WakeUp,
    next_action,
)
from perdure.workflows.protocol.commands import (
    Answer,
    CancelTimer,
    Close,
    Configure,
    EventsPage,
    ModelInputPage,
    ModelInputRequest,
    PageRequest,
    PastPage,
    PastRequest,
    QuestionState,
    Receipt,
    SendMessage,
    SnapshotPage,
    StepState,
    Stop,
    Timer,
    TimersPage,
    TracePage,
)
from perdure.workflows.running.loading import current_digest, lists_other_tools, loaded_agent
from perdure.workflows.running.model_call import ModelCalls
from perdure.workflows.running.questions import Questions
from perdure.workflows.running.reporting import Outside
from perdure.workflows.running.signals import command_only
from perdure.workflows.running.sub_agents import SubAgents, answer_of
from perdure.workflows.running.timers import Timers
from perdure.workflows.running.toolbox import Toolbox
from perdure.workflows.vocabulary.events import Events
from perdure.workflows.vocabulary.parts import Data, Message, ToolError, as_foreign


@workflow.defn(name="SessionWorkflow")
class SessionWorkflow:
    @workflow.init
    def __init__(self, start: SessionInput) -> None:
        if start.carried is not None:
            self._state = start.carried
        elif start.new is not None:
            self._state = begin(start.new, workflow.now())
        else:
            raise ApplicationError("a session starts with `new` or `carried`", non_retryable=True)
        self._run = Run()
        self._outside = Outside()
        #: The timer whose turn last had the agent's definition looked up.
        self._renewed_for = ""
        #: When the turn was told to stop, for those who measure; nothing here depends on it.
        self._stop_at: datetime | None = None
        agents = SubAgents(lambda: self._state, self._note)
        self._tools = Toolbox(lambda: self._state, self._append, self._note, agents)
        self._models = ModelCalls(lambda: self._state, self._append, self._note, self._outside.offer)
        self._timers = Timers(lambda: self._state, self._append, self._note)
        self._questions = Questions(lambda: self._state, self._append, self._note, self._tools)
        self._outside.describe(self._state)
        if start.new is not None:
            # Here and not in `run`, before which the handlers of signals run that are there from the beginning.
            self._append("session.started", agent=start.new.agent, digest=start.new.digest, inputs=start.new.inputs)
            if start.new.message is not None:
                self._accept(start.new.message)
        elif start.message is not None:
            self._accept(start.message)

    @workflow.run
    async def run(self, start: SessionInput) -> Any:
        """Returns why the session was closed; a sub-agent's, a `SubAnswer`."""
        while True:
            action = next_action(self._state)
            if isinstance(action, Exit):
                await workflow.wait_condition(workflow.all_handlers_finished)
                return answer_of(self._state) if self._state.new.parent else self._state.closing or "closed"
            if self._is_over(action):
                await workflow.wait_condition(workflow.all_handlers_finished)
                hand_over(self._state)
            await self._carry_out(action)

    async def _carry_out(self, action: Action) -> None:
        match action:
            case LoadAgent():
                await self._load_agent(action)
            case StartTurn():
                self._start_turn(action.message)
                await self._look_for_tools()
            case CallModel():
                self._outside.publish_status(self._state)
                await self._models.make(action)
            case PlanCalls():
                self._note(CallsPlanned(plans=plan_calls(self._state, action.calls)))
            case Ask():
                self._questions.ask(action.calls)
                self._outside.publish_status(self._state)
            case RunHere():
                for call in action.calls:
                    self._tools.carry_out(call, self._timers.carry_out)
            case RunTools():
                self._outside.publish_status(self._state)
                self._tools.start(action.calls)
            case Wait():
                await self._wait(action)
            case AbandonTools():
                self._questions.withdraw(action.calls)
                self._tools.abandon(action.calls)
            case TakeOver():
                self._take_over(action.handoff)
            case FinishTurn():
                self._finish_turn(action)
            case CloseSession():
                self._close(action.reason)
            case WakeUp() if self._renewed_for != action.timer.timer_id:
                await self._renew(action.timer)
            case WakeUp():
                self._wake_up(action.timer)
                await self._look_for_tools()
            case Rest():
                await self._rest(action)
            case Exit():
                pass

    # Signals. Each only mutates the state; see rule 1.

    @workflow.signal
    @command_only
    def send_message(self, command: SendMessage) -> None:
        self._run.signals += 1
        seen = self._state.seen.get(command.message_id)
        if seen is not None:
            if seen.content_sha256 != command.content_sha256:
                self._append("message.rejected", message_id=command.message_id, reason="conflict")
        elif self._state.closing is not None:
            self._append("message.rejected", message_id=command.message_id, reason="session_closed")
        elif self._state.room < 1:
            self._append("message.rejected", message_id=command.message_id, reason="queue_full")
        else:
            self._accept(command)

    @workflow.signal
    @command_only
    def stop(self, command: Stop) -> None:
        self._run.signals += 1
        turn = self._state.turn
        if self._first_time(command.id) and turn and command.turn_id in (None, turn.turn_id):
            self._note(StopRequested())
            self._outside.stopped(self._state)

    @workflow.signal
    @command_only
    def answer(self, command: Answer) -> None:
        self._run.signals += 1
        if self._first_time(command.id):
            self._questions.answer(command)

    @workflow.signal
    @command_only
    def cancel_timer(self, command: CancelTimer) -> None:
        self._run.signals += 1
        if self._first_time(command.id):
            self._note(TimerCancelled(timer_id=command.timer_id))

    @workflow.signal
    @command_only
    def configure(self, command: Configure) -> None:
        self._run.signals += 1
        if self._first_time(command.id):
            self._note(
                Configured(model=command.model, metadata=command.metadata, digest=command.digest, limits=command.limits)
            )

    @workflow.signal
    @command_only
    def close(self, command: Close) -> None:
        self._run.signals += 1
        if self._first_time(command.id):
            self._note(CloseRequested(reason=command.reason))
            self._outside.stopped(self._state)

    # Queries. None of them mutates anything; all are pure functions of the state.

    @workflow.query
    def receipt(self, message_id: str) -> Receipt:
        return answers.receipt(self._state, message_id)

    @workflow.query
    def events(self, after: int) -> EventsPage:
        return answers.events(self._state, after)

    @workflow.query
    def snapshot(self, request: PageRequest) -> SnapshotPage:
        return answers.snapshot(self._state, workflow.info().workflow_id, request)

    @workflow.query
    def model_input(self, request: ModelInputRequest) -> ModelInputPage:
        return answers.model_input(self._state, request)

    @workflow.query
    def timers(self) -> TimersPage:
        return answers.timers(self._state)

    @workflow.query
    def question(self, question_id: str) -> QuestionState:
        return answers.question(self._state, question_id)

    @workflow.query
    def step_state(self, step_id: str) -> StepState:
        return answers.step_state(self._state, step_id)

    @workflow.query
    def trace(self, after: int) -> TracePage:
        return answers.trace(self._state, after)

    @workflow.query
    def past(self, request: PastRequest) -> PastPage:
        return answers.past(self._state, request)

    # What actions do.

    async def _load_agent(self, action: LoadAgent) -> None:
        old = self._state.loaded
        found = await loaded_agent(self._state.agent, action.digest)
        if isinstance(found, ToolError):
            self._note(AgentFailed(error=found))
            return
        self._note(AgentLoaded(agent=found))
        if old is not None and old.digest != found.digest:
            self._append("agent.updated", old=old.digest, new=found.digest)

    async def _renew(self, timer: Timer) -> None:
        """A message brings its agent's current definition along; a timer's turn has to ask for it."""
        self._renewed_for = timer.timer_id
        digest = await current_digest(self._state.agent)
        if digest is not None:
            self._note(AgentRenewed(digest=digest))

    async def _look_for_tools(self) -> None:
        if await lists_other_tools(self._state.loaded):
            self._note(ToolsChanged())

    async def _rest(self, action: Rest) -> None:
        left = None if action.until is None else action.until - workflow.now()
        if left is not None and left <= timedelta():
            self._timers.mark_due(workflow.now())
            return
        try:
            await workflow.wait_condition(
                lambda: next_action(self._state) != action or self._run.moves(),
                timeout=left,
                timeout_summary="the next timer",
            )
        except TimeoutError:
            self._timers.mark_due(workflow.now())

    def _wake_up(self, timer: Timer) -> None:
        turn_id = f"t{self._state.turns + 1}"
        self._append("timer.fired", timer_id=timer.timer_id)
        self._append("turn.started", turn_id=turn_id, cause="timer")
        part = Data(name="timer", value={"timer_id": timer.timer_id, "due": timer.due.isoformat(), "note": timer.note})
        about = {"id": f"{timer.timer_id}.fired", "turn_id": turn_id, "at": workflow.now(), "own": True}
        self._append("message.added", message={"role": "user", "parts": (part,), **about})
        self._outside.publish_status(self._state)

    async def _wait(self, action: Wait) -> None:
        """Until a call has its result, a question its answer, or the turn is stopped."""
        if action.cancel:
            await self._tools.cancel()
            return
        if not action.running:
            self._outside.publish_status(self._state)

        def news() -> bool:
            return next_action(self._state) != action or (not action.running and self._is_over(action))

        left = None if action.until is None else action.until - workflow.now()
        if left is not None and left <= timedelta():
            self._questions.expire(workflow.now())
            return
        try:
            await workflow.wait_condition(news, timeout=left, timeout_summary="a question expires")
        except TimeoutError:
            self._questions.expire(workflow.now())

    def _start_turn(self, message: Message) -> None:
        turn_id = f"t{self._state.turns + 1}"
        self._append("turn.started", turn_id=turn_id, cause="message")
        self._append("message.added", message=message.model_copy(update={"turn_id": turn_id}))
        self._outside.publish_status(self._state)

    def _take_over(self, handoff: Handoff) -> None:
        assert self._state.loaded is not None
        agent = handoff.agent
        old = self._state.loaded.digest
        self._append("agent.updated", old=old, new=agent.digest, agent=agent.definition.name)
        self._outside.publish_agent(agent.definition.name)

    def _finish_turn(self, action: FinishTurn) -> None:
        turn = self._state.turn
        assert turn is not None
        self._append(
            "turn.finished", reason=action.reason, error=action.error, usage=turn.usage, cost_usd=turn.cost_usd
        )
        self._outside.publish_status(self._state)

    def _close(self, reason: str) -> None:
        for message in self._state.inbox:
            self._append("message.rejected", message_id=message.id, reason="session_closed")
        self._append("session.closed", reason=reason)
        self._outside.publish_status(self._state)

    # State.

    def _append(self, kind: str, /, **fields: object) -> None:
        """Appends an event of the turn that runs, and tells `Live`, and those who measure, that the session moved on."""
        turn = self._state.turn
        fields.setdefault("turn_id", turn.turn_id if turn else None)
        event = Events.validate_python({"type": kind, "seq": self._state.seq + 1, "at": workflow.now(), **fields})
        before, self._state = self._state, apply(self._state, event)
        self._outside.describe(self._state)
        self._outside.appended(before, event, self._stop_at)

    def _note(self, note: Note) -> None:
        if isinstance(note, StopRequested | CloseRequested) and not self._state.stopping:
            self._stop_at = workflow.now()
        self._state = apply(self._state, note)

    def _accept(self, command: SendMessage) -> None:
        busy = self._state.turn is not None or bool(self._state.inbox)
        parts = tuple(map(as_foreign, command.parts))
        message = Message(id=command.message_id, role="user", parts=parts, at=workflow.now())
        self._note(
            Accepted(
                message=message,
                content_sha256=command.content_sha256,
                cursor=command.cursor,
                digest=command.digest,
            )
        )
        if busy:
            self._append("message.queued", message_id=message.id, position=len(self._state.inbox), turn_id=None)

    def _first_time(self, command_id: str) -> bool:
        if command_id in self._state.command_ids:
            return False
        self._note(CommandSeen(id=command_id))
        return True

    def _is_over(self, action: Action) -> bool:
        return self._tools.idle and self._run.is_over(action, self._state)
