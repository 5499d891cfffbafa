"""Headers and environment of MCP servers as they are sent: templates over the call, and `${NAME}` from the environment.

Rule 1: a template is Jinja2, sandboxed and strict. It names `user.id`, `tenant`, `session`, `turn`, `call`, `inputs`,
`metadata`, and the agent's inputs by their own names. What is not there is an error, unless the template says what stands
in its place: `{{ metadata.plan | default("free") }}`.
Rule 2: `${NAME}` counts only in what the definition itself writes, outside of `{{ }}`. A value never becomes a template or
a reference, and a value with a line break is refused.
Rule 3: the list of a server's tools is one for all sessions, so it is asked for without a call. What cannot be filled in
then is left out.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from jinja2 import StrictUndefined, Template, TemplateError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from perdure.temporal.definitions.references import names_in, resolve
from perdure.workflows.core.prompt import environment
from perdure.workflows.definition.tools.mcp import is_template
from perdure.workflows.vocabulary.tool_context import ToolContext

#: Characters of one header or variable.
LONGEST: Final = 8192
#: The name under which a compiled template finds the variables that its text refers to; no definition may use it.
_VARIABLES: Final = "perdure_environment"
_REFERENCE: Final = re.compile(r"\$\{(\w+)\}")
#: The names whose values are only there in a call.
_PARTS: Final = ("user", "session", "turn", "call", "inputs", "metadata")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


class Unfilled(Exception):
    """A template cannot be filled in for this call. The message names the header and says why, without any value."""


class _Part(dict[str, Any]):
    """What a template finds under one of its names."""

    def __init__(self, name: str, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self._name = name

    def path(self, key: str) -> str:
        return f"{self._name}.{key}"


class _Missing(StrictUndefined):
    """A value that is not there, in words for whoever reads why a call failed."""

    @property
    def _undefined_message(self) -> str:
        if self._undefined_name is None:
            return "a value is missing"
        holder, name = self._undefined_obj, str(self._undefined_name)
        return f"there is no {holder.path(name) if isinstance(holder, _Part) else name}"


class _Environment(ImmutableSandboxedEnvironment):
    def getattr(self, obj: Any, attribute: str) -> Any:
        # A value may have the name of a method, as `metadata.items`.
        return obj[attribute] if isinstance(obj, _Part) and attribute in obj else super().getattr(obj, attribute)


def filled(
    texts: Mapping[str, str], variables: Mapping[str, str], context: ToolContext | None, *, header: bool
) -> dict[str, str]:
    """`texts`, a server's headers or environment, as they are sent. `variables` fill in `${NAME}`.

    `context` None: no call is made. `header`: they are HTTP headers, which hold ASCII alone.

    Raises `MissingVariable`, `Unfilled`.
    """
    names = _names(context)
    made: dict[str, str] = {}
    for name, text in texts.items():
        if not is_template(text):
            made[name] = resolve(text, variables)
            continue
        given = {reference: resolve(f"${{{reference}}}", variables) for reference in names_in([text])}
        try:
            value = _rendered(text, {**names, _VARIABLES: given})
        except Unfilled as error:
            if context is None:
                continue
            raise Unfilled(f"{name}: {error}") from None
        if header and not value.isascii():
            raise Unfilled(f"{name}: a header holds ASCII only; write the value with the filter urlencode")
        made[name] = value
    return made


def _rendered(text: str, names: Mapping[str, Any]) -> str:
    pieces: list[str] = []
    length = 0
    try:
        for piece in _template(text).generate(names):
            pieces.append(piece)
            length += len(piece)
            if length > LONGEST:
                raise Unfilled(f"it has more than {LONGEST} characters")
    except TemplateError as error:
        raise Unfilled(str(error) or type(error).__name__) from None
    except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        # The error's own text may quote a value.
        raise Unfilled(f"it fails with {type(error).__name__}") from None
    return "".join(pieces).strip()


def _names(context: ToolContext | None) -> dict[str, Any]:
    parts: dict[str, Mapping[str, Any]] = {name: {} for name in _PARTS}
    others: dict[str, Any] = {}
    if context is not None:
        others = {**context.inputs, "tenant": context.tenant}
        parts = {
            # No user is no user, and not the text `None`.
            "user": {} if context.user is None else {"id": context.user},
            "session": {"id": context.session_id, "agent": context.agent, "timezone": context.timezone},
            "turn": {"id": context.turn_id},
            "call": {"id": context.call_id, "idempotency_key": context.idempotency_key},
            "inputs": context.inputs,
            "metadata": context.metadata,
        }
    return others | {name: _Part(name, values) for name, values in parts.items()}


def _written(value: Any) -> Any:
    """A value as it stands in a header. Raises `Unfilled`."""
    match value:
        case StrictUndefined():
            return str(value)
        case bool():
            return "true" if value else "false"
        case str() | int() | float():
            if _CONTROL.search(text := str(value)):
                raise Unfilled("a value in it has a line break or another control character")
            return text
        case _:
            raise Unfilled("a value in it is null, a list or a mapping, and no text")


def _environment() -> _Environment:
    plain = environment()
    made = _Environment(undefined=_Missing, finalize=_written, autoescape=False)
    made.globals, made.filters = plain.globals, plain.filters
    return made


_ENVIRONMENT: Final = _environment()


@lru_cache(maxsize=256)
def _template(text: str) -> Template:
    tree = _ENVIRONMENT.parse(text)
    for output in tree.find_all(nodes.Output):
        output.nodes = [piece for node in output.nodes for piece in _split(node)]
    tree.set_environment(_ENVIRONMENT)
    return _ENVIRONMENT.from_string(tree)


def _split(node: nodes.Expr) -> list[nodes.Expr]:
    """What a definition writes outside of `{{ }}`, with an expression in place of each `${NAME}`."""
    if not isinstance(node, nodes.TemplateData):
        return [node]
    made: list[nodes.Expr] = []
    for index, piece in enumerate(_REFERENCE.split(node.data)):
        if index % 2:
            holder = nodes.Name(_VARIABLES, "load", lineno=node.lineno)
            made.append(nodes.Getitem(holder, nodes.Const(piece, lineno=node.lineno), "load", lineno=node.lineno))
        elif piece:
            made.append(nodes.TemplateData(piece, lineno=node.lineno))
    return made
