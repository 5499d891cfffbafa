"""The loop guard: a tool call that had the same result so often that it does not run again. Pure."""

import hashlib

from pydantic_core import to_json

from perdure.workflows.core.calls.call import Call
from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.repeated import KEPT, Repeated
from perdure.workflows.core.state.session import SessionState, in_turn
from perdure.workflows.core.state.turn import Turn
from perdure.workflows.vocabulary.errors import REPEATED_CALL
from perdure.workflows.vocabulary.parts import ToolCall, ToolError, ToolResult


def refused(state: SessionState, call: Call) -> ToolError | None:
    """The result of a call that does not run, for it had the same result again and again; None: it may run."""
    known = in_turn(state).repeated.get(_key(call.made))
    limit = state.effective_limits.turn.repeats
    if state.behavior < 1 or known is None or known.times < limit or call.block is not None:
        return None
    message = (
        f"{call.name} was not run: it was called {known.times} times in this turn with these arguments, each time with the "
        "same result. Use that result, call it with other arguments, or answer without it."
    )
    return ToolError(type=REPEATED_CALL, message=message)


def insists(state: SessionState, calls: tuple[Call, ...]) -> ToolError | None:
    """Why the turn ends: its model asks again for a call that was refused so. None: it does not."""
    for call in calls:
        known = in_turn(state).repeated.get(_key(call.made))
        if known is not None and known.refused and refused(state, call) is not None:
            message = (
                f"The model called {call.name} again and again with the same arguments and the same result, also after it "
                "was told so."
            )
            return ToolError(type=REPEATED_CALL, message=message)
    return None


def remembering(turn: Turn, call: Call, result: ToolResult) -> Turn:
    """`turn` with what came of a call."""
    key = _key(call.made)
    known = turn.repeated.get(key)
    if known is not None and _is_refusal(result):
        made = replace(known, refused=True)
    else:
        digest = _sha256([result.output, result.is_error, result.blob.key if result.blob else None])
        again = known is not None and known.result == digest
        made = replace(known, times=known.times + 1) if known is not None and again else Repeated(result=digest)
    others = {one: value for one, value in turn.repeated.items() if one != key}
    while len(others) >= KEPT:
        del others[next(iter(others))]
    return replace(turn, repeated={**others, key: made})


def _is_refusal(result: ToolResult) -> bool:
    return result.is_error and isinstance(result.output, dict) and result.output.get("type") == REPEATED_CALL


def _key(call: ToolCall) -> str:
    return _sha256([call.name, call.args, call.args_raw, call.blob.key if call.blob else None])


def _sha256(value: object) -> str:
    return hashlib.sha256(to_json(value, inf_nan_mode="strings")).hexdigest()[:24]
