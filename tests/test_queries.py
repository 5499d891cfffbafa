import pytest
from pydantic import JsonValue

from perdure.workflows.core import answers
from perdure.workflows.core.calls.call import Asking
from perdure.workflows.core.changes import (
    CloseRequested,
    QuestionSettled,
    StopRequested,
)
from perdure.workflows.core.prompt import build_prompt, prompt_sha256
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.protocol.queries import PAGE_BYTES, EventsPage, PageRequest, Receipt
from perdure.workflows.protocol.signals import Answer
from perdure.workflows.protocol.steps import ModelInputPage, ModelInputRequest, Prompt, View
from perdure.workflows.vocabulary.events import Event
from perdure.workflows.vocabulary.parts import Frozen, Message, Text, ToolResult, ToolSpec
from tests.support.core import AT, Story, agent, user

pytestmark = pytest.mark.pure

KIB = 1024


def talk(turns: int, size: int = 10) -> Story:
    story = Story.new().loaded()
    for number in range(turns):
        story.whole_turn(f"{number}".ljust(size, "."), "ok".ljust(size, "."))
    return story


def size(*items: Frozen) -> int:
    return sum(len(item.model_dump_json().encode()) for item in items)


def all_events(state: SessionState, after: int = 0) -> tuple[list[Event], int]:
    """All events after a cursor, and the number of pages in which they came."""
    found: list[Event] = []
    for pages in range(1, 1000):
        page = answers.events(state, after)
        found += page.events
        assert size(*page.events) <= PAGE_BYTES
        if not page.more:
            return found, pages
        after = page.events[-1].seq
    raise AssertionError("pages without end")


def test_a_receipt() -> None:
    story = talk(1).accepted("hi", "m7")
    assert answers.receipt(story.state, "m7") == Receipt(
        seq=6,
        closed=False,
        status="working",
        agent="plain",
        digest="d1",
        pinned=False,
        turn_id=None,
        queued=1,
        started_as="plain",
        content_sha256="hi",
        cursor=6,
        position=1,
        room=100,
    )
    closing = answers.receipt(story.note(CloseRequested(reason="bye")).state, "m8")
    assert (closing.closed, closing.content_sha256, closing.cursor) == (True, None, None)


@pytest.mark.parametrize(
    ("after", "seqs"),
    [(-5, [1, 2, 3, 4, 5, 6]), (0, [1, 2, 3, 4, 5, 6]), (4, [5, 6]), (5, [6]), (6, []), (99, [])],
)
def test_events_after_a_cursor(after: int, seqs: list[int]) -> None:
    state = talk(1).state
    page = answers.events(state, after)
    assert [event.seq for event in page.events] == seqs
    assert page == EventsPage(
        events=page.events,
        seq=6,
        oldest=1,
        closed=False,
        last_step="t1.s1",
        step_open=False,
        working=False,
        more=False,
        rests=answers.receipt(state, ""),
    )


def test_only_a_session_that_rests_gives_its_receipt_along() -> None:
    assert answers.events(talk(1).turn().state, 0).rests is None
    assert answers.events(talk(1).note(CloseRequested(reason="bye")).state, 0).rests is None


def test_events_say_whether_a_step_is_open() -> None:
    story = talk(1).turn()
    story.open()
    page = answers.events(story.state, 6)
    assert (page.last_step, page.step_open) == ("t2.s1", True)


def test_many_events_come_in_pages_of_bounded_size() -> None:
    state = talk(20, 30 * KIB).state
    found, pages = all_events(state)
    assert found == list(state.log.events)
    assert 7 <= pages <= 9


def test_an_event_above_the_bound_comes_alone() -> None:
    state = talk(3, 300 * KIB).state
    page = answers.events(state, 2)
    assert ([event.seq for event in page.events], page.more) == ([3], True)


