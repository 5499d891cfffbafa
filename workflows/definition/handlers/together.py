"""The block that makes calls at the same time: `parallel`."""

import operator
from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, JsonValue, model_validator

from perdure.workflows.definition.handlers.agents import RunAgent
from perdure.workflows.definition.handlers.forms import fields
from perdure.workflows.definition.handlers.plain import CallTool
from perdure.workflows.definition.tools.options import Name
from perdure.workflows.vocabulary.parts import Frozen, absent

#: Calls of one block.
MOST_BRANCHES: Final = 1_000
#: What may be called.
BRANCHES: Final = ("call", "run_agent")
#: What is said of a hand-off beside other calls.
NO_HANDOFF: Final = (
    "an agent that takes the conversation over (`handoff: true`) cannot be called beside others; put its `call` behind "
    "`parallel`"
)


def parallel_fields(value: Any) -> Any:
    """The block's value is a list of calls, or a mapping that says what is called for each item of a list."""
    return {"branches": value} if isinstance(value, list | tuple) else fields(value)


def _branch(value: Any) -> Any:
    """One call with its kind named."""
    if isinstance(value, dict) and value.get("kind") in BRANCHES:
        # As it is dumped.
        return value
    if not isinstance(value, dict) or len(value) != 1:
        raise ValueError("is exactly one `call` or `run_agent` block")
    ((key, given),) = value.items()
    if key not in BRANCHES:
        raise ValueError(
            f"{key!r} cannot stand in `parallel`: only `call` and `run_agent` run at the same time, for a turn asks one "
            "model after the other. Put it before or behind `parallel`, or give the work to an agent and use `run_agent`"
        )
    try:
        return {**fields(given), "kind": key}
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from error


def _one(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else (value,)


Branch = Annotated[Annotated[CallTool | RunAgent, Field(discriminator="kind")], BeforeValidator(_branch)]


class Items(Frozen):
    """The list that something is called for each item of."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    items: str | tuple[JsonValue, ...] = Field(
        alias="in", description="The list: exactly one `{{ }}` that gives one, or the list itself."
    )
    name: Name = Field(alias="as", description="The variable that holds the item, within the call.")
    most: int = Field(
        default=MOST_BRANCHES,
        alias="max",
        ge=1,
        le=MOST_BRANCHES,
        description=f"A list that is longer than this is an error. Default: {MOST_BRANCHES}.",
    )


class Parallel(Frozen):
    """Tools are called, and agents run, at the same time; the block is done when all of them are. What fails does not keep
    the others from running: the first failure in order is the block's, once all have ended."""

    kind: Literal["parallel"] = "parallel"
    branches: Annotated[tuple[Branch, ...], Field(min_length=1, max_length=MOST_BRANCHES)] | None = Field(
        default=None,
        exclude_if=absent,
        description="The calls: each is a `call` or a `run_agent` block.",
    )
    for_each: Items | None = Field(
        default=None, exclude_if=absent, description="The list: something is called for each of its items."
    )
    do: Annotated[tuple[Branch, ...], Field(max_length=1), BeforeValidator(_one)] = Field(
        default=(),
        exclude_if=operator.not_,
        description="What is called for each item: exactly one `call` or `run_agent` block.",
    )
    at_once: int | None = Field(
        default=None,
        ge=1,
        le=MOST_BRANCHES,
        exclude_if=absent,
        description="Calls that are begun at the same time. Without it, as many as `limits.session.parallel_calls` lets run, "
        "which holds in any case.",
    )
    into: Name | None = Field(
        default=None,
        exclude_if=absent,
        description="The variable that the results go to: a list in the order of the items. The place of a call that failed "
        "holds null.",
    )

    @property
    def names(self) -> frozenset[str]:
        """Of the tools and agents that it calls."""
        calls = (*(self.branches or ()), *self.do)
        return frozenset(one.agent if isinstance(one, RunAgent) else one.tool for one in calls)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.branches is None:
            for field in ("for_each", "do"):
                if not getattr(self, field):
                    raise ValueError(
                        f"{field}: is required, unless the block is a list of `call` and `run_agent` blocks"
                    )
            if self.do[0].into is not None and self.do[0].compensate is None:
                raise ValueError(
                    "do: the results go to the list that `into` beside `do` names; remove the one within it"
                )
            return self
        if self.for_each is not None or self.do or self.at_once is not None or self.into is not None:
            raise ValueError("branches: stand alone, without for_each, do, at_once and into")
        for name, times in Counter(one.into for one in self.branches).items():
            if name is not None and times > 1:
                raise ValueError(f"{times} calls put their result into {name!r}; give each a variable of its own")
        return self


def branches_in(block: Parallel, at: str) -> Iterator[tuple[str, CallTool | RunAgent]]:
    """Each of its calls, with its place."""
    for number, one in enumerate(block.branches or ()):
        yield f"{at}[{number}].{one.kind}", one
    for one in block.do:
        yield f"{at}.do.{one.kind}", one
