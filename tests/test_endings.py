"""How an answer's end affects its calls, its turn and its callers: in the pure core, and in whole sessions."""

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from perdure.activities.models.call_attempt import encode_request
from perdure.temporal.app.dev_server.server import DevServer
from perdure.workflows.core.actions import Action, CallModel, FinishTurn, PlanCalls
from perdure.workflows.core.endings import GOOD, NUDGES
from perdure.workflows.core.next_action import next_action
from perdure.workflows.definition.agent import Limits, TurnLimits
from perdure.workflows.protocol.steps import ModelInputPage, ModelInputRequest
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.events import Event, StepFinished, ToolFinished, TurnFinished
from perdure.workflows.vocabulary.parts import Part, Reasoning, StopReason, Text
from tests.support.core import Story, agent, call, decided, refusal
from tests.support.session_lab import Lab, Play, Talk, check, lab_on

BAD: tuple[tuple[StopReason, str], ...] = (
    ("max_tokens", "answer_cut"),
    ("context_window", "answer_cut"),
    ("refusal", "answer_refused"),
    ("content_filter", "answer_filtered"),
    ("pause", "answer_paused"),
    ("other", "stop_unknown"),
)
ENDS_TURN = ("refusal", "content_filter")
TEXT = Text(text="Let me look.")
THOUGHT = Reasoning(text="Hm.")


def answered(story: Story, *parts: Part, stop: StopReason) -> Story:
    story.open()
    return story.answered(*parts, stop=stop)


def after(*parts: Part, stop: StopReason) -> Story:
    return answered(Story.new().loaded().turn(), *parts, stop=stop)


def cut(story: Story, stop: StopReason) -> Story:
    """A step whose only call has its result."""
    step = story.open().step_id
    return story.answered(call(f"{step}.c1", a=1), stop=stop).result(f"{step}.c1")


def how(action: Action) -> tuple[str, str, bool] | None:
    if not isinstance(action, FinishTurn):
        return None
    return action.reason, action.error.type if action.error else "", bool(action.error and action.error.retryable)


@pytest.mark.parametrize(("stop", "kind"), BAD)
def test_no_call_of_an_answer_that_did_not_end_well_is_planned_to_run(stop: StopReason, kind: str) -> None:
    story = after(TEXT, call("t1.s1.c1", a=1), call("t1.s1.c2", a=2), stop=stop)
    action = next_action(story.state)
    assert isinstance(action, PlanCalls)
    plans = decided(story.state, *action.calls)
    errors = [refusal(call) for call in plans.values()]
    assert [error and (error.type, error.retryable, error.message.startswith("not run: ")) for error in errors] == [
        (kind, False, True)
    ] * 2


def test_the_output_limit_is_named() -> None:
    story = after(call("t1.s1.c1"), stop="max_tokens")
    refused = refusal(decided(story.state, call("t1.s1.c1"))["t1.s1.c1"])
    assert refused is not None
    assert refused.message.startswith("not run: the answer was cut by the output limit.")


@pytest.mark.parametrize("stop", ["tool_calls", "end", "stop_sequence"])
def test_whole_calls_run_and_the_model_is_asked_again(stop: StopReason) -> None:
    story = after(call("t1.s1.c1", a=1), stop=stop)
    assert refusal(decided(story.state, call("t1.s1.c1", a=1))["t1.s1.c1"]) is None
    assert isinstance(next_action(story.result("t1.s1.c1").state), CallModel)


@pytest.mark.parametrize(("stop", "kind"), BAD)
def test_the_model_is_told_once_in_a_row_that_its_calls_did_not_run(stop: StopReason, kind: str) -> None:
    story = cut(Story.new().loaded().turn(), stop)
    if stop in ENDS_TURN:
        assert how(next_action(story.state)) == ("failed", kind, False)
        return
    action = next_action(story.state)
    assert isinstance(action, CallModel)
    # The results already say it.
    assert action.nudge is None
    ended = how(next_action(cut(story, stop).state))
    assert ended is not None
    assert ended[:2] == ("failed", kind)

    # A normal answer in between resets the count.
    story = cut(cut(cut(Story.new().loaded().turn(), stop), "tool_calls"), stop)
    assert isinstance(next_action(story.state), CallModel)


