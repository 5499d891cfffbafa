"""Validates what a file gives and goes on past each fault, so that one run finds them all.

A fault is reported and then mended in a copy: an optional field goes, a value that is needed makes room for one that the
field takes, and a misspelt name for the name that was meant. What the copy is refused for next is reported, too.

Rule: what may come of the mending, and not of the file, is not reported.
"""

import contextlib
import copy
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from perdure.temporal.definitions.fault_words import choices, named_field
from perdure.temporal.definitions.model_fields import ModelFields
from perdure.temporal.schemas.yaml_source import KEY, Loc
from perdure.workflows.definition.handlers import FORMS
from perdure.workflows.vocabulary.near_names import near_name

T = TypeVar("T")

#: What stands in for a value that is needed: any field of a definition takes one of these, once its own fields have theirs.
_STAND_INS: Final[tuple[Any, ...]] = ("x", "demo/x", "http://x", "* * * * *", 1, {}, [], {"x": {}})
_ROUNDS: Final = 200
#: Fields of handlers and their blocks in place of which their value alone may be written.
_LEFT_OUT: Final = ("do", "cases", "values", "text", "branches")


@dataclass(frozen=True, slots=True)
class Fault:
    """An error of pydantic's, and its place as the file has it."""

    loc: Loc
    detail: ErrorDetails
    #: What an unknown field was probably meant to be.
    meant: str | None = None


@dataclass(slots=True)
class Recovered(Generic[T]):
    #: None where there is no seeing past the faults.
    value: T | None = None
    faults: list[Fault] = field(default_factory=list)
    #: Places whose values are not those of the file.
    mended: set[Loc] = field(default_factory=set)
    #: Where a misspelt field stands in the file, by the place where it belongs.
    written: dict[Loc, Loc] = field(default_factory=dict)

    def is_doubtful(self, loc: Loc, rests_on: Iterable[Loc] = ()) -> bool:
        """Whether what is found at `loc` may come of the mending. It follows from the values at `rests_on`, too, and from
        all that lies below these."""
        return any(
            loc[: len(place)] == place or any(_overlap(place, other) for other in rests_on) for place in self.mended
        )

    def as_written(self, loc: Loc) -> Loc:
        """`loc` as the file has it."""
        for place, there in self.written.items():
            if loc[: len(place)] == place:
                return (*there, *loc[len(place) :])
        return loc


def recover(adapter: TypeAdapter[T], values: Any) -> Recovered[T]:
    """`values` as `adapter` reads them, and each fault on the way. `values` stay as they are."""
    with contextlib.suppress(ValidationError):
        # Most files have none.
        return Recovered(value=adapter.validate_python(values))
    recovery: _Recovery[T] = _Recovery(adapter, copy.deepcopy(values))
    for _ in range(_ROUNDS):
        try:
            recovery.found.value = adapter.validate_python(recovery.values)
            break
        except ValidationError as error:
            if not recovery.goes_on(error.errors()):
                break
    return recovery.found


@lru_cache(maxsize=8)
def _fields_of(adapter: TypeAdapter[Any]) -> ModelFields:
    return ModelFields(adapter)


def _overlap(one: Loc, other: Loc) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def place_of(detail: ErrorDetails) -> Loc:
    """Where the value of an error stands."""
    loc: Loc = detail["loc"]
    # pydantic names the kind of a tool between its number and its field.
    place = (*loc[:2], *loc[3:]) if loc[:1] == ("tools",) else _without_kind(loc)
    named = named_field(detail)
    return place if named is None else (*place, named)


def _as_listed(values: Any, loc: Loc) -> Loc:
    """The place in a handler as `values` have it: what people leave out there, pydantic names."""
    at, place = values, list[int | str]()
    for step in loc:
        there = at if isinstance(at, dict) else dict(enumerate(at)) if isinstance(at, list) else {}
        if step in there:
            at = there[step]
        elif step in _LEFT_OUT and (there or step == "branches") and (step, *place[-1:]) != ("do", "parallel"):
            continue
        elif step == 0 and isinstance(at, dict) and place[-2:-1] == ["parallel"]:
            # The one call for each item may stand without a list around it.
            continue
        place.append(step)
    return tuple(place)


