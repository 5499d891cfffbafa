from datetime import datetime
from typing import Any

import pytest

from perdure.workflows.core.actions import (
    AbandonTools,
    Action,
    Ask,
    CallModel,
    CloseSession,
    EndCalls,
    EndModelCall,
    Exit,
    FinishTurn,
    LoadAgent,
    PlanCalls,
    Rest,
    RunTools,
    StartTurn,
    Wait,
)
from perdure.workflows.core.agent_changes import AgentFailed, AgentLoading, ToolsChanged
from perdure.workflows.core.budget import reserve
from perdure.workflows.core.calls.call import Asking, Begin, Ending, Given, Ready
from perdure.workflows.core.changes import (
    CloseRequested,
    Configured,
    QuestionSettled,
    StepEnding,
    StopRequested,
    TurnBroken,
)
from perdure.workflows.core.next_action import next_action
from perdure.workflows.definition.agent import Limits, Price, SessionLimits, TurnLimits
from perdure.workflows.protocol.steps import Nudge
from perdure.workflows.vocabulary.parts import StopReason, Text, ToolError
from tests.support.core import AT, Story, agent, call, failed

pytestmark = pytest.mark.pure

STOP = StopRequested()
CLOSE = CloseRequested(reason="bye")
BROKEN = TurnBroken(error=failed())
NOT_LOADED = AgentFailed(error=failed("agent_unavailable"))
CALLS = (call("t1.s1.c1", a=1), call("t1.s1.c2", a=2))


def new() -> Story:
    return Story.new()


def ready() -> Story:
    return Story.new().loaded()


def stepped(stop: StopReason = "end", *, cost: float | None = 0.25, **fields: Any) -> Story:
    """The state after a turn's first step."""
    story = Story.new().loaded(agent(**fields)).turn()
    story.open()
    return story.answered(Text(text="x"), stop=stop, cost=cost)


def tools(*, parallel_calls: int = 32, **fields: Any) -> Story:
    limits = Limits(session=SessionLimits(parallel_calls=parallel_calls))
    return Story.new().loaded(agent(limits=limits, **fields)).turn().called({"a": 1}, {"a": 2})


def planned(story: Story, count: int = 2, *, ask: int = 0) -> Story:
    """A plan for the first `count` calls, of which the first `ask` need approval."""
    return story.staged(**{f"c{n}": Asking("approval") if n <= ask else Ready() for n in range(1, count + 1)})


def asking(until: datetime | None = None) -> Story:
    """The first call waits for an approval."""
    story = planned(tools(), ask=1)
    question = {"question_id": "t1.s1.c1.approval", "call_id": "t1.s1.c1", "name": "add", "args": {"a": 1}}
    story.event("approval.requested", **question, expires_at=until)
    return story


def running(story: Story, number: int) -> Story:
    call = CALLS[number - 1]
    story.event("tool.started", call_id=call.call_id, name="add", args=call.args)
    return story


def allowed(**args: int) -> Story:
    """The first call is approved, and the second runs."""
    story = running(asking(), 2)
    question_id = "t1.s1.c1.approval"
    story.note(QuestionSettled(question_id=question_id, answer_id="a1", given=Given(dict(args)) if args else None))
    story.event("approval.resolved", question_id=question_id, call_id="t1.s1.c1", approved=True)
    return story


def only_running() -> Story:
    return running(planned(tools()), 1).result("t1.s1.c2")


def ending() -> Story:
    call = only_running().note(STOP)
    return call.staged(c1=Ending(Begin(), AT, AT))


def open_step() -> Story:
    story = ready().turn()
    story.open()
    return story


def waits(call_id: str, *, until: datetime) -> Wait:
    return Wait(frozenset([call_id]), ("t1.s1.c1.approval",), until)


def answered_tools() -> Story:
    return tools().result("t1.s1.c1").result("t1.s1.c2")


def closed() -> Story:
    story = new().note(CLOSE)
    story.event("session.closed", reason="bye")
    return story


def model(story: Story, step_id: str, role: str = "main", nudge: Nudge | None = None) -> CallModel:
    return CallModel(step_id, role, reserve(story.state), nudge)


