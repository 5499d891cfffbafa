"""Turns as responses of OpenAI's Responses API: the events of a stream, and what `GET` shows."""

from perdure.gateway.projections.openai_response import ResponseProjection
from perdure.workflows.vocabulary.events import FeedbackGiven
from tests.support.response_reading import ID, MARK, short, shown, stream
from tests.support.told_turns import ToldTurn, text, thought

HELLO = (
    ToldTurn()
    .begin()
    .step()
    .streams(("reasoning", ["Let me ", "see"]), ("text", ["Hello", " Ann, how", " are you?"]))
    .answers(thought("Let me see"), text("Hello Ann, how are you?"))
    .ends()
)
HELLO_EVENTS = [
    (0, "created"),
    (1, "in_progress"),
    (2, "output_item.added"),
    (3, "reasoning_summary_part.added"),
    (4, "reasoning_summary_text.delta", "Let "),
    (5, "reasoning_summary_text.delta", "me see"),
    (6, "reasoning_summary_text.done", "Let me see"),
    (7, "reasoning_summary_part.done"),
    (8, "output_item.done"),
    (9, "output_item.added"),
    (10, "content_part.added"),
    (11, "output_text.delta", "Hello "),
    (12, "output_text.delta", "Ann, "),
    (13, "output_text.delta", "how "),
    (14, "output_text.delta", "are "),
    (15, "output_text.delta", "you?"),
    (16, "output_text.done", "Hello Ann, how are you?"),
    (17, "content_part.done"),
    (18, "output_item.done"),
    (19, "completed"),
]


def test_a_stream_says_what_the_record_says() -> None:
    assert short(stream(HELLO.told)) == HELLO_EVENTS
    assert stream(HELLO.told) == stream(HELLO.durable)


def test_feedback_on_its_turn_is_not_told() -> None:
    last = HELLO.durable[-1]
    given = FeedbackGiven(seq=last.seq, at=last.at, turn_id=last.turn_id, score=1)
    ends = last.model_copy(update={"seq": last.seq + 1})
    assert stream([*HELLO.durable[:-1], given, ends]) == stream([*HELLO.durable[:-1], ends])


def test_fragments_go_out_as_they_come() -> None:
    projection = ResponseProjection(ID, "clerk")
    sent = [[one["delta"] for one in projection.take(value) if "delta" in one] for value in HELLO.told]
    assert sent == [[], [], [], ["Let "], [], ["me see"], ["Hello ", "Ann, "], ["how ", "are "], ["you?"], []]


def test_the_response_as_get_shows_it() -> None:
    response = shown(HELLO.durable)
    assert response == stream(HELLO.durable)[-1]["response"]
    assert response["status"] == "completed"
    assert response["output"] == [
        {
            "type": "reasoning",
            "id": f"rs_{MARK}_t1.s1.1_0",
            "status": "completed",
            "summary": [{"type": "summary_text", "text": "Let me see"}],
        },
        {
            "type": "message",
            "id": f"msg_{MARK}_t1.s1.1_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "Hello Ann, how are you?", "annotations": [], "logprobs": []}],
        },
    ]
    assert response["usage"] == {
        "input_tokens": 30,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 9,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 39,
    }
    assert (response["conversation"], response["model"]) == ({"id": "s1"}, "clerk")
    assert response["metadata"] == {"session_id": "s1", "turn_id": "t1"}


def test_a_tool_of_the_agent_s_is_shown_with_its_result() -> None:
    turn = ToldTurn().begin().step()
    turn.answers(*turn.calls(("find", {"id": 7}), ("draw", {}))).runs(turn.call(1), "find", id=7)
    turn.runs(turn.call(2), "draw").returns(turn.call(1), "find", {"total": 9})
    failure = {"type": "gone", "message": "No such order.", "retryable": False}
    turn.returns(turn.call(2), "draw", failure, is_error=True).step().answers(text("Nine.")).ends()
    events = stream(turn.told)
    assert short(events)[2:11] == [
        (2, "output_item.added"),
        (3, "mcp_call.in_progress"),
        (4, "mcp_call_arguments.done", '{"id":7}'),
        (5, "output_item.added"),
        (6, "mcp_call.in_progress"),
        (7, "mcp_call_arguments.done", "{}"),
        (8, "mcp_call.completed"),
        (9, "output_item.done"),
        (10, "mcp_call.failed"),
    ]
    found, drawn, said = shown(turn.durable)["output"]
    assert found == {
        "type": "mcp_call",
        "id": f"mcp_{MARK}_t1.s1.c1",
        "server_label": "perdure",
        "name": "find",
        "arguments": '{"id":7}',
        "status": "completed",
        "output": '{"total":9}',
        "error": None,
        "approval_request_id": None,
    }
    assert (drawn["status"], drawn["output"], drawn["error"]) == (
        "failed",
        None,
        {"type": "mcp_tool_execution_error", "content": [{"type": "text", "text": "gone: No such order."}]},
    )
    assert said["content"][0]["text"] == "Nine."


