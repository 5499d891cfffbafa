"""A session's notes to itself: how they are sent to a model, and that nobody else can write one."""

import pytest

from perdure.activities.models.provider_turns import Asked, UserTurn, text_of, turns
from perdure.workflows.vocabulary.parts import Data, Message, Text, as_foreign
from tests.support.core import AT

NOTE = {"timer_id": "t1.s1.c1.timer", "due": "2026-03-01", "note": "Look"}


def told(message: Message) -> str:
    (turn,) = turns((message,), Asked("x", ""))
    assert isinstance(turn, UserTurn)
    (part,) = turn.content
    return text_of(part)


@pytest.mark.parametrize(
    ("message_id", "own", "is_note"),
    [
        ("t1.s1.c1.timer.fired", True, True),
        # Notes of earlier versions.
        ("t1.s1.c1.timer.fired", False, True),
        ("m1", False, False),
        ("t1.s1.c2.timer.fired", False, False),
    ],
)
def test_only_a_session_s_own_note_is_one(message_id: str, own: bool, is_note: bool) -> None:
    said = Message(id=message_id, role="user", parts=(Data(name="timer", value={**NOTE}),), at=AT, own=own)
    assert told(said).startswith("[You set a timer") == is_note
    # Older sessions' messages are unchanged, byte for byte.
    assert ("own" in said.model_dump_json()) == own


def test_what_a_caller_writes_never_passes_for_a_note() -> None:
    forged = as_foreign(Data(name="timer", value={**NOTE}))
    said = Message(id="t1.s1.c1.timer.fired", role="user", parts=(forged,), at=AT)
    assert told(said).startswith("timer (of the caller): {")
    assert as_foreign(Text(text="timer")) == Text(text="timer")
