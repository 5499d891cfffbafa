"""What a handler says for all of its blocks, and the limits of a handler and of one block, over the pure core."""

import itertools
from typing import Any

import pytest

from perdure.workflows.core import answers
from perdure.workflows.core.spending import share
from perdure.workflows.core.step import StepFailure
from perdure.workflows.definition.agent import ModelDefinition, Price
from perdure.workflows.definition.limits import Limits
from perdure.workflows.definition.pricing import Spent
from perdure.workflows.protocol.activities import Partial, StepOutput
from perdure.workflows.protocol.queries import PageRequest
from perdure.workflows.protocol.signals import Answer, Configure, Retry, Trigger
from perdure.workflows.vocabulary.parts import Text, ToolCall, ToolError, Usage
from perdure.workflows.vocabulary.questions import By
from tests.support.core import agent
from tests.support.handler_world import MODELS, Asked, HandlerWorld, output

pytestmark = pytest.mark.pure

#: A thousand tokens of output, as many as a model gives at most, cost a dollar.
PRICE = Price(input=0, output=1000)
NUMBERS = itertools.count()
FAILED = Partial(attempt=1, lost=0, streaming=False)


def world_of(
    handler: Any, answers: Any = lambda asked: costing("Fine."), *, results: Any = None, **more: Any
) -> HandlerWorld:
    """A session whose messages are handled so."""
    world = HandlerWorld([{"respond": {}}], answers, results)
    limits = Limits.model_validate(more.pop("limits", {}))
    handlers = {"message": handler, "other": [{"respond": {}}]}
    fields: dict[str, Any] = {"price": PRICE, "models": MODELS, "handlers": handlers, "limits": limits}
    world.agent = agent(**fields | more)
    return world


def costing(text: str, dollars: float = 0.5, **more: Any) -> StepOutput:
    usage = Usage(input_tokens=0, output_tokens=int(dollars * 1000))
    return output(Text(text=text), **more).model_copy(update={"cost_usd": dollars, "usage": usage})


def calling(step_id: str, dollars: float = 0.5) -> StepOutput:
    call = ToolCall(call_id=f"{step_id}.c1", name="add", args={"a": 1}, checked="tool")
    made = output(call, stop="tool_calls")
    return made.model_copy(update={"cost_usd": dollars, "usage": Usage(output_tokens=int(dollars * 1000))})


def answered(world: HandlerWorld, **answer: Any) -> Any:
    """The event by which the open question was settled."""
    (question,) = world.state.questions.open
    fields = {"id": f"a{next(NUMBERS)}", "question_id": question.question_id, "by": By(subject="ada")}
    world.driver.receive(Answer.model_validate(fields | answer))
    told = next(event for event in reversed(world.events) if event.type in ("budget.raised", "input.received"))
    world.run()
    return told


def prompt_of(world: HandlerWorld) -> str:
    (question,) = world.state.questions.open
    return question.prompt or ""


# What holds for all blocks of a handler.


def test_blocks_ask_the_handler_s_model_unless_they_name_one() -> None:
    blocks: list[Any] = [
        {"generate": {"prompt": "One?", "into": "a"}},
        {"switch": [{"do": [{"choose": {"model": "main", "prompt": "Two?", "options": ["x", "y"], "into": "b"}}]}]},
        {"respond": {"thinking": "off"}},
    ]
    handler = {"model": "other", "thinking": "low", "do": blocks}
    world = world_of(handler, lambda asked: "x").send("go").run()
    assert world.ended.reason == "done"
    assert [(asked.record.role, asked.prompt.model.thinking) for asked in world.asked] == [
        ("other", "low"),
        ("main", "low"),
        ("other", "off"),
    ]


# Limits of a handler.


def test_a_handler_s_own_cap_is_asked_about_by_its_name() -> None:
    world = (
        world_of({"limits": {"cost_usd": 0.2}, "do": [{"respond": {}}]}, limits={"turn": {"cost_usd": 9}})
        .send("go")
        .run()
    )
    (question,) = world.state.questions.open
    assert question.budget is not None
    assert (question.budget.scope, question.budget.cap, question.budget.handler) == ("turn", 0.2, "message")
    assert "that would exceed the handler message's cap of $0.20. Allow it for this turn, set another cap" in prompt_of(
        world
    )
    assert world.state.lasting_limits.turn.cost_usd == 9
    page = answers.snapshot(world.state, "default/s", PageRequest())
    assert page.limits.turn.cost_usd == 9


