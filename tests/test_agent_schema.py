import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from perdure.temporal.definitions.folders import SHIPPED
from perdure.temporal.definitions.json_schema import schema
from perdure.workflows.vocabulary.durations import PATTERN, parse_duration

VALIDATOR = Draft202012Validator(schema())
LEAST: dict[str, Any] = {"name": "a", "model": "m", "instructions": "x"}


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("file", sorted(SHIPPED.glob("*.yaml")), ids=lambda file: file.name)
def test_the_shipped_agents_fit(file: Any) -> None:
    VALIDATOR.validate(yaml.safe_load(file.read_text()))


CALL: dict[str, Any] = {"call": {"tool": "pay", "compensate": {"tool": "refund", "with": {"id": "x"}}}}
BACK: dict[str, Any] = {"compensate": None}
EACH: dict[str, Any] = {"for_each": {"in": "{{ [1] }}", "as": "one", "max": 3}}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"instructions": {"file": "a.md"}},
        {"tools": ["find_order", {"calculator": None}, {"fetch_url": {"timeout": "1.5m", "retry": {"attempts": 2}}}]},
        {"tools": [{"pay": {"approval": "always", "side_effects": "once", "on_unknown": "ask"}}, "wake_me"]},
        {"tools": [{"pay": {"approval": {"when": "{{ args.sum > 1 }}", "expires": "7d", "default": "approve"}}}]},
        {"tools": [{"find_stock": {"task_queue": "stock", "description": "x", "input": {"type": "object"}}}]},
        {"tools": [{"client": {"name": "pick", "description": "x", "output": {"type": "string"}, "expires": "1h"}}]},
        {"tools": [{"mcp": {"url": "http://localhost/mcp", "allow": ["search"], "approval": "never"}}]},
        {"limits": {"turn": {"calls_per_step": 4}, "session": {"parallel_calls": 2}}},
        {"handlers": {"message": [{"respond": None}, {"say": "x"}], "look": [{"finish": None}]}},
        {"handlers": {"message": [{"parallel": [CALL, {"run_agent": {"agent": "a", "message": "x"}}]}, BACK]}},
        {"handlers": {"message": [{"parallel": EACH | {"do": CALL, "at_once": 2, "into": "found"}}]}},
        {"handlers": {"message": [{"parallel": EACH | {"do": [CALL]}}]}},
        {"handlers": {"look": {"inputs": {"order_id": {"type": "string"}}, "do": [{"wait": {"for": "3d"}}]}}},
    ],
)
def test_what_people_write_fits(fields: dict[str, Any]) -> None:
    VALIDATOR.validate(LEAST | fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"idle_timeout": "soon"},
        {"instructions": {"text": "x"}},
        {"tools": [{"agent": {"name": "x", "share": 2}}]},
        {"tools": [{"mcp": {"kind": "mcp", "url": "http://x"}}]},
        {"tools": [{"client": {"name": "pick"}}]},
        {"tools": [{"client": {"name": "pick", "description": "x"}, "pay": {}}]},
        {"tools": [{"pay": {"approval": "sometimes"}}]},
        {"tools": [{"pay": {"approval": {"when": "{{ true }}", "expires": "soon"}}}]},
        {"tools": [{"pay": {"name": "x"}}]},
        {"tools": [{"a": {}, "b": {}}]},
        {"tools": [{"a": {"timeout": "soon"}}]},
        {"handlers": {"look up": [{"respond": None}]}},
        {"handlers": {"message": [{"answer": {}}]}},
        {"handlers": {"message": [{"parallel": []}]}},
        {"handlers": {"message": [{"parallel": [{"say": "x"}]}]}},
        {"handlers": {"message": [{"parallel": {"do": CALL}}]}},
        {"handlers": {"message": [{"parallel": EACH | {"do": [CALL, CALL]}}]}},
        {"handlers": {"message": [{"compensate": {"tool": "x"}}]}},
        {"busy": "later"},
    ],
)
def test_what_is_refused_does_not_fit(fields: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid(LEAST | fields)


def test_durations_are_written_as_people_write_them() -> None:
    written = json.dumps(schema())
    assert '"duration"' not in written
    assert '"PT' not in written


def fields(schema: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Each property at any depth, with its place."""
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key == "properties":
                yield from ((f"{place}/{name}", described) for name, described in value.items())
            yield from fields(value, f"{place}/{key}")
    if isinstance(schema, list):
        for index, value in enumerate(schema):
            yield from fields(value, f"{place}/{index}")


def test_every_field_is_described() -> None:
    found = dict(fields(schema()))
    assert len(found) > 85
    assert [place for place, described in found.items() if not described.get("description", "").endswith(".")] == []


def test_every_record_is_described() -> None:
    definitions = {name: one for name, one in schema()["$defs"].items() if name not in ("JsonValue", "ToolOptions")}
    assert [name for name, one in definitions.items() if not one.get("description")] == []


@pytest.mark.parametrize("text", ["30s", "1.5m", "250ms", "2h", "3d", "3", "s", "3 s", "3w", "-3s", ""])
def test_durations_are_those_that_are_read(text: str) -> None:
    try:
        parse_duration(text)
    except ValueError:
        assert re.search(PATTERN, text) is None
    else:
        assert re.search(PATTERN, text) is not None
