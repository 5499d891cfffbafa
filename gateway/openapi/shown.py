"""A record's JSON Schema as viewers see the record: the rules that `gateway.projections.native` encodes by, on schemas."""

from typing import Any, Final

from pydantic import BaseModel

from perdure.gateway.openapi.answers import ScheduleEntry, Snapshot
from perdure.gateway.openapi.stream import type_of
from perdure.temporal.sessions.event_json import ABSENT, ABSENT_HERE, HIDDEN
from perdure.workflows.protocol.signals import Parent
from perdure.workflows.vocabulary.events import EventBase, TimerSet
from perdure.workflows.vocabulary.parts import Message
from perdure.workflows.vocabulary.questions import Question

#: What of the session's own records its snapshot does not show, beside what no viewer is shown.
_HIDDEN_HERE: Final[dict[type[BaseModel], frozenset[str]]] = {
    Snapshot: frozenset(
        {"count", "start", "sealed", "path", "more_questions", "sub_sessions", "limit_changes", "ended", "answered"}
    ),
    Parent: frozenset({"depth", "cap_usd", "cap_tokens", "cap_tool_calls"}),
    ScheduleEntry: frozenset({"inputs"}),
}
_ABSENT_IN: Final[dict[type[BaseModel], frozenset[str]]] = {
    Snapshot: frozenset({"parent"}),
    Message: frozenset({"stopped"}),
}


def as_shown(record: type[BaseModel], schema: dict[str, Any]) -> None:
    """Takes out of `schema` what viewers are not shown, and says which fields are always there."""
    properties = schema.get("properties", {})
    for name in _hidden(record):
        properties.pop(name, None)
    if record is TimerSet:
        # Its `at` is when it will fire; every other event's is when it happened.
        properties["set_at"], properties["at"] = properties["at"], properties.pop("due")
        properties["at"]["description"] = "When it fires."
    absent = {name for name in properties if _may_be_absent(record, name)}
    for name, field in properties.items():
        field.pop("default", None)
        if name in absent:
            properties[name] = _not_null(field)
    schema["required"] = [name for name in properties if name not in absent]


def _hidden(record: type[BaseModel]) -> set[str]:
    return {name for one in record.__mro__ for name in (HIDDEN | _HIDDEN_HERE).get(one, ())}


def _may_be_absent(record: type[BaseModel], name: str) -> bool:
    """Whether the field is left out, rather than null, when there is nothing to say."""
    field = record.model_fields.get(name)
    if field is None:
        return False
    if field.exclude_if is not None or name in _ABSENT_IN.get(record, ()):
        return True
    if issubclass(record, Question):
        return not field.is_required() and field.default is None
    if issubclass(record, EventBase):
        return not field.is_required() and name in ABSENT_HERE.get(type_of(record), ABSENT)
    return False


def _not_null(schema: dict[str, Any]) -> dict[str, Any]:
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    match kinds:
        case []:
            return schema
        case [only]:
            return {**only, **rest}
        case _:
            return {**rest, "anyOf": kinds}
