"""The to-do list of a session, and the lists of earlier moments, for whoever goes back to one."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from perdure.workflows.core.state.record import Record, replace
from perdure.workflows.protocol.paths import Path
from perdure.workflows.vocabulary.todo import TodoItem

#: Characters of all lists that are kept; the current one is kept in any case.
KEPT_CHARACTERS: Final = 32_000
#: Beside its text.
_OF_ITEM: Final = 40


@dataclass(frozen=True, kw_only=True)
class TodoVersion(Record):
    """The list from one moment on."""

    turn_id: str
    #: The number of the last message that was said by then.
    number: int
    items: tuple[TodoItem, ...] = ()

    @property
    def size(self) -> int:
        return sum(len(item.text) + len(item.id) + _OF_ITEM for item in self.items) + _OF_ITEM


@dataclass(frozen=True, kw_only=True)
class Todo(Record):
    #: On the branch that goes on.
    items: tuple[TodoItem, ...] = ()
    #: Of all branches, oldest first. Of a turn that is over, the last one alone.
    versions: tuple[TodoVersion, ...] = ()

    def written(self, version: TodoVersion) -> "Todo":
        """With this list from now on."""
        kept = [
            one
            for one, following in pairwise((*self.versions, version))
            if one.turn_id == version.turn_id or one.turn_id != following.turn_id
        ]
        left = KEPT_CHARACTERS - version.size
        newest: list[TodoVersion] = []
        for one in reversed(kept):
            left -= one.size
            if left < 0:
                break
            newest.append(one)
        return Todo(items=version.items, versions=(*reversed(newest), version))

    def showing(self, items: tuple[TodoItem, ...]) -> "Todo":
        """With another of the lists that are kept."""
        return replace(self, items=items)

    def on(self, path: Path, count: int) -> tuple[TodoItem, ...]:
        """The list of a branch that has so many messages; empty where none was written, or where it is no longer kept."""
        return self._last(lambda one: (place := path.position(one.number)) is not None and place < count)

    def before(self, path: Path, count: int, total: int) -> "Todo":
        """As it was when `total` messages had been said, on the branch that went on then."""
        versions = tuple(one for one in self.versions if one.number < total)
        then = Todo(versions=versions)
        return then.showing(then.on(path, count))

    def _last(self, is_there: Callable[[TodoVersion], bool]) -> tuple[TodoItem, ...]:
        return next((one.items for one in reversed(self.versions) if is_there(one)), ())
