from typing import Any

import pytest

from perdure.temporal.definitions.template_names import misread_names, names_read

SCHEMAS: dict[str, Any] = {
    "args": {
        "type": "object",
        "properties": {
            "weight_kg": {"type": "number"},
            "count": {"type": "integer"},
            "status": {"type": "string", "enum": ["active", "off"]},
            "who": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "either": {"anyOf": [{"type": "string"}, {"type": "number"}]},
            "tags": {"type": "array", "items": {"$ref": "#/$defs/Tag"}},
            "open": {"type": "object"},
            "map": {"type": "object", "additionalProperties": {"type": "number"}},
            "ready": {"type": "boolean"},
        },
        "$defs": {"Tag": {"type": "object", "properties": {"name": {"type": "string"}}}},
    },
    "empty": {"type": "object", "properties": {}, "additionalProperties": False},
}


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ args.wieght_kg > 10 }}", "there is no args.wieght_kg; did you mean args.weight_kg?"),
        ("{{ args['wieght_kg'] > 10 }}", "there is no args.wieght_kg; did you mean args.weight_kg?"),
        ("{{ 10 < args.cuont }}", "there is no args.cuont; did you mean args.count?"),
        ("{{ args.ready and not args.redy }}", "there is no args.redy; did you mean args.ready?"),
        ("{{ args.nmae is defined }}", "there is no args.nmae; args has weight_kg, count, status, who, either, tags, "),
        ("{{ args.tags[0].nme == 'x' }}", "there is no args.tags[0].nme; did you mean args.tags[0].name?"),
        ("{{ empty.x }}", "there is no empty.x; empty has nothing"),
        ("{{ args.weight_kg > '10' }}", "args.weight_kg is a number, which cannot be compared with '10' by >"),
        ("{{ 3 >= args.who }}", "args.who is a text, which cannot be compared with 3 by >="),
        ("{{ args.count == '3' }}", "args.count is a number, and so never '3'"),
        ("{{ args.ready == 'true' }}", "args.ready is true or false, and so never 'true'"),
        ("{{ args.status == 'actve' }}", "args.status is never 'actve'; did you mean 'active'?"),
        ("a\n{% if args.wieght_kg %}{% endif %}", "there is no args.wieght_kg; did you mean args.weight_kg?"),
    ],
)
def test_what_is_misread_is_named(template: str, message: str) -> None:
    ((line, said),) = misread_names(template, SCHEMAS)
    assert said.startswith(message)
    assert line == template.count("\n") + 1


@pytest.mark.parametrize(
    "template",
    [
        "{{ args.weight_kg > 10 and args.count == 3.5 }}",
        "{{ args.who.lower() == 'x' }}",
        "{{ args.who is none }}",
        "{{ args.either > 3 }}",
        "{{ args.tags | length > 3 }}",
        "{{ args.tags[0].name == 'x' and args['tags'][1]['name'] }}",
        "{{ args.open.x.y and args.map.z > 3 and args.open[0] }}",
        "{{ args.get('x') and args.items() }}",
        "{{ args[args.status] }}",
        "{{ args.status in ['gone'] }}",
        "{{ others.x > 3 }}",
        "{% for args in others %}{{ args.x }}{% endfor %}",
        "{{ args.",
        "(" * 5000,
    ],
)
def test_what_may_be_there_passes(template: str) -> None:
    assert misread_names(template, SCHEMAS) == []


def test_the_names_that_a_template_reads() -> None:
    assert names_read("{{ args.x > y }}{% set z = 1 %}") == {"args", "y"}
    assert names_read("{{ args.") == frozenset()
