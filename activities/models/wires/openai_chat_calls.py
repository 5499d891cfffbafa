"""The tool calls of a Chat Completions answer, told apart while their fragments arrive. Pure and total.

The API gives every call an index, its id and name once, and then fragments of its arguments. Servers differ: the index is
missing, or 0 for every call (Ollama, Gemini's OpenAI endpoint, proxies of Responses); the id is empty, comes with each
fragment, or is another one in each; so is the name; arguments come as an object, or each fragment repeats those before it.

Rule 1: a fragment belongs to the call of its index; without one, to the call of its id; without that, to the last call.
Rule 2: another call begins with another id and a name, with another name, and with a new JSON object behind a complete one.
But behind `{}`, the new object takes its place, and `{}` behind another object says nothing. Entries of one list that have
names are different calls.
Rule 3: a call that repeats the id, the name and the arguments of another is the same call, and so is one that has only `{}`.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from perdure.activities.encoding.compact_json import compact
from perdure.activities.models.provider_turns import encodable
from perdure.activities.models.wires.openai_chat_call import ArrivingCall, says_nothing
from perdure.temporal.schemas.nesting import too_deep

#: Members of a call, and of its function, that are read here.
_READ: Final = frozenset(("id", "index", "type", "function"))
_ARGUMENTS: Final = ("arguments", "parameters", "input", "args")
_READ_OF_FUNCTION: Final = frozenset(("name", *_ARGUMENTS))


class ArrivingCalls:
    def __init__(self, tools: frozenset[str]) -> None:
        """`tools` are the names of those on offer."""
        self._tools = tools
        self._calls: list[ArrivingCall] = []
        self._by_index: dict[int, ArrivingCall] = {}

    def take(self, entries: object) -> Iterator[tuple[ArrivingCall, str] | None]:
        """The calls that a list of fragments belongs to, each with what it adds to the arguments as they were shown. None: a
        fragment of an unknown shape."""
        touched: list[ArrivingCall] = []
        for entry in entries if isinstance(entries, list) else [entries]:
            if not isinstance(entry, Mapping):
                yield None
                continue
            function = entry.get("function")
            bare = not isinstance(function, Mapping)
            if not isinstance(function, Mapping):
                # Some servers leave the level of the function out.
                function = entry if "name" in entry or not entry.keys().isdisjoint(_ARGUMENTS) else {}
            name, call_id = _text(function.get("name")), _text(entry.get("id"))
            arguments = _arguments(function, entry)
            fragment = _fragment(arguments)
            call = self._target(_index(entry.get("index")), call_id, name, fragment, touched)
            touched.append(call)
            call.id = call.id or call_id
            call.name = call.name or name
            call.members.add((key, value) for key, value in entry.items() if key not in _READ | _READ_OF_FUNCTION)
            if not bare:
                more = {key: value for key, value in function.items() if key not in _READ_OF_FUNCTION}
                call.members.add([("function", more)])
            yield call, call.add(fragment, whole=isinstance(arguments, dict | list))

    def different(self) -> list[ArrivingCall]:
        """The calls that have a name, without those that only repeat others."""
        calls: list[ArrivingCall] = []
        # By id and name, the arguments, and the place of a call that has none.
        told: dict[tuple[str, str], set[str]] = {}
        blank: dict[tuple[str, str], int] = {}
        for call in self._calls:
            if not call.name:
                continue
            known, text = (call.id, call.name), call.text
            said = told.setdefault(known, set()) if call.id else set()
            is_blank = not text.strip() or says_nothing(text)
            if text in said or (is_blank and said):
                continue
            if not is_blank and call.id and known in blank:
                calls[blank.pop(known)] = call
            else:
                if is_blank and call.id:
                    blank[known] = len(calls)
                calls.append(call)
            said.add(text)
        return calls

    def __len__(self) -> int:
        return len(self._calls)

    def _target(
        self, index: int | None, call_id: str, name: str, fragment: str, touched: list[ArrivingCall]
    ) -> ArrivingCall:
        call = self._known(index, call_id, name)
        if call is None or (name and call in touched):
            return self._begin(index)
        if call_id and call.id and call_id != call.id:
            # Without a name, it may be an id made anew for each fragment.
            if name or (_begins(fragment) and call.is_complete and not call.is_empty_object):
                return self._begin(index, name or call.name)
            return call
        if name and call.name and name != call.name:
            return call if self._same_name(call, name) else self._begin(index)
        # A server that gives ids gives one to each call.
        new = _begins(fragment) or (bool(name) and not call.id and says_nothing(fragment))
        if new and not call.is_empty_object and call.is_complete:
            # A server that repeats neither id nor name repeats itself, too.
            if name or call_id or fragment.strip() != call.text.strip():
                return self._begin(index, name or call.name)
            call.restart()
        return call

    def _known(self, index: int | None, call_id: str, name: str) -> ArrivingCall | None:
        last = self._calls[-1] if self._calls else None
        by_id = next((call for call in reversed(self._calls) if call_id and call.id == call_id), None)
        if index is None:
            return by_id or (None if last and call_id and last.id and name else last)
        if index in self._by_index:
            known = self._by_index[index]
            if by_id is not None and known.id and known.id != call_id:
                # Index 0 for all calls, whose fragments alternate.
                return by_id
            known.keeps_index = known.keeps_index or not name
            return known
        if name:
            return None
        # A fragment only continues. Some servers count fragments.
        call = by_id or (None if call_id or last is None or last.keeps_index or last.is_complete else last)
        if call is not None:
            self._by_index[index] = call
        return call

    def _same_name(self, call: ArrivingCall, name: str) -> bool:
        """Whether `name`, another one than that of `call`, is more of it."""
        if call.has_arguments:
            return False
        if call.name + name in self._tools or not {call.name, name} & self._tools:
            call.name += name
            return True
        if call.name not in self._tools and name.startswith(call.name):
            call.name = name
            return True
        return False

    def _begin(self, index: int | None, name: str = "") -> ArrivingCall:
        call = ArrivingCall(name=name)
        self._calls.append(call)
        if index is not None:
            self._by_index[index] = call
        return call


def _begins(fragment: str) -> bool:
    """Whether it may be the beginning of the arguments of another call."""
    return fragment.lstrip().startswith("{") and not says_nothing(fragment)


def _arguments(*holders: Mapping[str, Any]) -> Any:
    """A call's arguments, wherever they stand. Some servers fill in one place, and leave another one empty."""
    found = [holder[key] for holder in holders for key in _ARGUMENTS if holder.get(key) is not None]
    told = [each for each in found if each not in ("", {}, []) and not (isinstance(each, str) and says_nothing(each))]
    # Some servers repeat the declaration of the tool.
    return next((each for each in told if not _is_schema(each)), found[0] if found else None)


def _is_schema(value: object) -> bool:
    return isinstance(value, Mapping) and value.get("type") == "object" and isinstance(value.get("properties"), Mapping)


def _text(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return encodable(value.strip()) if isinstance(value, str) else ""


def _index(value: object) -> int | None:
    if isinstance(value, str) and value.isdecimal() and len(value) < 10:
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _fragment(arguments: Any) -> str:
    """Arguments as text. Some servers send an object in place of its JSON."""
    if isinstance(arguments, str):
        return encodable(arguments)
    if not isinstance(arguments, dict) and not arguments:
        return ""
    return "(nested too deep)" if too_deep(arguments) else encodable(compact(arguments))
