"""The interpreter of handlers: programs, batches, and what one run may hold."""

from typing import Any

import pytest
from pydantic import TypeAdapter

from perdure.workflows.core.handlers.held import MOST_HELD
from perdure.workflows.core.handlers.interpreter import HandlerFault, carried_on
from perdure.workflows.core.handlers.shared import Shared
from perdure.workflows.core.state.handlers import Calling, HandlerRun
from perdure.workflows.core.state.record import replace
from perdure.workflows.definition.handlers import Handler, Program
from perdure.workflows.definition.variables import SessionVariable
from perdure.workflows.vocabulary.errors import HANDLER_TOO_LONG
from tests.support.random_handlers import VARIABLES, Maker

pytestmark = pytest.mark.pure

_HANDLER: TypeAdapter[Handler] = TypeAdapter(Handler)


def program_of(blocks: list[Any]) -> Program:
    return _HANDLER.validate_python({"do": blocks}).program("message")


def run_of(**variables: Any) -> HandlerRun:
    return HandlerRun(handler="message", digest="d1", variables=variables)


def shared_of(variables: dict[str, Any]) -> Shared:
    read = {name: SessionVariable.model_validate(one) for name, one in variables.items()}
    return Shared(read, {name: one.default for name, one in read.items()})


@pytest.mark.parametrize("seed", range(30))
def test_where_a_batch_ends_makes_no_difference(seed: int) -> None:
    program = program_of(Maker(seed).handler())
    at_once, in_pieces = shared_of(VARIABLES), shared_of(VARIABLES)
    whole = carried_on(run_of(), program, {}, most=100_000, shared=at_once)
    pieces = run_of()
    for _ in range(100_000):
        if pieces.doing is not None or pieces.over:
            break
        pieces = carried_on(pieces, program, {}, most=1, shared=in_pieces)
    assert (pieces, in_pieces.written) == (whole, at_once.written)


def test_a_long_loop_takes_many_batches() -> None:
    program = program_of(
        [
            {"set": {"sum": 0}},
            {
                "for_each": {
                    "in": "{{ range(10000) }}",
                    "as": "n",
                    "max": 10_000,
                    "do": [{"set": {"sum": "{{ sum + n }}"}}],
                }
            },
        ]
    )
    run, batches = run_of(), 0
    while not run.over:
        run, batches = carried_on(run, program, {}), batches + 1
    assert (run.variables, run.frames) == ({"sum": sum(range(10_000))}, ())
    assert batches == 151


def test_a_handler_that_never_ends_is_ended() -> None:
    nested: list[Any] = [{"set": {"x": 1}}]
    for name in ("a", "b", "c"):
        nested = [{"for_each": {"in": "{{ range(1000) }}", "as": name, "do": nested}}]
    run = HandlerRun(handler="message", digest="d1", count=999_900)
    with pytest.raises(HandlerFault) as fault:
        carried_on(run, program_of(nested), {})
    assert fault.value.error.type == HANDLER_TOO_LONG


def test_a_run_holds_only_so_much() -> None:
    blocks = [{"set": {f"v{number}": "{{ 'x' * 100000 }}"}} for number in range(10)]
    with pytest.raises(HandlerFault, match=f"more than {MOST_HELD // 1024} KiB") as fault:
        carried_on(run_of(), program_of(blocks), {})
    assert fault.value.error.message.startswith("message[5].set: ")


def test_a_loop_gives_its_variable_back() -> None:
    program = program_of([{"for_each": {"in": [1, 2], "as": "user", "do": [{"set": {"last": "{{ user }}"}}]}}])
    run = carried_on(run_of(), program, {"user": {"id": "u1"}})
    assert (run.variables, run.over) == ({"last": 2}, True)


def test_running_an_agent_is_a_call_of_its_tool() -> None:
    run = {"agent": "finder", "message": "Find {{ what }}.", "inputs": {"deep": "{{ 1 > 0 }}"}, "into": "found"}
    call = {"tool": "finder", "with": {"message": "Find {{ what }}.", "deep": "{{ 1 > 0 }}"}, "into": "found"}
    ran, called = (
        carried_on(run_of(what="it"), program_of([block]), {}).doing for block in ({"run_agent": run}, {"call": call})
    )
    assert isinstance(ran, Calling)
    assert isinstance(called, Calling)
    assert ran.args == {"message": "Find it.", "deep": True}
    assert ran.block.at == "message[0].run_agent"
    assert replace(ran, block=called.block) == called
