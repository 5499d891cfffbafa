"""Handlers that ask a person: the turn ends, the conversation is free, and the answer begins another turn."""

import itertools
from datetime import timedelta
from typing import Any

import pytest

from perdure.workflows.core.actions import CloseSession, Rest
from perdure.workflows.core.fork import past
from perdure.workflows.core.idle import closes_at
from perdure.workflows.core.next_action import next_action
from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.session import dump_state, read_state
from perdure.workflows.protocol.signals import Answer, Close, Retry, Rewind, Supersede
from perdure.workflows.vocabulary.questions import By
from tests.support.core import agent
from tests.support.handler_world import MODELS, HandlerWorld

pytestmark = pytest.mark.pure

FORM: dict[str, Any] = {"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]}
ADA = By(subject="ada", scopes=("logistics",))
NUMBERS = itertools.count()
LOCAL = By(subject="local")


def ask(**more: Any) -> dict[str, Any]:
    return {"ask": {"prompt": "When shall {{ message }} come?", "form": FORM, "into": "delivery", **more}}


#: Of several messages, only the first one asks.
def handler(**more: Any) -> list[Any]:
    told = [ask(**more), {"say": "It comes on {{ delivery.day }}."}]
    return [{"switch": [{"when": "{{ message == 'A-1' }}", "do": told}, {"do": [{"respond": {}}]}]}]


def asked(blocks: list[Any] | None = None, message: str = "A-1", **definition: Any) -> HandlerWorld:
    return HandlerWorld(blocks or handler(), lambda asked: "Fine.", **definition).send(message, sender="bea").run()


def answer(
    world: HandlerWorld, day: Any = "Monday", by: By = LOCAL, asked: str = "t1.ask", **more: Any
) -> HandlerWorld:
    command = Answer(id=f"answer-{next(NUMBERS)}", question_id=asked, result={"day": day}, by=by, **more)
    world.driver.receive(command)
    return world.run()


def started(world: HandlerWorld) -> list[str]:
    return [event.cause for event in world.events if event.type == "turn.started"]


def test_a_turn_ends_where_its_handler_asks() -> None:
    world = asked(handler(by=["logistics"], not_by="requester", expires="7d"))
    assert world.types[-3:] == ["message.added", "input.requested", "turn.finished"]
    assert (world.ended.reason, world.state.status) == ("parked", "waiting")
    (question,) = world.state.questions.open
    assert (question.question_id, question.kind, question.subject, question.form) == (
        "t1.ask",
        "input",
        "handler",
        "schema",
    )
    assert (question.name, question.prompt, question.output) == ("delivery", "When shall A-1 come?", FORM)
    assert (question.roles, question.not_by) == (("logistics",), ("bea",))
    action = next_action(world.state)
    assert isinstance(action, Rest)
    assert action.until == question.expires_at
    assert read_state(dump_state(world.state)) == world.state


def test_the_conversation_is_free_meanwhile_and_the_answer_begins_a_turn() -> None:
    world = asked().send("and something else", "m2").run()
    assert world.ended.reason == "done"

    answer(world, by=ADA, traceparent="00-" + "1" * 32 + "-" + "2" * 16 + "-01")

    assert started(world) == ["message", "message", "answer"]
    assert world.types[-4:] == ["input.received", "turn.started", "message.added", "turn.finished"]
    received = world.events[-4]
    assert received.type == "input.received"
    assert (received.turn_id, received.by, received.value) == (None, ADA, {"day": "Monday"})
    assert world.said[-1] == "assistant: It comes on Monday."
    assert (world.state.handlers.parked, world.state.questions.open, world.state.status) == ((), (), "idle")


def test_an_answer_that_comes_while_a_turn_runs_waits_for_its_end() -> None:
    world = asked().send("hello", "m2")
    world.until(lambda: world.state.turn is not None)
    turn = world.state.turn_id
    world.driver.receive(Answer(id="a1", question_id="t1.ask", result={"day": "Monday"}, by=LOCAL))
    assert world.state.turn_id == turn
    assert read_state(dump_state(world.state)) == world.state
    world.run()
    assert started(world) == ["message", "message", "answer"]
    assert world.said[-1] == "assistant: It comes on Monday."


@pytest.mark.parametrize("busy", ["steer", "interrupt"])
def test_a_message_that_goes_before_others_leaves_the_question_open(busy: str) -> None:
    world = asked().send("hello", "m2")
    world.until(lambda: world.state.turn is not None)
    world.send("wait", "m3", busy=busy).run()
    assert [one.question_id for one in world.state.questions.open] == ["t1.ask"]
    assert answer(world).said[-1] == "assistant: It comes on Monday."


def test_who_may_not_answer_does_not() -> None:
    world = asked(handler(by=["logistics"], not_by="requester"))
    for wrong in (By(subject="cem"), By(subject="bea", scopes=("logistics",))):
        assert answer(world, by=wrong).state.questions.open
    assert answer(world, by=ADA).said[-1] == "assistant: It comes on Monday."


def test_the_first_answer_counts() -> None:
    world = answer(answer(asked()), "Tuesday")
    assert world.types.count("input.received") == 1
    assert world.said[-1] == "assistant: It comes on Monday."


def test_a_question_that_nobody_answers_in_time_is_an_error() -> None:
    world = asked(handler(expires="2d")).later(timedelta(days=3))
    assert started(world) == ["message", "timer"]
    assert (world.ended.reason, world.ended.error.type) == ("failed", "expired")
    assert world.ended.error.message == "message[0].switch[0].do[0].ask: nobody answered in time"
    received = next(event for event in world.events if event.type == "input.received")
    assert (received.value, received.reason, received.by) == (None, "expired", None)
    assert answer(world).state.turns == 2


def test_a_question_expires_while_another_turn_waits_for_a_call() -> None:
    world = asked(handler(expires="2d")).send("hello", "m2")
    world.until(lambda: world.state.turn is not None and world.state.turn.step is not None)
    world.later(timedelta(days=3))
    assert started(world) == ["message", "message", "timer"]


def test_what_it_fails_with_is_caught_within_loops_too() -> None:
    blocks = [
        {
            "for_each": {
                "in": ["a", "b", "c"],
                "as": "item",
                "do": [
                    {
                        "try": {
                            "do": [ask(prompt="{{ item }}?", expires="1d"), {"say": "{{ item }}: {{ delivery.day }}"}],
                            "catch": [
                                {"type": "expired", "do": [{"say": "{{ item }} is late."}]},
                                {"type": "denied", "do": [{"say": "{{ error.message }}"}]},
                            ],
                        }
                    }
                ],
            }
        }
    ]
    world = asked(blocks)
    answer(world)
    world.later(timedelta(days=2))
    answer(world, asked="t3.ask", approved=False, reason="No idea")
    assert world.said[1:] == [
        "assistant: a: Monday",
        "assistant: b is late.",
        "assistant: message[0].for_each.do[0].try.do[0].ask: whoever was asked declined. The reason given: No idea",
    ]
    assert world.ended.reason == "done"


def test_a_turn_that_failed_at_its_question_can_ask_again() -> None:
    world = answer(asked(), approved=False)
    assert (world.ended.reason, world.ended.error.type) == ("failed", "denied")
    received = [event for event in world.events if event.type == "input.received"][-1]
    assert (received.reason, received.by) == ("declined", LOCAL)
    world.driver.receive(Retry(id="r1", content_sha256="x", cursor=0, turn_id="t2"))
    world.run()
    assert [one.question_id for one in world.state.questions.open] == ["t3.ask"]
    assert answer(world, asked="t3.ask").said[-1] == "assistant: It comes on Monday."


def test_a_rewind_to_before_it_takes_the_question_back() -> None:
    world = asked()
    world.driver.receive(
        Rewind(id="r1", content_sha256="x", cursor=0, message_id="m1", number=0, new_id="m2", parts=())
    )
    world.run()
    assert (world.state.handlers.parked, world.state.questions.open) == ((), ())
    received = next(event for event in world.events if event.type == "input.received")
    assert (received.reason, received.turn_id) == ("stopped", None)
    assert answer(world).state.turns == 2


def test_a_later_rewind_leaves_the_question_open() -> None:
    world = asked().send("hello", "m2").run()
    number = next(n for n, message in enumerate(world.state.transcript.messages) if message.id == "m2")
    world.driver.receive(
        Rewind(id="r1", content_sha256="x", cursor=0, message_id="m2", number=number, new_id="m3", parts=())
    )
    assert answer(world.run()).said[-1] == "assistant: It comes on Monday."


def test_a_session_whose_handler_asks_does_not_rest_and_its_close_takes_the_question_back() -> None:
    world = asked(idle_timeout="1d").later(timedelta(days=30))
    assert (world.state.closed, closes_at(world.state)) == (False, None)
    world.driver.receive(Close(id="c1", reason="user"))
    world.run()
    assert world.types[-2:] == ["input.received", "session.closed"]
    assert world.state.questions.open == ()


def test_nobody_is_asked_in_a_session_that_was_told_so() -> None:
    world = asked()
    world.driver.receive(Supersede(id="s1"))
    world.run()
    assert (world.ended.reason, world.ended.error.type) == ("failed", "denied")
    world.send("A-1", "m2").run()
    assert world.ended.error.message.startswith("message[0].switch[0].do[0].ask: nobody is asked")


def test_a_handler_that_asks_goes_on_with_the_definition_that_it_began_with() -> None:
    world = asked()
    world.agent = agent("d2", models=MODELS, instructions="Be kind.", handlers={"message": [{"respond": {}}]})
    world.send("hello", "m2", digest="d2").run()
    assert answer(world).said[-1] == "assistant: It comes on Monday."
    assert world.state.slot.loaded is not None
    assert world.state.slot.loaded.digest == "d2"


def test_a_fork_has_none_of_the_questions() -> None:
    world = asked().send("hello", "m2").run()
    for turn in ("t1", "t2"):
        fork = past(world.state, turn, keep_turn=True, waiting=())
        assert (fork.questions.open, fork.handlers.parked) == ((), ())
        last = fork.log.events[-1]
        assert (last.type, fork.log.seq) == ("input.received", last.seq)


def test_the_past_can_be_sealed_while_a_handler_asks() -> None:
    before = asked().state.sealing
    world = asked()
    for number in range(3):
        world.send("hello", f"n{number}").run()
    assert world.state.questions.open
    assert world.state.sealing != before
    assert world.state.sealing.cuts[-1].seq == world.state.log.seq


def test_only_so_many_questions_are_open_at_a_time() -> None:
    world = asked()
    for number in range(100):
        world.send("A-1", f"n{number}").run()
    assert (world.ended.reason, world.ended.error.type) == ("failed", "handler_invalid")
    assert "100 questions open already" in world.ended.error.message


@pytest.mark.parametrize(
    ("prompt", "word"),
    [("{{ '' }}", "asks nothing"), ("{{ 'x' * 5000 }}", "at most 4000"), ("{{ 1 / 0 }}", "division")],
)
def test_a_prompt_that_is_none_is_an_error_of_the_block(prompt: str, word: str) -> None:
    world = asked([ask(prompt=prompt)])
    assert world.ended.error.type == "handler_invalid"
    assert world.ended.error.message.startswith("message[0].ask: ")
    assert word in world.ended.error.message


def test_a_session_that_somebody_waits_for_is_not_over_while_its_handler_asks() -> None:
    world = asked()
    state = replace(world.state, new=world.state.new.model_copy(update={"once": True}))
    assert isinstance(next_action(state), Rest)
    answered = replace(answer(world).state, new=state.new)
    assert isinstance(next_action(answered), CloseSession)
