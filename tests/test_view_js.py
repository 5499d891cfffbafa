"""The pages' reducer under Node: sequences of events, as a stream may deliver them → what a viewer sees."""

from typing import Any

import pytest

from tests.support.view_story import (
    REDUCE,
    USAGE,
    USER,
    Event,
    Node,
    Story,
    last,
    open_node,
    session_snapshot,
    text,
    texts,
    tool_call,
    tool_result,
)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    return open_node(tmp_path_factory.mktemp("site"))


def test_deltas_grow_and_the_finished_step_takes_their_place(node: Node) -> None:
    story = Story().opening().delta(0, "Hel").delta(1, "lo").answer(text("Hello you")).end()
    seen = [texts(view) for view in node(REDUCE, story.events)]
    assert seen[3:] == [["Hello"], ["Hello", "Hel"], ["Hello", "Hello"], ["Hello", "Hello you"], ["Hello", "Hello you"]]


def test_a_finished_turn_holds_what_it_cost_and_why_it_ended(node: Node) -> None:
    error = {"type": "model_overloaded", "message": "The provider is overloaded.", "retryable": True}
    view = last(node, Story().opening().answer(text("Hm")).end("failed", 0.75, error=error))
    (turn,) = view["turns"]
    assert {key: turn[key] for key in ("id", "status", "reason", "error", "cost_usd", "usage")} == {
        "id": "t1",
        "status": "finished",
        "reason": "failed",
        "error": error,
        "cost_usd": 0.75,
        "usage": USAGE,
    }
    # The turn's own total includes a lost attempt that no step shows.
    assert (view["status"], view["cost_usd"]) == ("idle", 0.75)


def test_a_to_do_list_is_what_was_told_last(node: Node) -> None:
    items = [{"id": "1", "text": "look", "status": "doing"}]
    story = Story().opening()
    assert last(node, story)["todo"] == []
    story.fact("todo.updated", items=items)
    assert last(node, story)["todo"] == items
    story.events.append(session_snapshot(story.seq + 5, todo=[{**items[0], "status": "done"}]))
    assert last(node, story)["todo"] == [{**items[0], "status": "done"}]
    story.events.append(session_snapshot(story.seq + 6))
    assert last(node, story)["todo"] == []


def test_the_latest_feedback_on_a_turn_is_kept_with_the_words_that_its_event_told(node: Node) -> None:
    story = Story().opening().answer(text("Hm")).end()
    assert last(node, story)["feedback"] == {}
    given = {"score": -1, "text": "No", "by": {"subject": "ann", "scopes": []}}
    at = story.fact("feedback.given", **{"score": 1}).fact("feedback.given", **given).events[-1]["at"]
    view = last(node, story)
    assert view["feedback"] == {"t1": {**given, "at": at}}
    assert [(turn["id"], turn["status"]) for turn in view["turns"]] == [("t1", "finished")]
    # A snapshot tells scores alone, and what it does not tell has been taken back.
    scores = [{"turn_id": "t1", "score": -1}, {"turn_id": "t0", "score": 1}]
    story.events.append(session_snapshot(story.seq + 5, feedback=scores))
    assert last(node, story)["feedback"] == {"t1": {**given, "at": at}, "t0": {"score": 1}}
    story.events.append(session_snapshot(story.seq + 6, feedback=[{"turn_id": "t1", "score": 1}]))
    assert last(node, story)["feedback"] == {"t1": {"score": 1}}


def test_a_sum_with_an_estimate_in_it_is_one(node: Node) -> None:
    guessed = USAGE | {"cache_write_tokens": 3, "estimated": True}
    view = last(node, Story().opening().answer(text("Hm"), usage=guessed))
    assert (view["usage"], view["turns"][0]["usage"]) == (guessed, guessed)
    assert view["turns"][0]["messages"][-1]["usage"] == guessed
    known = last(node, Story().opening().answer(text("Hm")))
    assert known["usage"] == USAGE


