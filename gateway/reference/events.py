"""The types of events and live frames, made from their schemas, each with an example."""

import json
from typing import Any, Final

from perdure.gateway.app import create_routes
from perdure.gateway.guide.markdown import slug
from perdure.gateway.openapi import examples
from perdure.gateway.openapi.stream import EVENTS, FRAMES, type_of
from perdure.gateway.openapi.tables import fields
from perdure.gateway.openapi.wording import cell

_COMMON: Final = ("seq", "type", "at", "turn_id")
_DURABLE: Final = """\
Every durable event has `seq`, `type`, `at` (RFC 3339) and `turn_id`, which is null outside of turns. A field that is
marked *optional* is absent when there is nothing to say."""
_LIVE: Final = "The data of a live frame has no `type`: the SSE field `event` has it."


def reference() -> str:
    schemas = create_routes().openapi()["components"]["schemas"]
    durable = {type_of(event): schemas[event.__name__] for event in EVENTS}
    live = {kind: schemas[frame.__name__] for kind, frame in FRAMES.items()}
    return "\n\n".join(
        [
            _DURABLE,
            _contents(durable),
            *(_section(kind, schema, examples.EVENTS.get(kind)) for kind, schema in durable.items()),
            "## Live frames",
            _LIVE,
            _contents(live),
            *(_section(kind, schema, examples.FRAMES.get(kind)) for kind, schema in live.items()),
        ]
    )


def _contents(schemas: dict[str, dict[str, Any]]) -> str:
    lines = ["| type | says |", "|---|---|"]
    lines += [
        f"| [`{kind}`](#{slug(kind)}) | {cell(schema.get('description', ''))} |" for kind, schema in schemas.items()
    ]
    return "\n".join(lines)


def _section(kind: str, schema: dict[str, Any], example: dict[str, Any] | None) -> str:
    leave_out = {"timer.set": ("seq", "type"), "session.snapshot": ("type",)}.get(kind, _COMMON)
    parts = [f"### `{kind}`", schema.get("description", ""), fields(schema, _link, leave_out=leave_out)]
    if example is not None:
        parts.append(f"```json\n{json.dumps(example, indent=2)}\n```")
    return "\n\n".join(filter(None, parts))


def _link(name: str) -> str:
    return f"/docs#{slug(name)}"