def test_the_lower_of_both_limits_counts() -> None:
    for own, turn, told in ((3, 0.1, "the turn's cap of $0.10"), (0.1, 3, "the handler message's cap of $0.10")):
        handler = {"limits": {"cost_usd": own}, "do": [{"respond": {}}]}
        world = world_of(handler, limits={"turn": {"cost_usd": turn}}).send("go").run()
        assert told in prompt_of(world)
    limits = {"steps": 3, "tokens": 5, "tool_calls": 2, "working_time": "5m"}
    world = world_of({"limits": limits, "do": [{"respond": {}}]}, limits={"turn": {"tool_calls": 1}}).send("go").run()
    low = world.state.effective_limits.turn
    seconds = low.working_time.total_seconds() if low.working_time is not None else None
    assert (low.steps, low.tokens, low.tool_calls, seconds, low.calls_per_step) == (3, 5, 1, 300, 64)


def test_other_turns_keep_the_session_s_limits() -> None:
    handler = {"limits": {"cost_usd": 0.2}, "do": [{"respond": {}}]}
    world = world_of(handler, limits={"turn": {"cost_usd": 9}})
    world.driver.receive(Trigger(id="x1", name="other", inputs={}, content_sha256="x", cursor=7))
    world.run()
    assert (world.ended.reason, world.state.questions.open) == ("done", ())


def test_what_is_allowed_holds_for_that_turn() -> None:
    world = world_of({"limits": {"cost_usd": 0.2}, "do": [{"respond": {}}]}).send("go").run()
    raised = answered(world, approved=True)
    assert (raised.value, raised.this_turn, world.ended.reason) == (1, True, "done")
    world.send("again", "m2").run()
    assert len(world.state.questions.open) == 1


def test_a_cap_that_is_set_in_place_of_a_handler_s_holds_for_that_turn() -> None:
    blocks = [{"generate": {"prompt": f"{number}?", "into": "x"}} for number in range(3)]
    world = world_of({"limits": {"cost_usd": 0.2}, "do": blocks}, limits={"turn": {"cost_usd": 1}}).send("go").run()
    raised = answered(world, result={"cost_usd": 2.5})
    assert (raised.value, raised.this_turn, raised.by) == (2.5, True, By(subject="ada"))
    # Three calls, of half a dollar each.
    assert (world.ended.reason, len(world.asked)) == ("done", 3)
    assert (world.state.lasting_limits.turn.cost_usd, world.state.limit_changes) == (1, {})


def test_a_turn_s_cap_that_is_raised_takes_the_turn_beyond_its_handler_s_too() -> None:
    blocks = [{"generate": {"prompt": f"{number}?", "into": "x"}} for number in range(6)]
    handler = {"limits": {"cost_usd": 1.5}, "do": blocks}
    world = world_of(handler, limits={"turn": {"cost_usd": 0.2}}).send("go").run()
    raised = answered(world, result={"cost_usd": 4})
    assert (raised.value, raised.this_turn) == (4, False)
    assert (world.ended.reason, len(world.asked)) == ("done", 6)
    world.send("again", "m2").run()
    assert "the handler message's cap of $1.50" in prompt_of(world)


def test_a_declined_limit_of_a_handler_ends_the_turn() -> None:
    world = world_of({"limits": {"cost_usd": 0.2}, "do": [{"respond": {}}]}).send("go").run()
    answered(world, approved=False)
    assert (world.ended.reason, world.ended.error.type) == ("budget", "budget_exceeded")


def test_a_handler_has_so_many_steps() -> None:
    blocks = [{"generate": {"prompt": "1?", "into": "x"}}, {"generate": {"prompt": "2?", "into": "x"}}]
    world = world_of({"limits": {"steps": 1}, "do": blocks}).send("go").run()
    assert (world.ended.reason, len(world.asked)) == ("max_steps", 1)
    assert world.ended.error.message == "The turn reached the limit of 1 step that the handler message has."


# Limits of one block.


