"""What a command to rewind tells of the calls that leave: bounded, however many there are."""

import pytest
from pydantic import JsonValue

from perdure.temporal.sessions.errors import NotRewindable
from perdure.temporal.sessions.leaving_calls import MOST_UNDONE, leaving_calls
from perdure.workflows.core.rewinds.plan import MOST_STANDING
from perdure.workflows.vocabulary.parts import Message, ToolCall, ToolError, ToolResult
from tests.support.core import AT, agent
from tests.support.rewinding import TOOLS

DEFINITION = agent(
    tools=(*TOOLS, {"client": {"name": "pick", "description": "", "input": {"type": "object"}}})
).definition


def made(name: str, count: int, output: JsonValue = "ok", *, is_error: bool = False) -> list[Message]:
    """A message for each call, with its result."""
    said = []
    for number in range(count):
        call = ToolCall(call_id=f"{name}.c{number}", name=name, args={"text": f"{number} " * 100})
        result = ToolResult(call_id=call.call_id, name=name, output=output, is_error=is_error)
        said.append(Message(id=f"{name}.{number}", role="assistant", parts=(call, result), at=AT))
    return said


def test_calls_that_stand_are_counted_beyond_the_first() -> None:
    told = leaving_calls([*made("add", 10_000), *made("other", 3)], DEFINITION, None)

    assert [call.call_id for call in told.calls] == [f"add.c{number}" for number in range(MOST_STANDING)]
    assert told.more == {"add": 10_000 - MOST_STANDING, "other": 3}
    assert len(repr(told)) < 40_000


def test_calls_that_are_taken_back_are_told_in_full_behind_any_number_of_others() -> None:
    told = leaving_calls([*made("add", 500), *made("pay", MOST_UNDONE, {"payment_id": "P"})], DEFINITION, True)

    back = [call for call in told.calls if call.name == "pay"]
    assert len(back) == MOST_UNDONE
    assert all(call.output == {"payment_id": "P"} and len(str(call.args)) > 200 for call in back)
    assert told.more == {"add": 500 - MOST_STANDING}


def test_more_than_one_rewind_takes_back_is_refused_unless_nothing_is_to_be_taken_back() -> None:
    leaving = made("pay", MOST_UNDONE + 1, {"payment_id": "P"})

    for undo in (None, True):
        with pytest.raises(NotRewindable, match=r"take back 201 calls.*200 at most.*undo: false"):
            leaving_calls(leaving, DEFINITION, undo)
    told = leaving_calls(leaving, DEFINITION, undo=False)
    assert (len(told.calls), told.more) == (MOST_UNDONE, {"pay": 1})


def test_calls_that_were_taken_back_before_do_not_count() -> None:
    leaving = made("pay", MOST_UNDONE + 5, {"payment_id": "P"})
    told = leaving_calls(leaving, DEFINITION, True, [f"pay.c{number}" for number in range(50)])
    assert [call.call_id for call in told.calls] == [f"pay.c{number}" for number in range(50, MOST_UNDONE + 5)]
    assert told.more == {}


def test_what_did_nothing_is_neither_told_nor_counted() -> None:
    failed = ToolError(type="refused", message="No.").model_dump(mode="json")
    unknown = ToolError(type="outcome_unknown", message="Who knows?").model_dump(mode="json")
    leaving = [
        *made("look", 100),
        *made("pick", 100),
        *made("add", 100, failed, is_error=True),
        *made("send", 60, unknown, is_error=True),
    ]

    told = leaving_calls(leaving, DEFINITION, None)

    assert {call.name for call in told.calls} == {"send"}
    assert told.more == {"send": 60 - MOST_STANDING}


def test_long_results_do_not_make_a_command_long() -> None:
    told = leaving_calls(made("pay", 150, "long " * 5_000), DEFINITION, True)

    assert [call.whole for call in told.calls].count(True) == 10
    assert len(told.calls) + told.more.get("pay", 0) == 150
    assert sum(len(str(call.output)) for call in told.calls) < 256 * 1024
