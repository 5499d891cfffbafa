"""Handlers that wait for an event: their turns end, and the event begins another one, or is kept until a handler wants it."""

from datetime import timedelta
from typing import Any

import pytest

from perdure.workflows.core.actions import CloseSession, Rest
from perdure.workflows.core.answers import receipt
from perdure.workflows.core.fork import past
from perdure.workflows.core.handlers.events import MOST_KEPT, MOST_WAITING
from perdure.workflows.core.handlers.waiting import waits_in_words
from perdure.workflows.core.idle import closes_at
from perdure.workflows.core.next_action import next_action
from perdure.workflows.core.session_variables import values_of
from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.session import dump_state, read_state
from perdure.workflows.protocol.signals import CancelTimer, Close, EditMessage, Retry, Rewind, Trigger, WithdrawMessage
from perdure.workflows.vocabulary.parts import Text
from tests.support.core import agent
from tests.support.handler_world import MODELS, HandlerWorld

pytestmark = pytest.mark.pure

EVENTS: dict[str, Any] = {
    "paid": {"inputs": {"order_id": {"type": "string"}, "amount": {"type": "number"}}},
    "sent": {},
}
FITS = "{{ event.order_id == message }}"


def wait(**more: Any) -> dict[str, Any]:
    return {"wait": {"event": "paid", "when": FITS, "into": "payment", **more}}


#: Of several messages, only those about an order wait.
def handler(**more: Any) -> list[Any]:
    told = [wait(**more), {"say": "{{ payment.amount }} for {{ message }}."}]
    orders = "{{ message[:2] == 'A-' }}"
    return [{"switch": [{"when": orders, "do": told}, {"do": [{"respond": {}}]}]}]


def world_of(blocks: list[Any] | None = None, **definition: Any) -> HandlerWorld:
    return HandlerWorld(blocks or handler(), lambda asked: "Fine.", events=EVENTS, **definition)


def parked(blocks: list[Any] | None = None, **definition: Any) -> HandlerWorld:
    return world_of(blocks, **definition).send("A-1").run()


def tell(
    world: HandlerWorld,
    order_id: str = "A-1",
    id: str = "e1",  # noqa: A002
    amount: Any = 5,
    sha: str = "x",
    **more: Any,
) -> HandlerWorld:
    inputs = {"order_id": order_id, "amount": amount}
    command = {"id": id, "name": "paid", "event": True, "inputs": inputs, "content_sha256": sha, "cursor": 7, **more}
    world.driver.receive(Trigger.model_validate(command))
    return world


def started(world: HandlerWorld) -> list[tuple[str, str | None]]:
    return [(event.cause, event.trigger_id) for event in world.events if event.type == "turn.started"]


def rejected(world: HandlerWorld) -> list[tuple[str, str]]:
    return [(event.message_id, event.reason) for event in world.events if event.type == "message.rejected"]


def kept(world: HandlerWorld) -> list[str]:
    return [event.event_id for event in world.state.handlers.events]


def test_a_turn_ends_where_its_handler_waits_for_an_event() -> None:
    world = parked()
    assert world.types[-1] == "turn.finished"
    assert (world.ended.reason, world.state.status) == ("parked", "idle")
    assert (world.state.timers.pending, world.state.questions.open) == ((), ())
    assert next_action(world.state) == Rest()
    assert list(waits_in_words(world.state)) == ["the handler message waits for the event paid"]
    assert read_state(dump_state(world.state)) == world.state


def test_the_conversation_is_free_meanwhile_and_the_event_begins_a_turn() -> None:
    world = parked().send("hello", "m2").run()
    assert world.ended.reason == "done"

    tell(world, traceparent="00-" + "1" * 32 + "-" + "2" * 16 + "-01").run()

    assert started(world) == [("message", None), ("message", None), ("trigger", "e1")]
    assert [event.handler for event in world.events if event.type == "turn.started"] == ["message"] * 3
    assert world.types[-3:] == ["turn.started", "message.added", "turn.finished"]
    assert world.said[-1] == "assistant: 5 for A-1."
    assert (world.state.handlers.parked, world.state.handlers.events) == ((), ())


def test_an_event_never_begins_a_turn_by_itself() -> None:
    world = tell(world_of()).run()
    assert world.types == ["session.started"]
    assert (kept(world), world.state.turns) == (["e1"], 0)
    assert next_action(world.state) == Rest()
    assert read_state(dump_state(world.state)) == world.state