@pytest.mark.parametrize(
    ("stop", "end"),
    [
        ("end", ("done", "", False)),
        ("stop_sequence", ("done", "", False)),
        ("max_tokens", ("failed", "answer_cut", True)),
        ("context_window", ("failed", "answer_cut", False)),
        ("refusal", ("failed", "answer_refused", False)),
        ("content_filter", ("failed", "answer_filtered", False)),
        ("other", ("failed", "stop_unknown", True)),
        ("tool_calls", ("done", "", False)),
    ],
)
def test_only_good_reasons_end_a_turn_of_text_well(stop: StopReason, end: tuple[str, str, bool]) -> None:
    assert how(next_action(after(TEXT, stop=stop).state)) == end


def test_a_cut_text_names_the_limit_and_the_role() -> None:
    action = next_action(after(TEXT, stop="max_tokens").state)
    assert isinstance(action, FinishTurn)
    assert action.error is not None
    assert action.error.message == "The answer was cut at max_output_tokens (1000) of the model role 'main'."


@pytest.mark.parametrize("parts", [(), (THOUGHT,), (Text(text=" \n"),), (THOUGHT, Text(text=""))])
@pytest.mark.parametrize(("stop", "nudge"), [("end", "empty"), ("max_tokens", "thought"), ("other", "empty")])
@pytest.mark.parametrize("tools_first", [False, True])
def test_an_empty_answer_is_asked_for_once_more(
    parts: tuple[Part, ...], stop: StopReason, nudge: str, tools_first: bool
) -> None:
    story = Story.new().loaded().turn()
    if tools_first:
        cut(story, "tool_calls")
    action = next_action(answered(story, *parts, stop=stop).state)
    assert isinstance(action, CallModel)
    assert action.nudge == nudge
    assert how(next_action(answered(story, *parts, stop=stop).state)) == ("failed", "empty_answer", True)


def test_an_empty_answer_then_one_is_done() -> None:
    story = answered(after(stop="end"), TEXT, stop="end")
    assert how(next_action(story.state)) == ("done", "", False)


@pytest.mark.parametrize(("stop", "kind"), [("refusal", "answer_refused"), ("content_filter", "answer_filtered")])
def test_what_was_refused_is_not_asked_for_again(stop: StopReason, kind: str) -> None:
    assert how(next_action(after(stop=stop).state)) == ("failed", kind, False)


STEPS = st.lists(
    st.tuples(
        st.sampled_from([(), (THOUGHT,), (Text(text=" "),), (TEXT,), ("call",), (TEXT, "call")]),
        st.sampled_from(["tool_calls", "end", "stop_sequence", *(stop for stop, _ in BAD)]),
    ),
    min_size=1,
    max_size=12,
)


@given(steps=STEPS)
def test_whatever_a_model_says_its_turn_is_bounded_and_done_only_by_a_good_answer(
    steps: list[tuple[tuple[Any, ...], StopReason]],
) -> None:
    story = Story.new().loaded(agent(limits=Limits(turn=TurnLimits(steps=100)))).turn()
    odd = 0
    for parts, stop in steps:
        step = story.open().step_id
        calls = "call" in parts
        said = TEXT in parts
        story.answered(*(call(f"{step}.c1") if part == "call" else part for part in parts), stop=stop)
        if calls:
            refused = refusal(decided(story.state, call(f"{step}.c1"))[f"{step}.c1"])
            assert (refused is None) == (stop in GOOD)
            story.result(f"{step}.c1")
        good = stop in GOOD if calls else said and stop in (*GOOD, "pause")
        odd = 0 if good else odd + 1
        # One further step for each kind of unusual answer.
        assert odd <= 3
        action = next_action(story.state)
        if isinstance(action, FinishTurn):
            assert (action.reason == "done") == (said and not calls and stop in GOOD)
            return
        assert isinstance(action, CallModel)


def test_a_further_step_counts_for_the_limits() -> None:
    story = Story.new().loaded(agent(limits=Limits(turn=TurnLimits(steps=1)))).turn()
    assert how(next_action(answered(story, stop="end").state)) == ("max_steps", "max_steps", False)


# Whole sessions.

ASK = Play("", [("helper", {"message": "Count."})])
ADD: tuple[str, dict[str, JsonValue]] = ("add", {"a": 1, "b": 2})


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    async with lab_on(temporal_server, tmp_path_factory.mktemp("lab")) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _fresh(request: pytest.FixtureRequest) -> None:
    if "lab" in request.fixturenames:
        stage = request.getfixturevalue("lab").stage
        stage.plays.clear()
        stage.requests.clear()


async def played(lab: Lab, *plays: Play, name: str = "helper") -> tuple[Talk, list[Event], TurnFinished]:
    talk = await lab.start(name)
    lab.stage.plays = list(plays)
    events = await talk.turn("go")
    check(await talk.events())
    assert not lab.stage.plays
    finished = events[-1]
    assert isinstance(finished, TurnFinished)
    return talk, events, finished


