"""How deeply JSON may be nested: every accepted value can be read back, wherever a session stores it."""

from typing import Any

import pytest
from mcp_types import ElicitRequest, ElicitRequestFormParams
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError

from perdure.activities.mcp.questions import Dialogue, NotAskable
from perdure.activities.models.provider_turns import parse_arguments
from perdure.activities.tools.outputs import sized_result
from perdure.temporal.schemas.check import input_fault, schema_fault
from perdure.temporal.schemas.nesting import DEEPEST, too_deep
from perdure.workflows.core.runs import SessionInput
from perdure.workflows.protocol.activities import CallMcpToolInput
from tests.support.core import Story


def nested(depth: int) -> Any:
    value: Any = 1
    for level in range(depth):
        value = {"a": value} if level % 2 else [value]
    return value


def test_the_bound() -> None:
    assert [too_deep(nested(depth)) for depth in (0, 1, DEEPEST, DEEPEST + 1, 5000)] == [False] * 3 + [True] * 2
    assert not too_deep([{}, [], "[[[[", {"a": [1, {"b": None}]}])


async def test_what_is_let_through_outlives_the_run() -> None:
    deepest = nested(DEEPEST)
    story = Story.new().loaded().turn().called({"a": nested(DEEPEST - 1)})
    carried = SessionInput(carried=story.result("t1.s1.c1", deepest).state)
    (back,) = await pydantic_data_converter.decode(await pydantic_data_converter.encode([carried]), [SessionInput])
    assert back == carried


def test_a_tool_s_result_and_a_model_s_arguments() -> None:
    assert sized_result("c", "nest", nested(DEEPEST))[1] is False
    with pytest.raises(ApplicationError, match=f"its result is nested more than {DEEPEST} levels deep") as refused:
        sized_result("c", "nest", nested(DEEPEST + 1))
    assert (refused.value.type, refused.value.non_retryable) == ("invalid_result", True)
    with pytest.raises(ApplicationError, match="cannot be read back: number out of range") as refused:
        sized_result("c", "power", {"a": 10**5000})
    assert (refused.value.type, refused.value.non_retryable) == ("invalid_result", True)
    written = '{"a": ' + "[" * DEEPEST + "]" * DEEPEST + "}"
    assert parse_arguments(written) == ({}, written)


@pytest.mark.parametrize("depth", [DEEPEST, 220])
def test_a_schema(depth: int) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "default": nested(depth)}}}
    fault = ((), f"nested more than {DEEPEST} levels deep")
    assert (schema_fault(schema), input_fault(schema)) == (fault, fault)


def test_schemas_in_schemas() -> None:
    schema: dict[str, Any] = {}
    for _ in range(DEEPEST - 1):
        schema = {"not": schema}
    # Whether the check reaches the end depends on how much of Python's stack is in use.
    assert schema_fault(schema) in (None, ((), "nested too deep"))


@pytest.mark.parametrize(
    ("form", "why"),
    [
        ({"properties": {"a": {"type": "string", "default": nested(220)}}}, "nested more than"),
        ({"patternProperties": {"^(a+)+$": {}}, "additionalProperties": False}, "fields without names"),
    ],
)
async def test_a_form_of_a_server_s(form: dict[str, Any], why: str) -> None:
    dialogue = Dialogue(CallMcpToolInput(label="shop", name="ask", tool="ask", args={}))
    request = ElicitRequest(params=ElicitRequestFormParams(message="Which?", requested_schema=form))
    with pytest.raises(NotAskable, match=why):
        dialogue.take({"size": request}, None)
