"""A tool's arguments: the JSON Schema that a model is shown, and the validation of what it sends.

Rule 1: a name that the function does not have is an error, and never dropped. A function whose only parameter is a pydantic
model, a dataclass or a TypedDict takes that type's fields as its arguments; whether others are allowed is up to the type.
Rule 2: an explanation names every bad field and what was expected, and never repeats the value that was sent.
Rule 3: the normal form of arguments is their validated values as JSON, defaults filled in. Validating it again gives the same
values. Arguments for which that does not hold (a validator adds one, a serializer loses something) have no normal form.
"""

import inspect
import json
import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, is_dataclass
from types import SimpleNamespace
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError, create_model
from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import from_json, to_json
from typing_extensions import is_typeddict

from perdure.activities.tools.context_parameter import ContextParameter, UnfitContext, context_parameter
from perdure.activities.tools.docstrings import Docs, read_docstring
from perdure.temporal.schemas.nesting import too_deep

_MOST_ERRORS = 20
_LONGEST_NAME = 80


class UnsupportedParameter(Exception):
    """A parameter that cannot be an argument of a tool. The message names it and says why."""


class BadArguments(Exception):
    """The arguments do not fit. The message is for the model; `faults` pairs each bad field with what is wrong."""

    def __init__(self, message: str, faults: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message)
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Arguments:
    #: JSON Schema, `type: object`.
    schema: dict[str, JsonValue]
    _adapter: TypeAdapter[Any]
    _unpack: Callable[[Any], dict[str, Any]]
    #: The function's defaults, as JSON, by parameter: those that mean the same when they are sent.
    _defaults: dict[str, JsonValue] = field(default_factory=dict)
    #: The parameter that is no argument: on whose behalf the call is made.
    context: ContextParameter | None = None

    def check(self, sent: dict[str, JsonValue]) -> dict[str, Any]:
        """The keyword arguments to call the function with. Raises `BadArguments`."""
        return self._unpack(self._validated(sent))

    def normal(self, sent: dict[str, JsonValue]) -> dict[str, JsonValue] | None:
        """The normal form of `sent` (rule 3), or None. Raises `BadArguments`, and whatever a validator of the function's
        types raises."""
        value = self._validated(sent)
        try:
            made = {**self._defaults, **_as_json(self._adapter, value)}
            again = self._validated(made)
            first, second = self._unpack(value), self._unpack(again)
            same = all(_same(second[name], given) for name, given in first.items())
        except Exception:
            # Custom serializers and validators may raise anything.
            return None
        if not same or too_deep(made):
            return None
        # In the order of the arguments that were sent.
        return {name: made[name] for name in (*(name for name in sent if name in made), *made)}

    def _validated(self, sent: dict[str, JsonValue]) -> Any:
        try:
            # As JSON text: JSON has no dates, sets or bytes, and strict types accept them as text only from JSON.
            return self._adapter.validate_json(json.dumps(sent))
        except ValidationError as error:
            faults = self._faults(error)
            raise BadArguments(
                "; ".join(f"{where}: {what}" if where else what for where, what in faults), faults
            ) from None
        except (RecursionError, ValueError):
            raise BadArguments("they are nested too deeply, or hold a number that is too long") from None

    def _faults(self, error: ValidationError) -> tuple[tuple[str, str], ...]:
        errors = error.errors(include_url=False, include_context=False, include_input=False)
        known = ", ".join(_properties(self.schema)) or "none"
        said: list[tuple[str, str]] = []
        for item in errors[:_MOST_ERRORS]:
            where = _path(item["loc"])
            match item["type"]:
                case "missing" | "missing_argument":
                    what = "is required"
                case "extra_forbidden" | "unexpected_keyword_argument" if len(item["loc"]) == 1:
                    what = f"is not an argument of this tool; its arguments: {known}"
                case "extra_forbidden" | "unexpected_keyword_argument":
                    what = "is not a known field"
                case _:
                    what = item["msg"].removeprefix("Value error, ").replace("Input should", "should", 1)
            said.append((where, what))
        if len(errors) > _MOST_ERRORS:
            said.append(("", f"and {len(errors) - _MOST_ERRORS} more"))
        return tuple(said)


def read_arguments(fn: Callable[..., Any], docs: Docs) -> Arguments:
    """What `fn` takes, described with the words of its docstring. Raises `UnsupportedParameter`."""
    parameters = dict(inspect.signature(fn).parameters)
    context = _take_context(fn, parameters)
    hints = {name: _hint(fn, parameter) for name, parameter in parameters.items()}
    if len(hints) == 1:
        ((name, hint),) = hints.items()
        whole: TypeAdapter[Any] = TypeAdapter(hint)
        schema = _schema(whole)
        if _has_fields(hint) and schema.get("type") == "object":
            _describe(schema, {**read_docstring(_bare(hint)).parameters, **docs.parameters})
            return Arguments(schema, whole, lambda value: {name: value}, context=context)

    # Fields are numbered, with the parameter's name as alias: a parameter may be called `schema` or `_x`, a field not.
    fields: dict[str, Any] = {}
    for index, (name, parameter) in enumerate(parameters.items()):
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[f"p{index}"] = (hints[name], Field(default, alias=name, validation_alias=name))
    model = create_model("Arguments", __base__=_Given, **fields)
    adapter: TypeAdapter[Any] = TypeAdapter(model)
    schema = _schema(adapter)
    _describe(schema, docs.parameters)

    def unpack(value: BaseModel) -> dict[str, Any]:
        # An argument that was not sent gets the function's own default, the very object.
        return {
            name: getattr(value, f"p{index}")
            for index, (name, parameter) in enumerate(parameters.items())
            if f"p{index}" in value.model_fields_set or parameter.default is parameter.empty
        }

    return Arguments(schema, adapter, unpack, _sendable_defaults(parameters, hints), context)


