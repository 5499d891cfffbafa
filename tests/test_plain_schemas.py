"""A schema that is taken without the meta-schema is one that the meta-schema takes, too."""

from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from perdure.temporal.schemas.plain import _KEYWORDS, TYPES, is_plain

META = Draft202012Validator(Draft202012Validator.META_SCHEMA)
ORDER = {
    "type": "object",
    "description": "An order.",
    "properties": {
        "id": {"type": "string", "pattern": "^[a-z]+$", "minLength": 1},
        "lines": {"type": "array", "items": {"type": "integer", "minimum": 0.5}, "maxItems": 9},
        "state": {"enum": ["new", None], "default": None},
        "anything": True,
    },
    "required": ["id"],
    "additionalProperties": False,
}

values = st.one_of(
    st.sampled_from([*TYPES, "text", "", 0, 1, -1, 1.5, True, False, None, float("nan")]),
    st.lists(st.sampled_from(["a", "b", 1, None]), max_size=3),
)
schemas: st.SearchStrategy[Any] = st.recursive(
    values,
    lambda inner: st.dictionaries(
        st.sampled_from([*_KEYWORDS, "$ref", "anyOf", "a"]), inner | st.dictionaries(st.sampled_from("ab"), inner)
    ),
    max_leaves=12,
)


def test_the_usual_keywords_are_plain() -> None:
    assert is_plain(ORDER)
    assert not is_plain({"$ref": "#/$defs/a"})


@given(schemas)
def test_what_is_plain_is_valid(schema: Any) -> None:
    plain = is_plain(schema)
    event(f"plain: {plain}, mapping: {isinstance(schema, dict)}")
    assert not plain or META.is_valid(schema)
