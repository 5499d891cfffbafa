"""The blocks of a handler as a table, and those that hold others: `switch`, `for_each`, `try`.

A block is a mapping with exactly one key, which says what it does: `{say: "Hello"}`. A new kind of block is a record, a
line in `FORMS`, and what it compiles to in `program.py`.
"""

from collections.abc import Callable
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, JsonValue, model_validator

from perdure.workflows.definition.handlers.agents import RunAgent
from perdure.workflows.definition.handlers.asking import Choose, Generate, Respond
from perdure.workflows.definition.handlers.compensation import Compensate
from perdure.workflows.definition.handlers.forms import fields as _fields
from perdure.workflows.definition.handlers.forms import fields_as as _as
from perdure.workflows.definition.handlers.forms import within as _in
from perdure.workflows.definition.handlers.person import AskPerson
from perdure.workflows.definition.handlers.plain import CallTool, Finish, Say, Set, WaitFor
from perdure.workflows.definition.handlers.together import Parallel, parallel_fields
from perdure.workflows.definition.tools.options import Name
from perdure.workflows.vocabulary.near_names import did_you_mean
from perdure.workflows.vocabulary.parts import Frozen, absent

#: Rounds of a loop whose block does not say how many there may be.
MOST_ROUNDS: Final = 1_000


#: How the value of each key is read, by key.
FORMS: Final[dict[str, Callable[[Any], Any]]] = {
    "respond": _as("{model: fast}"),
    "generate": _as("{prompt: …, output: …, into: verdict}"),
    "choose": _as("{prompt: …, options: [question, smalltalk], into: topic}"),
    "call": _as("{tool: find_order, with: {order_id: A-1001}, into: order}"),
    "run_agent": _as("{agent: triage, message: …, into: result}"),
    "parallel": parallel_fields,
    "compensate": _fields,
    "set": _in("values"),
    "say": _in("text"),
    "wait": _as("{for: 3d}"),
    "ask": _as("{prompt: …, form: …, into: answer}"),
    "finish": _as("{result: …}"),
    "switch": _in("cases"),
    "for_each": _as("{in: …, as: item, do: […]}"),
    "try": _as("{do: […], catch: […]}"),
}


def _block(value: Any) -> Any:
    """One block with its kind named."""
    if isinstance(value, dict) and isinstance(value.get("kind"), str):
        # As it is dumped.
        return value
    if not isinstance(value, dict) or len(value) != 1:
        raise ValueError(f"a block is a mapping with exactly one key, one of {', '.join(FORMS)}")
    ((key, given),) = value.items()
    if key not in FORMS:
        near = did_you_mean(str(key), FORMS) or f"; there are: {', '.join(FORMS)}"
        raise ValueError(f"there is no block {key!r}{near}")
    try:
        fields = FORMS[key](given)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from error
    return {**fields, "kind": key}


class Case(Frozen):
    """One case of a `switch`."""

    when: str | None = Field(
        default=None,
        exclude_if=absent,
        description="When the case counts: exactly one `{{ }}` that gives true or false. Only the last case may be without.",
    )
    do: "Blocks" = Field(description="The blocks of the case.")


class Switch(Frozen):
    """The blocks of the first case that counts are carried out, or none."""

    kind: Literal["switch"] = "switch"
    cases: tuple[Case, ...] = Field(min_length=1, description="The cases, in order.")

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        for number, case in enumerate(self.cases[:-1], 1):
            if case.when is None:
                raise ValueError(f"case {number} is without `when`, so those behind it are never reached; put it last")
        return self


class ForEach(Frozen):
    """Blocks are carried out for each item of a list."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    kind: Literal["for_each"] = "for_each"
    items: str | tuple[JsonValue, ...] = Field(
        alias="in", description="The list: exactly one `{{ }}` that gives one, or the list itself."
    )
    name: Name = Field(alias="as", description="The variable that holds the item, within the loop.")
    do: "Blocks" = Field(description="The blocks of the loop.")
    most: int = Field(
        default=MOST_ROUNDS,
        alias="max",
        ge=1,
        le=100_000,
        description=f"A list that is longer than this is an error. Default: {MOST_ROUNDS}.",
    )


class Catch(Frozen):
    """What is done about an error of a `try`."""

    type: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        exclude_if=absent,
        description="The type of error, as in `model_overloaded` or a tool's own. Only the last one may be without, and "
        "takes every error.",
    )
    do: "Blocks" = Field(description="The blocks that are carried out. The variable `error` has `type` and `message`.")


class Try(Frozen):
    """Blocks whose errors do not end the turn: what they fail with is caught."""

    kind: Literal["try"] = "try"
    do: "Blocks" = Field(description="The blocks that may fail.")
    catch: tuple[Catch, ...] = Field(
        min_length=1, max_length=50, description="What is done about which error; the first one that fits counts."
    )

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        for number, one in enumerate(self.catch[:-1], 1):
            if one.type is None:
                raise ValueError(f"catch {number} takes every error, so those behind it are never reached; put it last")
        return self


BlockDefinition = Annotated[
    Annotated[
        Respond
        | Generate
        | Choose
        | CallTool
        | RunAgent
        | Parallel
        | Compensate
        | Set
        | Say
        | WaitFor
        | AskPerson
        | Finish
        | Switch
        | ForEach
        | Try,
        Field(discriminator="kind"),
    ],
    BeforeValidator(_block),
]
Blocks = Annotated[tuple[BlockDefinition, ...], Field(min_length=1, max_length=1_000)]

Case.model_rebuild()
Switch.model_rebuild()
ForEach.model_rebuild()
Catch.model_rebuild()
Try.model_rebuild()
