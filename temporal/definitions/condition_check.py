"""What is wrong with a condition (`when:`) of a definition: its form, and what it reads that will not be there."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from perdure.temporal.definitions.finding import Finding
from perdure.temporal.definitions.template_check import BUILT_IN, VALUES, template_faults
from perdure.temporal.definitions.template_names import misread_names
from perdure.temporal.schemas.yaml_source import Loc
from perdure.workflows.core.conditions import expression_of

#: What conditions may read of a session and its turn, beyond what every template may.
_COST: Final = {"cost_usd": {"type": ["number", "null"]}}


def condition_findings(
    loc: Loc, condition: str, inputs: Mapping[str, Any], arguments: dict[str, Any] | None
) -> Iterator[Finding]:
    """`arguments` is the JSON Schema of the calls that `condition` is asked about; None: not known here."""
    if expression_of(condition) is None:
        yield Finding(loc, "is exactly one {{ }} that gives true or false")
        return
    refused = [
        Finding(loc, fault.message) for fault in template_faults(condition, frozenset(inputs) | BUILT_IN | {"args"})
    ]
    yield from refused
    if refused:
        return
    schemas = {**inputs, **VALUES, **({} if arguments is None else {"args": arguments})}
    for name in ("session", "turn"):
        schemas[name] = {**schemas[name], "properties": {**schemas[name]["properties"], **_COST}}
    for _, message in misread_names(condition, schemas):
        yield Finding(loc, message, kind="warning")
