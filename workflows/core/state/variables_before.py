"""What session variables held before the turns that set them, for whoever goes on from an earlier turn."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import JsonValue

from perdure.workflows.core.state.record import Record
from perdure.workflows.definition.variables import bytes_of

#: Bytes of all values that are kept.
KEPT_BYTES: Final = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class Overwritten(Record):
    """What the variables that a turn set held when it began."""

    #: The number of the turn.
    turn: int
    values: dict[str, JsonValue] = field(default_factory=dict)
    #: Those that nobody had set.
    unset: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class VariablesBefore(Record):
    #: By turn, the oldest first.
    turns: tuple[Overwritten, ...] = ()
    #: Of turns up to this number, it is no longer known.
    forgotten: int = 0

    def setting(self, turn: int, held: Mapping[str, JsonValue], names: frozenset[str]) -> "VariablesBefore":
        """As the turn of this number sets the variables `names`, where all hold `held`."""
        last = self.turns[-1] if self.turns and self.turns[-1].turn == turn else Overwritten(turn=turn)
        earlier = self.turns[:-1] if self.turns and self.turns[-1].turn == turn else self.turns
        fresh = sorted(names - last.values.keys() - set(last.unset))
        made = Overwritten(
            turn=turn,
            values={**last.values, **{name: held[name] for name in fresh if name in held}},
            unset=(*last.unset, *(name for name in fresh if name not in held)),
        )
        return self._bounded((*earlier, made))

    def at_end_of(self, turn: int, held: Mapping[str, JsonValue]) -> dict[str, JsonValue] | None:
        """What was set when the turn of this number ended, where `held` is set now; None: it is no longer known."""
        if turn < self.forgotten:
            return None
        values = dict(held)
        for one in reversed(self.turns):
            if one.turn > turn:
                values.update(one.values)
                for name in one.unset:
                    values.pop(name, None)
        return values

    def up_to(self, turn: int) -> "VariablesBefore":
        """For a session that goes on behind the turn of this number."""
        if turn < self.forgotten:
            return VariablesBefore(forgotten=turn)
        return VariablesBefore(turns=tuple(one for one in self.turns if one.turn <= turn), forgotten=self.forgotten)

    def _bounded(self, turns: tuple[Overwritten, ...]) -> "VariablesBefore":
        left, forgotten = KEPT_BYTES, self.forgotten
        kept: list[Overwritten] = []
        for one in reversed(turns):
            left -= bytes_of({**one.values, **dict.fromkeys(one.unset)})
            if left < 0:
                forgotten = max(forgotten, one.turn)
                break
            kept.append(one)
        return VariablesBefore(turns=tuple(reversed(kept)), forgotten=forgotten)
