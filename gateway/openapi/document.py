"""The OpenAPI document: FastAPI's, with what viewers see of the engine's records, described by the code's own comments.

Rule: a shape is described once. Events, messages and questions are the engine's records; `shown` takes out what viewers are
not shown.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, get_args

from fastapi.routing import iter_route_contexts
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.routing import BaseRoute

from perdure.gateway.openapi import examples
from perdure.gateway.openapi.answers import ProblemBody
from perdure.gateway.openapi.shown import as_shown
from perdure.gateway.openapi.stream import EVENTS, FRAMES, item_schema, type_of
from perdure.gateway.openapi.words import FIELDS
from perdure.temporal.field_comments import field_comments

_PLACE: Final = "#/components/schemas/"
_BEARER: Final = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API key, a token of the identity provider, or a session's token. `perdure dev` asks for none.",
}
_NONE: Final = re.compile(r"\bNone\b")


def complete(document: dict[str, Any], routes: Sequence[BaseRoute]) -> dict[str, Any]:
    """Completes FastAPI's document of `routes` in place, and returns it."""
    contexts = list(iter_route_contexts(routes))
    schemas: dict[str, Any] = document.setdefault("components", {}).setdefault("schemas", {})
    others: list[type[BaseModel]] = [*EVENTS, *FRAMES.values(), ProblemBody]
    _, made = models_json_schema([(record, "serialization") for record in others], ref_template=f"{_PLACE}{{model}}")
    schemas |= {name: schema for name, schema in made["$defs"].items() if name not in schemas}
    schemas["StreamItem"] = item_schema()
    taken = {record.__name__: record for record in _records(_bodies(contexts))}
    given = {record.__name__: record for record in _records([*_answers(contexts), *others])}
    for name, record in given.items():
        # A record that is also taken keeps its defaults: whoever sends it may leave fields out.
        if name not in taken and name in schemas:
            as_shown(record, schemas[name])
    for name in schemas.keys() - _reachable(document):
        del schemas[name]
    for name, record in (taken | given).items():
        if name in schemas:
            _describe(record, schemas[name])
    _exemplify(schemas)
    document["components"]["securitySchemes"] = {"bearer": _BEARER}
    document["security"] = [{"bearer": []}, {}]
    return document


def _answers(routes: Iterable[Any]) -> Iterator[Any]:
    for route in routes:
        yield getattr(route, "response_model", None)
        yield from (answer.get("model") for answer in (getattr(route, "responses", None) or {}).values())


def _bodies(routes: Iterable[Any]) -> Iterator[Any]:
    for route in routes:
        if (body := getattr(route, "body_field", None)) is not None:
            yield body.field_info.annotation


def _records(roots: Iterable[Any]) -> list[type[BaseModel]]:
    """All records that these types are made of."""
    found: list[type[BaseModel]] = []
    waiting = list(roots)
    while waiting:
        kind = waiting.pop()
        waiting += get_args(kind)
        if isinstance(kind, type) and issubclass(kind, BaseModel) and kind not in found:
            found.append(kind)
            waiting += [field.annotation for field in kind.model_fields.values()]
    return found


def _reachable(document: dict[str, Any]) -> set[str]:
    """Names of the schemas that the routes lead to."""
    schemas = document["components"]["schemas"]
    found: set[str] = set()
    waiting = list(_references(document["paths"]))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _references(schemas[name])
    return found


def _references(value: Any) -> Iterator[str]:
    match value:
        case {"$ref": str(place)}:
            yield place.removeprefix(_PLACE)
        case dict():
            for one in value.values():
                yield from _references(one)
        case list():
            for one in value:
                yield from _references(one)
        case _:
            pass


def _describe(record: type[BaseModel], schema: dict[str, Any]) -> None:
    required = schema.get("required", ())
    for name, comment in field_comments(record).items():
        field = schema.get("properties", {}).get(name)
        if field is not None:
            nothing = "null" if name in required else "absent"
            field.setdefault("description", _NONE.sub(nothing, comment))
    for name, field in schema.get("properties", {}).items():
        if name in FIELDS:
            field.setdefault("description", FIELDS[name])
        # Pydantic makes it from the name, so it says nothing.
        if field.get("title", "").replace(" ", "").lower() == name.replace("_", "").rstrip("_"):
            del field["title"]


def _exemplify(schemas: dict[str, Any]) -> None:
    for event in EVENTS:
        schemas[event.__name__]["examples"] = [examples.EVENTS[type_of(event)]]
    for kind, frame in FRAMES.items():
        if kind in examples.FRAMES:
            schemas[frame.__name__]["examples"] = [examples.FRAMES[kind]]
