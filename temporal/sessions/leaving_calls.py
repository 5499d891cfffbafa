"""What a command to rewind tells of the calls that leave, bounded in number and in bytes however many there are.

Rule 1: a call that can be taken back is told in full. More of them than one rewind takes back are refused.
Rule 2: of all others, the first are told in short, and the rest are counted by tool.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic_core import to_json

from perdure.temporal.sessions.errors import NotRewindable
from perdure.workflows.core.rewinds.cut_calls import cut_calls
from perdure.workflows.core.rewinds.plan import MOST_STANDING, in_short, may_have_run
from perdure.workflows.core.session_tools import MAX_TIMERS, WAKE_ME
from perdure.workflows.definition.agent import AgentDefinition
from perdure.workflows.definition.tools import ClientTool, ToolUse
from perdure.workflows.protocol.signals import CutCall
from perdure.workflows.vocabulary.parts import Message

#: Calls that one rewind takes back.
MOST_UNDONE: Final = 200
#: Bytes of the calls of one command. Calls that do not fit in full are told in short, or else counted.
_MOST_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class LeavingCalls:
    calls: tuple[CutCall, ...] = ()
    #: Further calls that may stand, by tool.
    more: dict[str, int] = field(default_factory=dict)


def leaving_calls(
    leaving: Iterable[Message], definition: AgentDefinition | None, undo: bool | None, undone: Collection[str] = ()
) -> LeavingCalls:
    """Of the calls in `leaving`, those that the session has to know of. `undo`: whether calls are taken back; None: a person
    is asked. `undone`: calls that were taken back before. Raises `NotRewindable` where there are too many to take back."""
    uses = {tool.name: tool for tool in definition.tools if isinstance(tool, ToolUse)} if definition else {}
    people = {tool.name for tool in definition.tools if isinstance(tool, ClientTool)} if definition else set()
    before = frozenset(undone)
    calls = [
        call
        for call in cut_calls(leaving)
        if call.name not in people and call.call_id not in before and _matters(call, uses.get(call.name))
    ]
    back = [call for call in calls if _goes_back(call, uses)]
    if len(back) > MOST_UNDONE and undo is not False:
        raise NotRewindable(
            f"Going back there would take back {len(back)} calls, and one rewind takes back {MOST_UNDONE} at most. Go back "
            "to a later message first, or give undo: false to leave all calls as they are."
        )
    # Which timers are still set, the session knows; it has so many at most.
    timers = [call for call in calls if call.name == WAKE_ME.name]
    others = [call for call in calls if not _goes_back(call, uses) and call.name != WAKE_ME.name]
    told = {call.call_id for call in (*back[:MOST_UNDONE], *timers[-MAX_TIMERS:], *others[:MOST_STANDING])}
    return _bounded(calls, told, uses)


def _bounded(calls: Iterable[CutCall], told: set[str], uses: Mapping[str, ToolUse]) -> LeavingCalls:
    room, kept = _MOST_BYTES, []
    more: Counter[str] = Counter()
    for call in calls:
        if call.call_id not in told:
            more[call.name] += 1
            continue
        one = call if _goes_back(call, uses) else _in_short(call, whole=call.whole)
        if (size := _size(one)) > room:
            one = _in_short(call, whole=False)
            size = _size(one)
        if size > room:
            more[call.name] += 1
            continue
        room -= size
        kept.append(one)
    return LeavingCalls(tuple(kept), dict(more))


def _matters(call: CutCall, use: ToolUse | None) -> bool:
    if use is None:
        return may_have_run(call, once=False)
    return use.side_effects != "none" and may_have_run(call, once=use.side_effects == "once")


def _goes_back(call: CutCall, uses: Mapping[str, ToolUse]) -> bool:
    use = uses.get(call.name)
    return use is not None and use.undo is not None and not call.is_error


def _in_short(call: CutCall, *, whole: bool) -> CutCall:
    args = in_short(call.args) if call.args is not None else None
    return call.model_copy(update={"args": args, "output": call.output if call.is_error else None, "whole": whole})


def _size(call: CutCall) -> int:
    return len(to_json(call, inf_nan_mode="strings"))