def test_an_event_that_came_before_is_taken_by_the_first_handler_that_waits_for_it() -> None:
    world = tell(tell(world_of(), "A-2", "e1"), "A-1", "e2").run()
    world.send("A-1").run()
    assert started(world) == [("message", None), ("trigger", "e2")]
    assert world.said[-1] == "assistant: 5 for A-1."
    assert kept(world) == ["e1"]
    world.send("A-2", "m2").run()
    assert world.said[-1] == "assistant: 5 for A-2."
    assert kept(world) == []


def test_an_event_that_comes_while_a_turn_runs_waits_for_its_end() -> None:
    world = parked().send("hello", "m2")
    world.until(lambda: world.state.turn is not None)
    tell(world)
    assert (kept(world), world.state.handlers.parked[0].handler) == (["e1"], "message")
    world.run()
    assert started(world)[-1] == ("trigger", "e1")
    assert [event.reason for event in world.events if event.type == "turn.finished"] == ["parked", "done", "done"]


def test_a_handler_has_the_oldest_of_several_events() -> None:
    world = tell(world_of(), "A-2", "e1").run().send("A-2")
    world.until(lambda: world.state.turn is not None)
    tell(world, "A-2", "e2").run()
    assert (started(world)[-1], kept(world)) == (("trigger", "e1"), ["e2"])


def test_one_that_has_come_meanwhile_is_for_those_who_have_waited_longer() -> None:
    world = parked(handler(when="{{ event.amount > 0 }}")).send("A-2", "m2")
    world.until(lambda: world.state.turn is not None)
    tell(world).run()
    assert [run.variables["message"] for run in world.state.handlers.parked] == ["A-2"]
    assert world.said[-1] == "assistant: 5 for A-1."


def test_the_oldest_handler_that_it_fits_has_it() -> None:
    world = parked(handler(when="{{ event.amount > 0 }}")).send("A-2", "m2").run()
    tell(tell(tell(world, amount=0), id="e2"), id="e3").run()
    assert world.said[-2:] == ["assistant: 5 for A-1.", "assistant: 5 for A-2."]
    assert started(world)[2:] == [("trigger", "e2"), ("trigger", "e3")]
    assert kept(world) == ["e1"]


@pytest.mark.parametrize(
    "when", ["{{ event.amount }}", "{{ event.total > 1 }}", "{{ 1 / event.amount > 0 }}", "{{ turn.id == 't1' }}"]
)
def test_a_condition_that_fails_does_not_hold_and_the_event_is_for_others(when: str) -> None:
    blocks = [{"switch": [{"when": "{{ message == 'A-1' }}", "do": [wait(when=when)]}, {"do": [wait()]}]}]
    world = parked(blocks).send("A-2", "m2").run()
    tell(world, "A-2", amount=0).run()
    assert started(world)[-1] == ("trigger", "e1")
    assert [run.variables["message"] for run in world.state.handlers.parked] == ["A-1"]


def test_without_a_condition_any_event_of_the_name_will_do() -> None:
    world = parked([{"wait": {"event": "sent"}}, {"say": "It is on its way."}])
    tell(world).run()
    assert kept(world) == ["e1"]
    tell(world, id="e2", name="sent", inputs={}).run()
    assert (world.said[-1], kept(world)) == ("assistant: It is on its way.", ["e1"])


def test_the_same_event_again_does_nothing_and_another_under_its_id_is_refused() -> None:
    world = tell(tell(world_of())).run()
    assert kept(world) == ["e1"]
    tell(world, sha="y").run()
    assert (rejected(world), kept(world)) == ([("e1", "conflict")], ["e1"])
    world.send("A-1").run()
    tell(world).run()
    assert (world.state.turns, kept(world)) == (2, [])
    known = receipt(world.state, "e1")
    assert (known.content_sha256, known.cursor, known.position) == ("x", 7, None)


def test_an_event_that_does_not_come_in_time_is_an_error() -> None:
    world = parked(handler(**{"for": "{{ 1 + 1 }}d"}))
    (timer,) = world.state.timers.pending
    place = "message[0].switch[0].do[0].wait"
    assert timer.note == f"{place} of the handler message, which waits until then for the event paid"
    world.later(timedelta(days=2))
    assert world.types[-3:] == ["timer.fired", "turn.started", "turn.finished"]
    assert started(world)[-1] == ("timer", None)
    assert (world.ended.reason, world.ended.error.type) == ("failed", "expired")
    assert world.ended.error.message == f"{place}: the event paid did not come in time"
    # It comes too late for anybody.
    assert kept(tell(world).run()) == ["e1"]


