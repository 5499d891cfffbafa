"""Calls of a handler that are taken back: `compensate` of a call and the block, over the pure core."""

from typing import Any

import pytest

from perdure.workflows.core.effects import RunActivity
from perdure.workflows.core.handlers.compensation import MOST_KEPT
from perdure.workflows.core.state.session import dump_state, read_state
from perdure.workflows.definition.agent import AgentDefinition
from perdure.workflows.protocol.activities import ToolOutput
from perdure.workflows.protocol.signals import Answer, Retry, Stop
from perdure.workflows.vocabulary.parts import BlobRef, ToolCall, ToolError
from perdure.workflows.vocabulary.questions import By
from tests.support.handler_world import HandlerWorld

pytestmark = pytest.mark.pure

TOOLS: list[Any] = ["book", "cancel"]
BACK: list[Any] = [{"compensate": {}}]
#: Whatever it fails with.
PAY: list[Any] = [{"call": {"tool": "book", "with": {"what": "bad"}}}]


def book(what: str, into: str, back: str | None = None) -> dict[str, Any]:
    compensate = {"tool": "cancel", "with": {"id": back or f"{{{{ {into}.id }}}}"}}
    return {"call": {"tool": "book", "with": {"what": what}, "into": into, "compensate": compensate}}


def saga(*blocks: Any, catch: list[Any] = BACK) -> list[Any]:
    return [{"try": {"do": [*blocks], "catch": [{"do": catch}]}}]


def results(made: ToolCall) -> Any:
    """What cannot be booked is bad, and what is stuck cannot be cancelled."""
    what = str(made.args.get("what", made.args.get("id")))
    if made.name == "cancel":
        return ToolError(type="too_late", message=f"{what} is over.") if "stuck" in what else "cancelled"
    return ToolError(type="sold_out", message=f"No {what}.") if "bad" in what else {"id": f"{what}-1"}


def world_of(blocks: list[Any], made: Any = results, **definition: Any) -> HandlerWorld:
    return HandlerWorld(blocks, lambda asked: "", made, **{"tools": TOOLS, **definition}).send("go")


def calls(world: HandlerWorld) -> list[str]:
    return [f"{made.name} {made.args.get('what', made.args.get('id'))}" for made in world.called]


def retry(world: HandlerWorld, turn: int = 1) -> HandlerWorld:
    world.driver.receive(Retry(id=f"r{turn}", turn_id=f"t{turn}", content_sha256="x", cursor=0))
    return world.run()


def test_what_has_succeeded_is_taken_back_the_latest_first() -> None:
    world = world_of(saga(book("flight", "flight"), book("hotel", "hotel"), book("bad", "car"))).run()
    assert calls(world) == ["book flight", "book hotel", "book bad", "cancel hotel-1", "cancel flight-1"]
    assert world.ended.reason == "done"
    blocks = [event.block for event in world.events if event.type == "tool.finished" and event.block]
    assert [block.at.rpartition(".")[2] for block in blocks] == ["call"] * 3 + ["compensate"] * 2
    assert (blocks[3].at, blocks[3].display) == ("message[0].try.do[1].call.compensate", "hidden")


def test_without_the_block_nothing_is_taken_back() -> None:
    assert calls(world_of([book("flight", "flight"), {"say": "{{ flight.id }}"}]).run()) == ["book flight"]
    world = world_of(saga(book("flight", "a"), *PAY, catch=[{"say": "{{ error.type }}"}])).run()
    assert (calls(world), world.said[-1]) == (["book flight", "book bad"], "assistant: sold_out")


def test_each_is_taken_back_once_and_filled_in_when_its_call_succeeds() -> None:
    loop = {"for_each": {"in": ["a", "b"], "as": "what", "do": [book("{{ what }}", "it", "{{ it.id }} {{ what }}")]}}
    world = world_of([loop, {"set": {"it": 0}}, {"compensate": {}}, book("c", "it"), *BACK, *BACK]).run()
    assert calls(world) == ["book a", "book b", "cancel b-1 b", "cancel a-1 a", "book c", "cancel c-1"]


