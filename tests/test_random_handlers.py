"""Handlers made up by a seed do what a plain reading of them says, however often their session is taken up anew."""

import random
from datetime import timedelta
from typing import Any

import pytest

from perdure.workflows.core.session_variables import values_of, values_then
from perdure.workflows.core.state.handlers import HandlerRun, Waiting
from perdure.workflows.core.state.session import dump_state, read_state
from perdure.workflows.definition.answer import AnswerForm
from perdure.workflows.definition.limits import Limits, TurnLimits
from perdure.workflows.protocol.activities import StepOutput
from perdure.workflows.protocol.checked_answers import CheckedAnswer
from perdure.workflows.protocol.signals import Answer, Trigger
from perdure.workflows.vocabulary.parts import Text, ToolCall, ToolError
from perdure.workflows.vocabulary.questions import By
from tests.support.handler_world import Asked, HandlerWorld, output, text_of
from tests.support.random_handlers import MOST_N, VARIABLES, Maker, Reading, called, came, chosen, generated, replied

pytestmark = pytest.mark.pure

_LIMITS = Limits(turn=TurnLimits(steps=500))
_ANSWER = AnswerForm.model_validate(
    {"schema": {"type": "object", "properties": {"n": {"type": "integer", "maximum": MOST_N}}, "required": ["n"]}}
)
_EVENTS = {"came": {"inputs": {"number": {"type": "integer"}}}}


def done_by(world: HandlerWorld, handler: list[Any]) -> None:
    """Runs the session; what it did has to be what the handler says."""
    done: list[Any] = []

    def answer(asked: Asked) -> str | StepOutput:
        said = asked.last.partition("\n")[0]
        if not asked.record.asks:
            done.append(("responds", asked.record.role, asked.prompt.system.partition("\n\n")[2]))
            return output(Text(text='{"n":1}'), answer=CheckedAnswer(value={"n": 1}))
        done.append(("asks", asked.record.role, said))
        return chosen(said) if said.endswith("?") else generated(said)

    def result(call: ToolCall) -> Any:
        done.append(("calls", call.args))
        made = called(call.args)
        return ToolError(type=made, message="It broke.") if isinstance(made, str) else made

    world.answers, world.results = answer, result
    world.send("go").run()
    held = {world.state.turns: world.state.variables}
    while world.state.handlers.parked:
        (run,) = world.state.handlers.parked
        if isinstance(run.doing, Waiting):
            tell(world, run)
            held[world.state.turns] = world.state.variables
            continue
        (question,) = world.state.questions.open
        assert question.prompt is not None
        done.append(("asks a person", question.prompt))
        given = replied(question.prompt)
        answer_id, approved = f"to-{question.question_id}", not isinstance(given, str)
        value = given if isinstance(given, dict) else None
        world.driver.receive(
            Answer(
                id=answer_id, question_id=question.question_id, approved=approved, result=value, by=By(subject="local")
            )
        )
        world.run()
        held[world.state.turns] = world.state.variables
    reading = Reading().read(handler)
    said = [what for what in reading.done if what[0] == "says"]
    assert [what for what in reading.done if what[0] != "says"] == done
    assert world.ended.reason == ("done" if reading.error is None else "failed")
    assert (world.ended.error.type if world.ended.error else None) == reading.error
    assert {turns: values_then(world.state, turns) for turns in held} == held
    assert values_of(world.state) == {name: reading.names[name] for name in VARIABLES}
    if reading.result is not None:
        assert world.ended.result == reading.result
    texts = [event.message for event in world.events if event.type == "message.added"][1:]
    assert [("says", text_of(message)) for message in texts] == said


def tell(world: HandlerWorld, run: HandlerRun) -> None:
    """Sends the run the event that it waits for, behind one that it does not want; or lets its time pass."""
    number = run.variables["a"]
    assert isinstance(number, int)
    said = came(number)
    for wanted in ({"number": number + 100}, said):
        if wanted is None:
            world.later(timedelta(days=1))
            continue
        id_ = f"e{len(world.events)}-{wanted['number']}"
        command = Trigger(id=id_, name="came", event=True, inputs=wanted, content_sha256=id_, cursor=0)
        world.driver.receive(command)
        world.run()


def disturbed(seed: int) -> None:
    handler = Maker(seed).handler()
    more: dict[str, Any] = {"limits": _LIMITS, "answer": _ANSWER, "variables": VARIABLES, "events": _EVENTS}
    calm = HandlerWorld(handler, lambda asked: "", **more)
    done_by(calm, handler)
    rng = random.Random(seed)
    world = HandlerWorld(handler, lambda asked: "", **more)
    # A run that continues as new, or a worker that has nothing in memory, before any decision.
    world.restarts = lambda: rng.random() < 0.5

    done_by(world, handler)
    assert [event.model_dump(exclude={"at"}) for event in world.events if event.type != "turn.finished"] == [
        event.model_dump(exclude={"at"}) for event in calm.events if event.type != "turn.finished"
    ]
    assert read_state(dump_state(world.state)) == world.state


@pytest.mark.parametrize("seed", range(40))
def test_a_handler_does_what_it_says_through_restarts(seed: int) -> None:
    disturbed(seed)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(100, 1_100, 100))
def test_a_thousand_handlers_do_what_they_say_through_restarts(first: int) -> None:
    for seed in range(first, first + 100):
        disturbed(seed)