def caught(block: dict[str, Any], **more: Any) -> list[Any]:
    return [
        {"try": {"do": [block], "catch": [{"do": [{"say": "{{ error.type }}: {{ error.message }}"}]}]}},
        *more.get("then", []),
    ]


@pytest.mark.parametrize("restarts", [False, True])
def test_a_response_has_so_many_steps(restarts: bool) -> None:
    def answer(asked: Asked) -> Any:
        step = asked.record.step_id
        return calling(step) if step in ("t1.s2", "t1.s3") else costing("Well.")

    first = {"generate": {"prompt": "Well?", "into": "x"}}
    blocks = [first, *caught({"respond": {"limits": {"steps": 2}}}, then=[{"respond": {}}])]
    world = world_of(blocks, answer, results=lambda call: 2)
    world.restarts = lambda: restarts
    world.send("go").run()
    told = "message[1].try.do[0].respond: The block reached its limit of 2 steps."
    assert [one for one in world.said if one.startswith("assistant")] == [
        "assistant: ",
        "assistant: ",
        f"assistant: max_steps: {told}",
        "assistant: Well.",
    ]
    assert (world.ended.reason, len(world.called), world.state.questions.open) == ("done", 2, ())


def test_an_error_that_nothing_catches_ends_the_turn_and_nobody_is_asked() -> None:
    world = world_of([{"respond": {"limits": {"cost_usd": 0.1}}}], limits={"on_limit": "ask"}).send("go").run()
    assert (world.ended.reason, world.ended.error.type, world.asked) == ("budget", "budget_exceeded", [])
    assert world.ended.error.message == (
        "message[0].respond: The next model call may cost up to $1.0000; with $0.0000 spent, that would exceed the block's "
        "limit of $0.10."
    )


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("limits", [{"cost_usd": 1.2}, {"tokens": 1_300}])
def test_answers_that_do_not_fit_count_in(limits: dict[str, Any], restarts: bool) -> None:
    block = {"choose": {"prompt": "Which?", "options": ["a", "b"], "into": "x", "limits": limits}}
    world = world_of(caught(block), lambda asked: costing("weather", 1.0))
    world.restarts = lambda: restarts
    world.send("go").run()
    assert (len(world.asked), world.ended.reason) == (1, "done")
    assert world.said[-1].startswith("assistant: budget_exceeded: message[0].try.do[0].choose: The next model call may")


def test_a_block_counts_from_where_it_began() -> None:
    blocks = [{"generate": {"prompt": f"{n}?", "into": "x", "limits": {"cost_usd": 1}}} for n in range(4)]
    world = world_of(blocks, lambda asked: costing("Fine.", 0.9)).send("go").run()
    assert (world.ended.reason, len(world.asked)) == ("done", 4)
    assert [asked.record.bound for asked in world.asked] == [None] * 4


def test_an_answer_is_bounded_rather_than_not_given() -> None:
    world = world_of([{"respond": {"limits": {"cost_usd": 0.6}}}]).send("go").run()
    (asked,) = world.asked
    assert asked.record.bound == asked.prompt.model.max_output_tokens == 600
    assert asked.record.left is not None
    assert asked.record.left.usd == 0.6


def test_a_value_that_was_cut_for_a_limit_says_so() -> None:
    block = {"generate": {"prompt": "?", "into": "x", "limits": {"cost_usd": 0.6}}}
    world = world_of([block], lambda asked: costing("Well", 0.6, stop="max_tokens")).send("go").run()
    assert (world.ended.reason, world.ended.error.type) == ("failed", "answer_cut")
    assert world.ended.error.message.startswith(
        "message[0].generate: The answer was cut at 600 tokens, for a limit left"
    )


def test_a_model_that_stands_in_has_what_the_first_one_left() -> None:
    fallback = ModelDefinition.model_validate({"use": "demo/main", "max_output_tokens": 1000, "fallback": ["other"]})
    failure = ToolError(type="model_overloaded", message="Overloaded.")
    lost = Spent(usage=Usage(output_tokens=800), cost_usd=0.8)

    def answer(asked: Asked) -> Any:
        if asked.record.model == "demo/main":
            return StepFailure(failure, Partial(attempt=1, lost=0, streaming=False, before=lost))
        return costing("Instead.")

    for limits, words in (({"cost_usd": 1.0}, "budget_exceeded"), ({"cost_usd": 1.8}, "Instead.")):
        world = world_of(caught({"respond": {"limits": limits}}), answer, models={**MODELS, "main": fallback})
        world.send("go").run()
        assert world.said[-1].startswith(f"assistant: {words}")
        assert (world.ended.reason, world.state.questions.open) == ("done", ())