def test_a_step_tells_what_was_changed_and_passed_over(node: Node) -> None:
    told: dict[str, Any] = {"adapted": ["left out reasoning_effort"], "skipped": 2, "misfit": "n: is required"}
    view = last(node, Story().opening().answer(text("Hm"), **told))
    step = view["turns"][0]["messages"][-1]
    assert {name: step[name] for name in told} == told
    plain = last(node, Story().opening().answer(text("Hm")))["turns"][0]["messages"][-1]
    assert not set(told) & set(plain)


def test_an_unknown_price_makes_the_cost_unknown(node: Node) -> None:
    view = last(node, Story().opening().answer(text("Hm"), cost_usd=None).end(cost_usd=None))
    assert (view["cost_usd"], view["turns"][0]["cost_usd"]) == (None, None)


@pytest.mark.parametrize("announced", [True, False])
def test_a_new_attempt_replaces_the_partial_text(node: Node, announced: bool) -> None:
    story = Story().opening().delta(0, "A first ").delta(1, "try")
    if announced:
        story.snapshot(0, attempt=2)
    story.delta(0, "Second", attempt=2)
    assert texts(last(node, story)) == ["Hello", "Second"]


def test_a_call_that_is_tried_again_says_why_until_its_answer_goes_on(node: Node) -> None:
    error = {"type": "model_overloaded", "message": "It is overloaded.", "retryable": True}
    retrying = {"type": "step.retrying", "step_id": "t1.s1", "failures": 2, "error": error, "retry_at": None}
    story = Story().opening()
    story.events.append(retrying)
    told = {"failures": 2, "error": error, "retry_at": None}
    assert last(node, story)["turns"][0]["messages"][-1]["trouble"] == told
    # A new attempt that has said nothing yet may fail as well.
    assert last(node, story.snapshot(0, attempt=3))["turns"][0]["messages"][-1]["trouble"] == told
    step = last(node, story.delta(0, "Well", attempt=3))["turns"][0]["messages"][-1]
    assert (step["trouble"], step["overcame"]) == (None, told)
    story.answer(text("Well"), attempt=3).end().events.append(retrying)
    assert last(node, story)["turns"][0]["messages"][-1]["trouble"] is None


def test_fragments_of_an_older_attempt_are_dropped(node: Node) -> None:
    story = (
        Story().opening().delta(0, "new", attempt=2).delta(5, "old").snapshot(6, text("old")).delta(1, "er", attempt=2)
    )
    assert texts(last(node, story)) == ["Hello", "newer"]


def test_a_late_viewer_starts_from_the_snapshot(node: Node) -> None:
    story = Story().opening().snapshot(7, text("The middle of")).delta(7, " it").delta(8, " all")
    assert texts(last(node, story)) == ["Hello", "The middle of it all"]


def test_a_snapshot_replaces_and_what_it_holds_is_not_added_again(node: Node) -> None:
    story = (
        Story()
        .opening()
        .delta(0, "one ")
        .delta(1, "two")
        .snapshot(3, text("one two three"))
        .delta(2, " three")
        .delta(3, "!")
    )
    assert texts(last(node, story)) == ["Hello", "one two three!"]


def test_fragments_after_the_finished_step_change_nothing(node: Node) -> None:
    story = (
        Story().opening().delta(0, "a").answer(text("all")).delta(1, "b").snapshot(2, text("ab")).end().delta(2, "c")
    )
    views = node(REDUCE, story.events)
    assert [texts(view) for view in views[5:]] == [["Hello", "all"]] * 5


def test_a_gap_between_fragments_waits_for_a_snapshot(node: Node) -> None:
    story = Story().opening().delta(0, "one").delta(2, "three").delta(3, "four").snapshot(4, text("one two three four"))
    views = node(REDUCE, story.delta(4, "!").events)
    assert [(texts(view)[1:], view["gap"]) for view in views[4:]] == [
        (["one"], None),
        (["one"], "t1.s1"),
        (["one"], "t1.s1"),
        (["one two three four"], None),
        (["one two three four!"], None),
    ]


