"""Calls of a handler that are made at the same time: data, as all of a run."""

import operator
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

from pydantic import Field, JsonValue

from perdure.workflows.core.state.record import Record, replace
from perdure.workflows.definition.handlers.compensation import Compensation
from perdure.workflows.vocabulary.blocks import Block
from perdure.workflows.vocabulary.parts import ToolError, absent

#: Calls that have begun and not ended, unless more may run at the same time.
MOST_BEGUN: Final = 100


@dataclass(frozen=True, kw_only=True)
class Branch(Record):
    """One of the calls."""

    block: Block
    tool: str
    args: dict[str, JsonValue]
    #: The variable that its result goes to.
    into: Annotated[str | None, Field(exclude_if=absent)] = None
    #: The number of the item that it is made for, from 1; None: it is made for none.
    item: Annotated[int | None, Field(exclude_if=absent)] = None
    #: Once the call has begun.
    call_id: Annotated[str | None, Field(exclude_if=absent)] = None
    #: The call has ended.
    over: bool = False
    #: Its result, where that goes to a variable or a list.
    value: JsonValue = None
    #: What it failed with.
    error: Annotated[ToolError | None, Field(exclude_if=absent)] = None
    #: What takes the call back, not filled in.
    compensate: Annotated[Compensation | None, Field(exclude_if=absent)] = None
    #: The item by its name, where that is needed to fill it in.
    item_names: Annotated[dict[str, JsonValue], Field(exclude_if=operator.not_)] = field(default_factory=dict)
    #: It is filled in and kept, or cannot be: why.
    settled: Annotated[bool, Field(exclude_if=operator.not_)] = False
    unkept: Annotated[ToolError | None, Field(exclude_if=absent)] = None

    @property
    def told(self) -> str:
        """With which an error says for which item it is."""
        return "" if self.item is None else f"item {self.item}: "


@dataclass(frozen=True, kw_only=True)
class CallingMany(Record):
    """Tools are called at the same time."""

    at: str
    branches: tuple[Branch, ...]
    #: Calls that have begun and not ended, at most; None: as many as the session bears.
    at_once: int | None = None
    #: The variable that the list of results goes to.
    into: str | None = None
    #: Bytes of what the run holds, with the results so far.
    held: int = 0
    kind: Literal["calling_many"] = "calling_many"

    def next(self, begun: int, parallel: int) -> int:
        """How many further ones begin now, where so many have begun and not ended, and so many may run at the same time.

        Beyond those that run, some wait, be it for room or for a person; with all of a thousand, each decision takes long."""
        most = max(parallel, MOST_BEGUN)
        room = (most if self.at_once is None else min(most, self.at_once)) - begun
        return min(room, sum(branch.call_id is None for branch in self.branches)) if room > 0 else 0

    def begun(self, call_ids: tuple[str, ...]) -> "CallingMany":
        """The next of them have begun as these calls."""
        made, ids = list(self.branches), list(reversed(call_ids))
        for index, branch in enumerate(made):
            if not ids:
                break
            if branch.call_id is None:
                made[index] = replace(branch, call_id=ids.pop())
        return replace(self, branches=tuple(made))

    def changed(self, branch: Branch) -> "CallingMany":
        """With this branch in place of the one of its call."""
        made = tuple(branch if one.call_id == branch.call_id else one for one in self.branches)
        return replace(self, branches=made)

    def again(self) -> "CallingMany":
        """As it goes on in a later turn: what has succeeded is not called again."""
        made = (
            replace(one, settled=one.settled and one.unkept is None, unkept=None)
            if one.over and one.error is None
            else replace(one, call_id=None, over=False, error=None, settled=False, unkept=None)
            for one in self.branches
        )
        return replace(self, branches=tuple(made))