def test_an_event_that_comes_in_time_takes_the_timer_away() -> None:
    world = tell(parked(handler(**{"for": "2d"}))).run()
    assert (world.said[-1], world.state.timers.pending) == ("assistant: 5 for A-1.", ())
    world.later(timedelta(days=3))
    assert world.state.turns == 2


def test_an_event_that_is_there_when_the_time_is_over_comes_first() -> None:
    world = parked(handler(**{"for": "2d"})).send("hello", "m2")
    world.until(lambda: world.state.turn is not None)
    tell(world)
    world.later(timedelta(days=3))
    assert started(world)[-1] == ("trigger", "e1")
    assert world.said[-1] == "assistant: 5 for A-1."


def test_what_is_kept_can_be_looked_for_without_waiting() -> None:
    tried = {"do": [wait(**{"for": "0s"}), {"say": "There."}], "catch": [{"type": "expired", "do": [{"say": "None."}]}]}
    world = parked([{"try": tried}]).later(timedelta())
    assert world.said[-1] == "assistant: None."
    tell(world, "A-2").send("A-2", "m2").run()
    assert world.said[-1] == "assistant: There."


def test_waits_in_a_loop_each_have_their_event() -> None:
    blocks = [
        {
            "for_each": {
                "in": ["a", "b"],
                "as": "item",
                "do": [wait(when="{{ event.order_id == item }}"), {"say": "{{ item }}: {{ payment.amount }}"}],
            }
        }
    ]
    world = tell(tell(parked(blocks), "b", "e1"), "a", "e2", 6).run()
    assert world.said[1:] == ["assistant: a: 6", "assistant: b: 5"]
    assert started(world) == [("message", None), ("trigger", "e2"), ("trigger", "e1")]
    assert world.ended.reason == "done"


def test_a_turn_that_failed_at_its_wait_can_wait_again() -> None:
    world = parked(handler(**{"for": "2d"})).later(timedelta(days=2))
    assert world.ended.error.type == "expired"
    world.driver.receive(Retry(id="r1", content_sha256="x", cursor=0, turn_id="t2"))
    world.run()
    assert [timer.timer_id for timer in world.state.timers.pending] == ["t3.wait"]
    assert tell(world).run().said[-1] == "assistant: 5 for A-1."


def test_a_cancelled_timer_ends_its_handler() -> None:
    world = parked(handler(**{"for": "2d"}))
    world.driver.receive(CancelTimer(id="c1", timer_id="t1.wait"))
    tell(world.later(timedelta(days=9))).run()
    assert (world.state.handlers.parked, world.state.turns, kept(world)) == ((), 1, ["e1"])


def test_a_rewind_to_before_it_ends_a_handler_and_leaves_what_is_kept() -> None:
    world = tell(parked(handler(**{"for": "2d"})), "A-2").run()
    world.driver.receive(
        Rewind(id="r1", content_sha256="x", cursor=0, message_id="m1", number=0, new_id="m2", parts=())
    )
    world.run()
    assert (world.state.handlers.parked, world.state.timers.pending, kept(world)) == ((), (), ["e1"])


def test_a_session_that_closes_rejects_what_is_kept() -> None:
    world = tell(tell(parked(), "A-2", "e1"), "A-3", "e2").run()
    world.driver.receive(Close(id="c1"))
    world.run()
    assert rejected(world) == [("e1", "session_closed"), ("e2", "session_closed")]
    assert world.types[-1] == "session.closed"
    assert kept(world) == []


def test_an_event_that_comes_while_a_session_closes_is_rejected() -> None:
    world = parked().send("hello", "m2")
    world.until(lambda: world.state.turn is not None)
    world.driver.receive(Close(id="c1"))
    tell(world).run()
    assert rejected(world) == [("e1", "session_closed")]


def test_what_is_kept_can_be_taken_back_and_not_be_edited() -> None:
    world = tell(tell(world_of(), "A-1", "e1"), "A-1", "e2", 6).run()
    world.driver.receive(EditMessage(id="c1", message_id="e1", parts=(Text(text="forged"),)))
    world.driver.receive(WithdrawMessage(id="c2", message_id="e1"))
    assert (rejected(world), kept(world)) == ([("e1", "withdrawn")], ["e2"])
    assert (receipt(world.state, "e1").withdrawn, receipt(world.state, "e2").kept) == (True, True)
    assert world.send("A-1").run().said[-1] == "assistant: 6 for A-1."
    world.driver.receive(WithdrawMessage(id="c3", message_id="e2"))
    assert len(rejected(world)) == 1