def test_a_snapshot_in_pages_is_that_of_its_first_page() -> None:
    story = talk(20, 30 * KIB)
    first = answers.snapshot(story.state, "acme/s1", PageRequest())
    before = story.state.transcript.messages
    story.whole_turn()
    messages: list[Message] = list(first.messages)
    while len(messages) < first.count:
        page = answers.snapshot(story.state, "acme/s1", PageRequest(after=len(messages), until=first.count))
        assert 0 < size(*page.messages) <= PAGE_BYTES
        assert page.queued == ()
        messages += page.messages
    assert tuple(messages) == before
    assert answers.snapshot(story.state, "acme/s1", PageRequest(after=-3)).messages[0] == before[0]


def test_a_snapshot_tells_what_the_session_is() -> None:
    story = Story.new(user="u1", metadata={"a": 1}, inputs={"b": 2}).loaded().whole_turn()
    page = answers.snapshot(story.state, "acme/s1", PageRequest())
    assert page.model_dump(exclude={"messages", "limits", "usage", "created_at", "cost_usd"}) == {
        "session_id": "s1",
        "workflow_id": "acme/s1",
        "agent": "plain",
        "digest": "d1",
        "pinned": False,
        "model": "main",
        "use": "demo/main",
        "status": "idle",
        "turn_id": None,
        "user": "u1",
        "metadata": {"a": 1},
        "inputs": {"b": 2},
        "seq": 6,
        "forked_from": None,
        "demo": True,
        "queued": (),
        "since": 1,
        "count": 2,
        "questions": (),
        "parent": None,
        "sub_sessions": {},
        "branch": "b1",
        "branches": 1,
        "ended": {"turn_id": "t1", "reason": "done"},
    }
    assert (page.cost_usd, page.created_at, page.messages) == (0.25, AT, story.state.transcript.messages)


def test_an_unknown_cost_is_none() -> None:
    story = Story.new().loaded().turn()
    story.open()
    story.answered(Text(text="x"), cost=None)
    assert answers.snapshot(story.state, "w", PageRequest()).cost_usd is None


def test_waiting_messages_are_shortened_and_bounded() -> None:
    story = Story.new().loaded()
    for number in range(2000):
        story.accepted("x" * 1000, f"m{number}")
    page = answers.snapshot(story.state, "acme/s1", PageRequest())
    assert 100 < len(page.queued) < 2000
    assert size(page) <= PAGE_BYTES
    assert page.queued[0].parts == (Text(text="x" * 200 + "\n… 600 characters left out …\n" + "x" * 200),)


def asking(count: int, **args: JsonValue) -> Story:
    """A session whose step has made `count` calls, each of which needs approval."""
    story = Story.new().loaded(agent(tools=[{"add": {"approval": "always"}}])).turn().called(*[dict(args)] * count)
    story.staged(**{f"c{number}": Asking("approval") for number in range(1, count + 1)})
    for one in story.calls:
        question_id = f"{one.call_id}.approval"
        story.event("approval.requested", question_id=question_id, call_id=one.call_id, name="add", args=one.made.args)
    return story


def test_many_questions_come_in_pages_and_messages_beside_them() -> None:
    state = asking(64, text="x" * 4000).state
    page = answers.snapshot(state, "acme/s1", PageRequest())
    found = list(page.questions)
    assert (page.more_questions, 0 < len(found) < 64, len(page.messages)) == (True, True, 1)
    while page.more_questions:
        page = answers.snapshot(state, "acme/s1", PageRequest(after=2**31, until=0, questions=len(found)))
        assert size(page) <= PAGE_BYTES // 2
        assert page.messages == ()
        found += page.questions
    assert tuple(found) == state.questions.open
    # Further pages of the transcript do not repeat them.
    assert answers.snapshot(state, "acme/s1", PageRequest(after=1, until=2)).questions == ()


