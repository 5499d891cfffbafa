"""JSON Schemas of tools as each provider takes them. Pure.

Rule 1: strict mode, where the provider keeps a model to the schema, is used only for a schema that it can express in
full.
Rule 2: any other schema goes as it is, but for what the provider refuses outright. A schema of which no form could be
taken does not come here: `perdure.temporal.schemas.check` has refused it.
Rule 3: a server that merely speaks a provider's protocol gets the plain form, for it may know nothing of strict mode.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

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
