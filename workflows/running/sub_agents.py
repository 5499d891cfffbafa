"""Calls that another agent answers: in a session of its own below this one, or by taking this session over.

Rule 1: a sub-agent's session is bounded by its caller: in dollars, in time, in depth. Whatever becomes of it, its call has
one result, and what it spent is its caller's.
Rule 2: it is told to close, never cancelled or terminated: its last event is `session.closed`, as of any session.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal

from pydantic import ValidationError
from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, FailureError

from perdure.workflows.core.approvals import STOPPED
from perdure.workflows.core.endings import fault, oddity
from perdure.workflows.core.private_changes import (
    Handoff,
    HandoffAgreed,
    Note,
)
from perdure.workflows.core.state import SessionState
from perdure.workflows.definition.agent import LoadedAgent
from perdure.workflows.definition.tools import AgentTool
from perdure.workflows.protocol.activities import (
    LOAD_AGENT,
    TAKE_RESULT,
    LoadAgentInput,
    OpenAgentInput,
    OpenedAgent,
    TakeAnswerInput,
    ToolOutput,
    load_agent,
    open_agent,
    take_answer,
)
from perdure.workflows.protocol.commands import Close, NewSession, Parent, SendMessage
from perdure.workflows.running.children import start_child
from perdure.workflows.vocabulary.errors import (
    AGENT_FAILED,
    AGENT_UNAVAILABLE,
    BUDGET_EXCEEDED,
    HANDOFF_REFUSED,
    MAX_STEPS,
    TOO_DEEP,
    TOOL_FAILED,
    TOOL_STOPPED,
    TOOL_TIMEOUT,
)
from perdure.workflows.vocabulary.events import StepFinished, TurnEnd, TurnFinished
from perdure.workflows.vocabulary.parts import INLINE_LIMIT, Frozen, Part, Text, ToolCall, ToolError, Usage, preview

#: Sessions below one that nobody called: an agent, its sub-agents, theirs, and theirs.
MAX_DEPTH: Final = 3
#: How long one level of a tree of sessions has for its last word.
LAST_WORD: Final = timedelta(seconds=5)
_MAX_ID: Final = 200


class SubAnswer(Frozen):
    """How a sub-agent's session ended: the result of its workflow."""

    #: Of its last turn; `closed`: it was closed before it had one.
    reason: TurnEnd | Literal["closed"]
    #: Texts of its last message, long ones folded in its own name.
    parts: tuple[Part, ...] = ()
    error: ToolError | None = None
    usage: Usage
    cost_usd: float | None


@dataclass
class Errand:
    """A call that another agent answers, while it runs."""

    #: Its session shall end now.
    stopping: bool = False
    #: What it has spent; until its session tells, what was set aside for it.
    usage: Usage | None = None
    cost_usd: float | None = None


