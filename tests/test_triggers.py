"""Handlers that are triggered by their name, over the pure core."""

from typing import Any

import pytest

from perdure.workflows.protocol.signals import Close, EditMessage, Retry, SendMessage, Trigger, WithdrawMessage
from perdure.workflows.vocabulary.parts import Text, ToolError
from tests.support.core import agent
from tests.support.handler_world import MODELS, HandlerWorld

pytestmark = pytest.mark.pure

FOLLOW_UP: dict[str, Any] = {
    "inputs": {"order_id": {"type": "string"}, "tone": {"type": "string", "default": "kind"}},
    "do": [
        {"call": {"tool": "add", "with": {"id": "{{ order_id }}"}, "into": "order"}},
        {"respond": {"instructions": "{{ order_id }} is {{ order }}. Be {{ tone }}."}},
    ],
}


def world_of(**definition: Any) -> HandlerWorld:
    world = HandlerWorld([{"respond": {}}], lambda asked: "It is late.", lambda call: "late")
    handlers = {"message": [{"respond": {}}], "follow_up": FOLLOW_UP}
    world.agent = agent(models=MODELS, handlers=handlers, **definition)
    return world


def trigger(world: HandlerWorld, id: str = "x1", sha: str = "x", **inputs: Any) -> HandlerWorld:  # noqa: A002
    world.driver.receive(Trigger(id=id, name="follow_up", inputs=inputs, content_sha256=sha, cursor=7))
    return world


def test_a_trigger_has_a_turn_without_a_message() -> None:
    world = trigger(world_of(), order_id="A-1").run()
    assert world.types[1:] == [
        "turn.started",
        "tool.started",
        "tool.finished",
        "step.started",
        "step.finished",
        "turn.finished",
    ]
    started = world.events[1]
    assert started.type == "turn.started"
    assert (started.cause, started.handler, started.trigger_id) == ("trigger", "follow_up", "x1")
    assert world.asked[0].prompt.system == "Be brief.\n\nA-1 is late. Be kind."
    # Nobody has said anything, and a request has to ask for something.
    assert [message.role for message in world.asked[0].messages] == ["user"]
    assert world.said == ["assistant: It is late."]
    assert world.state.inbox.messages == ()


def test_a_trigger_waits_behind_what_runs() -> None:
    world = world_of().send("hi")
    world.until(lambda: world.state.turn is not None and world.state.turn.step is not None)
    trigger(world, order_id="A-1")
    queued = world.events[-1]
    assert queued.type == "message.queued"
    assert (queued.message_id, queued.position, queued.turn_id) == ("x1", 1, None)
    world.run()
    assert [event.cause for event in world.events if event.type == "turn.started"] == ["message", "trigger"]


def test_the_same_trigger_again_does_nothing_and_another_under_its_id_is_refused() -> None:
    world = trigger(trigger(world_of(), order_id="A-1"), order_id="A-1").run()
    trigger(world, order_id="A-1").run()
    assert world.state.turns == 1
    trigger(world, sha="y", order_id="A-2").run()
    refused = world.events[-1]
    assert refused.type == "message.rejected"
    assert (refused.message_id, refused.reason, world.state.turns) == ("x1", "conflict", 1)


@pytest.mark.parametrize("inputs", [{}, {"order_id": "A-1", "colour": "red"}])
def test_inputs_that_do_not_fit_the_definition_as_it_is_by_then(inputs: dict[str, Any]) -> None:
    world = trigger(world_of(), **inputs).run()
    assert world.types[1:] == ["message.rejected"]
    assert (world.state.turns, world.state.inbox.messages) == (0, ())


def test_a_handler_that_is_gone_by_then_has_no_turn() -> None:
    world = world_of()
    world.agent = agent(models=MODELS)
    trigger(world, order_id="A-1").send("hi").run()
    assert world.types[-2:] == ["step.finished", "turn.finished"]
    assert [event.reason for event in world.events if event.type == "message.rejected"] == ["no_handler"]


def test_a_trigger_that_waits_can_be_taken_back_and_not_be_edited() -> None:
    world = world_of().send("hi")
    world.until(lambda: world.state.turn is not None and world.state.turn.step is not None)
    trigger(world, order_id="A-1")
    world.driver.receive(EditMessage(id="e1", message_id="x1", parts=(Text(text="forged"),)))
    assert world.state.inbox.messages[0].own
    world.driver.receive(WithdrawMessage(id="w1", message_id="x1"))
    world.run()
    assert world.state.turns == 1


def test_a_session_that_closes_rejects_what_waits() -> None:
    world = world_of().send("hi")
    world.until(lambda: world.state.turn is not None and world.state.turn.step is not None)
    trigger(world, order_id="A-1")
    world.driver.receive(Close(id="c1"))
    world.run()
    trigger(world, id="x2", order_id="A-1")
    rejected = [event.message_id for event in world.events if event.type == "message.rejected"]
    assert rejected == ["x1"]
    assert world.types[-1] == "session.closed"


def test_a_retry_goes_on_with_a_trigger_that_failed() -> None:
    world = world_of()
    results = iter([ToolError(type="broken", message="It broke."), "here"])
    world.results = lambda call: next(results)
    trigger(world, order_id="A-1").run()
    assert world.ended.reason == "failed"
    world.driver.receive(Retry(id="r1", turn_id="t1", content_sha256="x", cursor=0))
    world.run()
    assert world.ended.reason == "done"
    assert world.asked[-1].prompt.system.endswith("A-1 is here. Be kind.")


def test_a_caller_cannot_pass_a_message_for_a_trigger() -> None:
    forged = {"type": "data", "name": "trigger", "value": {"handler": "follow_up", "inputs": {"order_id": "A-1"}}}
    world = world_of()
    message = {"message_id": "m1", "parts": [forged], "content_sha256": "x", "cursor": 0}
    world.driver.receive(SendMessage.model_validate(message))
    world.run()
    assert [event.cause for event in world.events if event.type == "turn.started"] == ["message"]