def _without_kind(loc: Loc) -> Loc:
    """pydantic names the kind of an entry of `fallback` behind its number, too."""
    for depth, step in enumerate(loc[:-2]):
        if step == "fallback" and isinstance(loc[depth + 1], int):
            return (*loc[: depth + 2], *loc[depth + 3 :])
    return loc


class _Recovery(Generic[T]):
    def __init__(self, adapter: TypeAdapter[T], values: Any) -> None:
        self.values = values
        self.found: Recovered[T] = Recovered()
        self._adapter = adapter
        self._stand_ins: dict[Loc, list[Any]] = {}
        self._near_taken: set[Loc] = set()

    def goes_on(self, details: list[ErrorDetails]) -> bool:
        """Takes the errors of one round. Returns whether there is a way past them."""
        details = [detail for detail in details if not _is_echo(detail, details)]
        # Misspelt fields first: what is said to be missing is there then.
        misspelt = [detail for detail in details if self._meant(detail) is not None]
        for detail in misspelt or details:
            if not self._is_result(detail):
                self.found.faults.append(self._fault(detail))
        # All of a round are judged before any of them is mended.
        mended = [self._mend(detail) for detail in misspelt or details]
        return all(mended)

    def _place_of(self, detail: ErrorDetails) -> Loc:
        place = place_of(detail)
        return _as_listed(self.values, place) if place[:1] == ("handlers",) else place

    def _is_result(self, detail: ErrorDetails) -> bool:
        place, mended = self._place_of(detail), self.found.mended
        if any(place[: len(one)] == one for one in mended):
            return True
        if detail["type"] == "too_short" and any(one[:-1] == place for one in mended):
            return True
        if _is_whole_tool(detail):
            return any(one[:2] == place[:2] for one in mended)
        if named_field(detail) is None:
            return False
        # A rule over several fields: it may hold of what stands there now, and not of what was written.
        said = str(detail["ctx"]["error"])
        siblings = [one for one in mended if one[:-1] == place[:-1]]
        return any(one in self._stand_ins or re.search(rf"\b{re.escape(str(one[-1]))}\b", said) for one in siblings)

    def _fault(self, detail: ErrorDetails) -> Fault:
        # Mending changes what pydantic gave as its input.
        kept = detail.copy()
        kept["input"] = copy.copy(detail["input"])
        return Fault(self.found.as_written(self._place_of(detail)), kept, self._meant(detail))

    def _meant(self, detail: ErrorDetails) -> str | None:
        """The field that an unknown one was probably meant to be."""
        if detail["type"] != "extra_forbidden":
            return None
        return near_name(str(detail["loc"][-1]), _fields_of(self._adapter).at(detail["loc"][:-1]) - {"kind"})

    def _mend(self, detail: ErrorDetails) -> bool:
        place = self._place_of(detail)
        if _is_whole_tool(detail):
            place = place[:2]
        if detail["loc"][-1:] == (KEY,) or _is_key_of_block(place):
            place = place[:-1]
        holder = self._holder(place)
        if isinstance(holder, dict) and detail["type"] == "extra_forbidden":
            self._rename(holder, place, self._meant(detail))
        elif holder is not None and place not in self._near_taken and (near := _near_choice(detail)) is not None:
            self._near_taken.add(place)
            holder[place[-1]] = near
        elif isinstance(holder, dict) and place[-1] in holder and self._can_go(detail):
            del holder[place[-1]]
            self.found.mended.add(place)
        else:
            return self._replace(place)
        return True

    def _can_go(self, detail: ErrorDetails) -> bool:
        """Whether it is about a field that may have a default, and not about an entry of a list or of a free mapping."""
        loc = detail["loc"]
        return (
            loc[-1:] == (KEY,)
            or named_field(detail) is not None
            or str(loc[-1]) in _fields_of(self._adapter).at(loc[:-1])
        )

    def _rename(self, holder: dict[Any, Any], place: Loc, meant: str | None) -> None:
        value = holder.pop(place[-1], None)
        if meant is not None and meant not in holder:
            holder[meant] = value
            self.found.written[(*place[:-1], meant)] = self.found.as_written(place)

    def _replace(self, place: Loc) -> bool:
        """Puts the next stand-in there, or, where all were tried, in the place of what holds it."""
        while place:
            holder = self._holder(place)
            left = self._stand_ins.setdefault(place, _stand_ins(holder, place))
            if holder is not None and left:
                holder[place[-1]] = left.pop(0)
                self.found.mended.add(place)
                return True
            place = place[:-1]
        return False

    def _holder(self, place: Loc) -> Any:
        """The list or mapping in which the value at `place` stands or would stand; None where there is none."""
        if not place:
            return None
        at: Any = self.values
        for depth, step in enumerate(place[:-1]):
            steps: Any = at if isinstance(at, dict) else dict(enumerate(at)) if isinstance(at, list) else {}
            if step not in steps:
                return None
            at = steps[step]
            if depth == 1 and place[0] == "tools" and isinstance(at, dict) and len(at) == 1:
                # `- find_order: {timeout: 30s}`: the tool's options lie one level below the tool.
                ((name, options),) = at.items()
                at = _options(at, name, options)
        return at if isinstance(at, dict) or (isinstance(at, list) and isinstance(place[-1], int)) else None


