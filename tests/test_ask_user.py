"""The form tool: how a definition names it, and which answers fit a call."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter, ValidationError

from perdure.workflows.definition.ask_user import DESCRIPTION, INPUT, answer_schema
from perdure.workflows.definition.tools import ClientTool, ToolEntry

pytestmark = pytest.mark.pure

ENTRY: TypeAdapter[Any] = TypeAdapter(ToolEntry)
FIELDS = [
    {"name": "who", "type": "text", "required": True},
    {"name": "age", "type": "number"},
    {"name": "gift", "type": "boolean"},
    {"name": "size", "type": "choice", "options": ["S", "L"]},
    {"name": "day", "type": "date"},
]


def test_its_name_is_enough() -> None:
    plain, timed = ENTRY.validate_python("ask_user"), ENTRY.validate_python({"ask_user": {"expires": "2d"}})
    assert isinstance(plain, ClientTool)
    assert (plain.name, plain.description, plain.input, plain.expires) == ("ask_user", DESCRIPTION, INPUT, None)
    assert timed.expires.days == 2
    assert ENTRY.validate_python(timed.model_dump(mode="json")) == timed
    Draft202012Validator.check_schema(INPUT)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"ask_user": {"description": "mine"}}, "describes itself"),
        ({"ask_user": {"timeout": "3s"}}, "timeout"),
        ({"client": {"name": "ask_user", "description": "mine"}}, "is built in"),
    ],
)
def test_nothing_else_has_its_name(entry: Any, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ENTRY.validate_python(entry)


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        ({"who": "Ada"}, None),
        ({"who": "Ada", "age": 36.5, "gift": False, "size": "L", "day": "2026-02-03"}, None),
        ({}, "who"),
        ({"who": " "}, "who"),
        ({"who": "Ada", "age": "old"}, "age"),
        ({"who": "Ada", "size": "XL"}, "size"),
        ({"who": "Ada", "day": "2026-13-01"}, "day"),
        ({"who": "Ada", "more": 1}, "more"),
    ],
)
def test_answers_fit_the_fields(answer: Any, wrong: str | None) -> None:
    errors = list(Draft202012Validator(answer_schema({"prompt": "Who?", "fields": FIELDS})).iter_errors(answer))
    told = [f"{error.json_path} {error.message}" for error in errors]
    assert [wrong is not None and wrong in one for one in told] == ([True] if wrong else [])


@pytest.mark.parametrize("fields", [None, [], "many", [{"label": "no name"}, 7]])
def test_without_fields_it_is_one_text(fields: Any) -> None:
    fits = Draft202012Validator(answer_schema({"prompt": "Why?", "fields": fields})).is_valid
    assert [fits({"answer": "So."}), fits({"answer": ""}), fits({}), fits("So.")] == [True, False, False, False]