def test_repeated_events_change_nothing(node: Node) -> None:
    story = Story().opening().delta(0, "Hi").delta(0, "Hi").answer(text("Hi")).end()
    once = last(node, story)
    twice = node(REDUCE, [*story.events, *story.events])[-1]
    assert (texts(once), twice) == (["Hello", "Hi"], once)


def test_a_missing_event_is_a_gap_until_it_comes(node: Node) -> None:
    events = Story().opening().answer(text("Hi")).end().events
    views = node(REDUCE, [*events[:3], *events[4:], *events[3:]])
    assert [(view["seq"], view["gap"]) for view in views[2:]] == [
        (3, None),
        (3, 5),
        (3, 5),
        (4, None),
        (5, None),
        (6, None),
    ]
    assert views[-1] == node(REDUCE, events)[-1]


def test_the_same_gap_twice_is_the_servers_last_word(node: Node) -> None:
    events = Story().opening().answer(text("Hi")).end().events
    view = node(REDUCE, [*events[:4], events[5], events[5]])[-1]
    assert (view["seq"], view["gap"], view["turns"][0]["reason"]) == (6, None, "done")


def test_a_reconnect_in_the_middle_of_a_step(node: Node) -> None:
    story = Story().opening().delta(0, "one ").delta(1, "two ")
    story.snapshot(5, text("one two three four five ")).delta(5, "six").answer(
        text("one two three four five six")
    ).end()
    assert texts(last(node, story)) == ["Hello", "one two three four five six"]


def test_tool_results_find_their_calls_in_whatever_order_they_come(node: Node) -> None:
    calls = [tool_call("t1.s1.c1", "add"), tool_call("t1.s1.c2", "fetch")]
    failed = tool_result(
        "t1.s1.c2", "fetch", {"type": "timeout", "message": "too slow", "retryable": True}, is_error=True
    )
    story = Story().opening().answer(*calls, stop="tool_calls")
    story.fact("tool.started", call_id="t1.s1.c1", name="add", args={"x": 1})
    story.fact("tool.started", call_id="t1.s1.c2", name="fetch", args={"x": 1})
    story.fact("tool.finished", call_id="t1.s1.c2", name="fetch", result=failed, duration_ms=5, attempts=3)
    states = [
        {call: tool["state"] for call, tool in view["turns"][-1]["tools"].items()}
        for view in node(REDUCE, story.events)[5:]
    ]
    assert states == [
        {"t1.s1.c1": "running"},
        {"t1.s1.c1": "running", "t1.s1.c2": "running"},
        {"t1.s1.c1": "running", "t1.s1.c2": "failed"},
    ]
    story.fact("tool.finished", call_id="t1.s1.c1", name="add", result=tool_result("t1.s1.c1", "add", 3), duration_ms=9)
    tools = last(node, story)["turns"][0]["tools"]
    assert (tools["t1.s1.c1"]["result"]["output"], tools["t1.s1.c2"]["attempts"]) == (3, 3)


def test_tool_input_streams_into_a_call(node: Node) -> None:
    story = Story().opening().delta(0, "thinking", kind="reasoning").delta(1, "", part=1, kind="tool_input", name="add")
    story.delta(2, '{"x"', part=1, kind="tool_input").delta(3, ": 1}", part=1, kind="tool_input")
    expected = [
        {"type": "reasoning", "text": "thinking"},
        {"type": "tool_call", "name": "add", "args_text": '{"x": 1}'},
    ]
    assert last(node, story)["turns"][0]["messages"][-1]["parts"] == expected
    parts = [{"type": "reasoning", "text": "thinking"}, {"type": "tool_input", "name": "add", "text": '{"x": 1}'}]
    late = Story().opening().snapshot(4, *parts)
    assert last(node, late)["turns"][0]["messages"][-1]["parts"] == expected