def _is_echo(detail: ErrorDetails, details: list[ErrorDetails]) -> bool:
    """pydantic counts the entries that are right: a list of one wrong entry is too short, too."""
    loc = detail["loc"]
    below = any(len(other["loc"]) > len(loc) and other["loc"][: len(loc)] == loc for other in details)
    return detail["type"] == "too_short" and below


def _is_whole_tool(detail: ErrorDetails) -> bool:
    """Not even the kind of the tool could be read."""
    return detail["loc"][:1] == ("tools",) and len(detail["loc"]) == 2


def _is_key_of_block(place: Loc) -> bool:
    """A block of a handler is nothing without its one key."""
    return place[:1] == ("handlers",) and place[-1] in FORMS and isinstance(place[-2], int)


def _near_choice(detail: ErrorDetails) -> str | None:
    """The fixed value that was probably meant."""
    given = detail["input"]
    if detail["type"] != "literal_error" or not isinstance(given, str):
        return None
    return near_name(given, choices(detail.get("ctx", {})))


def _stand_ins(holder: Any, place: Loc) -> list[Any]:
    found: list[Any] = copy.deepcopy(list(_STAND_INS))
    if place[:1] == ("handlers",) and isinstance(place[-1], int):
        # A block that sets nothing.
        is_branch = place[-2] == "parallel" or place[-3:-1] == ("parallel", "do")
        found.insert(0, {"call": {"tool": "x"}} if is_branch else {"say": "x"})
    if place[:1] == ("variables",) and len(place) == 2:
        # Its name is known, whatever it holds.
        found.insert(0, {"type": "string", "default": ""})
    entry: Any = None
    # A role of models may be called `tools`, too.
    if isinstance(holder, list) and holder and place[:1] == ("tools",) and len(place) == 2:
        entry = holder[int(place[1])]
    if isinstance(entry, dict):
        # What a tool is called is known even where its options are not.
        found[:0] = list(entry)[:1]
    return found


def _options(entry: dict[Any, Any], name: Any, options: Any) -> Any:
    if options is None:
        entry[name] = options = {}
    return options if isinstance(options, dict) else entry
