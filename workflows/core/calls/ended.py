"""What it means that the tool of a call has ended, or that its time is over. Pure."""

from typing import Final

from perdure.workflows.core.agent_changes import ToolsChanged
from perdure.workflows.core.calls.call import Asking, Call, Ending, FallBack, Ready, Running, at
from perdure.workflows.core.calls.results import OUT_OF_TIME, STOPPED, TOO_MANY, UNKNOWN, began, finish, goes_on
from perdure.workflows.core.changes import TurnBroken
from perdure.workflows.core.draft import Draft
from perdure.workflows.core.state.record import replace
from perdure.workflows.core.sub_answer import too_late
from perdure.workflows.definition.tools.policy import Policy
from perdure.workflows.protocol.activities import ToolOutput
from perdure.workflows.vocabulary.elicitation import MOST_ROUNDS, ServerAsks, after
from perdure.workflows.vocabulary.errors import (
    INVALID_ARGUMENTS,
    INVALID_RESULT,
    OUTCOME_UNKNOWN,
    RESULT_TOO_LARGE,
    TOOL_CHANGED,
)
from perdure.workflows.vocabulary.folding import preview
from perdure.workflows.vocabulary.parts import ToolError

#: It did not fail, nobody knows, it was asked wrongly, or it is not what was allowed.
_FINAL: Final = frozenset([STOPPED.type, UNKNOWN.type, INVALID_ARGUMENTS, TOOL_CHANGED])
#: It ran, and only its result is of no use.
_RAN: Final = frozenset([INVALID_RESULT, RESULT_TOO_LARGE])


def is_final(error: ToolError, *, once: bool) -> bool:
    """Whether the fallback of a tool is not tried after this failure. `once`: its side effects happen once."""
    return error.type in _FINAL or (once and error.type in _RAN)


def tool_ended(draft: Draft, call: Call, outcome: ToolOutput | ServerAsks | ToolError) -> None:
    """A tool, of whatever kind, has ended in this way."""
    counts = goes_on(draft.turn, call)
    if isinstance(call.stage, Running | Ending) and isinstance(call.stage.work, FallBack):
        finish(draft, call, _fallen(draft, call, call.stage.work, outcome))
        return
    if isinstance(outcome, ServerAsks):
        if counts and _ask_for_server(draft, call, outcome):
            return
        outcome = TOO_MANY if counts else STOPPED
    if draft.turn.overtime and outcome == STOPPED:
        outcome = OUT_OF_TIME
    failed = outcome if isinstance(outcome, ToolError) else outcome.error
    policy = draft.state.policy(call.name)
    if failed is not None and policy is not None and policy.activity is not None and counts:
        if policy.fallback is not None and not is_final(failed, once=policy.once):
            draft.change(at(call, Ready(FallBack(failed), began(call, draft.now))))
            return
        if _asks_about(draft, call, policy, failed):
            return
    finish(draft, call, outcome)


def give_up(draft: Draft) -> None:
    """Marks calls whose time is over, and gives up those that were told to end and did not."""
    stopped = OUT_OF_TIME if draft.state.turn is not None and draft.state.turn.overtime else STOPPED
    for call in draft.state.turn.calls if draft.state.turn else ():
        stage = call.stage
        if isinstance(stage, Running) and stage.until is not None and stage.until <= draft.now:
            # Its own time is over; how long it has to end is told when it is told to.
            draft.change(at(call, replace(stage, overdue=True, until=None)))
        elif isinstance(stage, Ending) and stage.until <= draft.now:
            policy = draft.state.policy(call.name)
            once = policy is not None and policy.once
            finish(draft, call, too_late(call.name) if stage.late else UNKNOWN if once else stopped)


def _fallen(
    draft: Draft, call: Call, work: FallBack, outcome: ToolOutput | ServerAsks | ToolError
) -> ToolOutput | ToolError:
    if isinstance(outcome, ServerAsks):
        return work.failed
    failed_too = outcome if isinstance(outcome, ToolError) else outcome.error
    if failed_too is None:
        return outcome
    policy = draft.state.policy(call.name)
    name = policy.fallback if policy else ""
    return work.failed.saying(preview(f"{work.failed.message} The fallback {name} failed, too: {failed_too.message}"))


def _asks_about(draft: Draft, call: Call, policy: Policy, failed: ToolError) -> bool:
    """Whether a person is asked about a call that failed in this way; then that is under way."""
    if failed.type == OUTCOME_UNKNOWN:
        return _ask_what_became(draft, call, policy)
    return failed.type == TOOL_CHANGED and call.bound is not None and _ask_again(draft, call)


def _ask_what_became(draft: Draft, call: Call, policy: Policy) -> bool:
    """Whether the definition lets somebody else say what became of a call; then that is under way."""
    if policy.on_unknown == "stop":
        draft.add(TurnBroken(error=UNKNOWN))
    if policy.on_unknown != "ask":
        return False
    draft.change(at(call, Asking("outcome")))
    return True


def _ask_again(draft: Draft, call: Call) -> bool:
    """Whether a person is asked about a call once more, whose tool is another one than was allowed; then that is
    under way. The tools are looked up anew in any case."""
    draft.add(ToolsChanged())
    if call.changed:
        return False
    draft.change(replace(call, stage=Asking("approval"), again="tool_changed", changed=True))
    return True


def _ask_for_server(draft: Draft, call: Call, asks: ServerAsks) -> bool:
    """Whether a person is asked what the call's server wants to know; then that is under way."""
    server = after(call.server, asks)
    if server.rounds > MOST_ROUNDS or server.open is None:
        return False
    draft.change(replace(call, stage=Asking("server"), server=server))
    return True
