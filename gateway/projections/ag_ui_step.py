"""One step of a model as AG-UI tells it: its text, its reasoning and its calls, live and then whole. Pure.

Rule: what a step goes on with is told as a delta wherever it continues what was told. Where it does not, because the step was
tried again or frames were lost, clients are sent all messages anew (`MESSAGES_SNAPSHOT`): nothing else takes a word back.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from perdure.gateway.projections import ag_ui_events as events
from perdure.gateway.projections.ag_ui_events import AgUiEvent
from perdure.gateway.projections.ag_ui_messages import AgUiMessage, reasoning_id, said
from perdure.temporal.live.frames import StepDelta, StepProgress
from perdure.temporal.live.streamed import follow_step
from perdure.temporal.sessions.json_bytes import to_json
from perdure.workflows.vocabulary.ids import call_id
from perdure.workflows.vocabulary.parts import Message, Reasoning, Text, ToolCall

#: The event that gives clients all messages, with these of the step at their end. The reasoning of these ids is taken back.
Anew = Callable[[list[AgUiMessage], set[str]], list[AgUiEvent]]


@dataclass(slots=True)
class _Part:
    kind: Literal["text", "reasoning", "tool_input"]
    #: Of its message, or its call.
    id: str
    text: str
    name: str = ""
    #: The call's arguments, once they are known as values: as they count, and as the model wrote them.
    args: tuple[Any, ...] = ()
    #: Of a part that was told: it may go on.
    is_open: bool = False


class StepView:
    """What clients have been told of a step."""

    def __init__(self, step_id: str, anew: Anew, *, is_known: bool) -> None:
        """`is_known`: clients have nothing of the step. Otherwise they may have a part of it from another stream."""
        self.step_id = step_id
        self._anew = anew
        #: What clients have is what was told, and nothing of it is to be taken back.
        self._known = is_known
        #: Clients may have reasoning of the step that is none any more: they keep it where a snapshot has no reasoning.
        self._doubtful = not is_known
        self._live: StepProgress | None = None
        self._told: list[_Part] = []

    def take(self, frame: StepDelta | StepProgress) -> list[AgUiEvent]:
        """A live frame of the step. Behind a gap, deltas tell nothing until a frame has all that was streamed."""
        live = self._live
        if live is not None and frame.attempt < live.attempt:
            return []
        known = live.n if live is not None and live.attempt == frame.attempt else 0
        if frame.n != known if isinstance(frame, StepDelta) else frame.n < known:
            return []
        self._live = follow_step(live, frame)
        return self._become(self._streamed(self._live))

    def finished(self, message: Message) -> list[AgUiEvent]:
        """The step's whole answer."""
        return [*self._become(self._whole(message), whole=True), *self.closed()]

    def given_up(self) -> list[AgUiEvent]:
        """The step ends without an answer."""
        return self._begin_anew([]) if self._told else []

    def closed(self) -> list[AgUiEvent]:
        """Ends what is open."""
        return [event for part in self._told for event in _close(part)]

    def _become(self, wanted: list[_Part], *, whole: bool = False) -> list[AgUiEvent]:
        if not wanted and not whole:
            # Nothing is taken back before there is something in its place.
            self._known = self._known and not self._told
            return self.closed()
        if not self._known or not self._continues(wanted, whole):
            return self._begin_anew(wanted)
        made: list[AgUiEvent] = []
        for place, part in enumerate(wanted):
            if place == len(self._told):
                if self._doubtful and part.kind == "reasoning":
                    return [*made, *self._begin_anew(wanted)]
                made += self.closed()
                self._told.append(_Part(part.kind, part.id, "", part.name))
                made += self._open(self._told[place])
            told = self._told[place]
            delta = _rest(told, part)
            if delta:
                made += [*(self.closed() + self._open(told) if not told.is_open else []), _delta(told, delta)]
                told.text = part.text
        return made

    def _continues(self, wanted: list[_Part], whole: bool) -> bool:
        if len(self._told) > len(wanted):
            return False
        for told, part in zip(self._told, wanted, strict=False):
            if (told.kind, told.name) != (part.kind, part.name):
                return False
            if not (part.text.startswith(told.text) or (whole and _is_same(told, part))):
                return False
        # Text goes to the end of the answer's message, so only the last one can still grow.
        spoken = [place for place, told in enumerate(self._told) if told.kind == "text"]
        return not any(_rest(self._told[place], wanted[place]) for place in spoken[:-1])

    def _begin_anew(self, wanted: list[_Part]) -> list[AgUiEvent]:
        made = self.closed()
        reasoned = {part.id for part in self._told if part.kind == "reasoning"}
        self._doubtful = self._doubtful or bool(reasoned)
        self._known, self._told = True, wanted
        return [*made, *self._anew(self.messages(), reasoned)]

    def messages(self) -> list[AgUiMessage]:
        """What clients have of the step."""
        kinds = {"tool_input": "tool_call"}
        return said(
            self.step_id,
            [
                {
                    "type": kinds.get(part.kind, part.kind),
                    "text": part.text,
                    "call_id": part.id,
                    "name": part.name,
                    "args": part.text,
                }
                for part in self._told
            ],
        )

    def _open(self, part: _Part) -> list[AgUiEvent]:
        part.is_open = True
        match part.kind:
            case "text":
                return [events.text_start(part.id)]
            case "reasoning":
                return events.reasoning_start(part.id)
            case _:
                return [events.call_start(part.id, part.name, self.step_id)]

    def _streamed(self, live: StepProgress) -> list[_Part]:
        """The parts of a step that streams, as far as they can be shown."""
        shown = [
            (part.kind, part.text, part.name or "", ())
            for part in live.parts
            if (part.name if part.kind == "tool_input" else part.text.strip())
        ]
        return self._parts(shown)

    def _whole(self, message: Message) -> list[_Part]:
        """The parts of an answer that could have been streamed."""
        found: list[tuple[Any, str, str, tuple[Any, ...]]] = []
        for part in message.parts:
            match part:
                case Text() if part.text.strip():
                    found.append(("text", part.text, "", ()))
                case Reasoning() if part.text.strip():
                    found.append(("reasoning", part.text, "", ()))
                case ToolCall():
                    args = (part.args, part.as_written().args)
                    found.append(("tool_input", to_json(part.args).decode(), part.name, args))
                case _:
                    pass
        return self._parts(found)

    def _parts(self, shown: list[tuple[Any, str, str, tuple[Any, ...]]]) -> list[_Part]:
        made: list[_Part] = []
        reasoned = called = 0
        for kind, text, name, args in shown:
            part_id = self.step_id
            if kind == "reasoning":
                reasoned += 1
                part_id = reasoning_id(self.step_id, reasoned)
            elif kind == "tool_input":
                called += 1
                part_id = call_id(self.step_id, called)
            made.append(_Part(kind, part_id, text, name, args))
        return made


def _rest(told: _Part, part: _Part) -> str:
    """What of a part that goes on has not been told."""
    if part.args and _is_same(told, part):
        return ""
    return part.text[len(told.text) :] if part.text.startswith(told.text) else ""


def _is_same(told: _Part, part: _Part) -> bool:
    """Whether what was told is the whole part, written otherwise at most."""
    if told.kind != "tool_input":
        # An answer may leave out the blanks around what was streamed.
        return told.text.strip() == part.text.strip()
    try:
        return orjson.loads(told.text or "{}") in part.args
    except orjson.JSONDecodeError:
        return False


def _delta(part: _Part, delta: str) -> AgUiEvent:
    match part.kind:
        case "text":
            return events.text_content(part.id, delta)
        case "reasoning":
            return events.reasoning_content(part.id, delta)
        case _:
            return events.call_args(part.id, delta)


def _close(part: _Part) -> list[AgUiEvent]:
    if not part.is_open:
        return []
    part.is_open = False
    match part.kind:
        case "text":
            return [events.text_end(part.id)]
        case "reasoning":
            return events.reasoning_end(part.id)
        case _:
            return [events.call_end(part.id)]
