"""One tool call of a Chat Completions answer while its arguments arrive. Pure and total."""

from typing import Final

from pydantic import JsonValue
from pydantic_core import from_json

from perdure.activities.models.growing_text import GrowingText
from perdure.activities.models.provider_turns import parse_arguments
from perdure.activities.models.wires.openai_chat_members import Members
from perdure.workflows.vocabulary.parts import Native, ToolCall

#: Tag of the native parts of Chat Completions.
API: Final = "openai.chat"
#: In a native block, members of the message that held the part, and that are not the part's own.
MESSAGE: Final = "message"
#: Arguments count as cumulative when so many fragments have each begun with the whole one before it, and are that long.
_GROWN: Final = 3
_GROWN_LENGTH: Final = 16
#: Words for no arguments at all.
_NOTHING: Final = ("null", "None", '""')


def function_call(call_id: str, name: str, arguments: str) -> dict[str, JsonValue]:
    """A tool call as the API has it."""
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


class ArrivingCall:
    def __init__(self, name: str = "") -> None:
        self.id = ""
        self.name = name
        #: What its server alone understands.
        self.members = Members()
        #: Its place among the parts of the answer, once viewers are shown it.
        self.part: int | None = None
        #: Fragments of it came under the same index.
        self.keeps_index = False
        self._written = GrowingText()
        #: The last fragment while all of them are cumulative, else the end of the text.
        self._last = ""
        self._cumulative = True
        self._grown = 0

    def add(self, fragment: str, *, whole: bool) -> str:
        """Takes a fragment of the arguments, or all of them; returns what is new to viewers."""
        if not fragment or (says_nothing(fragment) and self.is_more_than_nothing(whole=whole)):
            return ""
        grows = self._cumulative and bool(self._last) and fragment.startswith(self._last) and fragment != self._last
        if whole or self.is_empty_object or (grows and self._grown >= _GROWN and len(self._last) >= _GROWN_LENGTH):
            new = fragment[len(self._last) :] if grows else fragment
            self.restart()
            self._written.add(fragment)
            self._last, self._grown = fragment, self._grown + grows
            return new
        self._cumulative = self._cumulative and (grows or not self._last)
        self._grown += grows
        self._last = fragment if self._cumulative else (self._last + fragment)[-8:]
        self._written.add(fragment)
        return fragment

    def restart(self) -> None:
        """Forgets the arguments so far, for they come again."""
        self._written = GrowingText()

    @property
    def text(self) -> str:
        """The arguments as the model wrote them. Empty: there are none."""
        written = self._written.text
        if parse_arguments(written)[1] is None:
            return written
        if written.strip() in _NOTHING:
            return ""
        if self._cumulative and self._grown and parse_arguments(self._last)[1] is None:
            return self._last
        return _unwrapped(written)

    @property
    def so_far(self) -> str:
        """The arguments as they have come."""
        return self._written.text

    @property
    def has_arguments(self) -> bool:
        return bool(self._last)

    @property
    def is_empty_object(self) -> bool:
        return says_nothing(self._last) and len(self._written) == len(self._last)

    def is_more_than_nothing(self, *, whole: bool) -> bool:
        """Whether the arguments so far make an empty object behind them say nothing. `whole`: it is not a fragment."""
        return self.has_arguments and not self.is_empty_object and (whole or self.is_complete)

    @property
    def is_complete(self) -> bool:
        """Whether the arguments so far are a whole JSON object."""
        if not self._last.rstrip().endswith("}"):
            return False
        try:
            return isinstance(from_json(self._written.text), dict)
        except ValueError:
            return False

    def finished(self, call_id: str) -> ToolCall:
        """The call as a part of the answer; `call_id` is our id for it."""
        text = self.text
        args, raw = parse_arguments(text)
        block = function_call(self.id, self.name, text if text.strip() else "{}")
        members = self.members.whole()
        inner = members.pop("function", None)
        if isinstance(inner, dict) and isinstance(block["function"], dict):
            block["function"] = inner | block["function"]
        if not self.id:
            del block["id"]
        native = Native(api=API, block=members | block) if self.id or members or inner else None
        return ToolCall(call_id=call_id, name=self.name, args=args, args_raw=raw, native=native)


def says_nothing(arguments: str) -> bool:
    """Whether they are an empty object."""
    return len(arguments) < _GROWN_LENGTH and "".join(arguments.split()) == "{}"


def _unwrapped(written: str) -> str:
    """Some servers encode the arguments twice."""
    try:
        inner = from_json(written) if written.lstrip().startswith('"') else None
    except ValueError:
        return written
    return inner if isinstance(inner, str) and parse_arguments(inner)[1] is None else written
