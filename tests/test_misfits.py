from typing import Any

import pytest

from activities.misfits import misfit, with_misfits
from workflows import ask_user
from workflows.types import Text, ToolCall, ToolSpec

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
        ({"days": [], "when": 1}, "when: is no argument of this tool; its arguments: days, prompt"),
        ({"when": 1}, "days: is required; when: is no argument of this tool; its arguments: days, prompt"),
    ],
)
def test_what_does_not_fit_is_named(args: dict[str, Any], wrong: str | None) -> None:
    told = None if wrong is None else f"pick was not called, because its arguments are wrong. {wrong}."
    assert misfit(args, PICKS) == told


def test_so_many_faults_are_told_and_no_more() -> None:
    told = misfit({"days": ["x"] * 10_000}, PICKS)
    assert told is not None
    assert told.count("is not of type") == 10


@pytest.mark.parametrize("schema", [{"$ref": "http://elsewhere/x"}, {"pattern": "("}, {"required": 7}])
def test_a_schema_that_cannot_be_applied_says_nothing(schema: dict[str, Any]) -> None:
    whole = {"type": "object", "properties": {"days": schema}}
    assert misfit({"days": "1"}, ToolSpec(name="pick", description="", input=whole)) is None


def test_the_form_tool_s_calls_are_compared_like_any_other() -> None:
    told = misfit({"prompt": "Which?", "fields": [{"name": "a", "type": "colour"}]}, ASKS)
    assert told is not None
    assert "fields[0].type: 'colour' is not one of" in told
    told = misfit({"prompt": "Which?", "fields": [{"name": "a", "hint": 1}]}, ASKS)
    assert told is not None
    assert "fields[0].type: is required" in told
    assert "fields[0].hint: is no field that is known here" in told


def test_only_calls_of_known_tools_with_arguments_are_compared() -> None:
    tools = (ToolSpec(name="pick", description="Picks", input=PICK),)
    parts = (
        Text(text="I pick."),
        ToolCall(call_id="c1", name="pick", args={"days": [1]}),
        ToolCall(call_id="c2", name="pick", args={}),
        ToolCall(call_id="c3", name="pick", args={}, args_raw="{"),
        ToolCall(call_id="c4", name="nowhere", args={}),
    )
    checked = with_misfits(parts, tools)
    assert [part for part in checked if part in parts] == [*parts[:2], *parts[3:]]
    (bad,) = [part for part in checked if part not in parts]
    assert isinstance(bad, ToolCall)
    assert bad.misfit is not None
    # What older sessions have is as it was, to the byte.
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
    assert (misfit({"a": text, text: 1}, tool) is None) == fits