class SubAgents:
    """`state` gives the session's state; `note` adds a note to it."""

    def __init__(self, state: Callable[[], SessionState], note: Callable[[Note], None]) -> None:
        self._state = state
        self._note = note
        #: Dollars set aside for sub-agents that run, by call id.
        self._reserved: dict[str, float] = {}

    @property
    def last_word(self) -> timedelta:
        """How long the sessions below this one have to end, one after the other from the lowest up."""
        return LAST_WORD * (MAX_DEPTH - depth_of(self._state()) + 1)

    def session_of(self, call: ToolCall) -> str | None:
        """The session that will answer this call; None for any other tool, and for a hand-off."""
        agent = self._state().loaded
        use = agent.use(call.name) if agent else None
        if not isinstance(use, AgentTool) or use.handoff or call.args_raw is not None:
            return None
        return sub_session_id(self._state().new.session_id, call.call_id)

    async def carry_out(self, call: ToolCall, use: AgentTool, errand: Errand) -> ToolOutput | ToolError:
        """The result of a call of another agent."""
        return await (self._hand_off(call, use, errand) if use.handoff else self._ask(call, use, errand))

    async def _ask(self, call: ToolCall, use: AgentTool, errand: Errand) -> ToolOutput | ToolError:
        state = self._state()
        if depth_of(state) >= MAX_DEPTH:
            message = (
                f"{use.name} was not called: there are {MAX_DEPTH} agents above it already. Do this part yourself."
            )
            return ToolError(type=TOO_DEEP, message=message)
        cap = share_of(state, use.share, sum(self._reserved.values()))
        if cap is not None and cap <= 0:
            return ToolError(type=BUDGET_EXCEEDED, message=f"{use.name} was not called: nothing is left to spend.")
        session_id = sub_session_id(state.new.session_id, call.call_id)
        workflow_id = f"{state.new.tenant}/{session_id}"
        opened = await self._open(call, use, workflow_id)
        if isinstance(opened, ToolError):
            return opened
        if errand.stopping:
            return STOPPED
        # Again: others may have begun meanwhile.
        cap = share_of(state, use.share, sum(self._reserved.values()))
        if cap is not None:
            self._reserved[call.call_id] = cap
        try:
            handle = await start_child(
                workflow_id, self._new(call, use, session_id, opened, cap), opened.demo, state.new.session_id
            )
            errand.usage, errand.cost_usd = Usage(), cap
            return await self._result(call, use, errand, handle, session_id)
        except FailureError as failure:
            return ToolError(type=AGENT_FAILED, message=f"{use.name} could not be asked: {failure.message}")
        finally:
            self._reserved.pop(call.call_id, None)

    async def _result(
        self,
        call: ToolCall,
        use: AgentTool,
        errand: Errand,
        handle: "workflow.ChildWorkflowHandle[Any, Any]",
        session_id: str,
    ) -> ToolOutput | ToolError:
        late = False
        try:
            await workflow.wait_condition(
                lambda: handle.done() or errand.stopping, timeout=use.timeout, timeout_summary=f"{use.name} is too slow"
            )
        except TimeoutError:
            late = True
        if not handle.done() and not await self._ended(handle, call):
            # It ends by itself, as it was told to; what it has spent is not known.
            return _too_late(use.name, "") if late else STOPPED
        try:
            answer = SubAnswer.model_validate(await handle)
        except (FailureError, ValidationError) as failure:
            cause = failure.cause if isinstance(failure, FailureError) else None
            return ToolError(
                type=AGENT_FAILED, message=f"{use.name} came to no answer: {preview(str(cause or failure))}"
            )
        errand.usage, errand.cost_usd = answer.usage, answer.cost_usd
        if answer.reason != "done":
            return as_error(answer, use.name, late=late)
        text = text_of(answer.parts)
        if len(text.encode()) <= INLINE_LIMIT // 2 and not any(part.blob for part in answer.parts):
            return ToolOutput(output={"text": text, "session_id": session_id}, attempt=None)
        request = TakeAnswerInput(call_id=call.call_id, name=use.name, session_id=session_id, parts=answer.parts)
        try:
            taken: ToolOutput = await workflow.execute_local_activity(take_answer, request, **TAKE_RESULT)
        except FailureError as failure:
            return _as_data(failure)
        return taken

    async def _ended(self, handle: "workflow.ChildWorkflowHandle[Any, Any]", call: ToolCall) -> bool:
        """Tells a session to close; whether it did in time."""
        try:
            await handle.signal("close", Close(id=f"{call.call_id}.close", reason="stopped"))
            await workflow.wait_condition(
                handle.done, timeout=self.last_word - LAST_WORD, timeout_summary="a sub-agent's last word"
            )
        except TimeoutError:
            return False
        except FailureError:
            # It is gone already, and says so itself.
            return handle.done()
        return True

    async def _hand_off(self, call: ToolCall, use: AgentTool, errand: Errand) -> ToolOutput | ToolError:
        opened = await self._open(call, use, None)
        if isinstance(opened, ToolError):
            return opened
        request = LoadAgentInput(name=use.name, digest=self._digest(use.name) or "")
        try:
            agent: LoadedAgent = await workflow.execute_local_activity(load_agent, request, **LOAD_AGENT)
        except FailureError as failure:
            return _as_data(failure)
        turn = self._state().turn
        if errand.stopping or turn is None or turn.stopping:
            return STOPPED
        if turn.handoff is not None:
            taken = turn.handoff.agent.definition.name
            return ToolError(type=HANDOFF_REFUSED, message=f"{taken} takes this conversation over already.")
        self._note(HandoffAgreed(handoff=Handoff(agent=agent, inputs=opened.inputs)))
        return ToolOutput(output={"agent": use.name, "text": f"{use.name} takes over from here."}, attempt=None)

    async def _open(self, call: ToolCall, use: AgentTool, child: str | None) -> OpenedAgent | ToolError:
        digest = self._digest(use.name)
        if digest is None:
            return ToolError(type=AGENT_UNAVAILABLE, message=f"There is no agent {use.name!r} here.")
        state = self._state()
        request = OpenAgentInput(
            name=use.name,
            digest=digest,
            call_id=call.call_id,
            args={} if call.blob else call.args,
            blob=call.blob,
            inputs=state.inputs_of(state.agent) if child is None else {},
            child=child,
        )
        try:
            opened: OpenedAgent = await workflow.execute_local_activity(open_agent, request, **LOAD_AGENT)
        except FailureError as failure:
            return _as_data(failure)
        return opened

    def _new(
        self, call: ToolCall, use: AgentTool, session_id: str, opened: OpenedAgent, cap: float | None
    ) -> NewSession:
        state = self._state()
        digest = self._digest(use.name) or ""
        return NewSession(
            tenant=state.new.tenant,
            session_id=session_id,
            agent=use.name,
            digest=digest,
            inputs=opened.inputs,
            user=state.new.user,
            message=SendMessage(
                message_id=call.call_id,
                parts=opened.parts,
                content_sha256=opened.content_sha256,
                cursor=0,
                digest=digest,
            ),
            parent=Parent(
                session_id=state.new.session_id, call_id=call.call_id, depth=depth_of(state) + 1, cap_usd=cap
            ),
            continue_as_new_after=state.new.continue_as_new_after,
        )

    def _digest(self, name: str) -> str | None:
        agent = self._state().loaded
        return agent.agents.get(name) if agent else None


