from typing import Any

import pytest

from perdure.activities.models.argument_validation import validated
from perdure.activities.tools.argument_check import misfits, wrong_arguments
from perdure.workflows.definition import ask_user
from perdure.workflows.vocabulary.parts import Text, ToolCall, ToolSpec

PICK = {
    "type": "object",
    "properties": {"days": {"type": "array", "items": {"type": "integer"}}, "prompt": {"type": "string"}},
    "required": ["days"],
    "additionalProperties": False,
}
PICKS = ToolSpec(name="pick", description="Picks", input=PICK)
ASKS = ToolSpec(name="ask_user", description="Asks", input=ask_user.INPUT)


@pytest.mark.parametrize(
    ("args", "wrong"),
    [
        ({"days": [1, 2], "prompt": "When?"}, None),
        ({"days": [1, "two"]}, "days[1]: 'two' is not of type 'integer'"),
        ({}, "days: is required"),
        ({"days": [], "when": 1}, "when: is not an argument of this tool; its arguments: days, prompt"),
        ({"when": 1}, "days: is required; when: is not an argument of this tool; its arguments: days, prompt"),
    ],
)
def test_what_does_not_fit_is_named(args: dict[str, Any], wrong: str | None) -> None:
    assert "; ".join(misfits(args, PICKS)) == (wrong or "")
    told = "pick was not called, because its arguments are wrong. days: is required."
    assert wrong_arguments("pick", "days: is required") == told


def test_so_many_faults_are_told_and_no_more() -> None:
    told = misfits({"days": ["x"] * 10_000}, PICKS)
    assert sum("is not of type" in line for line in told) == len(told) == 10


@pytest.mark.parametrize("schema", [{"$ref": "http://elsewhere/x"}, {"pattern": "("}, {"minLength": "x"}])
def test_a_schema_that_cannot_be_applied_says_nothing(schema: dict[str, Any]) -> None:
    tool = ToolSpec(name="pick", description="", input={"type": "object", "properties": {"days": schema}})
    call = ToolCall(call_id="c1", name="pick", args={"days": "1"})
    # Nor for the call: it is not marked as checked.
    assert validated((call,), (tool,), lambda spec: None) == (call,)


def test_the_form_tool_s_calls_are_compared_like_any_other() -> None:
    told = "; ".join(misfits({"prompt": "Which?", "fields": [{"name": "a", "type": "colour"}]}, ASKS))
    assert "fields[0].type: 'colour' is not one of" in told
    told = "; ".join(misfits({"prompt": "Which?", "fields": [{"name": "a", "hint": 1}]}, ASKS))
    assert "fields[0].type: is required" in told
    assert "fields[0].hint: is not a known field" in told


def test_only_calls_of_known_tools_with_arguments_are_compared() -> None:
    tools = (ToolSpec(name="pick", description="Picks", input=PICK),)
    parts = (
        Text(text="I pick."),
        ToolCall(call_id="c1", name="pick", args={"days": [1]}),
        ToolCall(call_id="c2", name="pick", args={}),
        ToolCall(call_id="c3", name="pick", args={}, args_raw="{"),
        ToolCall(call_id="c4", name="nowhere", args={}),
    )
    text, good, bad, *others = validated(parts, tools, lambda spec: None)
    assert (text, *others) == (parts[0], *parts[3:])
    assert isinstance(good, ToolCall)
    assert good == parts[1].model_copy(update={"checked": "schema"})
    assert isinstance(bad, ToolCall)
    assert (bad.checked, bad.misfit is not None) == ("schema", True)
    # Older sessions' messages are unchanged, byte for byte.
    assert "misfit" not in parts[1].model_dump_json()


@pytest.mark.parametrize(
    ("schema", "fits"),
    [
        ({"properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}}, False),
        ({"patternProperties": {"^(a+)+$": {}}, "additionalProperties": False}, False),
        ({"patternProperties": {"^(a+)+$": {}}, "unevaluatedProperties": False}, True),
    ],
)
def test_a_strangers_pattern_holds_nobody_up(schema: dict[str, Any], fits: bool) -> None:
    """Each of these would take longer than the age of the universe."""
    tool = ToolSpec(name="pick", description="", input={"type": "object", **schema}, foreign=True)
    text = "a" * 60 + "!"
    assert (misfits({"a": text, text: 1}, tool) == []) == fits
