"""Handlers that end with a result, in agents whose answers have a form, over the pure core."""

from typing import Any

import pytest

from perdure.workflows.core.effects import CheckAnswer
from perdure.workflows.core.outcomes import AnswerWeighed
from perdure.workflows.definition.agent import AgentDefinition
from perdure.workflows.definition.answer import AnswerForm
from perdure.workflows.protocol.signals import Retry, Stop
from perdure.workflows.vocabulary.parts import ToolError
from tests.support.handler_world import HandlerWorld

pytestmark = pytest.mark.pure

FORM = AnswerForm.model_validate(
    {
        "schema": {
            "type": "object",
            "properties": {"late": {"type": "boolean"}, "order": {"type": "string"}},
            "required": ["late", "order"],
        }
    }
)
CALL: dict[str, Any] = {"call": {"tool": "add", "with": {}, "into": "found"}}
FINISH: dict[str, Any] = {"finish": {"result": {"late": "{{ found }}", "order": "{{ message }}"}}}


def world_of(*blocks: Any, found: Any = True) -> HandlerWorld:
    return HandlerWorld([*blocks], lambda asked: "It is late.", lambda call: found, answer=FORM).send("A-1")


def test_the_result_is_the_turns_and_stands_in_the_conversation() -> None:
    world = world_of(CALL, FINISH, {"say": "Never."}).run()
    assert (world.ended.reason, world.ended.result) == ("done", {"late": True, "order": "A-1"})
    assert world.said == ["user: A-1", 'assistant: {"late":true,"order":"A-1"}']
    assert world.asked == []


def test_a_result_may_be_one_value() -> None:
    world = world_of(CALL, {"finish": {"result": "{{ found }}"}}, found={"late": False, "order": "x"}).run()
    assert world.ended.result == {"late": False, "order": "x"}


@pytest.mark.parametrize(
    ("result", "found", "message"),
    [
        (FINISH["finish"]["result"], "yes", "message[1].finish: the result does not fit answer.schema: late: "),
        ({"late": True, "order": "{{ found.id }}"}, {}, "message[1].finish: "),
        ("{{ found }}", {"late": True}, "message[1].finish: the result does not fit answer.schema: order: is required"),
        ("{{ found }}", [1], "message[1].finish: result: gives '[1]', and not a mapping"),
        (
            "{{ found }}",
            {"late": True, "order": "x" * 40_000},
            "message[1].finish: the result does not fit answer.schema: it",
        ),
    ],
)
def test_what_does_not_fit_ends_the_turn_and_names_block_and_field(result: Any, found: Any, message: str) -> None:
    world = world_of(CALL, {"finish": {"result": result}}, found=found).run()
    assert (world.ended.reason, world.ended.result) == ("failed", None)
    assert world.ended.error.type in ("answer_invalid", "handler_invalid")
    assert world.ended.error.message.startswith(message)
    assert world.said == ["user: A-1"]
    # Nobody is asked again: no model wrote it.
    assert world.asked == []


def test_a_misfit_is_caught_like_any_error() -> None:
    caught = {"type": "answer_invalid", "do": [{"finish": {"result": {"late": False, "order": "{{ error.type }}"}}}]}
    world = world_of(CALL, {"try": {"do": [FINISH], "catch": [caught]}}, found=3).run()
    assert world.ended.result == {"late": False, "order": "answer_invalid"}


def test_trying_again_goes_on_at_the_block() -> None:
    world = world_of(CALL, FINISH, found="yes").run()
    world.driver.receive(Retry(id="r1", turn_id="t1", content_sha256="x", cursor=0))
    world.run()
    assert world.ended.error.type == "answer_invalid"
    assert len(world.called) == 1


def test_a_check_that_could_not_be_made_fails_the_turn() -> None:
    world = world_of(CALL, FINISH)
    world.until(lambda: any(isinstance(one, CheckAnswer) for one in world.open.values()))
    world.driver.settle(AnswerWeighed(ToolError(type="tool_failed", message="No thread.")))
    world.run()
    assert world.ended.error.message == "message[1].finish: No thread."


def test_a_stop_while_it_is_checked() -> None:
    world = world_of(CALL, FINISH)
    world.until(lambda: any(isinstance(one, CheckAnswer) for one in world.open.values()))
    world.driver.receive(Stop(id="s1"))
    world.run()
    assert (world.ended.reason, world.ended.result) == ("stopped", None)
    world.driver.receive(Retry(id="r1", turn_id="t1", content_sha256="x", cursor=0))
    world.run()
    assert (world.ended.reason, world.ended.result) == ("done", {"late": True, "order": "A-1"})


def test_over_a_fresh_run_before_each_decision() -> None:
    world = HandlerWorld([CALL, FINISH], lambda asked: "", lambda call: True, answer=FORM)
    world.restarts = lambda: True
    world.send("A-1").run()
    assert world.ended.result == {"late": True, "order": "A-1"}


def test_an_outcome_that_nobody_waits_for_changes_nothing() -> None:
    world = world_of(CALL, FINISH).run()
    before = world.state
    world.driver.settle(AnswerWeighed("late: is required"))
    assert world.state == before


def test_without_a_result_the_last_answer_is_the_result() -> None:
    world = world_of(CALL, {"finish": {}}).run()
    assert (world.ended.reason, world.ended.result) == ("done", None)


def test_a_result_needs_a_form() -> None:
    given = {"name": "x", "models": {"m": {"use": "demo/m"}}, "model": "m", "instructions": "Be brief."}
    with pytest.raises(ValueError, match=r"message\[0\]\.finish\.result: the agent has no `answer`"):
        AgentDefinition.model_validate({**given, "handlers": {"message": [{"finish": {"result": {"late": True}}}]}})
