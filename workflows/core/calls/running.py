"""How calls run: which effect carries a call out, and how it is ended. Pure.

Rule 1: what is decided here is in the state before anything is awaited.
Rule 2: a call that was given up has its result, and what comes of its effect later is dropped.
"""

from datetime import timedelta
from typing import Final, assert_never

from pydantic import JsonValue

from perdure.workflows.core.calls.agents import (
    adopt_agent,
    last_word,
    open_agent,
    run_session,
    session_of,
    store_answer,
    within_caps,
)
from perdure.workflows.core.calls.behalf import context_of
from perdure.workflows.core.calls.call import (
    Adopt,
    Begin,
    Call,
    Ending,
    FallBack,
    PutAway,
    Ready,
    Refused,
    RunChild,
    Running,
    at,
)
from perdure.workflows.core.calls.results import finish, start
from perdure.workflows.core.draft import Draft
from perdure.workflows.core.effects import CallServer, Effect, Rehearse, RunActivity, RunRemote
from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.definition.pricing import Spent
from perdure.workflows.definition.tools.policy import Policy
from perdure.workflows.protocol.activities import FOLDED_ARGS, CallMcpToolInput
from perdure.workflows.protocol.document_activities import ReadDocumentsInput
from perdure.workflows.vocabulary.errors import INVALID_ARGUMENTS, UNKNOWN_TOOL
from perdure.workflows.vocabulary.ids import fallback_activity, later_activity
from perdure.workflows.vocabulary.parts import INLINE_LIMIT, ToolCall, ToolError, Usage

#: How long a cancelled tool has for its last word.
LAST_WORD: Final = timedelta(seconds=5)


def run(draft: Draft, calls: tuple[ToolCall, ...]) -> tuple[Effect, ...]:
    """Starts these calls, or goes on with them; the effects that carry them out. Those that do not run get their results."""
    call_ids = [call.call_id for call in calls]
    for call in draft.calls(call_ids):
        if not call.started:
            start(draft, call.as_run, None if isinstance(call.stage, Refused) else session_of(draft.state, call))
        elif isinstance(call.stage, Ready):
            draft.change(at(call, Running(call.stage.work, call.stage.began or draft.now)))
    effects: list[Effect] = []
    for call in draft.calls(call_ids):
        effect = call.stage.error if isinstance(call.stage, Refused) else _effect(draft, call)
        if isinstance(effect, ToolError):
            finish(draft, call, effect)
        else:
            effects.append(effect)
    return tuple(effects)


def end(draft: Draft, calls: tuple[ToolCall, ...]) -> tuple[str, ...]:
    """Has these calls, which run, end; the keys of their effects."""
    for call in draft.calls(one.call_id for one in calls):
        stage = call.stage
        assert isinstance(stage, Running)
        time = last_word(draft.state) if isinstance(stage.work, RunChild) else LAST_WORD
        draft.change(at(call, Ending(stage.work, stage.began, draft.now + time, late=stage.overdue)))
    return tuple(call.call_id for call in calls)


def _effect(draft: Draft, call: Call) -> Effect | ToolError:
    stage, state = call.stage, draft.state
    assert isinstance(stage, Running)
    if state.rehearsal:
        return Rehearse(call.as_run)
    policy = state.policy(call.name)
    if policy is None:
        return ToolError(type=UNKNOWN_TOOL, message=f"There is no tool {call.name!r} any more.")
    match stage.work:
        case Begin():
            return _first(state, call, policy)
        case FallBack(failed=failed):
            other = state.policy(policy.fallback) if policy.fallback else None
            return failed if other is None else _activity(state, call, other, fallback_activity(call.call_id), None)
        case RunChild():
            work = within_caps(draft, call, stage.work, policy.share)
            until = None if policy.timeout is None else draft.now + policy.timeout
            spent = Spent(usage=Usage(input_tokens=work.cap_tokens or 0), cost_usd=work.cap_usd)
            draft.change(replace(call, stage=replace(stage, work=work, until=until), spent=spent))
            return run_session(state, call, work)
        case PutAway() as work:
            return store_answer(call, work)
        case Adopt():
            return adopt_agent(state, call)
        case _:
            assert_never(stage.work)


def _first(state: SessionState, call: Call, policy: Policy) -> Effect | ToolError:
    activity_id, spec = _activity_id(call), call.bound.spec if call.bound is not None else None
    match policy.runner:
        case "worker" | "remote":
            return _activity(state, call, policy, activity_id, spec)
        case "mcp":
            return _server_call(state, call, policy, activity_id, spec)
        case "child" | "handoff":
            return open_agent(state, call, policy)
        case "person" | "session":
            return ToolError(type=UNKNOWN_TOOL, message=f"{call.name} is another tool now than when it was called.")
        case _:
            assert_never(policy.runner)


def _activity(
    state: SessionState, call: Call, policy: Policy, activity_id: str, spec: str | None
) -> Effect | ToolError:
    use, run = policy.activity, call.as_run
    assert use is not None
    if policy.runner == "worker":
        told = state.slot.loaded.spec(policy.name) if state.slot.loaded else None
        context = context_of(state, call) if told is not None and told.context else None
        if policy.documents is not None:
            request = ReadDocumentsInput(documents=policy.documents, tool=policy.name, args=arguments(run))
            return RunActivity(run, use, activity_id, request.model_dump(mode="json"), None)
        return RunActivity(run, use, activity_id, arguments(run), spec, context)
    if run.blob is not None:
        message = f"The arguments are too long for {call.name}: at most {INLINE_LIMIT} bytes of JSON may be."
        return ToolError(type=INVALID_ARGUMENTS, message=message)
    return RunRemote(run, use, activity_id, context_of(state, call) if use.context else None)


def _server_call(state: SessionState, call: Call, policy: Policy, activity_id: str, spec: str | None) -> CallServer:
    agent, run = state.slot.loaded, call.as_run
    assert agent is not None
    assert policy.server is not None
    assert policy.activity is not None
    request = CallMcpToolInput(
        digest=agent.digest,
        index=policy.index,
        label=policy.server.label,
        name=policy.name,
        tool=policy.tool,
        args=arguments(run),
        once=policy.once,
        so_far=call.server,
        spec_sha256=spec,
        context=context_of(state, call) if policy.server.has_templates else None,
    )
    return CallServer(run, policy.activity, activity_id, request)


def arguments(call: ToolCall) -> dict[str, JsonValue]:
    """As they travel to our own workers."""
    return {FOLDED_ARGS: call.blob.model_dump()} if call.blob else call.args


def _activity_id(call: Call) -> str:
    """The call's own id; with a number where it goes on: its server was answered, or it was asked about again."""
    if call.server is not None:
        return later_activity(call.call_id, call.server.rounds)
    return later_activity(call.call_id, 0) if call.changed else call.call_id
