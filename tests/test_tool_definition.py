from datetime import timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from perdure.workflows.definition.tools import Approval, ClientTool, Retry, ToolEntry, ToolUse

pytestmark = pytest.mark.pure

ENTRY: TypeAdapter[Any] = TypeAdapter(ToolEntry)
OBJECT = {"type": "object"}
REMOTE = {"task_queue": "stock", "description": "x", "input": OBJECT}


def read(value: Any) -> Any:
    return ENTRY.validate_python(value)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("pay", ToolUse(name="pay")),
        ({"pay": None}, ToolUse(name="pay")),
        ({"pay": {"approval": "always"}}, ToolUse(name="pay", approval=Approval())),
        ({"pay": {"approval": "never"}}, ToolUse(name="pay")),
        (
            {"pay": {"approval": {"when": "{{ true }}", "expires": "7d", "default": "approve"}}},
            ToolUse(name="pay", approval=Approval(when="{{ true }}", expires=timedelta(days=7), default="approve")),
        ),
        (
            {"pay": {"side_effects": "once", "on_unknown": "ask"}},
            ToolUse(name="pay", side_effects="once", on_unknown="ask", retry=Retry(attempts=1)),
        ),
        (
            {"pay": {"side_effects": "once", "retry": {"non_retryable": ["x"]}}},
            ToolUse(name="pay", side_effects="once", retry=Retry(attempts=1, non_retryable=("x",))),
        ),
        (
            {"find": {**REMOTE, "heartbeat": "2s", "queue_timeout": "1s"}},
            ToolUse(name="find", **REMOTE, heartbeat=timedelta(seconds=2), queue_timeout=timedelta(seconds=1)),
        ),
        (
            {"client": {"name": "pick", "description": "x", "expires": "1h"}},
            ClientTool(name="pick", description="x", expires=timedelta(hours=1)),
        ),
    ],
)
def test_what_is_written_is_read_and_read_again(written: Any, expected: Any) -> None:
    found = read(written)
    assert found == expected
    # In the form that is stored in the blob store, and sent to a session.
    assert read(found.model_dump(mode="json")) == expected


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({"pay": "30s"}, "pay: the options of a tool are a mapping, as in {timeout: 30s}"),
        ({"pay": {"name": "x"}}, "pay: the options of a tool are a mapping, as in {timeout: 30s}"),
        ({"pay": {"kind": "client"}}, "pay: the options of a tool are a mapping, as in {timeout: 30s}"),
        ({"pay": {}, "find": {}}, "a tool is a name, or one name with its options"),
        ({"agent": "x"}, "agent"),
        ({"client": "x"}, "client: is a mapping"),
        ({"client": {"kind": "activity", "name": "x"}}, "client: is a mapping"),
        ({"client": {"name": "x"}}, "description"),
        ({"client": {"name": "x", "description": "x", "timeout": "3s"}}, "timeout"),
        ({"client": {"name": "x", "description": "x", "expires": "10ms"}}, "expires"),
        ({"client": {"name": "x", "description": "x", "input": {"type": "array"}}}, "input: is a JSON Schema"),
        ({"pay": {"timeout": "0s"}}, "timeout"),
        ({"pay": {"timeout": "400d"}}, "timeout"),
        ({"pay": {"approval": "sometimes"}}, "is always, never or"),
        ({"pay": {"approval": {"expires": "10ms"}}}, "expires"),
        ({"pay": {"approval": {"default": "approve"}}}, "default: only counts with expires"),
        ({"pay": {"approval": {"who": "boss"}}}, "who"),
        ({"pay": {"approval": True}}, "approval"),
        ({"pay": {"side_effects": "twice"}}, "side_effects"),
        ({"pay": {"side_effects": "once", "retry": {"attempts": 2}}}, "retry: a tool whose side effects happen once"),
        ({"pay": {"on_unknown": "ask"}}, "on_unknown: only counts with side_effects: once"),
        ({"pay": {"fallback": "pay"}}, "fallback: cannot be the tool itself"),
        ({"pay": {"parallel": 0}}, "parallel"),
        ({"pay": {"retry": {"attempts": 0}}}, "attempts"),
        ({"pay": {"retry": {"backoff": 0.5}}}, "backoff"),
        ({"pay": {"retry": {"initial": "0ms"}}}, "initial"),
        ({"pay": {"input": OBJECT}}, "input: only counts with task_queue"),
        ({"pay": {"output": OBJECT}}, "output: only counts with task_queue"),
        ({"pay": {"description": "x"}}, "description: only counts with task_queue"),
        ({"pay": {"heartbeat": "2s"}}, "heartbeat: only counts with task_queue"),
        ({"pay": {"queue_timeout": "2s"}}, "queue_timeout: only counts with task_queue"),
        ({"pay": {**REMOTE, "process": True}}, "process: does not count with task_queue"),
        ({"client": {"name": "x", "description": "x", "process": True}}, "process"),
        ({"mcp": {"url": "http://localhost", "process": True}}, "process"),
        ({"agent": {"name": "x", "process": True}}, "process"),
        ({"pay": {"task_queue": "stock"}}, "task_queue: a tool of another worker needs"),
        ({"pay": {"task_queue": "stock", "input": OBJECT}}, "task_queue: a tool of another worker needs"),
        ({"pay": {**REMOTE, "input": {"type": "string"}}}, "input: is a JSON Schema of type: object"),
        ({"pay": {**REMOTE, "task_queue": ""}}, "task_queue"),
        ({"pay": {**REMOTE, "heartbeat": "10ms"}}, "heartbeat"),
        ({"1st": {}}, "name"),
        (7, ""),
    ],
)
def test_what_cannot_be_meant_is_refused_by_its_field(written: Any, told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        read(written)
    assert told in str(caught.value)
