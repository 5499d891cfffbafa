"""Readers of a response who are cut off anywhere, with the accumulator of OpenAI's own SDK as the reader."""

from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from openai import omit
from openai._models import construct_type
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import ResponseStreamEvent

from perdure.gateway.live.items import Frame
from perdure.gateway.projections.openai_ids import ResponseId
from perdure.gateway.projections.openai_pieces import pieces
from perdure.gateway.projections.openai_response import ResponseProjection
from perdure.temporal.live.frames import StepDelta, StepProgress
from perdure.temporal.live.streamed import follow_step
from perdure.workflows.vocabulary.events import Event, StepFinished, StepStarted
from tests.support import lost_frames
from tests.support.told_turns import ToldTurn, text, thought

ID = ResponseId("s1", "m1")
WORDS = st.text(alphabet=st.sampled_from("abé漢 \n🙂"), max_size=60)
FRAGMENTS = st.lists(WORDS, max_size=6)


@st.composite
def turns(draw: st.DrawFn, *, loses: bool) -> ToldTurn:
    """`loses`: attempts may be lost, and answers stopped."""
    turn = ToldTurn()
    if draw(st.booleans()):
        turn.event("message.queued", message_id="m1", position=1)
    turn.begin()
    for last in [*[False] * draw(st.integers(0, 2)), True]:
        turn.step()
        attempt = 1
        while loses and draw(st.booleans()) and attempt < 4:
            turn.streams(("reasoning", draw(FRAGMENTS)), ("text", draw(FRAGMENTS)), attempt=attempt)
            attempt += draw(st.integers(1, 2))
        thinks, says = draw(FRAGMENTS), draw(FRAGMENTS)
        turn.streams(("reasoning", thinks), ("text", says), attempt=attempt)
        said = "".join(says)
        if loses and last and draw(st.booleans()):
            kept = said[: draw(st.integers(0, len(said)))]
            turn.answers(thought("".join(thinks)), text(kept), stop="stopped", stopped=True, attempt=attempt)
            return turn.ends("stopped")
        call = () if last else turn.calls(("find", {"n": 1}))
        turn.answers(thought("".join(thinks)), text(said), *call, attempt=attempt)
        if call:
            turn.runs(turn.call(), "find", n=1).returns(turn.call(), "find", draw(WORDS), is_error=False)
    return turn.ends()


def seen(told: list[Event | Frame], after: int = -1) -> list[dict[str, Any]]:
    projection = ResponseProjection(ID, "clerk", after)
    return [event for value in told for event in projection.take(value)]


def late(told: list[Event | Frame], place: int) -> list[Event | Frame]:
    """What a viewer is sent who comes once `place` of it was told: the events, what the open step has streamed, the rest."""
    progress: StepProgress | None = None
    for value in told[:place]:
        match value:
            case StepStarted() | StepFinished():
                progress = None
            case StepDelta() | StepProgress():
                progress = follow_step(progress, value)
            case _:
                pass
    before = [value for value in told[:place] if not isinstance(value, Frame)]
    return [*before, *([] if progress is None else [progress.copy()]), *told[place:]]


def accumulated(events: list[dict[str, Any]]) -> dict[str, Any]:
    """What OpenAI's SDK makes of a stream. It raises where the stream breaks its rules."""
    state: ResponseStreamState[Any] = ResponseStreamState(text_format=omit, input_tools=omit)
    for event in events:
        state.handle_event(construct_type(type_=ResponseStreamEvent, value=event))  # type: ignore[arg-type]
    last: dict[str, Any] = events[-1]["response"]
    if last["status"] == "completed":
        assert state._completed_response is not None
        assert state._completed_response.output_text == "".join(
            part["text"] for item in last["output"] if item["type"] == "message" for part in item["content"]
        )
    return last


@settings(max_examples=60)
@given(turn=turns(loses=False), data=st.data())
def test_a_reader_who_was_cut_off_is_sent_the_rest(turn: ToldTurn, data: st.DataObject) -> None:
    whole = seen(turn.told)
    assert [event["sequence_number"] for event in whole] == list(range(len(whole)))
    assert seen(list(turn.durable)) == whole
    place = data.draw(st.integers(0, len(turn.told)))
    first = seen(turn.told[:place])
    assert first == whole[: len(first)]
    cut = data.draw(st.integers(0, min(len(first), len(whole) - 1)))
    again = seen(late(turn.told, data.draw(st.integers(place, len(turn.told)))), cut - 1)
    assert first[:cut] + again == whole
    assert accumulated(whole) == whole[-1]["response"]


