"""The session workflow: carries out what `next_action` says and appends events. The only file that awaits.

Rule 1: a handler never awaits. It changes the state with `apply` and leaves; the main loop sees the change at its next
look, so no handler can interleave with another.
Rule 2: what must not be decided twice is in the state before anything is awaited: `step.started` comes before the call.
Rule 3: a bad signal becomes an event or nothing, never a failed workflow task, which would be retried for ever.
"""

from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import (
    SearchAttributePair,
    SearchAttributeUpdate,
    TypedSearchAttributes,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import ActivityError, ApplicationError, FailureError
from temporalio.workflow import ContinueAsNewVersioningBehavior as Behavior

from workflows import queries
from workflows.approvals import plan_calls
from workflows.attributes import AGENT, COST, STATUS, TENANT, USER
from workflows.commands import (
    Answer,
    CancelTimer,
    Close,
    Configure,
    EventsPage,
    ModelInputPage,
    ModelInputRequest,
    NewSession,
    PageRequest,
    PastPage,
    PastRequest,
    QuestionState,
    Receipt,
    SendMessage,
    SnapshotPage,
    StepRecord,
    StepState,
    Stop,
    Timer,
    TimersPage,
    TracePage,
)
from workflows.contract import (
    LOAD_AGENT,
    TOOLS_CHANGED,
    LoadAgentInput,
    StepOutput,
    ToolsChangedInput,
    call_model,
    call_of,
    load_agent,
    model_config,
    tools_changed,
)
from workflows.definition import LoadedAgent
from workflows.errors import AGENT_UNAVAILABLE
from workflows.events import Events
from workflows.notes import (
    Accepted,
    AgentFailed,
    AgentLoaded,
    CallsPlanned,
    CloseRequested,
    CommandSeen,
    Configured,
    Handoff,
    Note,
    StepOpened,
    StopRequested,
    TimerCancelled,
    ToolsChanged,
    TurnBroken,
)
from workflows.prompt import PromptError, build_prompt
from workflows.questions import Questions
from workflows.signals import command_only
from workflows.state import (
    SessionState,
    apply,
    begin,
)
from workflows.step import finished_step, opened_step
from workflows.sub_agents import SubAgents, answer_of
from workflows.timers import Timers
from workflows.toolbox import Toolbox
from workflows.turn import (
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
from workflows.types import Data, Frozen, Message, ToolError

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


@workflow.defn(name="SessionWorkflow")
class SessionWorkflow:
    @workflow.init
    def __init__(self, start: SessionInput) -> None:
        # First of all: asked after a local activity, a patch may be replayed at another place than it was recorded.
        last_word = workflow.patched("tools-last-word")
        if start.carried is not None:
            self._state = start.carried
        elif start.new is not None:
            self._state = begin(start.new, workflow.now())
        else:
            raise ApplicationError("a session starts with `new` or `carried`", non_retryable=True)
        self._signals = 0
        #: What visibility shows; a run inherits it from the one before.
        self._status = workflow.info().typed_search_attributes.get(STATUS)
        #: Just continued, and on an old version all the same (somebody overrides where it runs): it must not try for ever.
        self._held = workflow.info().continued_run_id is not None and _version_changed()
        #: When the turn was told to stop, for those who measure; nothing here depends on it.
        self._stop_at: datetime | None = None
        agents = SubAgents(lambda: self._state, self._note, self._start_child)
        self._tools = Toolbox(lambda: self._state, self._append, self._note, agents, last_word=last_word)
        self._timers = Timers(lambda: self._state, self._append, self._note)
        self._questions = Questions(lambda: self._state, self._append, self._note, self._tools)
        self._describe()
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
            if self._should_continue_as_new(action):
                await workflow.wait_condition(workflow.all_handlers_finished)
                # Whatever the reason, the new run begins on the version that is current then. Unversioned, it is nothing.
                workflow.continue_as_new(
                    SessionInput(carried=self._state), initial_versioning_behavior=Behavior.AUTO_UPGRADE
                )
            await self._carry_out(action)

    async def _carry_out(self, action: Action) -> None:
        match action:
            case LoadAgent():
                await self._load_agent(action)
            case StartTurn():
                self._start_turn(action.message)
                await self._look_for_tools()
            case CallModel():
                self._publish_status()
                await self._call_model(action)
            case PlanCalls():
                self._note(CallsPlanned(plans=plan_calls(self._state, action.calls)))
            case Ask():
                self._questions.ask(action.calls)
                self._publish_status()
            case RunHere():
                for call in action.calls:
                    self._tools.carry_out(call, self._timers.carry_out)
            case RunTools():
                self._publish_status()
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
        self._signals += 1
        seen = self._state.seen.get(command.message_id)
        if seen is not None:
            if seen.content_sha256 != command.content_sha256:
                self._append("message.rejected", message_id=command.message_id, reason="conflict")
        elif self._state.closing is not None:
            self._append("message.rejected", message_id=command.message_id, reason="session_closed")
        else:
            self._accept(command)

    @workflow.signal
    @command_only
    def stop(self, command: Stop) -> None:
        self._signals += 1
        turn = self._state.turn
        if self._first_time(command.id) and turn and command.turn_id in (None, turn.turn_id):
            self._note(StopRequested())
            self._tell_model()

    @workflow.signal
    @command_only
    def answer(self, command: Answer) -> None:
        self._signals += 1
        if self._first_time(command.id):
            self._questions.answer(command)

    @workflow.signal
    @command_only
    def cancel_timer(self, command: CancelTimer) -> None:
        self._signals += 1
        if self._first_time(command.id):
            self._note(TimerCancelled(timer_id=command.timer_id))

    @workflow.signal
    @command_only
    def configure(self, command: Configure) -> None:
        self._signals += 1
        if self._first_time(command.id):
            self._note(
                Configured(model=command.model, metadata=command.metadata, digest=command.digest, limits=command.limits)
            )

    @workflow.signal
    @command_only
    def close(self, command: Close) -> None:
        self._signals += 1
        if self._first_time(command.id):
            self._note(CloseRequested(reason=command.reason))
            self._tell_model()

    # Queries. None of them mutates anything; all are pure functions of the state.

    @workflow.query
    def receipt(self, message_id: str) -> Receipt:
        return queries.receipt(self._state, message_id)

    @workflow.query
    def events(self, after: int) -> EventsPage:
        return queries.events(self._state, after)

    @workflow.query
    def snapshot(self, request: PageRequest) -> SnapshotPage:
        return queries.snapshot(self._state, workflow.info().workflow_id, request)

    @workflow.query
    def model_input(self, request: ModelInputRequest) -> ModelInputPage:
        return queries.model_input(self._state, request)

    @workflow.query
    def timers(self) -> TimersPage:
        closed = self._state.closed or self._state.closing is not None
        return TimersPage(timers=self._state.timers, seq=self._state.seq, closed=closed)

    @workflow.query
    def question(self, question_id: str) -> QuestionState:
        return queries.question(self._state, question_id)

    @workflow.query
    def step_state(self, step_id: str) -> StepState:
        return queries.step_state(self._state, step_id)

    @workflow.query
    def trace(self, after: int) -> TracePage:
        return queries.trace(self._state, after)

    @workflow.query
    def past(self, request: PastRequest) -> PastPage:
        return queries.past(self._state, request)

    # What actions do.

    async def _load_agent(self, action: LoadAgent) -> None:
        old = self._state.loaded
        request = LoadAgentInput(name=self._state.agent, digest=action.digest)
        try:
            agent: LoadedAgent = await workflow.execute_local_activity(load_agent, request, **LOAD_AGENT)
        except FailureError as failure:
            # A local activity's failure comes as it was raised, others in an ActivityError.
            cause = failure.cause if isinstance(failure, ActivityError) else failure
            message = cause.message if isinstance(cause, FailureError) else str(failure)
            # A session that has a definition goes on with it and shows nothing of this, so the log has to.
            workflow.logger.warning("agent_unavailable", extra={"digest": action.digest, "error": message})
            self._note(AgentFailed(error=ToolError(type=AGENT_UNAVAILABLE, message=message)))
            return
        self._note(AgentLoaded(agent=agent))
        if old is not None and old.digest != agent.digest:
            self._append("agent.updated", old=old.digest, new=agent.digest)

    async def _rest(self, action: Rest) -> None:
        left = None if action.until is None else action.until - workflow.now()
        if left is not None and left <= timedelta():
            self._timers.mark_due(workflow.now())
            return
        try:
            await workflow.wait_condition(
                lambda: next_action(self._state) != action or self._moves(),
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
        message = Message(id=f"{timer.timer_id}.fired", role="user", parts=(part,), turn_id=turn_id, at=workflow.now())
        self._append("message.added", message=message)
        self._publish_status()

    async def _look_for_tools(self) -> None:
        """A turn has the tools that MCP servers list at its beginning. What they list is told only where it is new."""
        loaded = self._state.loaded
        if loaded is None or not loaded.definition.uses_mcp:
            return
        request = ToolsChangedInput(digest=loaded.digest, mcp_digest=loaded.mcp_digest)
        try:
            changed: bool = await workflow.execute_local_activity(tools_changed, request, **TOOLS_CHANGED)
        except FailureError as failure:
            workflow.logger.warning("tools_unknown", extra={"digest": loaded.digest, "error": str(failure)})
            return
        if changed:
            self._note(ToolsChanged())

    async def _wait(self, action: Wait) -> None:
        """Until a call has its result, a question its answer, or the turn is stopped."""
        if action.cancel:
            await self._tools.cancel()
            return
        if not action.running:
            self._publish_status()

        def news() -> bool:
            return next_action(self._state) != action or (not action.running and self._should_continue_as_new(action))

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
        self._publish_status()

    async def _call_model(self, action: CallModel) -> None:
        record = self._open_step(action)
        if record is None:
            return
        self._offer(record.step_id)
        name = record.model.partition("/")[2]
        step = record.step_id.rpartition(".s")[2]
        config = model_config(record.step_id, f"{name}, step {step}")
        handle = workflow.start_activity(call_model, call_of(record), **config)
        # A handler does not cancel the call itself: one that is done already must not be cancelled.
        await workflow.wait_condition(lambda: handle.done() or self._stopping())
        if not handle.done():
            handle.cancel()
        outcome: StepOutput | ActivityError
        try:
            outcome = await handle
        except ActivityError as failure:
            outcome = failure
        stopping = self._stopping()
        finished = finished_step(record, outcome, stopping, workflow.now())
        self._append("step.finished", **finished.event)
        if finished.error is not None and not stopping:
            self._note(TurnBroken(error=finished.error))
        if finished.stopped and not stopping:
            # The provider's stream was closed for a stop that this run has not seen; the turn must not go on.
            self._note(StopRequested())
        loaded = self._state.loaded
        if finished.tools_digest and loaded and finished.tools_digest != loaded.tools_digest:
            self._note(ToolsChanged())

    def _open_step(self, action: CallModel) -> StepRecord | None:
        state = self._state
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

    async def _start_child(
        self, workflow_id: str, new: NewSession, demo: bool
    ) -> "workflow.ChildWorkflowHandle[Any, Any]":
        """Starts a sub-agent's session, as the gateway starts any other."""
        info = workflow.info()
        attributes: list[SearchAttributePair[Any]] = [
            SearchAttributePair(AGENT, new.agent),
            SearchAttributePair(STATUS, "working"),
            SearchAttributePair(TENANT, new.tenant),
            SearchAttributePair(COST, 0.0),
        ]
        user = info.typed_search_attributes.get(USER)
        if user is not None:
            attributes.append(SearchAttributePair(USER, user))
        assert new.message is not None
        said = Message(id=new.message.message_id, role="user", parts=new.message.parts, at=workflow.now())
        title = queries.last_words(said)[:60]
        return await workflow.start_child_workflow(
            SessionWorkflow.run,
            SessionInput(new=new),
            id=workflow_id,
            task_timeout=info.task_timeout,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            # It is told to close, and ends as every session does.
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            cancellation_type=workflow.ChildWorkflowCancellationType.ABANDON,
            memo={
                "body_sha256": "",
                "created_at": workflow.now().isoformat().replace("+00:00", "Z"),
                "title": title,
                "demo": demo,
                "parent": self._state.new.session_id,
            },
            search_attributes=TypedSearchAttributes(attributes),
            static_summary=f"{new.agent}: {title}",
        )

    def _take_over(self, handoff: Handoff) -> None:
        assert self._state.loaded is not None
        agent = handoff.agent
        old = self._state.loaded.digest
        self._append("agent.updated", old=old, new=agent.digest, agent=agent.definition.name)
        workflow.upsert_search_attributes([AGENT.value_set(agent.definition.name)])

    def _finish_turn(self, action: FinishTurn) -> None:
        turn = self._state.turn
        assert turn is not None
        self._append(
            "turn.finished", reason=action.reason, error=action.error, usage=turn.usage, cost_usd=turn.cost_usd
        )
        self._publish_status()

    def _close(self, reason: str) -> None:
        for message in self._state.inbox:
            self._append("message.rejected", message_id=message.id, reason="session_closed")
        self._append("session.closed", reason=reason)
        self._publish_status()

    # State.

    def _append(self, kind: str, /, **fields: object) -> None:
        """Appends an event of the turn that runs, and tells `Live`, and those who measure, that the session moved on."""
        turn = self._state.turn
        fields.setdefault("turn_id", turn.turn_id if turn else None)
        event = Events.validate_python({"type": kind, "seq": self._state.seq + 1, "at": workflow.now(), **fields})
        before, self._state = self._state, apply(self._state, event)
        self._describe()
        poke = workflow.extern_functions().get("perdure_poke")
        if poke is not None and not workflow.unsafe.is_replaying():
            poke(workflow.info().workflow_id, self._state.seq)
        tell = workflow.extern_functions().get("perdure_tell")
        if tell is not None and not workflow.unsafe.is_replaying():
            tell(workflow.info().workflow_id, before, event, self._stop_at)

    def _tell_model(self) -> None:
        """A sub-agent's model call hears of a stop at once; of any other session, from the gateway."""
        stop = workflow.extern_functions().get("perdure_stop")
        if self._state.new.parent is not None and stop is not None and not workflow.unsafe.is_replaying():
            stop(workflow.info().workflow_id)

    def _offer(self, step_id: str) -> None:
        """Leaves the state for the call, which need not ask for it if it runs in this process."""
        offer = workflow.extern_functions().get("perdure_offer")
        if offer is not None and not workflow.unsafe.is_replaying():
            offer(workflow.info().run_id, step_id, self._state)

    def _note(self, note: Note) -> None:
        if isinstance(note, StopRequested | CloseRequested) and not self._stopping():
            self._stop_at = workflow.now()
        self._state = apply(self._state, note)

    def _accept(self, command: SendMessage) -> None:
        busy = self._state.turn is not None or bool(self._state.inbox)
        message = Message(id=command.message_id, role="user", parts=command.parts, at=workflow.now())
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

    def _stopping(self) -> bool:
        return self._state.turn is not None and self._state.turn.stopping

    def _first_time(self, command_id: str) -> bool:
        if command_id in self._state.command_ids:
            return False
        self._note(CommandSeen(id=command_id))
        return True

    def _should_continue_as_new(self, action: Action) -> bool:
        if not self._tools.idle:
            return False
        info = workflow.info()
        length = info.get_current_history_length()
        if isinstance(action, CloseSession):
            return length > SHORT_RUN_EVENTS
        return (
            length >= self._state.new.continue_as_new_after
            or info.is_continue_as_new_suggested()
            or self._signals >= MAX_SIGNALS
            or self._moves()
        )

    def _moves(self) -> bool:
        """Whether another version is to carry on. The server says so with a workflow task, so history has it."""
        return not self._held and _version_changed()

    def _publish_status(self) -> None:
        """Upserts search attributes, but not between two turns that follow each other at once."""
        status = self._state.status
        if status == self._status:
            return
        updates: list[SearchAttributeUpdate[Any]] = [STATUS.value_set(status)]
        if status != "working":
            updates.append(COST.value_set(round(self._state.cost_usd, 6)))
        workflow.upsert_search_attributes(updates)
        self._status = status

    def _describe(self) -> None:
        """The session's details in the Temporal Web UI; costs no history."""
        state = self._state
        lines = [f"**{state.status}** · {state.turns} turns · ${state.cost_usd:.4f}"]
        if state.turn is not None:
            lines.append(f"turn {state.turn.turn_id}, step {state.turn.steps}")
        if state.transcript:
            text = queries.last_words(state.transcript[-1])
            lines.append(f"> {state.transcript[-1].role}: {text}")
        workflow.set_current_details("\n\n".join(lines))


def _version_changed() -> bool:
    return workflow.info().is_target_worker_deployment_version_changed()
