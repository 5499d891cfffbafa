"""How responses end, and what becomes of what was streamed and not kept."""

from typing import Any

import pytest

from perdure.gateway.projections.openai_ids import ResponseId
from perdure.gateway.projections.openai_stream import STRIDE
from tests.support.response_reading import ID, short, shown, stream
from tests.support.told_turns import ToldTurn, text


@pytest.mark.parametrize(
    ("form", "kind"), [("fields", "input"), ("schema", "input"), ("outcome", "input"), ("budget", "budget")]
)
def test_what_no_item_can_ask_makes_a_response_incomplete(form: str, kind: str) -> None:
    turn = ToldTurn().begin().step()
    if form == "budget":
        turn.answers(text("So far."))
        turn.event("budget.paused", question_id="t1.budget1", scope="turn", limit="cost_usd", prompt="More?")
        question = "t1.budget1"
    else:
        turn.answers(*turn.calls(("ask_user", {}))).input(turn.call(), "ask_user", form)
        question = f"{turn.call()}.input"
    response = shown(turn.durable)
    assert (response["status"], response["incomplete_details"]) == (
        "incomplete",
        {"reason": "budget" if form == "budget" else "question"},
    )
    metadata = response["metadata"]
    assert (metadata["question_id"], metadata["question_kind"]) == (question, kind)
    assert metadata["next_response_id"] == str(ID.next)
    assert stream(turn.durable)[-1]["type"] == "response.incomplete"


@pytest.mark.parametrize(
    ("reason", "stop", "expected"),
    [
        ("stopped", "stopped", ("cancelled", None, None, "incomplete")),
        ("interrupted", "stopped", ("cancelled", None, None, "incomplete")),
        ("max_steps", "end", ("incomplete", "max_steps", None, "incomplete")),
        ("budget", "end", ("incomplete", "budget", None, "incomplete")),
        ("parked", "end", ("incomplete", "parked", None, "incomplete")),
        ("failed", "error", ("failed", None, "server_error", "failed")),
        ("failed", "max_tokens", ("incomplete", "max_output_tokens", None, "incomplete")),
        ("failed", "refusal", ("incomplete", "content_filter", None, "incomplete")),
    ],
)
def test_each_end_of_a_turn_has_a_status(reason: str, stop: str, expected: tuple[Any, ...]) -> None:
    turn = ToldTurn().begin().step().answers(text("So"), stop=stop)
    error = {"type": "model_failed", "message": "It broke."} if reason == "failed" else None
    response = shown(turn.ends(reason, error=error).durable)
    details, broke = response["incomplete_details"], response["error"]
    found = (response["status"], details and details["reason"], broke and broke["code"])
    assert (*found, stream(turn.durable)[-1]["type"].removeprefix("response.")) == expected
    assert broke is None or broke["message"] == "It broke."


def test_what_a_handler_asks_is_told_with_the_end_of_its_turn() -> None:
    turn = ToldTurn().begin()
    turn.event(
        "input.requested", question_id="t1.ask", subject="handler", form="schema", name="ask", args={}, prompt="Now?"
    )
    response = shown(turn.ends("parked").durable)
    assert (response["status"], response["incomplete_details"]) == ("incomplete", {"reason": "parked"})
    assert response["metadata"].items() >= {"question_id": "t1.ask", "question": "Now?"}.items()


def test_a_message_that_waits_is_queued() -> None:
    turn = ToldTurn().event("message.queued", message_id="m1", position=1)
    assert shown(turn.durable)["status"] == "queued"
    turn.begin()
    assert shown(turn.durable)["status"] == "in_progress"
    assert short(stream(turn.durable)) == [(0, "created"), (1, "queued"), (2, "in_progress")]
    rejected = ToldTurn().event("message.rejected", message_id="m1", reason="session_closed")
    assert shown(rejected.durable)["status"] == "cancelled"


def test_a_lost_attempt_is_ended_and_followed_by_items_of_their_own() -> None:
    turn = ToldTurn().begin().step().streams(("text", ["Good morn", "ing to you all"]))
    turn.streams(("text", ["Good even", "ing"]), attempt=2).answers(text("Good evening"), attempt=2).ends()
    seen = stream(turn.told)
    assert [(e["output_index"], *one) for e, one in zip(seen, short(seen), strict=True) if "output_index" in e] == [
        (0, 2, "output_item.added"),
        (0, 3, "content_part.added"),
        (0, 4, "output_text.delta", "Good "),
        (0, 5, "output_text.delta", "morning "),
        (0, 6, "output_text.delta", "to you "),
        (0, 7, "output_text.done", "Good morning to you "),
        (0, 8, "content_part.done"),
        (0, 9, "output_item.done"),
        (1, STRIDE + 2, "output_item.added"),
        (1, STRIDE + 3, "content_part.added"),
        (1, STRIDE + 4, "output_text.delta", "Good "),
        (1, STRIDE + 5, "output_text.delta", "evening"),
        (1, STRIDE + 6, "output_text.done", "Good evening"),
        (1, STRIDE + 7, "content_part.done"),
        (1, STRIDE + 8, "output_item.done"),
    ]
    assert seen[9]["item"]["status"] == "incomplete"
    replayed = stream(turn.durable)
    assert [one["sequence_number"] for one in replayed[2:9]] == list(range(STRIDE + 2, STRIDE + 9))
    assert replayed[-1] == seen[-1] == {**stream(turn.told, after=7)[-1]}


def test_what_a_stopped_answer_lost_is_neither_repeated_nor_numbered_again() -> None:
    turn = ToldTurn().begin().step().streams(("text", ["one two three ", "four five six "]))
    turn.answers(text("one two"), stop="stopped", stopped=True).ends("stopped")
    seen, replayed = stream(turn.told), stream(turn.durable)
    assert [one["text"] for one in seen if one["type"] == "response.output_text.done"] == ["one two"]
    assert seen[-1]["sequence_number"] == replayed[-1]["sequence_number"] == STRIDE + 2
    assert seen[-1]["response"] == replayed[-1]["response"]


def test_what_a_handler_keeps_to_itself_is_not_shown() -> None:
    block = {"handler": "message", "kind": "choose", "name": "topic", "at": "message[0].choose", "display": "name"}
    turn = ToldTurn().begin().step(block=block).streams(("text", ["order talk "]))
    turn.answers(block=block)
    turn.added("t1.say1", "assistant", "Hello there").ends()
    assert short(stream(turn.told))[2:7] == [
        (2, "output_item.added"),
        (3, "content_part.added"),
        (4, "output_text.delta", "Hello "),
        (5, "output_text.delta", "there"),
        (6, "output_text.done", "Hello there"),
    ]


def test_ids_can_be_read_back_and_nothing_else_can() -> None:
    for one in (ID, ID.next, ResponseId("a~t1.s1.c1", "x:y", 12)):
        assert ResponseId.read(str(one)) == one
    for wrong in ("", "resp_", "resp_!!", str(ID)[5:], str(ID) + "A", str(ID) + "=", "resp_" + "YQ", "resp_é"):
        assert ResponseId.read(wrong) is None