def depth_of(state: SessionState) -> int:
    """Sessions above this one."""
    return state.new.parent.depth if state.new.parent else 0


def sub_session_id(session_id: str, call_id: str) -> str:
    """Of the session that answers a call. One that would be too long keeps only its beginning."""
    made = f"{session_id}~{call_id}"
    if len(made) <= _MAX_ID:
        return made
    return f"{session_id[: _MAX_ID - 40]}~{hashlib.sha256(made.encode()).hexdigest()[:32]}"


def share_of(state: SessionState, share: float, reserved: float) -> float | None:
    """Dollars that a sub-agent may spend: its share of what the caps leave, less what others may; None without caps."""
    limits, turn = state.effective_limits, state.turn
    left: list[float] = []
    if limits.turn.cost_usd is not None:
        # What cannot be counted leaves nothing that could be given away.
        known = turn is not None and turn.cost_usd is not None
        left.append(limits.turn.cost_usd - turn.cost_usd if turn and turn.cost_usd is not None and known else 0.0)
    if limits.session.cost_usd is not None:
        left.append(limits.session.cost_usd - state.cost_usd if state.cost_known else 0.0)
    return max(min(left) - reserved, 0.0) * share if left else None


def answer_of(state: SessionState) -> SubAnswer:
    """What a session that is over tells the one that called it."""
    spent: dict[str, Any] = {"usage": state.usage, "cost_usd": state.cost_usd if state.cost_known else None}
    last = next((event for event in reversed(state.events) if isinstance(event, TurnFinished)), None)
    if last is None:
        return SubAnswer(reason="closed", **spent)
    # What was said before an answer that was empty or cut is better than nothing; the error says that it is not the answer.
    turn = (m for m in reversed(state.transcript) if m.role == "assistant" and m.turn_id == last.turn_id)
    said = next((message for message in turn if text_of(message.parts)), None)
    parts = (
        tuple(part.model_copy(update={"native": None}) for part in said.parts if isinstance(part, Text)) if said else ()
    )
    error = last.error or _unsaid(state, last)
    return SubAnswer(
        reason="failed" if last.reason == "done" and error else last.reason, parts=parts, error=error, **spent
    )


def _unsaid(state: SessionState, last: TurnFinished) -> ToolError | None:
    """Why the last answer of a turn that is done is none."""
    steps = (event for event in reversed(state.events) if isinstance(event, StepFinished))
    step = next((event for event in steps if event.turn_id == last.turn_id), None)
    if last.reason != "done" or step is None:
        return None
    odd = oddity(step.message.parts, step.stop)
    model = state.model
    return fault(
        step.stop,
        (odd,) if odd else (),
        role=state.model_role,
        limit=model.max_output_tokens if model else None,
        word=step.stop_raw,
    )


def as_error(answer: SubAnswer, name: str, *, late: bool = False) -> ToolError:
    """The result of a call whose sub-agent did not finish; what it had said by then is in it."""
    said = preview(text_of(answer.parts))
    told = f" It had said: {said}" if said else ""
    match answer.reason:
        case "stopped" | "closed" | "interrupted" if late:
            return _too_late(name, told)
        case "stopped" | "closed" | "interrupted":
            return ToolError(type=TOOL_STOPPED, message=f"{name} was stopped before it had finished.{told}")
        case "budget":
            return ToolError(type=BUDGET_EXCEEDED, message=f"{name} has spent what it was given.{told}")
        case "max_steps":
            return ToolError(type=MAX_STEPS, message=f"{name} has made all the steps that it may.{told}")
        case _:
            why = f"{answer.error.type}: {answer.error.message}" if answer.error else answer.reason
            return ToolError(
                type=AGENT_FAILED,
                message=f"{name} failed. {why}{told}",
                retryable=bool(answer.error and answer.error.retryable),
            )


def text_of(parts: tuple[Part, ...]) -> str:
    return "\n\n".join(part.text for part in parts if isinstance(part, Text) and part.text.strip())


def _too_late(name: str, told: str) -> ToolError:
    return ToolError(type=TOOL_TIMEOUT, message=f"{name} did not answer in time and was stopped.{told}", retryable=True)


def _as_data(failure: FailureError) -> ToolError:
    """A local activity's failure comes as it was raised, others in an ActivityError."""
    cause = failure.cause if isinstance(failure, ActivityError) else failure
    if isinstance(cause, ApplicationError):
        return ToolError(type=cause.type or TOOL_FAILED, message=preview(cause.message))
    return ToolError(type=TOOL_FAILED, message=str(cause or failure))
