"""One step of a model as an AI SDK message has it: its text, its reasoning and the inputs of its calls, live and then whole.

Rule 1: a client cannot take back what it was sent. What a step goes on with is sent as a delta wherever it continues what was
sent; else all of it is given up (`data-retried`, behind which the step ends) and sent anew as a step of its own.
Rule 2: parts have the places and ids that the whole answer gives them, so that they are the same however they came.
"""

from dataclasses import dataclass
from typing import Literal

from perdure.gateway.projections import ai_sdk_chunks as chunks
from perdure.gateway.projections.ai_sdk_chunks import Chunk
from perdure.temporal.live.frames import StepDelta, StepProgress
from perdure.temporal.live.streamed import follow_step
from perdure.workflows.vocabulary.ids import call_id
from perdure.workflows.vocabulary.parts import File, Message, Reasoning, Text, ToolCall

_TAKEN_BACK = "The model was asked again, so this call was not made."


@dataclass(slots=True)
class _Part:
    kind: Literal["text", "reasoning", "tool_input"]
    text: str
    name: str = ""
    #: Of a part that was sent: whether it goes on.
    is_open: bool = True


class StepParts:
    """What of a step clients have been sent."""

    def __init__(self, step_id: str, session_id: str) -> None:
        self.step_id = step_id
        self._session_id = session_id
        self._live: StepProgress | None = None
        self._sent: list[_Part] = []
        #: How often all of it was given up.
        self._retried = 0

    def take(self, frame: StepDelta | StepProgress) -> list[Chunk]:
        """A live frame of the step. Behind a gap, deltas tell nothing until a frame has all that was streamed."""
        live = self._live
        if live is not None and frame.attempt < live.attempt:
            return []
        known = live.n if live is not None and live.attempt == frame.attempt else 0
        if frame.n != known if isinstance(frame, StepDelta) else frame.n < known:
            return []
        self._live = follow_step(live, frame)
        return self._become(_streamed(self._live))

    def finished(self, message: Message) -> list[Chunk]:
        """The step's whole answer, files last."""
        made = self._become(_said(message), whole=True)
        files = [part for part in message.parts if isinstance(part, File)]
        shown = (chunks.file(chunks.file_url(part.uri, self._session_id), part.media_type) for part in files)
        return [*made, *self._end_speech(), *shown]

    def given_up(self) -> list[Chunk]:
        """The step ends without an answer."""
        return self._take_back() if self._sent else []

    def _become(self, wanted: list[_Part], *, whole: bool = False) -> list[Chunk]:
        """What makes a client's step of what was sent into `wanted`."""
        made: list[Chunk] = []
        if not self._continues(wanted, whole):
            made += self._take_back()
        for place, part in enumerate(wanted):
            if place == len(self._sent):
                made += [*self._end_speech(), *self._begin(place, part)]
            elif part.kind == "tool_input" and (whole or part.text == self._sent[place].text):
                continue
            elif part.kind == "tool_input" and not part.text.startswith(self._sent[place].text):
                # Its input begins anew, in its place.
                self._sent[place].text = ""
                made += [chunks.input_start(self._call_id(place), part.name), *self._go_on(place, part.text)]
            elif self._sent[place].is_open and part.text.startswith(self._sent[place].text):
                made += self._go_on(place, part.text)
        return made

    def _continues(self, wanted: list[_Part], whole: bool) -> bool:
        if len(self._sent) > len(wanted):
            return False
        return all(_grows(sent, part, whole) for sent, part in zip(self._sent, wanted, strict=False))

    def _begin(self, place: int, part: _Part) -> list[Chunk]:
        self._sent.append(_Part(part.kind, "", part.name))
        if part.kind == "tool_input":
            return [chunks.input_start(self._call_id(place), part.name), *self._go_on(place, part.text)]
        return [chunks.speech_start(part.kind, self._part_id(place)), *self._go_on(place, part.text)]

    def _go_on(self, place: int, text: str) -> list[Chunk]:
        sent = self._sent[place]
        delta, sent.text = text[len(sent.text) :], text
        if not delta:
            return []
        if sent.kind == "tool_input":
            return [chunks.input_delta(self._call_id(place), delta)]
        return [chunks.speech_delta(sent.kind, self._part_id(place), delta)]

    def _end_speech(self) -> list[Chunk]:
        ended: list[Chunk] = []
        for place, sent in enumerate(self._sent):
            if sent.is_open and sent.kind != "tool_input":
                sent.is_open = False
                ended.append(chunks.speech_end(sent.kind, self._part_id(place)))
        return ended

    def _take_back(self) -> list[Chunk]:
        calls = [place for place, sent in enumerate(self._sent) if sent.kind == "tool_input"]
        made = [
            *self._end_speech(),
            *(chunks.output_error(self._call_id(place), _TAKEN_BACK, here=True) for place in calls),
            chunks.data("retried", {"step_id": self.step_id}, f"{self.step_id}.{self._retried}"),
            chunks.finish_step(),
        ]
        self._sent, self._retried = [], self._retried + 1
        return made

    def _part_id(self, place: int) -> str:
        return f"{self.step_id}.{place}"

    def _call_id(self, place: int) -> str:
        return call_id(self.step_id, sum(sent.kind == "tool_input" for sent in self._sent[: place + 1]))


def _grows(sent: _Part, part: _Part, whole: bool) -> bool:
    if sent.kind != part.kind or sent.name != part.name:
        return False
    if sent.kind == "tool_input" or sent.text == part.text:
        return True
    if sent.is_open and part.text.startswith(sent.text):
        return True
    # An answer may leave out the blanks around what was streamed.
    return whole and sent.text.strip() == part.text.strip()


def _streamed(live: StepProgress) -> list[_Part]:
    """The parts of a step that streams, as far as they can be shown."""
    return [
        _Part(part.kind, part.text, part.name or "")
        for part in live.parts
        if (part.name if part.kind == "tool_input" else part.text)
    ]


def _said(message: Message) -> list[_Part]:
    """The parts of an answer that could have been streamed."""
    found: list[_Part] = []
    for part in message.parts:
        match part:
            case Text() if part.text:
                found.append(_Part("text", part.text))
            case Reasoning() if part.text:
                found.append(_Part("reasoning", part.text))
            case ToolCall():
                found.append(_Part("tool_input", "", part.name))
            case _:
                pass
    return found
