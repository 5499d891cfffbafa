"""pydantic's errors in a definition, in words for people: each field of the whole model, broken in each way."""

import copy
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter

from perdure.temporal.definitions.agent_file import load_agent_file
from perdure.temporal.definitions.fault_words import RULES, WORDS, shown, words
from perdure.temporal.definitions.recovery import place_of, recover
from perdure.workflows.definition.agent import AgentDefinition
from perdure.workflows.definition.documents import SHA256, SKILL_NAME
from perdure.workflows.vocabulary import durations

OBJECT = {"type": "object"}
#: A definition that contains every field of every record.
WHOLE: dict[str, Any] = {
    "name": "whole",
    "description": "x",
    "inputs": {"customer": {"type": "string"}},
    "events": {"paid": {"inputs": {"a": {"type": "string"}}}},
    "variables": {"visits": {"type": "integer", "default": 0, "enum": [0, 1], "description": "x"}},
    "models": {
        "main": {
            "use": "openai-chat/x",
            "max_output_tokens": 10,
            "thinking": "low",
            "base_url": "http://x",
            "api_key": "${K}",
            "headers": {"X-Team": "a"},
            "query": {"version": "1"},
            "params": {
                "temperature": 0.5,
                "top_p": 0.5,
                "seed": 1,
                "stop": ["x"],
                "parallel_tool_calls": True,
                "service_tier": "x",
            },
            "extra": {"top_k": 1},
            "context_window": 1000,
            "files": ["image"],
            "fallback": [{"role": "other", "on": ["refusal"]}, {"use": "demo/x", "on": ["content_filter"]}],
            "price": {
                "input": 1,
                "output": 1,
                "cached_input": 1,
                "cache_write": 1,
                "long_input": [{"above": 1, "input": 1, "output": 1, "cached_input": 1, "cache_write": 1}],
            },
        },
        "other": {"use": "openai-chat/y", "base_url": "http://x"},
    },
    "model": "main",
    "instructions": "x",
    "examples": [{"user": "x", "assistant": "x"}],
    "answer": {"schema": OBJECT},
    "tools": [
        {
            "pay": {
                "timeout": "1s",
                "retry": {"attempts": 1, "initial": "1s", "backoff": 1, "maximum": "1s", "non_retryable": ["x"]},
                "approval": {"when": "{{ true }}", "expires": "1h", "default": "approve", "remember": "never"},
                "side_effects": "once",
                "on_unknown": "ask",
                "fallback": "find",
                "parallel": 1,
                "process": True,
            }
        },
        {
            "find": {
                "task_queue": "q",
                "description": "x",
                "input": OBJECT,
                "output": OBJECT,
                "queue_timeout": "1s",
                "heartbeat": "1s",
                "undo": "back",
            }
        },
        {"client": {"name": "pick", "description": "x", "input": OBJECT, "output": OBJECT, "expires": "1h"}},
        {
            "agent": {
                "name": "other",
                "description": "x",
                "share": 0.1,
                "timeout": "1h",
                "handoff": False,
                "approval": {"by": ["finance"], "not_by": "requester"},
            }
        },
        {
            "mcp": {
                "url": "http://x",
                "headers": {"A": "b"},
                "name": "shop",
                "allow": ["x"],
                "expires": "1h",
                "parallel": 1,
            }
        },
        {
            "mcp": {
                "command": ["x"],
                "env": {"A": "b"},
                "timeout": "1s",
                "retry": {},
                "approval": {},
                "side_effects": "none",
            }
        },
        "wake_me",
        {"back": {"side_effects": "idempotent"}},
    ],
    "handlers": {
        "message": [
            {
                "choose": {
                    "model": "main",
                    "thinking": "low",
                    "prompt": "x",
                    "options": ["a", "b"],
                    "into": "v",
                    "display": "name",
                    "limits": {"cost_usd": 1.0, "tokens": 1},
                }
            },
            {
                "switch": [
                    {
                        "when": "{{ true }}",
                        "do": [
                            {
                                "respond": {
                                    **{"model": "main", "thinking": "low", "instructions": "x"},
                                    "limits": {"steps": 1, "cost_usd": 1.0, "tokens": 1},
                                }
                            }
                        ],
                    },
                    {"do": [{"call": {"tool": "find", "with": {"a": 1}, "into": "found", "display": "name"}}]},
                ]
            },
            {
                "parallel": [
                    {
                        "call": {
                            "tool": "find",
                            "with": {"a": 1},
                            "into": "left",
                            "compensate": {"tool": "back", "with": {"a": "x"}},
                        }
                    },
                    {
                        "run_agent": {
                            **{"agent": "other", "message": "x", "inputs": {"a": 1}},
                            **{"into": "right", "display": "name"},
                        }
                    },
                ]
            },
            {
                "parallel": {
                    "for_each": {"in": [1], "as": "item", "max": 3},
                    "at_once": 2,
                    "do": {"call": {"tool": "find", "with": {"a": "{{ item }}"}, "display": "name"}},
                    "into": "results",
                }
            },
            {"compensate": {}},
            {"for_each": {"in": [1], "as": "item", "max": 3, "do": [{"set": {"b": "{{ item }}"}}, {"say": "x"}]}},
            {"try": {"do": [{"wait": {"for": "3d"}}], "catch": [{"type": "x", "do": [{"say": "x"}]}]}},
        ],
        "later": {
            "inputs": {"a": {"type": "string"}},
            "model": "main",
            "thinking": "low",
            "limits": {"steps": 1, "cost_usd": 1.0, "tokens": 1, "tool_calls": 1, "working_time": "5m"},
            "do": [
                {"wait": {"until": "2026-03-06"}},
                {"wait": {"event": "paid", "when": "{{ true }}", "for": "3d", "into": "paid"}},
                {
                    "ask": {
                        "prompt": "x",
                        "form": OBJECT,
                        "by": ["x"],
                        "not_by": "requester",
                        "expires": "3d",
                        "into": "v",
                    }
                },
                {"generate": {"prompt": "x", "output": OBJECT, "into": "v", "limits": {"cost_usd": 1.0, "tokens": 1}}},
                {"finish": {"result": {"a": "{{ v }}"}}},
            ],
        },
    },
    "limits": {
        "turn": {
            **{"steps": 1, "calls_per_step": 1, "cost_usd": 1.0, "tokens": 1, "tool_calls": 1},
            **{"working_time": "5m", "repeats": 4},
        },
        "session": {"cost_usd": 1.0, "parallel_calls": 1, "tokens": 1, "tool_calls": 1},
        "user": {"day": {"cost_usd": 1.0}, "month": {"tokens": 1}, "total": {"tool_calls": 1}},
        "tenant": {"day": {"cost_usd": 1.0}},
        "on_limit": {"cheaper": "other"},
    },
    "context": {
        **{"tool_output_tokens": 100, "date": False, "compact_at": 0.8, "keep_recent": 0.3},
        **{"summarizer": "other", "keep": "names"},
    },
    "busy": "queue",
    "title": {"model": "other", "prompt": "x"},
    "starters": ["x"],
    "idle_timeout": "90d",
    "schedules": [
        {"cron": "* * * * *", "timezone": "UTC", "session": "s", "message": "m", "inputs": {"a": 1}, "user": "u"},
        {"cron": "* * * * *", "session": "t", "handler": "later", "inputs": {"a": "x"}},
    ],
    "secrets": ["K"],
}
#: Typical mistakes, and values that only YAML can produce.
WRONG: tuple[Any, ...] = (
    *(3, -1, 0, 10**30, 1.5, float("nan"), True, None, "", " ", "x y", "1", "12x", "x" * 300, "10ms", "400d", "ask"),
    *(
        [],
        {},
        [1],
        ["x"],
        [[]],
        {"x": 1},
        {"x y": {}},
        {1: 2},
        {"x": [{}]},
        {"kind": "x"},
        "9" * 5000,
        b"\xff",
        date(2026, 1, 1),
        ["x"] * 101,
    ),
)
#: pydantic's jargon, which must not reach people.
JARGON = re.compile(
    r"[Ii]nput should|valid (tuple|string|dictionary|integer|number|boolean|list)|tuple|frozenset|NoneType|None\b|True\b"
    r"|False\b|model_type|instance of|string should|should match|should have|tag|discriminator|parse|dictionary|datetime"
    r"|timedelta|validation|Extra inputs|\bdict\b|\bstr\b|\bint\b|JSON value|\[key\]|not what this field takes"
)


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield place
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in pairs:
        yield from places(inner, (*place, step))