def actions() -> list[tuple[str, Story, Action]]:
    first = ready().turn()
    asked = ready().accepted("hi", "m1").accepted("ho", "m2")
    return [
        ("a new session loads its definition", new(), LoadAgent("d1")),
        ("and rests", ready(), Rest()),
        ("also when it could not", new().note(NOT_LOADED), Rest()),
        ("a newer definition is loaded before the turn", ready().accepted(digest="d2"), LoadAgent("d2")),
        ("so is one that was asked for", ready().note(Configured(digest="d2")), LoadAgent("d2")),
        ("other tools are loaded while it rests", ready().note(ToolsChanged()), LoadAgent("d1")),
        ("the first message comes first", asked, StartTurn(asked.state.inbox.messages[0])),
        ("a turn calls the model", first, model(first, "t1.s1")),
        ("by the role that is configured", first_as(), model(first_as(), "t1.s1", "other")),
        ("a whole answer ends the turn", stepped(), FinishTurn("done")),
        ("a pause goes on", stepped("pause"), model(stepped("pause"), "t1.s2", nudge="pause")),
        ("tool calls are planned", tools(), PlanCalls(CALLS)),
        ("and run", planned(tools()), RunTools(CALLS)),
        ("only those without a result", planned(tools()).result("t1.s1.c1"), RunTools(CALLS[1:])),
        ("a call without a plan gets one first", planned(tools(), 1), PlanCalls(CALLS[1:])),
        ("what has to ask asks first", planned(tools(), ask=1), Ask(CALLS[:1])),
        ("then the others run", asking(), RunTools(CALLS[1:])),
        ("and both are waited for", running(asking(), 2), Wait(frozenset(["t1.s1.c2"]), ("t1.s1.c1.approval",))),
        ("until the question's time is over", running(asking(AT), 2), waits("t1.s1.c2", until=AT)),
        ("what was allowed runs while another runs", allowed(), RunTools(CALLS[:1])),
        ("with the arguments that a person gave", allowed(a=7), RunTools((call("t1.s1.c1", a=7),))),
        ("as many run as the session lets", planned(tools(parallel_calls=1)), RunTools(CALLS[:1])),
        ("the others wait", running(planned(tools(parallel_calls=1)), 1), Wait(frozenset(["t1.s1.c1"]))),
        ("as many as the tool lets", planned(tools(tools=[{"add": {"parallel": 1}}])), RunTools(CALLS[:1])),
        ("a stop ends what runs last", running(planned(tools()), 1).note(STOP), AbandonTools(CALLS[1:])),
        ("and ends it", only_running().note(STOP), EndCalls(CALLS[:1])),
        ("and waits for it, but not for ever", ending(), Wait(frozenset(["t1.s1.c1"]), until=AT)),
        ("a model call is waited for", open_step(), Wait(frozenset(["t1.s1"]))),
        ("whatever comes meanwhile", open_step().accepted("ho", "m2"), Wait(frozenset(["t1.s1"]))),
        ("a stop ends it", open_step().note(STOP), EndModelCall("t1.s1")),
        ("once", open_step().note(STOP, StepEnding()), Wait(frozenset(["t1.s1"]))),
        (
            "a definition that is being loaded is waited for",
            new().note(AgentLoading(), CLOSE),
            Wait(frozenset(["agent"])),
        ),
        ("a stop takes questions back", asking().note(STOP), AbandonTools(CALLS)),
        ("so does what breaks the turn", asking().note(BROKEN), AbandonTools(CALLS)),
        ("while it breaks, what runs ends", only_running().note(BROKEN), EndCalls(CALLS[:1])),
        ("their results are told to the model", answered_tools(), model(answered_tools(), "t1.s2")),
        ("other tools are loaded between steps", answered_tools().note(ToolsChanged()), LoadAgent("d1")),
        ("but not before tools that wait", planned(tools()).note(ToolsChanged()), RunTools(CALLS)),
        ("a newer definition waits for the next turn", newer_in_turn(), LoadAgent("d1")),
        ("a stop ends the turn", first_noted(STOP), FinishTurn("stopped")),
        ("calls that never ran are told so", tools().note(STOP), AbandonTools(CALLS)),
        ("a stop goes before a failure", first_noted(BROKEN, STOP), FinishTurn("stopped")),
        ("a failure ends the turn", first_noted(BROKEN), FinishTurn("failed", failed())),
        ("a definition that is missing, too", not_loaded_turn(), FinishTurn("failed", failed("agent_unavailable"))),
        ("closing stops the turn", first_noted(CLOSE), FinishTurn("stopped")),
        ("then closes", ready().note(CLOSE), CloseSession("bye")),
        ("whatever waits", asked_and_closing(), CloseSession("bye")),
        ("also before anything was loaded", new().note(CLOSE), CloseSession("bye")),
        ("and that is all", closed(), Exit()),
    ]


def first_as() -> Story:
    return ready().note(Configured(model="other")).turn()


def first_noted(*notes: Any) -> Story:
    return ready().turn().note(*notes)


def newer_in_turn() -> Story:
    return answered_tools().accepted("next", "m2", digest="d2").note(ToolsChanged())


