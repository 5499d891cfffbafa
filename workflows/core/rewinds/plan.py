"""What a rewind takes back, and what it leaves standing. Pure.

Rule 1: what a tool's `undo` can take back is taken back, the last call first. What may have taken effect and has no such tool
stands, and is said.
Rule 2: a person is asked where anything is to be taken back, and where a call of a tool whose side effects happen `once`
stands. Calls that may be repeated without harm stand unasked, and those without side effects are not spoken of.
Rule 3: a call is taken back once, on whichever branch it is found.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import JsonValue
from pydantic_core import to_json

from perdure.workflows.core.rewinds.cut_calls import cut_calls
from perdure.workflows.core.state.branches import Undo
from perdure.workflows.core.state.rewinding import Rewinding
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.definition.tools.policy import Policy
from perdure.workflows.definition.tools.undo import undo_args
from perdure.workflows.protocol.paths import shared_by
from perdure.workflows.protocol.signals import CutCall
from perdure.workflows.vocabulary import errors
from perdure.workflows.vocabulary.folding import preview
from perdure.workflows.vocabulary.ids import timer_id, undo_id
from perdure.workflows.vocabulary.parts import ToolError
from perdure.workflows.vocabulary.rewinds import PlannedUndo, Standing, Undone

#: Results of calls that began, and of which nobody knows whether they took effect.
_UNSURE: Final = frozenset(
    [
        errors.OUTCOME_UNKNOWN,
        errors.TOOL_TIMEOUT,
        errors.TOOL_STOPPED,
        errors.TOOL_CRASHED,
        errors.MCP_LOST,
    ]
)
#: The tool ran, and only its result is of no use.
_RAN: Final = frozenset([errors.INVALID_RESULT, errors.RESULT_TOO_LARGE])
_SHORT: Final = 200
#: Calls that stand and are listed; those beyond are counted by tool.
MOST_STANDING: Final = 50
NOT_WANTED: Final = "Whoever rewound the conversation wanted it to stand."


@dataclass(frozen=True)
class Plan:
    #: The last call first.
    undo: tuple[PlannedUndo, ...] = ()
    #: In the order of the calls: the first of them.
    stands: tuple[Standing, ...] = ()
    #: Further ones, by tool.
    more: dict[str, int] = field(default_factory=dict)
    #: Somebody should know of it: a person before, and the model afterwards.
    matters: bool = False


def plan(state: SessionState, rewinding: Rewinding) -> Plan:
    """Of the calls that are on the branch that goes on, behind the messages that stay."""
    undo: list[PlannedUndo] = []
    stands: list[Standing] = []
    matters = False
    for call in leaving(state, rewinding):
        found = _fate(state, call)
        match found:
            case PlannedUndo():
                undo.append(found)
                matters = True
            case Standing():
                stands.append(found)
                matters |= _matters(state.policy(call.name))
            case None:
                pass
    further = {name: count for name, count in rewinding.more.items() if _has_effects(state.policy(name))}
    matters |= any(_matters(state.policy(name)) for name in further)
    return Plan(tuple(reversed(undo)), *bounded(stands, further), matters)


def bounded(stands: Iterable[Standing], more: Mapping[str, int]) -> tuple[tuple[Standing, ...], dict[str, int]]:
    """The first of `stands`, and how many calls stand beyond them, by tool; `more` are counted already."""
    listed = tuple(stands)
    counted = Counter(more)
    counted.update(one.name for one in listed[MOST_STANDING:])
    return listed[:MOST_STANDING], dict(counted)


def undone_since(state: SessionState, branch: str) -> tuple[Undone, ...]:
    """The calls of a branch that were taken back after it had been left, and that its model has not been told of."""
    branches = state.branches
    target, found = branches.find(branch), []
    for undo in branches.undos.values():
        left = branches.find(undo.left)
        if undo.undone is None or branch in undo.told or target is None or left is None:
            continue
        if target is left or shared_by(target.path, target.count, left.path, left.count) > undo.kept:
            found.append(undo.undone)
    return tuple(found)


def leaving(state: SessionState, rewinding: Rewinding) -> tuple[CutCall, ...]:
    """The calls of the part that leaves: those that the state holds, and those that the command told of."""
    transcript = state.transcript
    held = cut_calls(transcript.on(transcript.path, rewinding.kept, transcript.count))
    known = {call.call_id for call in held}
    return tuple(call for call in rewinding.calls if call.call_id not in known) + held


def in_short(args: dict[str, JsonValue] | None) -> dict[str, JsonValue]:
    """Arguments as people and the model are told of them."""
    return {name: _in_short(value) for name, value in (args or {}).items()}


def standing(call: PlannedUndo, why: str) -> Standing:
    return Standing(call_id=call.call_id, name=call.name, args=call.args, why=why)


def may_have_run(call: CutCall, *, once: bool) -> bool:
    """Whether a call may have taken effect, by its result. `once`: its tool's side effects happen once."""
    kind = _error_type(call)
    # Of a call that must not be repeated, a stop that does not know what became of it says so.
    return kind is None or kind in _RAN or (kind in _UNSURE and not (once and kind == errors.TOOL_STOPPED))


def _fate(state: SessionState, call: CutCall) -> PlannedUndo | Standing | None:
    """What becomes of a call; None: there is nothing to say."""
    policy, before = state.policy(call.name), state.branches.undos.get(call.call_id, Undo())
    if policy is None or not policy.effects or before.over:
        return None
    if policy.runner == "session":
        timer = timer_id(call.call_id)
        pending = any(one.timer_id == timer for one in state.timers.pending)
        return _stands(call, f"The timer {timer} is still set.") if pending else None
    if policy.runner == "person":
        return None
    kind = _error_type(call)
    if not may_have_run(call, once=policy.once):
        return None
    if kind in _UNSURE:
        return _stands(call, "Nobody knows whether it took effect.")
    if policy.undo is None:
        return _stands(call, "It cannot be taken back.")
    if kind is not None or not call.whole or call.args is None:
        return _stands(call, f"What {policy.undo} needs to take it back is not known, or too long.")
    given, missing = undo_args(_input(state, policy.undo), call.args, call.output)
    if missing:
        return _stands(call, f"{policy.undo} needs {', '.join(missing)} to take it back, which the call did not give.")
    return PlannedUndo(
        call_id=call.call_id,
        name=call.name,
        args=in_short(call.args),
        by=policy.undo,
        given=given,
        undo_call_id=undo_id(call.call_id, before.tries + 1),
    )


def _stands(call: CutCall, why: str) -> Standing:
    return Standing(call_id=call.call_id, name=call.name, args=in_short(call.args), why=why)


def _has_effects(policy: Policy | None) -> bool:
    """Whether a call may stand, for all that is known of its tool."""
    return policy is not None and policy.effects and policy.runner not in ("session", "person")


def _matters(policy: Policy | None) -> bool:
    return policy is not None and (policy.once or policy.undo is not None)


def _error_type(call: CutCall) -> str | None:
    return ToolError.model_validate(call.output).type if call.is_error else None


def _input(state: SessionState, tool: str) -> dict[str, Any]:
    """The JSON Schema of a tool's arguments."""
    policy, loaded = state.policy(tool), state.slot.loaded
    if policy is not None and policy.input is not None:
        return policy.input
    spec = loaded.spec(tool) if loaded is not None else None
    return spec.input if spec is not None else {}


def _in_short(value: JsonValue) -> JsonValue:
    if isinstance(value, str):
        return preview(value, _SHORT // 2)
    written = to_json(value, inf_nan_mode="strings").decode()
    return value if len(written) <= _SHORT else preview(written, _SHORT // 2)