def broken(place: tuple[Any, ...], value: Any) -> dict[str, Any]:
    made = copy.deepcopy(WHOLE)
    holder: Any = made
    for step in place[:-1]:
        holder = holder[step]
    holder[place[-1]] = value
    return made


def fields_of(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key == "properties":
                yield from value
            yield from fields_of(value)
    if isinstance(schema, list):
        for value in schema:
            yield from fields_of(value)


def patterns_of(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("pattern"), str):
            yield schema["pattern"]
        if isinstance(schema.get("patternProperties"), dict):
            yield from schema["patternProperties"]
        for value in schema.values():
            yield from patterns_of(value)
    if isinstance(schema, list):
        for value in schema:
            yield from patterns_of(value)


def test_the_whole_definition_has_every_field() -> None:
    there = {str(step) for place in places(WHOLE) for step in place}
    # People write the ones in another form, and files the others.
    unwritten = {"kind", "values", "cases", "text", "branches", "references", "skills", "sha256", "count"}
    assert set(fields_of(AgentDefinition.model_json_schema())) - there == unwritten
    read = recover(TypeAdapter(AgentDefinition), WHOLE)
    assert [place_of(fault.detail) for fault in read.faults] == []


@pytest.mark.slow
def test_every_field_broken_in_every_way_is_refused_in_plain_words() -> None:
    adapter = TypeAdapter(AgentDefinition)
    kinds: set[str] = set()
    for place in places(WHOLE):
        for value in WRONG if place else ():
            for fault in recover(adapter, broken(place, value)).faults:
                kinds.add(fault.detail["type"])
                said = words(fault.detail)
                assert JARGON.search(said) is None, (place, value, said)
                assert len(said) < 250, (place, said)
                assert said == said.strip()
    # The table contains exactly the errors that a definition can produce.
    assert kinds == WORDS.keys()


def test_every_pattern_has_its_rule_in_words() -> None:
    # A duration is read by hand, and so are files; their faults have words of their own.
    others = {durations.PATTERN, SKILL_NAME, SHA256}
    assert set(patterns_of(AgentDefinition.model_json_schema())) == {*RULES, *others}


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("tools",), "find_order", "must be a list, as in [one, two], not 'find_order'"),
        (("tools", 6), 7, "must be a tool's name, or one name with its options, not 7"),
        (("name",), "my agent", "must be a letter, then up to 63 letters, digits, _ or -, not 'my agent'"),
        (("description",), 3, "must be a text, not 3; put it in quotes"),
        (("description",), None, "must be a text, not null"),
        (("models", "main"), "x", "must be a mapping, as in {use: anthropic/claude-sonnet-5-5}, not 'x'"),
        (("models", "main", "max_output_tokens"), "many", "must be a whole number, not 'many'"),
        (("models", "main", "max_output_tokens"), 1.5, "must be a whole number, not 1.5"),
        (("models", "main", "price", "output"), "x", "must be a number, not 'x'"),
        (("tools", 0, "pay", "process"), "maybe", "must be true or false, not 'maybe'"),
        (("tools", 0, "pay", "parallel"), 0, "must be at least 1, not 0"),
        (("tools", 0, "pay", "timeout"), "400d", "must be at most 365d, not '400d'"),
        (("tools", 0, "pay", "timeout"), "soon", "a duration is a number and a unit: 30s, 5m, 2h, 3d (here: 'soon')"),
        (("tools", 2, "client", "expires"), "10ms", "must be at least 1s, not '10ms'"),
        (("tools", 3, "agent", "share"), 0, "must be more than 0, not 0"),
        (("tools", 4, "mcp", "allow"), [], "must have at least one entry"),
        (
            ("tools", 0, "pay", "side_effects"),
            "onec",
            "must be one of none, idempotent, once, not 'onec'; did you mean 'once'?",
        ),
        (("schedules", 0, "session"), "a b", "must be 1 to 200 letters, digits or any of . _ ~ : -, not 'a b'"),
        (("schedules", 0, "message"), "", "must have at least one character"),
        (("instructions",), [1], "must be a text, not a list"),
        (("starters",), "Hello", "must be a list, as in [one, two], not 'Hello'"),
        (("starters", 0), {"say": "Hello"}, "must be a text, not a mapping"),
        (("starters",), ["x"] * 7, "must have at most 6 entries; it has 7"),
        (("starters", 0), "x" * 201, f"must have at most 200 characters, not '{'x' * 60}…'"),
        (("name",), "x" * 100, f"must be a letter, then up to 63 letters, digits, _ or -, not '{'x' * 60}…'"),
    ],
)
def test_a_message_says_what_would_be_right_and_what_was_written(place: tuple[Any, ...], value: Any, said: str) -> None:
    (fault,) = recover(TypeAdapter(AgentDefinition), broken(place, value)).faults
    assert words(fault.detail) == said


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("models", "main", "api_key"), ["sekrit-value"]),
        (("models", "main", "api_key"), "sekrit-value"),
        (("models", "main", "base_url"), "http://user:sekrit-value@host"),
        (("tools", 4, "mcp", "headers", "A"), ["sekrit-value"]),
        (("tools", 4, "mcp", "headers"), "sekrit-value"),
        (("tools", 4, "mcp", "url"), "sekrit-value"),
        (("tools", 5, "mcp", "env"), "sekrit-value"),
        (("tools", 5, "mcp", "command"), "program --key sekrit-value"),
        (("secrets", 0), "sekrit-value"),
        (("secrets",), "sekrit-value"),
        (("limits", "turn", "steps"), "sk-ant-sekrit-value-0001"),
        (("model_key",), "sekrit-value"),
        (("models",), {"main": "Bearer sekrit-value"}),
        (("models", "main", "use"), "sk-ant-sekrit-value-0001"),
        (("model",), "sk-ant-sekrit-value-0001"),
        (("inputs", "customer"), {"type": "integer", "default": "sk-ant-sekrit-value-0001"}),
    ],
)
def test_what_may_be_a_secret_is_never_repeated(tmp_path: Path, place: tuple[Any, ...], value: Any) -> None:
    file = tmp_path / "whole.yaml"
    file.write_text(yaml.safe_dump(broken(place, value)))
    problems = load_agent_file(file, {}, None).problems
    assert problems
    assert "sekrit" not in "\n".join(map(str, problems))


def test_the_value_of_a_secret_is_not_repeated_where_it_should_not_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "hunter2-hunter2")
    assert shown("it is hunter2-hunter2") is None
    assert shown("it is hunter") == "'it is hunter'"
