"""Calls that another agent answers: in a session of its own below this one, or by taking this session over. Pure.

Rule 1: a sub-agent's session is bounded by its caller: in dollars, in time, in depth. Whatever becomes of it, its call has
one result, and what it spent is its caller's.
Rule 2: it is told to close, never cancelled or terminated: its last event is `session.closed`, as of any session.
"""

from datetime import timedelta
from typing import Final, TypeVar

from pydantic import JsonValue

from perdure.workflows.core.calls.call import Adopt, Call, Ending, PutAway, Ready, RunChild, at
from perdure.workflows.core.calls.results import STOPPED, began, finish, goes_on
from perdure.workflows.core.changes import HandoffAgreed
from perdure.workflows.core.draft import Draft
from perdure.workflows.core.effects import AdoptAgent, OpenAgent, RunSession, StoreAnswer
from perdure.workflows.core.limit_changes import CallsCounted, SetAside
from perdure.workflows.core.purses_asked import purses_below
from perdure.workflows.core.spending import share
from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.core.state.turn import Handoff
from perdure.workflows.core.sub_answer import SubAnswer, as_error, text_of
from perdure.workflows.definition.agent import LoadedAgent
from perdure.workflows.definition.pricing import Spent
from perdure.workflows.definition.tools.policy import Policy
from perdure.workflows.protocol.activities import (
    LoadAgentInput,
    OpenAgentInput,
    OpenedAgent,
    TakeAnswerInput,
    ToolOutput,
)
from perdure.workflows.protocol.signals import NewSession, Parent, SendMessage
from perdure.workflows.vocabulary.errors import AGENT_UNAVAILABLE, BUDGET_EXCEEDED, HANDOFF_REFUSED, TOO_DEEP
from perdure.workflows.vocabulary.folding import preview
from perdure.workflows.vocabulary.ids import sub_session_id
from perdure.workflows.vocabulary.parts import INLINE_LIMIT, ToolError

Amount = TypeVar("Amount", int, float)

#: Sessions below one that nobody called: an agent, its sub-agents, theirs, and theirs.
MAX_DEPTH: Final = 3
#: How long one level of a tree of sessions has for its last word.
LAST_WORD: Final = timedelta(seconds=5)


def depth_of(state: SessionState) -> int:
    """Sessions above this one."""
    return state.new.parent.depth if state.new.parent else 0


def last_word(state: SessionState) -> timedelta:
    """How long the sessions below this one have to end, one after the other from the lowest up."""
    return LAST_WORD * (MAX_DEPTH - depth_of(state))


def session_of(state: SessionState, call: Call) -> str | None:
    """The session that will answer this call; None for a call that no session of its own answers."""
    policy = state.policy(call.name)
    if policy is None or policy.runner != "child" or state.rehearsal:
        return None
    return sub_session_id(state.new.session_id, call.call_id)


def open_agent(state: SessionState, call: Call, policy: Policy) -> OpenAgent | ToolError:
    """The effect with which a call of another agent begins, or why it is not called."""
    session = session_of(state, call)
    if session is not None and depth_of(state) >= MAX_DEPTH:
        message = f"{policy.name} was not called: there are {MAX_DEPTH} agents above it already. Do this part yourself."
        return ToolError(type=TOO_DEEP, message=message)
    if session is not None and 0 in share(state, policy.share)[:2]:
        return ToolError(type=BUDGET_EXCEEDED, message=f"{policy.name} was not called: nothing is left to spend.")
    digest = _digest(state, policy.name)
    if digest is None:
        return ToolError(type=AGENT_UNAVAILABLE, message=f"There is no agent {policy.name!r} here.")
    run = call.as_run
    request = OpenAgentInput(
        name=policy.name,
        digest=digest,
        call_id=call.call_id,
        args={} if run.blob else run.args,
        blob=run.blob,
        inputs=state.inputs_of(state.agent) if session is None else {},
        child=None if session is None else f"{state.new.tenant}/{session}",
    )
    return OpenAgent(request)


def opened(draft: Draft, call: Call, outcome: OpenedAgent | ToolError) -> None:
    """What another agent is given is known, or is wrong."""
    policy = draft.state.policy(call.name)
    if isinstance(outcome, ToolError) or policy is None or not goes_on(draft.turn, call):
        finish(draft, call, outcome if isinstance(outcome, ToolError) else STOPPED)
    elif policy.runner == "handoff":
        draft.change(at(call, Ready(Adopt(outcome), began(call, draft.now))))
    else:
        # Again: others may have begun meanwhile.
        usd, tokens, calls = share(draft.state, policy.share)
        if (usd, tokens, calls) != (None, None, None):
            draft.add(SetAside(call_id=call.call_id, usd=usd, tokens=tokens, tool_calls=calls))
        work = RunChild(outcome, usd, cap_tokens=tokens, cap_tool_calls=calls)
        draft.change(at(call, Ready(work, began(call, draft.now))))


