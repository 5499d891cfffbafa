"""A model names a session at the end of its first turn, and whatever becomes of that, the turn ends as it would have."""

from typing import Any

import pytest

from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.session import dump_state, read_state
from perdure.workflows.core.step import StepFailure
from perdure.workflows.core.titles import title_said
from perdure.workflows.definition.limits import Limits, TurnLimits
from perdure.workflows.definition.title import PROMPT, TitlePolicy
from perdure.workflows.protocol.activities import Partial
from perdure.workflows.protocol.signals import Parent, SendMessage, Stop
from perdure.workflows.vocabulary.parts import Text, ToolError
from tests.support.handler_world import Asked, HandlerWorld, text_of

pytestmark = pytest.mark.pure

RESPOND: list[Any] = [{"respond": {}}]
DOWN = StepFailure(
    ToolError(type="model_overloaded", message="The model is overloaded.", retryable=True),
    Partial(attempt=1, lost=0, streaming=False),
)


def named(answer: Any = "Roses in June", handler: list[Any] | None = RESPOND, **more: Any) -> HandlerWorld:
    def answers(asked: Asked) -> Any:
        return answer if asked.record.block is not None and asked.record.block.block.kind == "title" else "In June."

    return HandlerWorld(handler or [], answers, title=TitlePolicy(model="other"), **more)


def titles_asked(world: HandlerWorld) -> int:
    return sum(asked.last == PROMPT for asked in world.asked)


@pytest.mark.parametrize("handler", [RESPOND, None])
def test_the_first_turn_ends_with_a_name(handler: list[Any] | None) -> None:
    world = named(handler=handler).send("When do my roses bloom?").run()
    assert world.state.title == "Roses in June"
    assert world.said == ["user: When do my roses bloom?", "assistant: In June."]
    assert (world.ended.reason, world.types[-3:]) == ("done", ["step.started", "step.finished", "turn.finished"])
    assert [asked.record.role for asked in world.asked] == ["main", "other"]
    told = text_of(world.asked[-1].messages[0])
    assert "User: When do my roses bloom?" in told
    assert "Agent: In June." in told
    assert read_state(dump_state(world.state)) == world.state
    world.send("Thanks", "m2").run()
    assert titles_asked(world) == 1


@pytest.mark.parametrize("answer", [DOWN, "   "])
def test_a_turn_ends_well_without_a_name_which_is_asked_for_a_few_times(answer: Any) -> None:
    world = named(answer)
    for number in range(5):
        world.send("hi", f"m{number}").run()
        assert (world.ended.reason, world.ended.error) == ("done", None)
    assert world.state.title == ""
    assert {asked.record.turn_id for asked in world.asked if asked.record.asks} == {"t1", "t2", "t3"}


def test_a_stop_while_the_name_is_asked_for_does_not_make_the_turn_a_stopped_one() -> None:
    world = named().send("hi")
    world.until(lambda: world.state.turn is not None and world.state.turn.names_session and bool(world.open))
    world.driver.receive(Stop(id="s1"))
    world.run()
    assert world.ended.reason == "done"


def test_a_message_that_interrupts_the_name_has_its_turn() -> None:
    world = named().send("hi")
    world.until(lambda: world.state.turn is not None and world.state.turn.names_session and bool(world.open))
    world.driver.receive(
        SendMessage(message_id="m2", parts=(Text(text="wait"),), content_sha256="w", cursor=0, busy="interrupt")
    )
    world.run()
    finished = [event.reason for event in world.events if event.type == "turn.finished"]
    assert finished == ["done", "done"]
    assert world.said == ["user: hi", "assistant: In June.", "user: wait", "assistant: In June."]


def test_nobody_is_asked_about_a_limit_that_does_not_bear_a_name() -> None:
    one_step = Limits(turn=TurnLimits(steps=1))
    assert titles_asked(named(limits=one_step).send("hi").run()) == 0
    # The answer costs 0.001 dollars, and the name could cost a little more than that.
    for cap, asked in ((0.0015, 0), (0.01, 1)):
        capped = named(limits=Limits(turn=TurnLimits(cost_usd=cap))).send("hi").run()
        assert (titles_asked(capped), capped.ended.reason) == (asked, "done")
        assert not capped.state.questions.open


@pytest.mark.parametrize("new", [{"once": True}, {"parent": Parent(session_id="p", call_id="t1.s1.c1", depth=1)}])
def test_nobody_looks_for_a_run_or_a_sub_agent_in_a_list(new: dict[str, Any]) -> None:
    world = named()
    world.driver.state = replace(world.state, new=world.state.new.model_copy(update=new))
    world.send("hi").run()
    assert (len(world.asked), titles_asked(world)) == (1, 0)


def test_a_handler_that_fails_gives_no_name() -> None:
    world = named(handler=[{"say": "{{ 1 / 0 }}"}]).send("hi").run()
    assert (world.ended.reason, titles_asked(world)) == ("failed", 0)


@pytest.mark.parametrize(
    ("said", "title"),
    [
        ('"Roses in June."', "Roses in June"),
        ("# Roses\n in June", "Roses in June"),
        ("**", ""),
        ("a " * 60, f"{'a ' * 29}a…"),
    ],
)
def test_the_marks_around_a_name_are_left_out(said: str, title: str) -> None:
    assert title_said(said) == title