@settings(max_examples=60)
@given(turn=turns(loses=True), data=st.data())
def test_a_lost_attempt_neither_loses_nor_doubles_what_was_said(turn: ToldTurn, data: st.DataObject) -> None:
    whole, record = seen(turn.told), seen(list(turn.durable))
    assert accumulated(whole) == accumulated(record) == record[-1]["response"]
    place = data.draw(st.integers(0, len(turn.told)))
    first = seen(turn.told[:place])
    cut = data.draw(st.integers(0, min(len(first), len(whole) - 1)))
    after = first[cut - 1]["sequence_number"] if cut else -1
    read = first[:cut] + seen(late(turn.told, data.draw(st.integers(place, len(turn.told)))), after)
    numbers = [event["sequence_number"] for event in read]
    assert all(one < other for one, other in pairwise(numbers))
    assert read[-1] == record[-1]
    heard: dict[str, str] = {}
    for event in read:
        if "delta" in event:
            heard[event["item_id"]] = heard.get(event["item_id"], "") + event["delta"]
        elif event["type"] == "response.output_text.done" and event["item_id"] in heard:
            said, so_far = event["text"], heard[event["item_id"]]
            # Of an answer that was stopped, less may have been kept than was heard.
            assert said.startswith(so_far) or so_far.startswith(said)
    known = {(event["sequence_number"], event["type"]) for event in record}
    replayed = seen(list(turn.durable), after)
    assert {(event["sequence_number"], event["type"]) for event in replayed} <= known


@settings(max_examples=60)
@given(turn=turns(loses=True), drops=st.sets(st.integers(0, 60)), place=st.integers(0, 60), cut=st.integers(0, 60))
def test_frames_that_are_lost_before_the_gateway_are_missed_by_nobody(
    turn: ToldTurn, drops: set[int], place: int, cut: int
) -> None:
    """Neither by who reads on, nor by who is cut off and comes again."""
    sent = lost_frames.seen(turn.told, drops)
    record, read = seen(list(turn.durable)), seen(sent)
    assert accumulated(read) == accumulated(record)
    first = seen(sent[:place])[:cut]
    if first and first[-1] != record[-1]:
        read = [*first, *seen(late(sent, place), first[-1]["sequence_number"])]
    numbers = [event["sequence_number"] for event in read]
    assert all(one < other for one, other in pairwise(numbers))
    assert read[-1] == record[-1]
    heard: dict[str, str] = {}
    for event in read:
        if "delta" in event:
            heard[event["item_id"]] = heard.get(event["item_id"], "") + event["delta"]
    for item in record[-1]["response"]["output"] if record[-1]["response"]["status"] == "completed" else []:
        said = "".join(part["text"] for part in item.get("content", []) + item.get("summary", []))
        # No fragment is doubled or in another's place.
        assert said.startswith(heard.get(item["id"], ""))


@given(words=st.text(max_size=300), cuts=st.lists(st.integers(0, 300)))
def test_a_text_has_the_same_pieces_however_it_comes(words: str, cuts: list[int]) -> None:
    found: list[str] = []
    for cut in sorted(cuts):
        found += pieces(words[:cut], sum(map(len, found)), whole=False)
    found += pieces(words, sum(map(len, found)), whole=True)
    assert found == list(pieces(words, whole=True))
    assert "".join(found) == words
    assert all(len(piece) <= 16 for piece in found)


def test_the_event_that_ends_a_stream_comes_to_each_reader() -> None:
    turn = ToldTurn().begin().step().answers(text("Hello")).ends()
    (last,) = seen(list(turn.durable), 1_000_000)
    assert last["response"] == seen(list(turn.durable))[-1]["response"]


def test_a_long_text_has_few_pieces() -> None:
    found = list(pieces("word " * 200_000, whole=True))
    assert "".join(found) == "word " * 200_000
    assert len(found) < 15_000
