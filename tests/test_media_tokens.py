"""What files cost in tokens, as vendors charge them, and that a session reckons with it."""

import pytest

from perdure.workflows.core.budget import input_tokens
from perdure.workflows.core.context.index import indexed
from perdure.workflows.core.media_tokens import Medium, area_tokens, crop_tokens, media_in, tile_tokens, tokens_of
from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.session import SessionState, dump_state, read_state
from perdure.workflows.core.state.transcript import Transcript
from perdure.workflows.vocabulary.parts import File, Message, Part, Text, ToolResult
from tests.support.core import AT, Story

pytestmark = pytest.mark.pure

SHA = "0" * 64


def said(*parts: Part) -> Message:
    return Message(id="m1", role="user", parts=parts, at=AT)


def file(media_type: str, **more: int) -> File:
    return File(uri=f"default/s/{SHA}", media_type=media_type, name="file", **more)


@pytest.mark.parametrize(
    ("size", "area", "tiles", "crops"),
    [
        ((200, 200), 54, 255, 258),
        ((1000, 1000), 1334, 1659, 1032),
        ((1092, 1092), 1590, 1985, 1032),
        ((512, 512), 350, 415, 1032),
        ((2048, 4096), 11185, 2489, 4644),
    ],
)
def test_a_picture_costs_what_vendors_say(size: tuple[int, int], area: int, tiles: int, crops: int) -> None:
    assert area_tokens(*size) == area
    assert tile_tokens(*size) == tiles
    assert crop_tokens(*size) == crops


def test_what_is_not_known_counts_as_the_largest() -> None:
    for charge in ("area", "tiles", "crops"):
        assert tokens_of(Medium("image", 100), charge) >= tokens_of(Medium("image", 100, 3000, 3000), charge)
        assert tokens_of(Medium("document", 100), charge) == tokens_of(Medium("document", 9_000_000, pages=1), charge)
        assert tokens_of(Medium("document", 200_000), charge) == 10 * tokens_of(Medium("document", 1), charge)
    assert tokens_of(Medium("audio", 1_000), "crops") == 4
    assert tokens_of(Medium("text", 9_000), "area") == 3_000
    assert tokens_of(Medium("text", 90_000_000), "area") == tokens_of(Medium("text", 200_000), "area")


def test_files_are_found_in_messages_and_in_results_of_tools() -> None:
    reference = {"type": "image", "media_type": "image/png", "bytes": 7, "uri": f"default/s/{SHA}"}
    result = ToolResult(call_id="c", name="t", output={"a": [reference, {"type": "resource_link", "uri": "x"}]})
    found = media_in(said(file("image/png", bytes=5, width=3, height=2), file("application/pdf", pages=4), result))
    assert found == (Medium("image", 5, 3, 2), Medium("document", 0, pages=4), Medium("image", 7))
    assert media_in(said(Text(text="hi"))) == ()


def with_transcript(*messages: Message) -> SessionState:
    transcript = Transcript()
    for message in messages:
        transcript = transcript.said(message)
    return indexed(replace(Story.new().loaded().state, transcript=transcript))


def test_a_session_reckons_with_its_files_also_after_it_went_on_elsewhere() -> None:
    picture = file("image/png", bytes=900_000, width=1000, height=750)
    bare, full = with_transcript(said(Text(text="hi"))), with_transcript(said(Text(text="hi"), picture))
    assert 1000 <= input_tokens(full) - input_tokens(bare) <= 1150
    again = read_state(dump_state(full))
    assert input_tokens(again) == input_tokens(full)
    assert [one.medium for one in again.context.media] == [Medium("image", 900_000, 1000, 750)]
