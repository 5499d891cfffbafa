"""The parameter by which a tool is told on whose behalf it is called.

Rule 1: a parameter takes the context if its type is `perdure.ToolContext`, or `Annotated[T, "perdure.context"]`, which
needs no import of Perdure. Its name does not matter: an argument that happens to be called `context` stays an argument.
Rule 2: `T` says in what form the context comes. A mapping holds all fields; a dataclass, a TypedDict, a NamedTuple or a
pydantic model holds those that it declares; a Protocol, `Any` or `object` is given the `ToolContext` itself.
Rule 3: neither the model nor a person sees the parameter, and nothing that they write can set it.
"""

import dataclasses
import inspect
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError
from typing_extensions import is_protocol, is_typeddict

from perdure.workflows.vocabulary.near_names import did_you_mean
from perdure.workflows.vocabulary.tool_context import ToolContext

#: What marks a parameter, among the metadata of `Annotated`.
MARK: Final = "perdure.context"
_FIELDS: Final = (*(one.name for one in dataclasses.fields(ToolContext)), "idempotency_key")
#: Against which a type is tried when the tool loads.
_SAMPLE: Final = ToolContext(user="somebody", session_id="s", agent="a", turn_id="t1", call_id="t1.s1.c1")


class UnfitContext(Exception):
    """The context does not fit the parameter's type. The message names the field and says why."""


@dataclass(frozen=True, slots=True)
class ContextParameter:
    name: str
    _adapter: TypeAdapter[Any] | None = None
    #: The fields that its type declares; None: the type takes all.
    _fields: tuple[str, ...] | None = None

    def value(self, context: ToolContext) -> Any:
        """What the function is given. Raises `UnfitContext`."""
        if self._adapter is None:
            return context
        values = {name: getattr(context, name) for name in _FIELDS if self._fields is None or name in self._fields}
        try:
            return self._adapter.validate_python(values)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"])) or "the context"
            raise UnfitContext(f"{place}: {first['msg'][:1].lower()}{first['msg'][1:]}") from None


def context_parameter(parameter: inspect.Parameter, hint: Any) -> ContextParameter | None:
    """None: the parameter is an ordinary argument. Raises `UnfitContext` where its type cannot hold a context.

    `hint` is its resolved annotation, extras included.
    """
    plain = _marked(hint)
    if plain is None:
        return None
    if plain in (ToolContext, Any, object) or is_protocol(plain):
        return ContextParameter(parameter.name)
    try:
        made = ContextParameter(parameter.name, TypeAdapter(plain), _declared(plain))
    except (PydanticUserError, TypeError, NameError) as error:
        raise UnfitContext(f"a context cannot be given as {plain!r}: {str(error).partition(chr(10))[0]}") from None
    for name in made._fields or ():
        if name not in _FIELDS:
            near = did_you_mean(name, _FIELDS) or f"; it has {', '.join(_FIELDS)}"
            raise UnfitContext(f"{_name(plain)}.{name}: a context has no such field{near}")
    try:
        made.value(_SAMPLE)
    except UnfitContext as error:
        raise UnfitContext(f"a context cannot be given as {_name(plain)}: {error}") from None
    return made


def _marked(hint: Any) -> Any:
    """The type behind the mark, without None as an alternative; None: there is no mark."""
    if hint is ToolContext:
        return hint
    if get_origin(hint) is Annotated:
        plain, *extras = get_args(hint)
        return _without_none(plain) if MARK in extras else _marked(plain)
    if get_origin(hint) in (Union, types.UnionType):
        found = [one for one in map(_marked, get_args(hint)) if one is not None]
        return found[0] if found else None
    return None


def _without_none(hint: Any) -> Any:
    if get_origin(hint) in (Union, types.UnionType):
        others = [one for one in get_args(hint) if one is not type(None)]
        return others[0] if len(others) == 1 else hint
    return hint


def _declared(kind: Any) -> tuple[str, ...] | None:
    """Names of the fields that a type declares; None for a mapping."""
    kind = get_origin(kind) or kind
    if not isinstance(kind, type) and not is_typeddict(kind):
        return None
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return tuple(kind.model_fields)
    if dataclasses.is_dataclass(kind):
        return tuple(one.name for one in dataclasses.fields(kind))
    if is_typeddict(kind) or hasattr(kind, "_fields"):
        return tuple(typing.get_type_hints(kind))
    return None if issubclass(kind, Mapping) else ()


def _name(kind: Any) -> str:
    return getattr(kind, "__name__", None) or repr(kind)
