"""The block `parallel`, over the pure core: what runs at the same time, and what the results are worth."""

from typing import Any

import pytest

from perdure.workflows.core.effects import RunActivity
from perdure.workflows.core.handlers.held import MOST_HELD
from perdure.workflows.core.state.session import dump_state, read_state
from perdure.workflows.definition.agent import AgentDefinition
from perdure.workflows.definition.limits import Limits, SessionLimits, TurnLimits
from perdure.workflows.protocol.activities import ToolOutput
from perdure.workflows.protocol.signals import Answer, Retry, Stop
from perdure.workflows.vocabulary.parts import BlobRef, ToolCall, ToolError
from perdure.workflows.vocabulary.questions import By
from tests.support.handler_world import HandlerWorld

pytestmark = pytest.mark.pure


def world_of(blocks: list[Any], results: Any, **definition: Any) -> HandlerWorld:
    return HandlerWorld(blocks, lambda asked: "", results, **definition)


def call(x: Any, into: str | None = None, tool: str = "add", **more: Any) -> dict[str, Any]:
    named = {} if into is None else {"into": into}
    return {"call": {"tool": tool, "with": {"x": x}, **named, **more}}


def each(items: Any, **more: Any) -> dict[str, Any]:
    return {"parallel": {"for_each": {"in": items, "as": "item"}, "do": call("{{ item }}"), "into": "results", **more}}


def tenfold(made: ToolCall) -> Any:
    """Fails for 3 and 4."""
    x = made.args["x"]
    assert isinstance(x, int)
    return ToolError(type=f"bad_{x}", message=f"No {x}.") if x in (3, 4) else x * 10


def most_open(world: HandlerWorld) -> int:
    """Runs the session; how many calls were running at a time."""
    most = 0

    def seen() -> bool:
        nonlocal most
        most = max(most, sum(isinstance(effect, RunActivity) for effect in world.open.values()))
        return False

    world.until(seen)
    return most


def test_calls_run_at_the_same_time_and_give_their_variables() -> None:
    blocks = [{"parallel": [call(1, "a"), call("{{ message | length }}", "b")]}, {"say": "{{ a }} {{ b }}"}]
    world = world_of(blocks, tenfold).send("hi")
    assert most_open(world) == 2
    assert world.said == ["user: hi", "assistant: 10 20"]
    assert [made.call_id for made in world.called] == ["t1.s0.c1", "t1.s0.c2"]
    blocks_of = [event.block for event in world.events if event.type == "tool.finished" and event.block is not None]
    assert [(block.at, block.display) for block in blocks_of] == [
        ("message[0].parallel[0].call", "hidden"),
        ("message[0].parallel[1].call", "hidden"),
    ]


def test_none_of_them_reads_what_another_one_gives() -> None:
    blocks: list[Any] = [
        {"set": {"a": 5}},
        {"parallel": [call(1, "a"), call("{{ a }}", "b")]},
        {"say": "{{ a }} {{ b }}"},
    ]
    assert world_of(blocks, tenfold).send("hi").run().said[-1] == "assistant: 10 50"


@pytest.mark.parametrize(("at_once", "parallel_calls", "most"), [(None, 32, 6), (2, 32, 2), (9, 3, 3), (None, 3, 3)])
def test_only_so_many_run_at_a_time(at_once: int | None, parallel_calls: int, most: int) -> None:
    bound = {} if at_once is None else {"at_once": at_once}
    limits = Limits(session=SessionLimits(parallel_calls=parallel_calls))
    world = world_of([each([5, 6, 7, 8, 9, 10], **bound), {"say": "{{ results }}"}], tenfold, limits=limits).send("hi")
    assert most_open(world) == most
    assert world.said[-1] == "assistant: [50,60,70,80,90,100]"


def test_results_stand_in_the_order_of_the_items_whichever_comes_first() -> None:
    world = world_of([each([5, 6, 7]), {"say": "{{ results }}"}], tenfold).send("hi")
    world.until(lambda: len(world.open) == 3)
    for effect in reversed(list(world.open.values())):
        world.settle(effect)
        assert read_state(dump_state(world.state)) == world.state
    assert world.run().said[-1] == "assistant: [50,60,70]"