def test_a_session_snapshot_replaces_the_transcript_and_pairs_its_tools(node: Node) -> None:
    assistant = {**USER, "id": "a9", "role": "assistant", "parts": [tool_call("t1.s1.c1", "add")]}
    result = {**USER, "id": "t1.s1.c1", "role": "tool", "parts": [tool_result("t1.s1.c1", "add", 3)]}
    waiting = {**USER, "id": "m7", "turn_id": None}
    whole = session_snapshot(90, USER, assistant, result, queued=[waiting], status="working", turn_id="t1")
    story = Story().opening().delta(0, "gone").answer(text("gone"))
    view = node(REDUCE, [*story.events, whole])[-1]
    (turn,) = view["turns"]
    assert [message["id"] for message in turn["messages"]] == ["m1", "a9"]
    assert turn["tools"]["t1.s1.c1"]["state"] == "done"
    assert (turn["status"], view["seq"], view["cost_usd"]) == ("running", 90, 1.5)
    assert view["queued"] == [{"id": "m7", "message": waiting}]


def test_a_step_that_was_open_at_the_snapshot_goes_on(node: Node) -> None:
    story = Story()
    story.events.append(session_snapshot(3, USER, status="working", turn_id="t1"))
    story.seq = 3
    story.snapshot(2, text("so far")).delta(2, ", so good")
    assert texts(last(node, story)) == ["Hello", "so far, so good"]
    assert texts(last(node, story.answer(text("done")).end())) == ["Hello", "done"]


def test_queued_messages_wait_and_rejected_ones_are_told(node: Node) -> None:
    story = Story().opening()
    story.fact("message.queued", message_id="m2", position=1, turn_id=None)
    story.fact("message.queued", message_id="m3", position=2, turn_id=None)
    story.fact("message.rejected", message_id="m3", reason="closed", turn_id=None)
    story.fact("message.added", message={**USER, "id": "m2", "turn_id": "t2"}, turn_id="t2")
    views = node(REDUCE, story.events)
    queues = [[entry["id"] for entry in view["queued"]] for view in views[4:]]
    assert queues == [["m2"], ["m2", "m3"], ["m2"], []]
    assert views[-1]["rejected"] == [{"id": "m3", "reason": "closed"}]


def test_facts_of_the_snapshot_leave_the_transcript_alone(node: Node) -> None:
    story = Story().opening().fact("message.queued", message_id="m2", position=1, turn_id=None)
    waiting = {**USER, "id": "m2"}
    snapshot = session_snapshot(99, model="capable", demo=True, queued=[waiting])
    view = node(
        "const views = input.events.reduce(reduce, emptyView());output(withFacts(views, input.snapshot));",
        {"events": story.events, "snapshot": snapshot},
    )
    assert (texts(view), view["session"]["demo"], view["session"]["model"]) == (["Hello"], True, "capable")
    assert view["queued"] == [{"id": "m2", "message": waiting}]


def test_the_reducer_changes_nothing_that_it_is_given(node: Node) -> None:
    story = Story().opening().delta(0, "a").delta(1, "b").answer(text("ab")).end()
    freeze = """
    const freeze = (value) => {
      if (value && typeof value === 'object') Object.values(Object.freeze(value)).forEach(freeze);
      return value;
    };
    output(input.reduce((view, event) => freeze(reduce(view, freeze(event))), freeze(emptyView())));
    """
    assert node(freeze, story.events) == last(node, story)


ARGS = {"amount": 250}
ASKED = {"call_id": "t1.s1.c1", "name": "refund", "args": ARGS}
APPROVAL = {"question_id": "t1.s1.c1.approval", **ASKED}


def asked() -> Story:
    story = Story().opening().answer({**tool_call("t1.s1.c1", "refund"), "args": ARGS}, stop="tool_calls")
    return story.fact("approval.requested", **APPROVAL, expires_at="2026-01-08T00:00:00Z")


def tool_of(view: dict[str, Any]) -> dict[str, Any]:
    tool: dict[str, Any] = view["turns"][0]["tools"]["t1.s1.c1"]
    return tool


def states(node: Node, story: Story) -> list[Any]:
    """The states of session, call and its questions, from the first question on."""
    views = node(REDUCE, story.events)[5:]
    return [
        (v["status"], tool_of(v)["state"], [one["state"] for one in tool_of(v).get("questions", [])]) for v in views
    ]