def asking() -> ToldTurn:
    """A tool runs, an app's tool and an approval are asked for; then both are answered."""
    turn = ToldTurn().begin().step()
    turn.answers(text("One moment."), *turn.calls(("find", {}), ("pick", {"of": 2}), ("pay", {"sum": 5})))
    turn.runs(turn.call(1), "find").input(turn.call(2), "pick", of=2).approval(turn.call(3), "pay", sum=5)
    return turn.returns(turn.call(1), "find", "found")


def answered(turn: ToldTurn) -> ToldTurn:
    pick, pay = turn.call(2), turn.call(3)
    turn.received(pick, "red").returns(pick, "pick", "red").resolved(pay).runs(pay, "pay", sum=5)
    return turn.returns(pay, "pay", "paid").step().answers(text("Paid.")).ends()


def test_a_response_ends_where_its_caller_has_to_act() -> None:
    turn = asking()
    response = shown(turn.durable)
    assert response["status"] == "completed"
    assert response["metadata"]["next_response_id"] == str(ID.next)
    assert [item["type"] for item in response["output"]] == [
        "message",
        "mcp_call",
        "function_call",
        "mcp_approval_request",
    ]
    assert response["output"][2] == {
        "type": "function_call",
        "id": f"fc_{MARK}_t1.s1.c2",
        "call_id": "t1.s1.c2",
        "name": "pick",
        "arguments": '{"of":2}',
        "status": "completed",
    }
    assert response["output"][3] == {
        "type": "mcp_approval_request",
        "id": f"mcpr_{MARK}_t1.s1.c3.approval",
        "server_label": "perdure",
        "name": "pay",
        "arguments": '{"sum":5}',
    }
    # What comes later changes nothing about it.
    assert shown(answered(turn).durable) == response


def test_the_next_response_begins_there_and_ends_with_the_turn() -> None:
    turn = asking()
    waiting = shown(turn.durable, ID.next)
    assert (waiting["status"], waiting["output"], waiting["previous_response_id"]) == ("in_progress", [], str(ID))
    response = shown(answered(turn).durable, ID.next)
    assert response["status"] == "completed"
    paid, said = response["output"]
    assert (paid["name"], paid["output"]) == ("pay", "paid")
    assert paid["approval_request_id"] == f"mcpr_{MARK}_t1.s1.c3.approval"
    assert said["content"][0]["text"] == "Paid."
    assert response["usage"]["input_tokens"] == 10
    assert [one[:2] for one in short(stream(turn.told, ID.next))[:2]] == [(0, "created"), (1, "in_progress")]
    nobody = ResponseProjection(ID.next.next, "clerk")
    for value in turn.durable:
        nobody.take(value)
    assert not nobody.exists


def test_a_tool_that_shares_its_name_with_one_that_asks_is_shown_all_the_same() -> None:
    turn = ToldTurn().begin().step()
    turn.answers(*turn.calls(("pick", {}))).runs(turn.call(), "pick")
    assert shown(turn.durable)["output"] == []
    turn.returns(turn.call(), "pick", "red")
    assert [(item["type"], item["output"]) for item in shown(turn.durable)["output"]] == [("mcp_call", "red")]


def test_one_answer_of_several_begins_no_other_response() -> None:
    turn = asking()
    pick = turn.call(2)
    turn.received(pick, "red").returns(pick, "pick", "red")
    assert shown(turn.durable, ID.next)["status"] == "in_progress"
    last = ResponseProjection(ID.next.next, "clerk")
    for value in turn.durable:
        last.take(value)
    assert not last.exists


def test_a_denied_call_is_shown_with_the_next_response() -> None:
    turn = ToldTurn().begin().step()
    turn.answers(*turn.calls(("pay", {"sum": 5}))).approval(turn.call(), "pay", sum=5)
    refusal = {"type": "denied", "message": "Not that much.", "retryable": False}
    turn.resolved(turn.call(), approved=False).returns(turn.call(), "pay", refusal, is_error=True)
    turn.step().answers(text("Then not.")).ends()
    (item, _) = shown(turn.durable, ID.next)["output"]
    assert (item["type"], item["status"], item["arguments"]) == ("mcp_call", "failed", '{"sum":5}')