def test_an_empty_list_calls_nothing() -> None:
    world = world_of([each([]), {"say": "{{ results }}"}], tenfold).send("hi").run()
    assert (world.said[-1], world.called) == ("assistant: []", [])


def test_the_first_failure_in_order_is_the_blocks_once_all_have_ended() -> None:
    blocks = [{"parallel": [call(1, "a"), call(4, "b"), call(3, "c"), call(2, "d")]}]
    handler: list[Any] = [{"try": {"do": blocks, "catch": [{"do": [{"say": "{{ a }} {{ d }} {{ error.message }}"}]}]}}]
    world = world_of(handler, tenfold).send("hi")
    world.until(lambda: len(world.open) == 4)
    for effect in reversed(list(world.open.values())):
        world.settle(effect)
    world.run()
    assert world.said[-1] == "assistant: 10 20 message[0].try.do[0].parallel[1].call: No 4."
    ended = world_of(blocks, tenfold).send("hi").run().ended
    assert (ended.reason, ended.error.type) == ("failed", "bad_4")


def test_a_failure_names_its_item_and_leaves_null_in_its_place() -> None:
    catch: list[Any] = [{"type": "bad_3", "do": [{"say": "{{ error.message }} {{ results }}"}]}]
    world = world_of([{"try": {"do": [each([2, 3, 4, 5])], "catch": catch}}], tenfold).send("hi").run()
    assert world.said[-1] == "assistant: message[0].try.do[0].parallel.do.call: item 2: No 3. [20,null,null,50]"


def test_a_template_that_fails_names_its_call_and_nothing_begins() -> None:
    world = world_of([{"parallel": [call(1), call("{{ nobody.name }}")]}], tenfold).send("hi").run()
    assert world.ended.error.message.startswith("message[0].parallel[1].call: 'nobody' is undefined")
    world = world_of([{"parallel": {"for_each": {"in": [1, 2], "as": "n", "max": 1}, "do": call(1)}}], tenfold)
    assert "at most 1 may be" in world.send("hi").run().ended.error.message
    assert world.called == []


def test_what_has_succeeded_is_not_called_again() -> None:
    tries: list[Any] = []

    def flaky(made: ToolCall) -> Any:
        tries.append(made.args["x"])
        return tenfold(made) if len(tries) <= 4 else 0

    blocks = [each([2, 3, 4, 5]), {"say": "{{ results }}"}]
    world = world_of(blocks, flaky).send("hi").run()
    assert world.ended.reason == "failed"
    world.driver.receive(Retry(id="r1", turn_id="t1", content_sha256="x", cursor=0))
    world.run()
    assert (tries, world.said[-1]) == ([2, 3, 4, 5, 3, 4], "assistant: [20,0,0,50]")
    assert [made.call_id for made in world.called[4:]] == ["t2.s0.c5", "t2.s0.c6"]


def test_a_stop_ends_them_and_a_retry_goes_on() -> None:
    world = world_of([each([5, 6, 7], at_once=2), {"say": "{{ results }}"}], tenfold).send("hi")
    world.until(lambda: len(world.open) == 2)
    first, second = world.open.values()
    world.settle(first)
    world.driver.receive(Stop(id="stop1"))
    world.step()
    assert isinstance(second, RunActivity)
    world.results = lambda made: ToolError(type="stopped", message="It was stopped.")
    world.run()
    assert world.ended.reason == "stopped"
    world.results = tenfold
    world.driver.receive(Retry(id="r1", turn_id="t1", content_sha256="x", cursor=0))
    world.run()
    assert (world.ended.reason, world.said[-1]) == ("done", "assistant: [50,60,70]")
    assert [made.args["x"] for made in world.called].count(5) == 1


def test_those_above_a_limit_do_not_run() -> None:
    limits = Limits(turn=TurnLimits(tool_calls=2), on_limit="stop")
    catch: list[Any] = [{"type": "budget_exceeded", "do": [{"say": "{{ results }}"}]}]
    world = world_of([{"try": {"do": [each([5, 6, 7])], "catch": catch}}], tenfold, limits=limits).send("hi").run()
    assert (len(world.called), world.said[-1]) == (2, "assistant: [50,60,null]")