def test_a_form_of_its_own_counts_even_if_it_is_empty() -> None:
    story = asking(1, text="x")
    assert story.state.slot.loaded is not None
    spec = ToolSpec(name="add", description="Adds", input={"type": "object"}, output={"type": "integer"})
    story.loaded(story.state.slot.loaded.model_copy(update={"tools": (spec,)}))
    told = answers.question(story.state, "t1.s1.c1.approval")
    assert (told.output, told.foreign) == ({"type": "integer"}, False)
    story.note(QuestionSettled(question_id="t1.s1.c1.approval"))
    story.event("approval.resolved", question_id="t1.s1.c1.approval", call_id="t1.s1.c1", approved=True)
    story.event("tool.started", call_id="t1.s1.c1", name="add", args={})
    story.staged(c1=Asking("server"))
    story.event("input.requested", question_id="t1.s1.c1.input", call_id="t1.s1.c1", name="add", args={}, output={})
    told = answers.question(story.state, "t1.s1.c1.input")
    assert (told.output, told.foreign) == ({}, True)


def test_what_is_not_said_is_not_written() -> None:
    """A session on an earlier version rejects unknown fields, and its rejection would lose the answer."""
    assert "args_blob" not in Answer(id="a", question_id="q", approved=True).model_dump_json()
    assert "questions" not in PageRequest().model_dump_json()


def test_a_trace_tells_what_was_asked_without_the_arguments() -> None:
    story = asking(1, text="x" * 30_000)
    story.note(QuestionSettled(question_id="t1.s1.c1.approval", answer_id="a1"))
    story.event("approval.resolved", question_id="t1.s1.c1.approval", call_id="t1.s1.c1", approved=True, by="ann")
    (step,) = answers.trace(story.result("t1.s1.c1").state, 0).steps
    assert [event.type for event in step.events[2:]] == [
        "approval.requested",
        "approval.resolved",
        "tool.started",
        "tool.finished",
    ]
    assert size(step.events[2]) < KIB
    assert size(story.state.log.events[5]) > 30_000


def test_timers_are_bounded() -> None:
    story = Story.new().loaded()
    for number in range(100):
        story.event("timer.set", timer_id=f"t{number}", due=AT, note="é" * 2000)
    page = answers.timers(story.state)
    assert (len(page.timers), size(page) <= PAGE_BYTES) == (100, True)
    short = Story.new().loaded()
    short.event("timer.set", timer_id="t1", due=AT, note="é" * 2000)
    assert answers.timers(short.state).timers == short.state.timers.pending


def prompt_of(state: SessionState) -> tuple[Prompt, str]:
    prompt = build_prompt(state, state.log.steps[-1])
    return prompt, prompt_sha256(prompt)


def asked(story: Story) -> tuple[SessionState, View]:
    """A session that waits for its model, and the step's view of it."""
    record = story.turn().open()
    return story.state, record.view


def test_a_model_that_knows_nothing_is_told_all() -> None:
    state, view = asked(talk(2))
    prompt, sha = prompt_of(state)
    assert answers.model_input(state, ModelInputRequest(step_id="t3.s1")) == ModelInputPage(
        open=True, known=True, view=view, prompt=prompt, prompt_sha256=sha, start=0, messages=state.transcript.messages
    )


def test_a_model_that_knows_the_beginning_is_told_the_rest() -> None:
    story = talk(2)
    earlier = story.state.log.steps[-1].view
    state, view = asked(story)
    _, sha = prompt_of(state)
    request = ModelInputRequest(
        step_id="t3.s1", epoch=earlier.epoch, after=earlier.count, prefix=earlier.prefix, prompt_sha256=sha
    )
    assert answers.model_input(state, request) == ModelInputPage(
        open=True,
        known=True,
        view=view,
        prompt=None,
        prompt_sha256=sha,
        start=3,
        messages=state.transcript.messages[3:],
    )


@pytest.mark.parametrize(
    "wrong", [{"epoch": 7}, {"epoch": None}, {"prefix": "0" * 32}, {"after": 1}, {"after": 99}, {"after": -1}]
)
def test_what_does_not_match_is_told_whole(wrong: dict[str, object]) -> None:
    story = talk(2)
    earlier = story.state.log.steps[-1].view
    state, _ = asked(story)
    known = {"step_id": "t3.s1", "epoch": earlier.epoch, "after": earlier.count, "prefix": earlier.prefix}
    page = answers.model_input(state, ModelInputRequest.model_validate(known | wrong))
    assert (page.start, page.messages) == (0, state.transcript.messages)