def within_caps(draft: Draft, call: Call, work: RunChild, part: float) -> RunChild:
    """The share of a sub-agent that begins now. Caps may have been lowered since it was set aside, while the turn waited."""
    others = replace(draft.state, books=draft.state.books.released(call.call_id))
    usd, tokens, calls = share(others, 1.0)
    new_usd, new_tokens, new_calls = share(others, part)
    made = replace(
        work,
        cap_usd=_within(work.cap_usd, usd, new_usd),
        cap_tokens=_within(work.cap_tokens, tokens, new_tokens),
        cap_tool_calls=_within(work.cap_tool_calls, calls, new_calls),
    )
    if made != work:
        aside = SetAside(call_id=call.call_id, usd=made.cap_usd, tokens=made.cap_tokens, tool_calls=made.cap_tool_calls)
        draft.add(aside)
    return made


def _within(given: Amount | None, left: Amount | None, new: Amount | None) -> Amount | None:
    if given is None or left is None:
        return new if given is None else given
    return min(given, left)


def run_session(state: SessionState, call: Call, work: RunChild) -> RunSession:
    session_id = sub_session_id(state.new.session_id, call.call_id)
    digest = _digest(state, call.name) or ""
    message = SendMessage(
        message_id=call.call_id,
        parts=work.opened.parts,
        content_sha256=work.opened.content_sha256,
        cursor=0,
        digest=digest,
        # Whoever asked for this asked for what comes of it, too. Workers of older versions know of the last one alone.
        sender=state.requesters[-1] if state.requesters else None,
    )
    parent = Parent(
        session_id=state.new.session_id,
        call_id=call.call_id,
        depth=depth_of(state) + 1,
        cap_usd=work.cap_usd,
        cap_tokens=work.cap_tokens,
        cap_tool_calls=work.cap_tool_calls,
        requesters=state.requesters,
    )
    new = NewSession(
        tenant=state.new.tenant,
        session_id=session_id,
        agent=call.name,
        digest=digest,
        inputs=work.opened.inputs,
        user=state.new.user,
        metadata=state.metadata,
        timezone=state.timezone,
        dated=True,
        behavior=state.behavior,
        message=message,
        parent=parent,
        purses=purses_below(state),
        continue_as_new_after=state.new.continue_as_new_after,
    )
    return RunSession(call.call_id, new, work.opened.demo)


def session_ended(draft: Draft, call: Call, outcome: SubAnswer | ToolError, *, has_begun: bool) -> None:
    """A sub-agent's session is over, or never began."""
    if isinstance(outcome, ToolError):
        finish(draft, call if has_begun else replace(call, spent=None), outcome)
        return
    call = replace(call, spent=Spent(usage=outcome.usage, cost_usd=outcome.cost_usd))
    if outcome.tool_calls or call.call_id in draft.state.books.calls_aside:
        draft.add(CallsCounted(call_id=call.call_id, count=outcome.tool_calls))
    late = isinstance(call.stage, Ending) and call.stage.late
    if outcome.reason != "done":
        finish(draft, call, as_error(outcome, call.name, late=late))
        return
    text = text_of(outcome.parts)
    is_long = len(text.encode()) > INLINE_LIMIT // 2 or any(part.blob for part in outcome.parts)
    if is_long and goes_on(draft.turn, call):
        draft.change(at(call, Ready(PutAway(outcome.parts), began(call, draft.now))))
        return
    said = preview(text) if is_long else text
    output: dict[str, JsonValue] = {"text": said, "session_id": call.session_id}
    if call.block is not None and outcome.result is not None:
        # A handler reads the value; a model has it as a text.
        output["result"] = outcome.result
    finish(draft, call, ToolOutput(output=output, attempt=None))


def store_answer(call: Call, work: PutAway) -> StoreAnswer:
    request = TakeAnswerInput(call_id=call.call_id, name=call.name, session_id=call.session_id or "", parts=work.parts)
    return StoreAnswer(request)


def adopt_agent(state: SessionState, call: Call) -> AdoptAgent:
    digest = _digest(state, call.name) or ""
    request = LoadAgentInput(name=call.name, digest=digest, turn_id=state.turn_id)
    return AdoptAgent(call.call_id, request)


def adopted(draft: Draft, call: Call, work: Adopt, outcome: LoadedAgent | ToolError) -> None:
    """The agent that shall take the session over is there, or is not."""
    if isinstance(outcome, ToolError):
        finish(draft, call, outcome)
    elif not goes_on(draft.turn, call):
        finish(draft, call, STOPPED)
    elif draft.turn.handoff is not None:
        taken = draft.turn.handoff.agent.definition.name
        message = f"{taken} takes this conversation over already."
        finish(draft, call, ToolError(type=HANDOFF_REFUSED, message=message))
    else:
        draft.add(HandoffAgreed(handoff=Handoff(agent=outcome, inputs=work.opened.inputs)))
        text = f"{call.name} takes over from here."
        finish(draft, call, ToolOutput(output={"agent": call.name, "text": text}, attempt=None))


def _digest(state: SessionState, name: str) -> str | None:
    return state.slot.loaded.agents.get(name) if state.slot.loaded else None
