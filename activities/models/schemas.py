"""JSON Schemas of tools and of answers as each provider takes them. Pure.

Rule 1: strict mode, where the provider keeps a model to the schema, is used only for a schema that it can express in full.
Rule 2: any other schema goes as it is, but for what the provider refuses outright. A schema of which no form could be taken
does not come here: `perdure.temporal.schemas.check` has refused it.
Rule 3: a server that merely speaks a provider's protocol gets the plain form, for it may know nothing of strict mode.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import JsonValue

from perdure.activities.models.strict_schemas import Counts, NotStrict, StrictForm
from perdure.workflows.definition.providers.dialect import Dialect, StrictTools
from perdure.workflows.vocabulary.parts import ToolSpec


@dataclass(frozen=True)
class Fitted:
    schema: dict[str, Any]
    strict: bool


def fit_all(tools: Iterable[ToolSpec], dialect: Dialect) -> list[Fitted]:
    """The input schema of each tool, as a request to a provider of this dialect has it."""
    total = Counts()
    fitted: list[Fitted] = []
    for tool in tools:
        form = None if dialect.strict is None else _strict(json.dumps(tool.input), dialect.strict)
        if form is None or dialect.strict is None or not total.fit(form[1], dialect.strict):
            fitted.append(Fitted(_with_items(tool.input) if dialect.array_items else tool.input, strict=False))
            continue
        total.add(form[1])
        fitted.append(Fitted(form[0], strict=True))
    return fitted


def fit_output(schema: dict[str, JsonValue], dialect: Dialect) -> Fitted | None:
    """The schema of a whole answer, as a request to a provider of this dialect has it. None: there is no form of it that the
    provider takes."""
    form = None if dialect.strict is None else _strict(json.dumps(schema), dialect.strict)
    if form is not None and dialect.strict is not None and Counts().fit(form[1], dialect.strict):
        return Fitted(form[0], strict=True)
    if dialect.structured_strictly:
        return None
    return Fitted(_with_items(schema) if dialect.array_items else schema, strict=False)


@lru_cache(maxsize=1024)
def _strict(text: str, rules: StrictTools) -> tuple[dict[str, Any], Counts] | None:
    """The strict form of a schema, and what it adds to a request. None: there is no such form."""
    form = StrictForm(rules, json.loads(text))
    try:
        return form.whole(), form.counts
    except NotStrict:
        return None


def _with_items(schema: Any) -> Any:
    """`schema` with `items` for each array that has none."""
    if isinstance(schema, list):
        return [_with_items(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _with_items(value) for key, value in schema.items()}
    if made.get("type") == "array" and "items" not in made:
        made["items"] = {}
    return made