def _take_context(fn: Callable[..., Any], parameters: dict[str, inspect.Parameter]) -> ContextParameter | None:
    """The context's parameter, taken out of `parameters`; None: the function has none."""
    found: list[ContextParameter] = []
    for name, parameter in list(parameters.items()):
        try:
            context = context_parameter(parameter, _resolved(fn, parameter))
        except UnfitContext as error:
            raise UnsupportedParameter(f"parameter {name!r}: {error}") from None
        except (NameError, TypeError, SyntaxError):
            # As an argument, it is refused with the reason.
            continue
        if context is not None:
            found.append(context)
            del parameters[name]
    if len(found) > 1:
        raise UnsupportedParameter(f"parameter {found[1].name!r}: {found[0].name!r} takes the context already")
    return found[0] if found else None


def _sendable_defaults(
    parameters: typing.Mapping[str, inspect.Parameter], hints: typing.Mapping[str, Any]
) -> dict[str, JsonValue]:
    """Defaults that survive a round trip through JSON. Others (a sentinel, one that its own type refuses) are left to the
    function."""
    made: dict[str, JsonValue] = {}
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty:
            continue
        adapter: TypeAdapter[Any] = TypeAdapter(hints[name])
        try:
            written = _jsonable(adapter.dump_python(parameter.default, mode="json", by_alias=True, warnings="error"))
            if _same(adapter.validate_json(json.dumps(written)), parameter.default):
                made[name] = written
        except Exception:
            # A default may be any object.
            continue
    return made


def _as_json(adapter: TypeAdapter[Any], value: Any) -> dict[str, JsonValue]:
    """`value` as its type serializes it. Of a function's own arguments, only those that were given."""
    given = value.model_fields_set if isinstance(value, _Given) else None
    dumped = adapter.dump_python(value, mode="json", by_alias=True, include=given, warnings="error")
    return typing.cast(dict[str, JsonValue], _jsonable(dumped))


def _jsonable(value: Any) -> Any:
    """JSON cannot express infinity, so it travels as text, which a number accepts."""
    return from_json(to_json(value, inf_nan_mode="strings"))


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)


class _Given(BaseModel):
    """The arguments of a function with parameters of its own, as one value."""

    model_config = ConfigDict(extra="forbid")


class SchemaGenerator(GenerateJsonSchema):
    """Omits titles, which only repeat the name of their field."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def _hint(fn: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    label = f"parameter {parameter.name!r}"
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        stars = "*" if parameter.kind is parameter.VAR_POSITIONAL else "**"
        raise UnsupportedParameter(f"parameter '{stars}{parameter.name}': a tool's arguments must each have a name")
    if parameter.kind is parameter.POSITIONAL_ONLY:
        raise UnsupportedParameter(f"{label} is positional-only; arguments are passed by name")
    if parameter.annotation is parameter.empty:
        raise UnsupportedParameter(f"{label} has no type hint")
    if isinstance(parameter.default, FieldInfo):
        raise UnsupportedParameter(f"{label}: write `Annotated[type, Field(...)] = default`, not `= Field(...)`")
    try:
        hint = _resolved(fn, parameter)
        _schema(TypeAdapter(hint))
    except (PydanticUserError, PydanticUndefinedAnnotation, NameError, TypeError, SyntaxError) as error:
        reason = str(error).partition("\n")[0]
        raise UnsupportedParameter(f"{label}: its type cannot be described as JSON Schema: {reason}") from error
    return hint


def _resolved(fn: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    annotated = SimpleNamespace(__annotations__={parameter.name: parameter.annotation})
    names = getattr(inspect.unwrap(fn), "__globals__", {})
    return typing.get_type_hints(annotated, globalns=names, include_extras=True)[parameter.name]


def _schema(adapter: TypeAdapter[Any]) -> dict[str, Any]:
    schema = adapter.json_schema(schema_generator=SchemaGenerator)
    reference = schema.get("$ref")
    if isinstance(reference, str):
        # A recursive type is given by reference, but models expect an object at the top.
        schema = schema["$defs"][reference.rpartition("/")[2]] | {"$defs": schema["$defs"]}
    return {key: value for key, value in schema.items() if key not in ("title", "description")}


def _describe(schema: dict[str, Any], words: typing.Mapping[str, str]) -> None:
    for name, described in _properties(schema).items():
        if isinstance(described, dict) and words.get(name):
            described.setdefault("description", words[name])


def _properties(schema: dict[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = schema.setdefault("properties", {})
    return properties


def _bare(hint: Any) -> Any:
    hint = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    return get_origin(hint) or hint


def _has_fields(hint: Any) -> bool:
    kind = _bare(hint)
    return isinstance(kind, type) and (issubclass(kind, BaseModel) or is_dataclass(kind) or is_typeddict(kind))


def _path(location: Iterable[int | str]) -> str:
    path = ""
    for step in location:
        path += f"[{step}]" if isinstance(step, int) else f".{step[:_LONGEST_NAME]}"
    return path.removeprefix(".") or "the arguments"