def not_loaded_turn() -> Story:
    story = new().accepted().note(NOT_LOADED)
    story.event("turn.started", turn_id="t1", cause="message")
    story.event("message.added", message=story.state.inbox.messages[0])
    return story


def asked_and_closing() -> Story:
    return ready().accepted("hi", "m1").note(CLOSE)


@pytest.mark.parametrize(("story", "action"), [(s, a) for _, s, a in actions()], ids=[name for name, _, _ in actions()])
def test_next_action(story: Story, action: Action) -> None:
    assert next_action(story.state) == action


def limits(**fields: Any) -> Limits:
    return Limits(
        turn=TurnLimits.model_validate({k: v for k, v in fields.items() if k != "session"}),
        session=SessionLimits(cost_usd=fields.get("session")),
    )


def ended(story: Story) -> tuple[str, str] | None:
    """Why the turn ends, and the error's type."""
    action = next_action(story.state)
    if not isinstance(action, FinishTurn):
        return None
    return action.reason, action.error.type if action.error else ""


def test_a_turn_ends_at_its_last_step() -> None:
    story = stepped("pause", limits=limits(steps=1))
    assert next_action(story.state) == FinishTurn(
        "max_steps", ToolError(type="max_steps", message="The turn reached its limit of 1 steps.")
    )
    assert ended(stepped("end", limits=limits(steps=1))) == ("done", "")


@pytest.mark.parametrize(
    ("fields", "end"),
    [
        ({"cost_usd": 0.0}, ("budget", "budget_exceeded")),
        ({"cost_usd": 0.25}, ("budget", "budget_exceeded")),
        ({"cost_usd": 0.26}, None),
        ({"session": 0.25}, ("budget", "budget_exceeded")),
        ({"session": 0.26}, None),
        ({"cost_usd": 1.0, "session": 0.25}, ("budget", "budget_exceeded")),
        ({}, None),
    ],
)
def test_a_budget_is_kept_before_the_call(fields: dict[str, float], end: tuple[str, str] | None) -> None:
    """The preceding step cost 0.25; the next one may cost about 0.0013."""
    story = stepped("pause", limits=limits(**fields))
    assert ended(story) == end


def test_a_budget_says_what_is_missing() -> None:
    action = next_action(stepped("pause", limits=limits(cost_usd=0.25)).state)
    assert isinstance(action, FinishTurn)
    assert action.error is not None
    assert action.error.message.endswith("with $0.2500 spent, that would exceed the turn's cap of $0.25.")


def test_a_session_cap_counts_earlier_turns() -> None:
    story = stepped("end", limits=limits(cost_usd=0.3, session=0.3)).finished().turn()
    story.open()
    story.answered(Text(text="x"), stop="pause", cost=0.04)
    assert ended(story) is None
    story.open()
    story.answered(Text(text="x"), stop="pause", cost=0.01)
    assert ended(story) == ("budget", "budget_exceeded")


@pytest.mark.parametrize(
    "story",
    [
        stepped("pause", price=None, limits=limits(cost_usd=1.0)),
        stepped("pause", cost=None, limits=limits(cost_usd=1.0)),
        stepped("pause", price=None, limits=limits(session=1.0)),
    ],
)
def test_a_cap_without_a_price_ends_the_turn(story: Story) -> None:
    assert ended(story) == ("failed", "price_unknown")


def test_without_a_cap_a_price_may_be_unknown() -> None:
    story = stepped("pause", price=None, cost=None)
    assert next_action(story.state) == CallModel("t1.s2", "main", None, "pause")


def test_configured_limits_go_above_those_of_the_definition() -> None:
    story = stepped("pause", limits=limits(steps=1)).note(Configured(limits=limits(steps=2)))
    assert ended(story) is None


def test_what_is_reserved_covers_all_that_is_sent() -> None:
    """A token has at least three bytes, in any language; folded parts count in full. Each is reserved at the dearest rate."""
    price = Price(input=3_000_000, output=1_000_000)
    small = Story.new().loaded(agent(price=price)).turn("hi")
    wide = (
        Story.new(inputs={"text": "漢" * 1000}).loaded(agent(price=price, instructions="漢" * 1000)).turn("漢" * 1000)
    )
    one, other = reserve(small.state), reserve(wide.state)
    assert one is not None
    assert other is not None
    assert other - one == pytest.approx(11_250, abs=100)


def test_the_worst_case_is_all_output_tokens() -> None:
    story = Story.new().loaded(agent(price=Price(input=0, output=1_000_000))).turn()
    assert reserve(story.state) == 1000
    assert reserve(Story.new().state) is None