def test_an_approval_with_other_arguments(node: Node) -> None:
    story = asked().fact(
        "approval.resolved", question_id="t1.s1.c1.approval", call_id="t1.s1.c1", approved=True, by="ada"
    )
    story.fact("tool.started", **{**ASKED, "args": {"amount": 20}})
    story.fact("tool.finished", **ASKED, result=tool_result("t1.s1.c1", "refund", "ok"), duration_ms=1)
    assert states(node, story) == [
        ("waiting", "asking", ["open"]),
        ("working", "allowed", ["approved"]),
        ("working", "running", ["approved"]),
        ("working", "done", ["approved"]),
    ]
    tool = tool_of(last(node, story))
    assert (tool["edited"], tool["args"], tool["questions"][0]["args"]) == (True, {"amount": 20}, ARGS)
    assert (tool["questions"][0]["by"], tool["questions"][0]["asked_at"]) == ("ada", "2026-01-01T00:00:06Z")


@pytest.mark.parametrize(
    ("reason", "state"), [("Too much", "denied"), (None, "denied"), ("expired", "expired"), ("stopped", "stopped")]
)
def test_a_call_that_was_not_allowed(node: Node, reason: str | None, state: str) -> None:
    story = asked().fact(
        "approval.resolved", question_id="t1.s1.c1.approval", call_id="t1.s1.c1", approved=False, reason=reason
    )
    failed = tool_result("t1.s1.c1", "refund", {"type": "denied", "message": "no", "retryable": False}, is_error=True)
    story.fact("tool.started", **ASKED).fact("tool.finished", **ASKED, result=failed, duration_ms=0)
    view = last(node, story)
    assert (tool_of(view)["state"], tool_of(view)["edited"]) == ("failed", False)
    assert [(one["state"], one["reason"]) for one in tool_of(view)["questions"]] == [(state, reason)]


@pytest.mark.parametrize(
    ("output", "state"),
    [({"hex": "#fff"}, None), ("denied", "declined"), ("expired", "expired"), ("stopped", "stopped")],
)
def test_what_a_client_tool_asks_is_settled_by_its_answer_or_its_result(
    node: Node, output: Any, state: str | None
) -> None:
    story = Story().opening().answer(tool_call("t1.s1.c1", "refund"), stop="tool_calls").fact("tool.started", **ASKED)
    story.fact("input.requested", question_id="t1.s1.c1.input", **ASKED, prompt="Which?")
    assert states(node, story)[-1] == ("waiting", "asking", ["open"])
    if state is None:
        story.fact("input.received", question_id="t1.s1.c1.input", value=output)
    error = {"type": output, "message": "x", "retryable": False}
    result = tool_result("t1.s1.c1", "refund", error if state else output, is_error=state is not None)
    view = last(node, story.fact("tool.finished", **ASKED, result=result, duration_ms=0))
    (question,) = tool_of(view)["questions"]
    assert (question["state"], question["prompt"]) == (state or "answered", "Which?")
    assert (view["status"], question.get("value")) == ("working", None if state else output)


def test_a_call_goes_on_when_its_server_was_answered(node: Node) -> None:
    story = Story().opening().answer(tool_call("t1.s1.c1", "refund"), stop="tool_calls").fact("tool.started", **ASKED)
    for number, question in enumerate(("t1.s1.c1.input", "t1.s1.c1.input2")):
        story.fact("input.requested", question_id=question, **ASKED, prompt="Which?", output={"type": "object"})
        story.fact("input.received", question_id=question, value={"size": number})
    story.fact("tool.finished", **ASKED, result=tool_result("t1.s1.c1", "refund", "ok"), duration_ms=1)
    assert [state for _, state, _ in states(node, story)] == ["running", *["asking", "running"] * 2, "done"]
    replies: list[tuple[Any, str]] = [(None, "declined"), ({}, "answered"), (None, "expired")]
    for number, (value, state) in enumerate(replies):
        other = (
            Story()
            .opening()
            .fact(
                "input.requested",
                question_id="t1.s1.c1.input",
                **ASKED,
                output={},
                expires_at=f"2026-01-01T00:00:0{5 if number == 2 else 9}Z",
            )
        )
        view = last(node, other.fact("input.received", question_id="t1.s1.c1.input", value=value))
        assert tool_of(view)["questions"][0]["state"] == state
    unseen = session_snapshot(7, USER, status="working", turn_id="t1", questions=[])
    assert tool_of(node(REDUCE, [*story.events[:7], unseen])[-1])["state"] == "running"