def test_one_that_fails_keeps_no_other_from_being_taken_back() -> None:
    catch = [{"try": {"do": BACK, "catch": [{"type": "compensation_failed", "do": [{"say": "{{ error.message }}"}]}]}}]
    names = ["a", "stuck", "b", "stuck2"]
    world = world_of(saga(*(book(name, f"v{index}") for index, name in enumerate(names)), *PAY, catch=catch)).run()
    assert calls(world)[5:] == ["cancel stuck2-1", "cancel b-1", "cancel stuck-1", "cancel a-1"]
    place = "message[0].try.catch[0].do[0].try.do[0].compensate"
    failures = "; ".join(
        f"cancel (message[0].try.do[{index}].call.compensate): {what}-1 is over."
        for index, what in ((3, "stuck2"), (1, "stuck"))
    )
    assert world.said[-1] == f"assistant: {place}: 2 of 4 calls could not be taken back. {failures}"


def test_a_retry_tries_those_that_failed_again() -> None:
    stuck = {"stuck-1", "stuck2-1"}

    def made(call: ToolCall) -> Any:
        return results(call) if call.args.get("id") in stuck or call.name == "book" else "cancelled"

    blocks = saga(book("stuck", "x"), book("b", "y"), book("stuck2", "z"), *PAY)
    world = world_of(blocks, made).run()
    assert (world.ended.reason, world.ended.error.type) == ("failed", "compensation_failed")
    stuck.discard("stuck-1")
    retry(world)
    assert world.ended.error.message.startswith("message[0].try.catch[0].do[0].compensate: 1 of 2 calls")
    stuck.clear()
    assert retry(world, 2).ended.reason == "done"
    assert calls(world)[4:] == [
        *("cancel stuck2-1", "cancel b-1", "cancel stuck-1"),
        *("cancel stuck2-1", "cancel stuck-1", "cancel stuck2-1"),
    ]


def test_a_stop_forgets_none_that_was_not_tried() -> None:
    world = world_of([book("a", "x"), book("b", "y"), {"compensate": {}}, {"say": "Over."}])
    world.until(lambda: bool(world.open) and len(world.called) == 2)
    world.driver.receive(Stop(id="stop1"))
    world.step()
    world.results = lambda call: ToolError(type="stopped", message="It was stopped.")
    world.run()
    assert world.ended.reason == "stopped"
    world.results = results
    retry(world)
    assert calls(world) == ["book a", "book b", "cancel b-1", "cancel b-1", "cancel a-1"]
    assert world.said[-1] == "assistant: Over."


def test_a_run_can_be_taken_up_between_any_two() -> None:
    world = world_of(saga(book("flight", "flight"), book("hotel", "hotel"), *PAY))
    world.restarts = lambda: True
    world.run()
    assert calls(world)[3:] == ["cancel hotel-1", "cancel flight-1"]
    waiting = world_of([book("a", "x"), {"wait": {"for": "3d"}}, *BACK]).run()
    assert read_state(dump_state(waiting.state)) == waiting.state
    assert waiting.state.handlers.parked[0].kept[0].args == {"id": "a-1"}


def test_calls_at_the_same_time_are_taken_back_also_where_one_of_them_fails() -> None:
    world = world_of(saga({"parallel": [book("a", "x"), book("bad", "y"), book("c", "z")]})).run()
    assert calls(world) == ["book a", "book bad", "book c", "cancel c-1", "cancel a-1"]
    one = {"call": {**book("{{ item }}", "own", "{{ own.id }} of {{ item }}")["call"]}}
    each = {"for_each": {"in": ["a", "bad", "c"], "as": "item"}, "do": one, "into": "booked"}
    world = world_of(saga({"parallel": each}, catch=[*BACK, {"say": "{{ booked }} {{ own is defined }}"}])).run()
    assert calls(world)[3:] == ["cancel c-1 of c", "cancel a-1 of a"]
    assert world.said[-1] == 'assistant: [{"id":"a-1"},null,{"id":"c-1"}] False'


@pytest.mark.parametrize("first", ["book", "pay"])
def test_what_has_succeeded_is_kept_though_another_call_ends_the_turn(first: str) -> None:
    tools = [*TOOLS, {"pay": {"side_effects": "once", "on_unknown": "stop"}}]
    blocks = [book("a", "x"), {"call": {"tool": "pay", "with": {"what": "b"}}}]

    def made(call: ToolCall) -> Any:
        return ToolError(type="outcome_unknown", message="Lost.") if call.name == "pay" else results(call)

    catch = [*BACK, {"say": "{{ error.type }} {{ x.id }}"}]
    world = world_of(saga({"parallel": blocks}, catch=catch), made, tools=tools)
    world.until(lambda: len(world.open) == 2)
    running = {effect.call.name: effect for effect in world.open.values() if isinstance(effect, RunActivity)}
    for effect in sorted(running.values(), key=lambda one: one.call.name != first):
        world.settle(effect)
        world.step()
    world.run()
    assert calls(world)[2:] == ["cancel a-1"]
    assert world.said[-1] == "assistant: outcome_unknown a-1"


