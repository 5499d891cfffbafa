"""Handlers that wait for days: their turns end, the conversation is free, and another turn goes on with them."""

from datetime import timedelta
from typing import Any

import pytest

from perdure.workflows.core.actions import Rest
from perdure.workflows.core.idle import closes_at
from perdure.workflows.core.next_action import next_action
from perdure.workflows.core.state.session import dump_state, read_state
from perdure.workflows.protocol.signals import CancelTimer, Rewind
from tests.support.core import agent
from tests.support.handler_world import MODELS, HandlerWorld

pytestmark = pytest.mark.pure

FOLLOW_UP: list[Any] = [
    {"respond": {}},
    {
        "switch": [
            {
                "when": "{{ message == 'remind me' }}",
                "do": [
                    {"set": {"days": 3}},
                    {"wait": {"for": "{{ days }}d"}},
                    {"say": "It has been {{ days }} days since {{ message }}."},
                ],
            }
        ]
    },
]


def parked(**definition: Any) -> HandlerWorld:
    return HandlerWorld(FOLLOW_UP, lambda asked: "I will.", **definition).send("remind me").run()


def test_a_turn_ends_where_its_handler_waits() -> None:
    world = parked()
    assert world.types[-3:] == ["step.finished", "timer.set", "turn.finished"]
    assert world.ended.reason == "parked"
    assert world.state.status == "idle"
    action = next_action(world.state)
    assert isinstance(action, Rest)
    assert action.until == world.state.timers.next_at
    assert read_state(dump_state(world.state)) == world.state


def test_the_conversation_is_free_meanwhile_and_another_turn_goes_on() -> None:
    world = parked()
    world.send("and something else", "m2").run()
    assert world.ended.reason == "done"

    world.later(timedelta(days=3))

    assert [event.cause for event in world.events if event.type == "turn.started"] == ["message", "message", "timer"]
    assert [event.handler for event in world.events if event.type == "turn.started"] == ["message"] * 3
    assert world.types[-4:] == ["timer.fired", "turn.started", "message.added", "turn.finished"]
    assert world.said[-1] == "assistant: It has been 3 days since remind me."
    assert world.state.handlers.parked == ()


def test_what_a_handler_waits_for_comes_after_the_turn_that_runs() -> None:
    world = parked().send("hello", "m2")
    world.until(lambda: world.state.turn is not None)
    world.later(timedelta(days=4))
    assert [event.reason for event in world.events if event.type == "turn.finished"] == ["parked", "done", "done"]


def test_a_handler_goes_on_with_the_definition_that_it_began_with() -> None:
    world = parked()
    world.agent = agent("d2", models=MODELS, instructions="Be kind.", handlers={"message": [{"respond": {}}]})
    world.send("hello", "m2", digest="d2").run()
    assert world.asked[-1].prompt.system == "Be kind."

    world.later(timedelta(days=3))

    assert world.said[-1].startswith("assistant: It has been 3 days")
    assert world.state.slot.loaded is not None
    assert world.state.slot.loaded.digest == "d2"
    world.send("still there?", "m3").run()
    assert world.asked[-1].prompt.system == "Be kind."
    # The change of the definition has been told, and the handler's turn was none.
    assert world.types.count("agent.updated") == 1


def test_the_definition_of_a_handler_is_kept_however_many_come_after_it() -> None:
    world = parked()
    for number in range(12):
        world.agent = agent(f"n{number}", models=MODELS, handlers={"message": [{"respond": {}}]})
        world.send("hello", f"n{number}", digest=f"n{number}").run()
    assert "d1" in world.state.slot.kept
    world.later(timedelta(days=3))
    assert world.said[-1].startswith("assistant: It has been 3 days")


def test_a_rewind_to_before_it_ends_a_handler() -> None:
    world = parked()
    world.driver.receive(
        Rewind(id="r1", content_sha256="x", cursor=0, message_id="m1", number=0, new_id="m2", parts=())
    )
    world.run()
    assert world.state.handlers.parked == ()
    assert world.state.timers.pending == ()


def test_a_later_rewind_leaves_a_handler_alone() -> None:
    world = parked().send("hello", "m2").run()
    number = next(n for n, message in enumerate(world.state.transcript.messages) if message.id == "m2")
    world.driver.receive(
        Rewind(id="r1", content_sha256="x", cursor=0, message_id="m2", number=number, new_id="m3", parts=())
    )
    world.run().later(timedelta(days=3))
    assert world.said[-1].startswith("assistant: It has been 3 days")


def test_a_cancelled_timer_ends_its_handler() -> None:
    world = parked()
    world.driver.receive(CancelTimer(id="c1", timer_id="t1.wait"))
    world.later(timedelta(days=9))
    assert (world.state.handlers.parked, world.state.turns) == ((), 1)


def test_a_session_whose_handler_waits_does_not_rest() -> None:
    world = parked(idle_timeout="1d")
    assert closes_at(world.state) is None
    world.later(timedelta(days=3))
    assert not world.state.closed
    world.later(timedelta(days=2))
    assert world.state.closed


@pytest.mark.parametrize(
    ("block", "word"),
    [
        ({"for": "{{ 'soon' }}"}, "a duration is a number and a unit"),
        ({"until": "{{ message }}"}, "Invalid isoformat string"),
        ({"for": "99999d"}, "more than ten years away"),
    ],
)
def test_a_time_that_is_none_is_an_error_of_the_block(block: dict[str, Any], word: str) -> None:
    world = HandlerWorld([{"wait": block}], lambda asked: "no").send("hi").run()
    assert (world.ended.reason, world.ended.error.type) == ("failed", "handler_invalid")
    assert world.ended.error.message.startswith("message[0].wait: ")
    assert word in world.ended.error.message


def test_a_date_in_the_past_is_not_waited_for() -> None:
    handler: list[Any] = [{"wait": {"until": "2026-01-01T09:00:00+01:00"}}, {"say": "At once."}]
    world = HandlerWorld(handler, lambda asked: "no").send("hi").run()
    assert (world.ended.reason, world.said[-1]) == ("done", "assistant: At once.")
    handler[0] = {"wait": {"until": "2026-03-02T09:00:00"}}
    world = HandlerWorld(handler, lambda asked: "no").send("hi").run()
    assert str(world.state.timers.next_at) == "2026-03-02 09:00:00+00:00"