def test_one_that_asks_keeps_no_other_waiting() -> None:
    tools = ["add", {"pay": {"approval": "always"}}]
    blocks = [{"parallel": [call(1, "a", "pay"), call(2, "b")]}, {"say": "{{ a }} {{ b }}"}]
    world = world_of(blocks, tenfold, tools=tools).send("hi").run()
    assert [made.name for made in world.called] == ["add"]
    (question,) = world.state.questions.open
    by = By(subject="local")
    world.driver.receive(Answer(id="a1", question_id=question.question_id, approved=True, by=by))
    assert world.run().said[-1] == "assistant: 10 20"


def test_a_result_that_is_too_long_for_a_variable_is_a_failure() -> None:
    blob = BlobRef(key="acme/s1/0", size=50_000)
    big = ToolOutput(output="xxx", blob=blob)
    world = world_of([{"parallel": [call(1, "a"), call(2)]}], lambda made: big).send("hi").run()
    assert world.ended.error.type == "result_too_large"
    assert world.ended.error.message.startswith("message[0].parallel[0].call: the result of add has 50000 bytes")
    assert world_of([{"parallel": [call(1), call(2)]}], lambda made: big).send("hi").run().ended.reason == "done"
    assert world_of([each([1])], lambda made: big).send("hi").run().ended.error.type == "result_too_large"


def test_results_and_arguments_count_as_what_a_run_holds() -> None:
    world = world_of([each("{{ range(40) }}")], lambda made: "x" * 20_000).send("hi").run()
    assert world.ended.error.type == "handler_invalid"
    told = f"item 27: the handler's variables and lists hold more than {MOST_HELD // 1024} KiB"
    assert world.ended.error.message == f"message[0].parallel.do.call: {told}"
    assert len(world.called) == 40
    many = {"parallel": {"for_each": {"in": "{{ range(100) }}", "as": "n"}, "do": call("{{ 'x' * 9000 }}")}}
    world = world_of([many], tenfold).send("hi").run()
    assert (world.called, world.ended.error.type) == ([], "handler_invalid")


def test_many_calls_are_not_bounded_as_a_models_are() -> None:
    limits = Limits(turn=TurnLimits(calls_per_step=2))
    world = world_of([each("{{ range(10, 310) }}"), {"say": "{{ results | sum }}"}], tenfold, limits=limits)
    assert world.send("hi").run().said[-1] == f"assistant: {sum(range(10, 310)) * 10}"


@pytest.mark.parametrize(
    ("block", "told"),
    [
        ([{"say": "x"}], "'say' cannot stand in `parallel`: only `call` and `run_agent` run at the same time"),
        ([call(1, "a"), call(2, "a")], "2 calls put their result into 'a'; give each a variable of its own"),
        ([], "at least 1"),
        ({"for_each": {"in": [1], "as": "x"}}, "do: is required, unless the block is a list"),
        ({"do": call(1)}, "for_each: is required, unless the block is a list"),
        ({"for_each": {"in": [1], "as": "x"}, "do": call(1, "a")}, "remove the one within it"),
        ({"for_each": {"in": [1], "as": "x"}, "do": [call(1), call(2)]}, "at most 1"),
        ({"for_each": {"in": [1], "as": "x", "max": 1001}, "do": call(1)}, "less than or equal to 1000"),
        ([call(1, tool="expert")], "cannot be called beside others"),
        ([call(1, tool="nothing")], r"parallel\[0\].call: 'nothing' is not one of tools"),
    ],
)
def test_what_cannot_be_meant_is_refused(block: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        AgentDefinition.model_validate(
            {
                "name": "a",
                "models": {"m": {"use": "demo/x"}},
                "model": "m",
                "instructions": "x",
                "tools": ["add", {"agent": {"name": "expert", "handoff": True}}],
                "handlers": {"message": [{"parallel": block}]},
            }
        )


def test_a_definition_stays_the_same_through_json() -> None:
    blocks = [each([1], at_once=3), {"parallel": [call(1, "a")]}]
    definition = world_of(blocks, tenfold).agent.definition
    assert AgentDefinition.model_validate_json(definition.model_dump_json()) == definition
