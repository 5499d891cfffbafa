"""The calls of an answer of Anthropic Messages, told apart from those that a server only repeats. Pure, and total."""

from collections.abc import Iterable
from typing import Any

from perdure.activities.models.provider_turns import encodable
from perdure.activities.models.wires.anthropic_arguments import Read, arguments_in, is_full
from perdure.activities.models.wires.anthropic_blocks import Block
from perdure.activities.models.wires.anthropic_events import word


def told_apart(calls: Iterable[Block], *, good: bool, lost: bool) -> list[tuple[Block, Read]]:
    """Calls with their arguments. Some servers send a call a second time under the same id, and the arguments with one of
    them only. `good` and `lost` as in `Block.arguments`."""
    read = [(call, call.arguments(good=good, lost=lost)) for call in calls]
    full = [_key(call) for call, arguments in read if is_full(arguments)]
    made: list[tuple[object, Read]] = []
    different: list[tuple[Block, Read]] = []
    for call, arguments in read:
        key = _key(call)
        repeats = (key, arguments) in made or (key in full and not is_full(arguments))
        if key is None or not repeats:
            made.append((key, arguments))
            different.append((call, arguments))
    return different


def complete(calls: list[Block], content: list[dict[str, Any]]) -> bool:
    """Gives calls the arguments that the whole message, `content`, has for them. False: it has some for other calls."""
    told = [block for block in content if word(block.get("name")).strip() and arguments_in(block) is not None]
    fit = True
    for place, whole in enumerate(told):
        same = [call for call in calls if whole.get("id") and call.start.get("id") == whole["id"]]
        if not same and len(told) == len(calls):
            # Ids that were made anew.
            same = [calls[place]]
        fitting = [call for call in same if call.name == encodable(word(whole["name"]))]
        for call in fitting:
            call.final = arguments_in(whole) or call.final
        fit = fit and (bool(fitting) or not arguments_in(whole))
    return fit


def _key(call: Block) -> tuple[object, str] | None:
    """None: nothing tells it from another call."""
    return (call.start["id"], call.name) if call.start.get("id") else None