def results(events: list[Event]) -> list[Any]:
    return [event.result.output for event in events if isinstance(event, ToolFinished)]


@pytest.mark.server
@pytest.mark.parametrize(("stop", "kind"), BAD)
async def test_a_session_runs_no_call_that_was_cut(lab: Lab, stop: StopReason, kind: str) -> None:
    # Neither a call that needs approval nor one that the session executes itself runs.
    calls: list[tuple[str, dict[str, JsonValue]]] = [ADD, ("book", {"what": "a table"}), ("wake_me", {"after": "1d"})]
    plays = [Play("I add.", calls, stop=stop)]
    if stop not in ENDS_TURN:
        plays.append(Play("I could not."))
    talk, events, finished = await played(lab, *plays)
    assert [(result["type"], result["retryable"]) for result in results(events)] == [(kind, False)] * 3
    types = [event.type for event in events]
    assert "approval.requested" not in types
    assert "timer.set" not in types
    if stop in ENDS_TURN:
        assert (finished.reason, finished.error and finished.error.type) == ("failed", kind)
        assert ("assistant", "I add.") in await talk.said()
    else:
        assert (finished.reason, types.count("step.finished")) == ("done", 2)
        # The model saw the reason.
        assert "not run" in str(lab.stage.requests[1])


@pytest.mark.server
async def test_an_empty_answer_costs_one_step_more_and_its_nudge_is_nobodys_message(lab: Lab) -> None:
    talk, events, finished = await played(lab, Play("", [ADD]), Play("  "), Play("Three."))
    assert finished.reason == "done"
    said = await talk.said()
    assert said[-1] == ("assistant", "Three.")
    assert not any(nudge in text for _, text in said for nudge in NUDGES.values())
    page: ModelInputPage = await talk.ask(SessionWorkflow.model_input, ModelInputRequest(step_id="t1.s3"))
    assert page.prompt is not None
    assert [part.text for message in page.prompt.closing for part in message.parts if isinstance(part, Text)] == [
        NUDGES["empty"]
    ]
    # The stored digest identifies the exact request that was sent.
    step = [event for event in events if isinstance(event, StepFinished)][-1]
    wire = lab.parts.providers.wire(page.prompt.model)
    request = encode_request(wire.request(page.prompt, page.messages))
    assert step.request_sha256 == hashlib.sha256(request).hexdigest()


@pytest.mark.server
@pytest.mark.parametrize("first", [Play(""), Play("", stop="max_tokens"), Play(" \n", stop="end")])
async def test_empty_twice_is_an_error(lab: Lab, first: Play) -> None:
    _, events, finished = await played(lab, first, first)
    assert (finished.reason, finished.error and finished.error.type) == ("failed", "empty_answer")
    assert [event.type for event in events].count("step.finished") == 2


@pytest.mark.server
@pytest.mark.parametrize(
    ("last", "told"),
    [
        ((Play(""), Play("")), ("empty_answer", "Let me look.")),
        ((Play("It is", stop="max_tokens"),), ("answer_cut", "It is")),
        ((Play("It is", stop="content_filter"),), ("answer_filtered", "It is")),
        ((Play("", stop="refusal"),), ("answer_refused", "Let me look.")),
        ((Play("It is", stop="other"),), ("stop_unknown", "It is")),
        ((Play("It is", [ADD], stop="max_tokens"), Play("", [ADD], stop="max_tokens")), ("answer_cut", "It is")),
    ],
)
async def test_a_sub_agents_caller_learns_how_its_answer_ended(
    lab: Lab, last: tuple[Play, ...], told: tuple[str, str]
) -> None:
    _, events, finished = await played(
        lab, ASK, Play("Let me look.", [ADD]), *last, Play("It did not say."), name="boss"
    )
    assert finished.reason == "done"
    (result,) = results(events)
    assert result["type"] == "agent_failed"
    assert all(part in result["message"] for part in told), result["message"]


@pytest.mark.server
async def test_a_text_that_was_cut_is_kept(lab: Lab) -> None:
    talk, events, finished = await played(lab, Play("Once upon a", stop="max_tokens"))
    assert (finished.reason, finished.error and finished.error.type) == ("failed", "answer_cut")
    assert (await talk.said())[-1] == ("assistant", "Once upon a")
    lab.stage.plays = [Play("time.")]
    events = await talk.turn("go on")
    assert events[-1].type == "turn.finished"
    assert lab.stage.requests[-1][1].parts == (Text(text="Once upon a"),)
