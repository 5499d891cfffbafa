"""`thinking`, `params` and `extra` of a model definition, in the body of a request. Pure.

Rule: nothing here is refused for being wrong. `ModelDefinition` has refused what does not belong into a body, and reading a
definition says which parameters its model does not take.
"""

from typing import Final

from pydantic import JsonValue

from perdure.activities.models.thinking import with_thinking
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.definition.providers.dialect import Dialect
from perdure.workflows.definition.providers.table import PROVIDERS

Body = dict[str, JsonValue]

_NOT: Final = "not "


def with_parameters(body: Body, model: ModelDefinition, dialect: Dialect) -> Body:
    """`body` with the thinking and the parameters of the definition under the names that its API and its server have for
    them, and with its `extra`, which is merged in as a JSON Merge Patch (RFC 7396) and wins over everything else."""
    places = {**PROVIDERS[model.provider].parameters, **dialect.parameters}
    refused = dialect.refused(model.thinking)
    made = with_thinking(body, model, dialect)
    for name, value in model.params.model_dump(mode="json", exclude_defaults=True).items():
        place = places.get(name, name)
        # Servers refuse the word about parallel calls where no tool can be called.
        if place and name not in refused and (name != "parallel_tool_calls" or body.get("tools")):
            made = _placed(made, place, value)
    return merged(made, model.extra)


def merged(body: Body, patch: Body) -> Body:
    """`body` with `patch` as RFC 7396 says: records are merged, null takes a member away, anything else replaces it."""
    made = dict(body)
    for name, value in patch.items():
        if value is None:
            made.pop(name, None)
        elif isinstance(value, dict):
            old = made.get(name)
            made[name] = merged(old if isinstance(old, dict) else {}, value)
        else:
            made[name] = value
    return made


def _placed(body: Body, place: str, value: JsonValue) -> Body:
    opposite = place.startswith(_NOT)
    *above, last = place.removeprefix(_NOT).split(".")
    patch: JsonValue = {last: not value if opposite else value}
    if above == ["tool_choice"]:
        # Of Anthropic's: a choice says what it is, too.
        patch = {"type": "auto", last: not value}
    for member in reversed(above):
        patch = {member: patch}
    assert isinstance(patch, dict)
    return merged(body, patch)
