"""A tool's result: the JSON Schema that its return type gives, and the check of what it returned.

Rule 1: a result that does not fit is an error that says where. It is never passed on as if it were right.
Rule 2: bytes become files, unless the return type says how they are encoded.
"""

import inspect
import json
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from jsonschema.exceptions import ValidationError
from pydantic import JsonValue, TypeAdapter
from pydantic.errors import PydanticSchemaGenerationError, PydanticUndefinedAnnotation, PydanticUserError
from pydantic_core import core_schema, to_jsonable_python

from perdure.activities.encoding.raw_bytes import FILE_SCHEMA, Files, holds_bytes, without_bytes
from perdure.activities.tools.arguments import SchemaGenerator
from perdure.temporal.schemas.faults import faults

_MAX_MESSAGE: Final = 300
_ANYTHING: Final[TypeAdapter[Any]] = TypeAdapter(Any)


class BadResult(Exception):
    """The result does not fit. The message says where, in words for the model."""


@dataclass(frozen=True, slots=True)
class Results:
    #: JSON Schema of what the function returns; None: anything.
    schema: dict[str, JsonValue] | None
    _adapter: TypeAdapter[Any] | None = None

    def to_json(self, value: object, files: Files | None = None) -> JsonValue:
        """`value` as JSON. Bytes in it are added to `files`; without `files` they are decoded as text.

        Raises `BadResult` where it does not fit the schema or cannot be written as JSON.
        """
        try:
            written = self._written(value, files)
        except Exception as error:
            # A custom serializer may raise anything.
            raise BadResult(f"it cannot be written as JSON: {str(error).partition(chr(10))[0]}") from None
        if self.schema is not None:
            check_result(written, self.schema)
        return written

    def _written(self, value: object, files: Files | None) -> JsonValue:
        # The return type's own serializer knows its aliases. The schema catches a value of another type.
        adapter = self._adapter or _ANYTHING
        if files is not None and not self._writes_bytes and holds_bytes(value):
            plain = adapter.dump_python(value, mode="python", warnings=False, by_alias=True)
            return typing.cast(JsonValue, to_jsonable_python(without_bytes(plain, files)))
        written = (
            to_jsonable_python(value)
            if self._adapter is None
            else self._adapter.dump_python(value, mode="json", warnings=False, by_alias=True)
        )
        return typing.cast(JsonValue, written)

    @property
    def _writes_bytes(self) -> bool:
        return self.schema is not None and '"base64' in json.dumps(self.schema)


def read_results(fn: Callable[..., Any]) -> Results:
    """The results that the return type of `fn` declares. A type that JSON Schema cannot express counts as anything."""
    hint = inspect.signature(fn).return_annotation
    if hint is inspect.Signature.empty:
        return Results(None)
    try:
        hint = typing.get_type_hints(inspect.unwrap(fn), include_extras=True)["return"]
        if hint in (Any, object):
            return Results(None)
        adapter: TypeAdapter[Any] = TypeAdapter(hint)
        schema = adapter.json_schema(mode="serialization", schema_generator=_ResultSchema)
    except (
        PydanticUserError,
        PydanticSchemaGenerationError,
        PydanticUndefinedAnnotation,
        NameError,
        TypeError,
        SyntaxError,
    ):
        return Results(None)
    return Results(schema, adapter)


class _ResultSchema(SchemaGenerator):
    def bytes_schema(self, schema: core_schema.BytesSchema) -> dict[str, Any]:
        described = super().bytes_schema(schema)
        # A pydantic model may declare that it encodes bytes as base64.
        return dict(FILE_SCHEMA) if described.get("format") == "binary" else described


def check_result(value: object, schema: dict[str, JsonValue]) -> None:
    """Raises `BadResult` for the first place where `value` does not fit."""
    for error in faults(value, schema):
        raise BadResult(explained(error))


def explained(error: ValidationError) -> str:
    """Where a value does not fit its schema, and why."""
    place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.absolute_path)
    message = error.message if len(error.message) <= _MAX_MESSAGE else f"{error.message[:_MAX_MESSAGE]}…"
    return f"{place.removeprefix('.')}: {message}" if place else message
