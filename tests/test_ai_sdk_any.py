"""However a turn comes to a client of the AI SDK, it shows the same message in the end, the one that is loaded from
`GET …/messages`; and what it is sent keeps to the rules of the stream."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.gateway.live.items import Frame
from perdure.gateway.projections.ai_sdk import Answer
from perdure.gateway.projections.ai_sdk_message import AnswerMessage
from perdure.gateway.projections.ai_sdk_transcript import Transcript
from perdure.temporal.live.frames import StepDelta, StepProgress
from perdure.workflows.vocabulary.event_base import TurnEnd
from perdure.workflows.vocabulary.events import Event, StepFinished, StepStarted
from perdure.workflows.vocabulary.parts import Message, Part, Reasoning, Text, ToolCall
from tests.support.ai_sdk_story import SESSION, Story, call, check, kept, shown

Made = list[dict[str, Any]]
Draw = Callable[[st.SearchStrategy[Any]], Any]
ENDS: list[TurnEnd] = ["done", "stopped", "failed", "max_steps"]
#: How a call goes: it runs, fails, is refused, is asked about, or is the client's.
FATES = ("runs", "fails", "refused", "allowed", "denied", "client", "unknown")


@st.composite
def turns(draw: st.DrawFn) -> Story:
    """The durable events of a whole turn."""
    story = Story().begin()
    for _ in range(draw(st.integers(1, 4))):
        kinds = draw(st.lists(st.sampled_from(["text", "reasoning", "call"]), max_size=4))
        story.step_begins()
        parts: list[Part] = []
        for kind in kinds:
            words = draw(st.text("ab ", min_size=1, max_size=6))
            number = sum(isinstance(part, ToolCall) for part in parts) + 1
            if kind == "call":
                parts.append(call(f"{story.step}.c{number}", draw(st.sampled_from(["add", "pay"]))))
            else:
                parts.append(Text(text=words) if kind == "text" else Reasoning(text=words))
        story.step_ends(*parts)
        _calls(draw, story, [part for part in parts if isinstance(part, ToolCall)])
        if draw(st.booleans()) and draw(st.booleans()):
            story.said(f"m{story.seq}", "And this?")
    reason = draw(st.sampled_from(ENDS))
    return story.finish(reason, "Broken" if reason == "failed" else "")


def _calls(draw: Draw, story: Story, calls: list[ToolCall]) -> None:
    fates = [draw(st.sampled_from(FATES)) for _ in calls]
    for made, fate in zip(calls, fates, strict=True):
        if fate in ("allowed", "denied"):
            story.asks(made.call_id, made.name)
        elif fate == "client":
            story.starts(made.call_id, made.name).wants(made.call_id, made.name)
        elif fate != "refused":
            story.starts(made.call_id, made.name)
    for made, fate in draw(st.permutations(list(zip(calls, fates, strict=True)))):
        match fate:
            case "allowed":
                story.resolves(made.call_id, True).starts(made.call_id, made.name)
            case "denied":
                story.resolves(made.call_id, False)
            case "client":
                story.gets(f"{made.call_id}.input", 1)
            case "unknown":
                story.wants(made.call_id, made.name, form="outcome", question_id=f"{made.call_id}.outcome")
                story.gets(f"{made.call_id}.outcome", 1)
        story.ends(made.call_id, made.name, error="" if fate in ("runs", "allowed", "client", "unknown") else "No.")


def frames_of(draw: Draw, step_id: str, answer: Message) -> list[Frame]:
    """Live frames of a step as a viewer may be sent them: attempts that are lost, gaps that are closed soon or never."""
    made: list[Frame] = []
    attempts = draw(st.integers(1, 3))
    for attempt in range(1, attempts + 1):
        progress = StepProgress(step_id, attempt)
        if attempt > 1 or draw(st.booleans()):
            made.append(progress.copy())
        deltas = list(_deltas(draw, step_id, attempt, answer, right=attempt == attempts))
        if attempt < attempts or draw(st.booleans()):
            deltas = deltas[: draw(st.integers(0, len(deltas)))]
        lost = False
        for delta in deltas:
            progress.add(delta)
            lost = lost or draw(st.sampled_from([False, False, False, True]))
            if not lost:
                made.append(delta)
            elif draw(st.booleans()):
                lost = False
                made.append(progress.copy())
    return made


def _deltas(draw: Draw, step_id: str, attempt: int, answer: Message, *, right: bool) -> list[StepDelta]:
    parts = list(answer.parts) if right or draw(st.booleans()) else [Text(text="wrong"), *answer.parts[1:]]
    found: list[StepDelta] = []
    for place, part in enumerate(parts):
        kind: Any = "text" if isinstance(part, Text) else "reasoning" if isinstance(part, Reasoning) else "tool_input"
        text = part.text if isinstance(part, Text | Reasoning) else '{"of": "it"}'
        name = part.name if isinstance(part, ToolCall) else None
        cut = draw(st.integers(0, len(text)))
        for piece in filter(None, (text[:cut], text[cut:])):
            found.append(StepDelta(step_id, attempt, len(found), place, kind, piece, name))
    return found


@dataclass
class Client:
    """Reads one answer after the other, as a page that never reloads."""

    draw: Draw

    def messages(self, events: list[Event]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        answer, made = Answer(SESSION), Made()
        for item in self._with_frames(events):
            made += answer.take(item)
            if answer.is_joined:
                found.append(self._read([[*made, *answer.ending()]]))
                answer, made = Answer(SESSION), Made()
                made += answer.take(item)
        return [*found, self._read([[*made, *answer.ending()]])]

    def continuing(self, events: list[Event]) -> dict[str, Any]:
        """The same for a turn of one answer, where each pause ends a stream, and the next one goes on."""
        answer, streams = Answer(SESSION), [Made()]
        for item in self._with_frames(events):
            streams[-1] += answer.take(item)
            if answer.waits and self.draw(st.booleans()):
                streams[-1] += answer.ending()
                streams.append(answer.again())
        streams[-1] += answer.ending()
        return self._read(streams)

    def _with_frames(self, events: list[Event]) -> list[Event | Frame]:
        items: list[Event | Frame] = []
        answers = {event.step_id: event.message for event in events if isinstance(event, StepFinished)}
        for event in events:
            items.append(event)
            if isinstance(event, StepStarted):
                items += frames_of(self.draw, event.step_id, answers[event.step_id])
        return items

    def _read(self, streams: list[Made]) -> dict[str, Any]:
        message = AnswerMessage()
        for made in streams:
            check(made)
            message.add(made)
        return shown(message.json())


def loaded(events: list[Event]) -> list[dict[str, Any]]:
    transcript = Transcript(SESSION)
    for event in events:
        transcript.add(event)
    return [shown(message) for message in transcript.messages() if message["role"] == "assistant"]


@settings(max_examples=100)
@given(st.data(), turns())
def test_live_frames_change_nothing(data: st.DataObject, story: Story) -> None:
    streamed = Client(data.draw).messages(story.events)
    assert [message for message in streamed if message["parts"]] == loaded(story.events)


@settings(max_examples=100)
@given(st.data(), turns())
def test_a_client_that_comes_back_has_the_same(data: st.DataObject, story: Story) -> None:
    """It is sent the whole answer again, with what the open step has streamed; then it goes on."""
    events = story.events
    first = Client(data.draw).messages(events)
    assert Client(data.draw).messages(events) == first


@settings(max_examples=100)
@given(st.data(), turns())
def test_answers_go_on_behind_a_pause(data: st.DataObject, story: Story) -> None:
    events = story.events
    joins = [event.seq for event in events if event.type == "message.added"][1:]
    alone = [event for event in events if event.seq not in joins]
    streamed = Client(data.draw).continuing(alone)
    assert [streamed] if streamed["parts"] else loaded(alone) == []


@settings(max_examples=100)
@given(turns())
def test_a_conversation_is_the_same_at_every_moment(story: Story) -> None:
    """What is loaded while a turn runs or waits is a beginning of what it becomes."""
    whole = loaded(story.events)
    for count in range(1, len(story.events)):
        for before, after in zip(loaded(story.events[:count]), whole, strict=False):
            assert before["id"] == after["id"]
            kinds = [part["type"] for part in before["parts"]]
            assert kinds == [part["type"] for part in after["parts"]][: len(kinds)]


def test_the_reader_finds_what_is_wrong() -> None:
    made = [{"type": "start", "messageId": "t1"}, {"type": "text-delta", "id": "x", "delta": "y"}]
    try:
        kept(made)
    except KeyError:
        return
    raise AssertionError("a delta without a part was taken")