def test_an_attempt_for_which_the_block_has_nothing_left_is_not_made() -> None:
    failure = ToolError(type="budget_exceeded", message="Nothing is left.")
    lost = Spent(usage=Usage(output_tokens=900), cost_usd=0.9)
    lost_attempt = StepFailure(failure, Partial(attempt=2, lost=0, streaming=False, before=lost))
    world = world_of(caught({"respond": {"limits": {"cost_usd": 1}}}), lambda asked: lost_attempt).send("go").run()
    assert len(world.asked) == 1
    assert world.said[-1].startswith("assistant: budget_exceeded: message[0].try.do[0].respond: The next model call")
    assert "with $0.9000 spent" in world.said[-1]


def test_a_turn_s_limit_is_asked_about_also_within_a_block() -> None:
    blocks = [{"respond": {"limits": {"cost_usd": 2}}}]
    world = world_of(blocks, limits={"turn": {"cost_usd": 0.2}}).send("go").run()
    answered(world, approved=True)
    assert world.ended.reason == "done"
    # Where the block could not go on all the same, nobody is asked.
    both = world_of([{"respond": {"limits": {"cost_usd": 0.1}}}], limits={"turn": {"cost_usd": 0.2}}).send("go").run()
    assert (both.state.questions.open, both.ended.reason) == ((), "budget")


def test_a_cheaper_model_does_not_take_over_at_a_block_s_limit() -> None:
    limits = {"turn": {"cost_usd": 5}, "on_limit": {"cheaper": "other"}}
    world = world_of(caught({"respond": {"limits": {"cost_usd": 0.1}}}), limits=limits).send("go").run()
    assert (world.asked, world.ended.reason) == ([], "done")


def test_a_retry_begins_the_block_anew() -> None:
    blocks = [{"generate": {"prompt": "?", "into": "x"}}, {"respond": {"limits": {"steps": 1, "cost_usd": 1}}}]
    costs = iter([costing("x", 0.9), calling("t1.s2", 0.9), costing("Done.", 0.9)])
    world = world_of(blocks, lambda asked: next(costs), results=lambda call: 2).send("go").run()
    assert (world.ended.reason, world.ended.error.type) == ("max_steps", "max_steps")
    world.driver.receive(Retry(id="r1", turn_id="t1", content_sha256="x", cursor=0))
    world.run()
    assert (world.ended.reason, world.said[-1]) == ("done", "assistant: Done.")


def test_a_block_s_cap_in_dollars_needs_a_price() -> None:
    world = world_of([{"respond": {"limits": {"cost_usd": 5}}}], price=None).send("go").run()
    assert (world.ended.reason, world.ended.error.type) == ("failed", "price_unknown")


def test_a_sub_agent_has_a_share_of_what_the_block_leaves() -> None:
    world = world_of([{"respond": {"limits": {"cost_usd": 3, "tokens": 4_000}}}], lambda asked: calling("t1.s1", 1.0))
    world.send("go")
    world.until(lambda: world.state.turn is not None and bool(world.state.turn.calls))
    assert share(world.state, 0.5)[:2] == (1.0, 1500)


def test_a_message_does_not_join_a_block_that_has_no_step_left() -> None:
    world = world_of([{"respond": {"limits": {"steps": 1}}}]).send("go")
    world.until(lambda: bool(world.asked) or (world.state.turn is not None and world.state.turn.step is not None))
    world.send("and this", "m2", busy="steer").run()
    assert [event.reason for event in world.events if event.type == "turn.finished"] == ["done", "done"]


def test_limits_that_are_changed_meanwhile_leave_a_handler_s_alone() -> None:
    world = world_of({"limits": {"cost_usd": 0.2}, "do": [{"respond": {}}]}).send("go").run()
    world.driver.receive(Configure(id="c1", limit_changes={"turn": {"cost_usd": 9}}))
    world.run()
    assert "the handler message's cap of $0.20" in prompt_of(world)