def test_what_has_succeeded_at_the_same_time_is_kept_once() -> None:
    free: list[str] = []

    def made(call: ToolCall) -> Any:
        return {"id": "bad-1"} if call.name == "book" and free and call.args["what"] == "bad" else results(call)

    world = world_of([{"parallel": [book("a", "x"), book("bad", "y")]}, *BACK], made).run()
    assert world.ended.error.type == "sold_out"
    free.append("now")
    retry(world)
    assert calls(world) == ["book a", "book bad", "book bad", "cancel bad-1", "cancel a-1"]


def test_a_compensation_that_cannot_be_filled_in_is_an_error_of_its_call() -> None:
    world = world_of([book("a", "x", "{{ x.number.first }}"), *BACK]).run()
    assert world.ended.error.type == "handler_invalid"
    assert world.ended.error.message.startswith("message[0].call.compensate: ")
    # The call has succeeded: what failed is not the call.
    assert calls(retry(world)) == ["book a"]
    assert world.ended.error.type == "handler_invalid"


def test_a_call_whose_result_is_too_long_is_taken_back_if_that_needs_no_result() -> None:
    big = ToolOutput(output="xxx", blob=BlobRef(key="acme/s1/0", size=50_000))

    def made(call: ToolCall) -> Any:
        return big if call.name == "book" else results(call)

    world = world_of(saga(book("a", "x", "a")), made).run()
    assert (calls(world), world.ended.reason) == (["book a", "cancel a"], "done")
    world = world_of([{"set": {"x": {"id": "other"}}}, book("a", "x")], made).run()
    assert world.ended.error.type == "result_too_large"
    assert "It will not be taken back: message[1].call.compensate: 'x' is undefined" in world.ended.error.message


def test_one_may_need_an_approval() -> None:
    tools = ["book", {"cancel": {"approval": "always"}}]
    world = world_of([book("a", "x"), book("b", "y"), *BACK], tools=tools).run()
    for number, approved in ((1, False), (2, True)):
        (question,) = world.state.questions.open
        by = By(subject="local")
        world.driver.receive(Answer(id=f"a{number}", question_id=question.question_id, approved=approved, by=by))
        world.run()
    assert calls(world) == ["book a", "book b", "cancel a-1"]
    assert world.ended.error.type == "compensation_failed"
    assert "1 of 2 calls could not be taken back. cancel (message[1].call.compensate): " in world.ended.error.message


def test_a_run_keeps_only_so_many_and_so_much() -> None:
    many = {"for_each": {"in": f"{{{{ range({MOST_KEPT + 1}) }}}}", "as": "n", "do": [book("a", "x")]}}
    world = world_of([many]).run()
    assert world.ended.error.message == (
        f"message[0].for_each.do[0].call: there would be {MOST_KEPT + 1} calls to take back; a handler keeps at most "
        f"{MOST_KEPT} (`compensate`)"
    )
    assert len(world.called) == MOST_KEPT
    long = {"for_each": {"in": "{{ range(10) }}", "as": "n", "do": [book("a", "x", "{{ 'x' * 60000 }}")]}}
    world = world_of([long]).run()
    assert world.ended.error.message.startswith("message[0].for_each.do[0].call.compensate: the handler's variables")
    assert len(world.called) == 9


@pytest.mark.parametrize(
    ("tool", "told"),
    [("cancl", "'cancl' is not one of tools; did you mean 'cancel'"), ("expert", "takes the conversation over")],
)
def test_its_tool_is_one_that_can_take_something_back(tool: str, told: str) -> None:
    block = {"call": {"tool": "book", "compensate": {"tool": tool}}}
    for blocks in ([block], [{"parallel": [block]}]):
        with pytest.raises(ValueError, match=told):
            AgentDefinition.model_validate(
                {
                    "name": "a",
                    "models": {"m": {"use": "demo/x"}},
                    "model": "m",
                    "instructions": "x",
                    "tools": [*TOOLS, {"agent": {"name": "expert", "handoff": True}}],
                    "handlers": {"message": blocks},
                }
            )