def test_another_definition_is_another_epoch() -> None:
    story = talk(2)
    earlier = story.state.log.steps[-1].view
    state, _ = asked(story.loaded(agent("d2")))
    request = ModelInputRequest(step_id="t3.s1", epoch=earlier.epoch, after=earlier.count, prefix=earlier.prefix)
    assert answers.model_input(state, request).start == 0


def test_a_long_conversation_is_told_in_pages() -> None:
    state, view = asked(talk(20, 30 * KIB))
    page = answers.model_input(state, ModelInputRequest(step_id="t21.s1"))
    messages = list(page.messages)
    while len(messages) < view.count:
        request = ModelInputRequest(
            step_id="t21.s1",
            epoch=view.epoch,
            after=len(messages),
            prefix=view.prefix,
            prompt_sha256=page.prompt_sha256,
            paging=True,
        )
        page = answers.model_input(state, request)
        assert page.prompt is None
        assert size(page) <= PAGE_BYTES + KIB
        messages += page.messages
    assert tuple(messages) == state.transcript.messages


def test_a_step_sees_what_there_was_when_it_began() -> None:
    story = talk(1)
    state, view = asked(story)
    before = answers.model_input(state, ModelInputRequest(step_id="t2.s1"))
    story.answered(Text(text="x")).finished().whole_turn()
    after = answers.model_input(story.state, ModelInputRequest(step_id="t2.s1"))
    assert after == before.model_copy(update={"open": False})
    assert len(after.messages) == view.count


def test_an_unknown_step_has_no_input() -> None:
    assert answers.model_input(talk(1).state, ModelInputRequest(step_id="t9.s1")) == ModelInputPage(
        open=False, known=False
    )


def test_step_states() -> None:
    story = talk(1)
    assert answers.step_state(story.state, "t1.s1") == "finished"
    state, _ = asked(story)
    assert [answers.step_state(state, step) for step in ("t2.s1", "t1.s1", "t3.s1")] == [
        "running",
        "finished",
        "finished",
    ]
    assert answers.step_state(story.note(StopRequested()).state, "t2.s1") == "stopping"


def test_a_trace_has_each_step_with_its_events() -> None:
    story = Story.new().loaded().whole_turn().turn().called({"a": 1}, {"a": 2})
    story.result("t2.s1.c2").result("t2.s1.c1")
    story.open()
    page = answers.trace(story.state, 0)
    assert [(step.record.step_id, [event.type for event in step.events]) for step in page.steps] == [
        ("t1.s1", ["step.started", "step.finished"]),
        ("t2.s1", ["step.started", "step.finished", *["tool.started", "tool.finished"] * 2]),
        ("t2.s2", ["step.started"]),
    ]
    assert not page.more


def test_a_trace_comes_in_pages() -> None:
    state = talk(20, 60 * KIB).state
    steps: list[str] = []
    more = True
    while more:
        page = answers.trace(state, len(steps))
        assert 0 < size(*page.steps) <= PAGE_BYTES
        steps += [step.record.step_id for step in page.steps]
        more = page.more
    assert steps == [f"t{number}.s1" for number in range(1, 21)]
    assert answers.trace(state, -1).steps[0].record.step_id == "t1.s1"
    assert answers.trace(state, 99).steps == ()


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ((Text(text="  a\n b "),), "a b"),
        ((Text(text=" "), Text(text="x" * 200)), "x" * 159 + "…"),
        ((ToolResult(call_id="c", name="add", output=1),), "add: done"),
        ((ToolResult(call_id="c", name="add", output={}, is_error=True),), "add: failed"),
        ((), "…"),
    ],
)
def test_last_words(parts: tuple[Text | ToolResult, ...], words: str) -> None:
    assert answers.last_words(user("").model_copy(update={"parts": parts})) == words