def test_what_was_stopped_has_not_failed(node: Node) -> None:
    story = Story().opening().answer(tool_call("t1.s1.c1", "refund"), stop="tool_calls").fact("tool.started", **ASKED)
    stopped = {"type": "stopped", "message": "The turn was stopped.", "retryable": False}
    result = tool_result("t1.s1.c1", "refund", stopped, is_error=True)
    assert tool_of(last(node, story.fact("tool.finished", **ASKED, result=result, duration_ms=1)))["state"] == "stopped"


def test_several_questions_are_open_until_the_last_is_answered(node: Node) -> None:
    other = {"question_id": "t1.s1.c2.approval", "call_id": "t1.s1.c2", "name": "refund", "args": {}}
    story = asked().fact("approval.requested", **other)
    story.fact("approval.resolved", question_id="t1.s1.c1.approval", call_id="t1.s1.c1", approved=True)
    script = REDUCE.replace(
        "output(views)", "output(views.map((v) => [v.status, openQuestions(v).map((q) => q.call_id)]))"
    )
    assert node(script, story.events)[5:] == [
        ["waiting", ["t1.s1.c1"]],
        ["waiting", ["t1.s1.c1", "t1.s1.c2"]],
        ["waiting", ["t1.s1.c2"]],
    ]


def test_a_session_snapshot_holds_the_open_questions(node: Node) -> None:
    assistant = {**USER, "id": "a9", "role": "assistant", "parts": [{**tool_call("t1.s1.c1", "refund"), "args": ARGS}]}
    whole = session_snapshot(
        90, USER, assistant, status="waiting", turn_id="t1", questions=[{**APPROVAL, "kind": "approval"}]
    )
    fresh = node(REDUCE, [whole])[-1]
    (question,) = tool_of(fresh)["questions"]
    assert (fresh["status"], tool_of(fresh)["state"], question["kind"], question["args"]) == (
        "waiting",
        "asking",
        "approval",
        ARGS,
    )
    known = node(REDUCE, [*asked().events, whole])[-1]
    assert tool_of(known)["questions"][0]["asked_at"] == "2026-01-01T00:00:06Z"
    gone = node(REDUCE, [*asked().events, {**whole, "questions": [], "status": "working"}])[-1]
    assert [one["state"] for one in tool_of(gone)["questions"]] == ["answered"]


def test_what_no_worker_takes_is_what_was_said_last(node: Node) -> None:
    story = Story().opening()
    missing = {"type": "workers.state", "missing": ["sessions"]}
    views = node(REDUCE, [*story.events, missing, {**missing, "missing": []}])
    assert [view["missing"] for view in views[-3:]] == [[], ["sessions"], []]
    # It is no event of the session.
    assert [view["seq"] for view in views[-3:]] == [views[-3]["seq"]] * 3


def test_progress_is_the_last_of_a_running_call(node: Node) -> None:
    def progress(fraction: float) -> Event:
        return {"type": "tool.progress", "call_id": "t1.s1.c1", "fraction": fraction}

    story = Story().opening().answer(tool_call("t1.s1.c1", "refund"), stop="tool_calls").fact("tool.started", **ASKED)
    story.events += [progress(0.2), progress(0.4)]
    assert tool_of(last(node, story))["progress"] == {"message": None, "fraction": 0.4}
    story.fact("tool.finished", **ASKED, result=tool_result("t1.s1.c1", "refund", 1), duration_ms=1)
    story.events.append(progress(0.6))
    assert tool_of(last(node, story))["progress"] is None