def test_no_more_than_so_many_are_kept() -> None:
    world = world_of()
    for number in range(MOST_KEPT):
        tell(world, "A-2", f"e{number}")
    assert receipt(world.state, "x").event_room == 0
    tell(world, "A-2", "last").run()
    assert (rejected(world), len(kept(world))) == ([("last", "too_many_events")], MOST_KEPT)
    # Once there is room, the same id may come again.
    world.send("A-2").run()
    tell(world, "A-2", "last").run()
    assert (receipt(world.state, "x").event_room, kept(world)[-1]) == (0, "last")


def test_no_more_is_kept_than_a_run_can_hand_over() -> None:
    world = world_of()
    for number in range(20):
        tell(world, "x" * 32_000, f"e{number}")
    assert rejected(world.run()) == [(f"e{number}", "too_many_events") for number in range(17, 20)]


def test_only_so_many_handlers_wait_for_events_at_a_time() -> None:
    world = parked()
    for number in range(MOST_WAITING):
        world.send("A-1", f"n{number}").run()
    assert len(world.state.handlers.parked) == MOST_WAITING
    assert (world.ended.reason, world.ended.error.type) == ("failed", "handler_invalid")
    assert world.ended.error.message.endswith("100 handlers of this session wait for events already")


def test_a_session_whose_handler_waits_does_not_rest_and_one_that_only_keeps_does() -> None:
    world = parked(idle_timeout="1d").later(timedelta(days=30))
    assert (world.state.closed, closes_at(world.state)) == (False, None)
    tell(tell(world), "A-2", "e2").run()
    assert closes_at(world.state) is not None
    assert rejected(world.later(timedelta(days=2))) == [("e2", "session_closed")]


def test_a_session_that_somebody_waits_for_is_not_over_while_its_handler_waits() -> None:
    world = parked()
    state = replace(world.state, new=world.state.new.model_copy(update={"once": True}))
    assert isinstance(next_action(state), Rest)
    over = replace(tell(world).run().state, new=state.new)
    assert isinstance(next_action(over), CloseSession)


def test_a_handler_goes_on_with_the_definition_that_it_began_with() -> None:
    world = parked()
    world.agent = agent("d2", models=MODELS, handlers={"message": [{"respond": {}}]})
    world.send("hello", "m2", digest="d2").run()
    assert tell(world).run().said[-1] == "assistant: 5 for A-1."
    assert world.state.slot.loaded is not None
    assert world.state.slot.loaded.digest == "d2"


def test_a_fork_has_none_of_the_events_and_takes_one_of_the_same_id() -> None:
    world = tell(parked(), "A-2").send("hello", "m2").run()
    tell(world, "A-1", "e2").run()
    fork = past(world.state, "t2", keep_turn=True, waiting=())
    assert (fork.handlers.parked, fork.handlers.events) == ((), ())
    assert not {"e1", "e2"} & set(fork.inbox.seen)
    assert "message.rejected" not in [event.type for event in fork.log.events]


def test_an_event_goes_over_to_the_next_run() -> None:
    world = parked()
    world.restarts = lambda: True
    tell(tell(world, "A-2", "e1"), "A-1", "e2").run().send("A-2", "m2").run()
    assert world.said[-1] == "assistant: 5 for A-2."
    assert started(world)[-1] == ("trigger", "e1")


def test_a_trigger_of_a_handler_waits_beside_events() -> None:
    world = world_of()
    check = {"inputs": {"topic": {"type": "string"}}, "do": [{"say": "About {{ topic }}."}]}
    world.agent = agent(models=MODELS, events=EVENTS, handlers={"message": handler(), "check": check})
    world.send("A-1").run()
    tell(world, "A-1")
    tell(world, id="x1", name="check", event=False, inputs={"topic": "lamps"}).run()
    # What waits among the messages goes before what handlers wait for.
    assert started(world)[1:] == [("trigger", "x1"), ("trigger", "e1")]


def test_events_read_and_write_variables_of_the_session() -> None:
    variables = {"awaited": {"type": "string", "default": "A-1"}, "payment": {"type": "object", "default": {}}}
    blocks: list[Any] = [
        {"set": {"awaited": "A-7"}},
        {"wait": {"event": "paid", "when": "{{ event.order_id == awaited }}", "into": "payment"}},
        {"say": "{{ payment.amount }}"},
    ]
    world = world_of(blocks, variables=variables).send("A-1").run()
    tell(world, "A-1").run()
    assert world.state.handlers.parked
    tell(world, "A-7", "e2", amount=8).run()
    assert world.said[-1] == "assistant: 8"
    assert values_of(world.state)["payment"] == {"order_id": "A-7", "amount": 8}
