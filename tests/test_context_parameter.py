"""Which parameter of a tool takes the context, and in what form."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, Protocol

import pytest
from pydantic import BaseModel
from typing_extensions import TypedDict

from perdure import ToolContext
from perdure.activities.tools.arguments import Arguments, UnsupportedParameter, read_arguments
from perdure.activities.tools.context_parameter import UnfitContext
from perdure.activities.tools.docstrings import read_docstring

CONTEXT = ToolContext(tenant="acme", user="ada", session_id="s1", call_id="t1.s1.c1", metadata={"plan": "pro"})


def arguments(fn: Any) -> Arguments:
    return read_arguments(fn, read_docstring(fn))


def given(fn: Any, context: ToolContext = CONTEXT) -> Any:
    taken = arguments(fn).context
    assert taken is not None
    return taken.value(context)


class Who(BaseModel):
    user: str
    plan: str = ""


class Order(BaseModel):
    number: int


@dataclass
class Parts:
    tenant: str
    metadata: dict[str, Any]


class Typed(TypedDict):
    call_id: str
    idempotency_key: str


class Named(NamedTuple):
    user: str | None
    timezone: str


class Like(Protocol):
    @property
    def user(self) -> str | None: ...


class Needs(TypedDict):
    user: str


class Misspelt(TypedDict):
    sesion_id: str


async def one(order: str, who: ToolContext) -> None:
    """Does it.

    Args:
        order: Which.
        who: Nobody is told of this.
    """


def test_the_model_does_not_see_it_and_cannot_set_it() -> None:
    taken = arguments(one)
    assert taken.schema["properties"] == {"order": {"type": "string", "description": "Which."}}
    assert taken.schema["required"] == ["order"]
    assert taken.normal({"order": "a"}) == {"order": "a"}
    with pytest.raises(Exception, match="who: is not an argument of this tool; its arguments: order"):
        taken.check({"order": "a", "who": {"user": "root"}})


def test_a_name_alone_takes_no_context() -> None:
    async def own(context: dict[str, Any], ctx: str, tool_context: Order) -> None: ...

    taken = arguments(own)
    assert taken.context is None
    assert list(taken.schema["properties"]) == ["context", "ctx", "tool_context"]  # type: ignore[arg-type]


def test_what_is_left_is_described_as_if_it_were_all() -> None:
    async def whole(who: ToolContext, order: Order) -> None: ...

    async def nothing(who: "ToolContext") -> None: ...

    assert list(arguments(whole).schema["properties"]) == ["number"]  # type: ignore[arg-type]
    assert arguments(whole).check({"number": 3}) == {"order": Order(number=3)}
    assert arguments(nothing).schema["properties"] == {}


def test_it_comes_in_the_form_that_is_asked_for() -> None:
    async def mapping(x: Annotated[Mapping[str, Any], "perdure.context"]) -> None: ...
    async def bare(x: Annotated[dict, "perdure.context"]) -> None: ...  # type: ignore[type-arg]
    async def parts(x: Annotated[Parts, "perdure.context"]) -> None: ...
    async def typed(x: Annotated[Typed | None, "perdure.context"] = None) -> None: ...
    async def named(x: Annotated[Named, "perdure.context"]) -> None: ...
    async def like(x: Annotated[Like, "perdure.context"]) -> None: ...
    async def anything(x: Annotated[Any, "perdure.context"]) -> None: ...
    async def maybe(x: ToolContext | None = None) -> None: ...
    async def noted(x: Annotated[ToolContext, "for the audit"]) -> None: ...

    assert given(mapping)["user"] == given(bare)["user"] == "ada"
    assert given(mapping)["idempotency_key"] == "acme/s1/t1.s1.c1"
    assert given(parts) == Parts(tenant="acme", metadata={"plan": "pro"})
    assert given(typed) == {"call_id": "t1.s1.c1", "idempotency_key": "acme/s1/t1.s1.c1"}
    assert given(named) == Named("ada", "UTC")
    for whole in (like, anything, maybe, noted):
        assert given(whole) is CONTEXT


def test_a_context_that_does_not_fit_names_its_field() -> None:
    async def needs(x: Annotated[Needs, "perdure.context"]) -> None: ...

    with pytest.raises(UnfitContext, match="user: input should be a valid string"):
        given(needs, ToolContext())


def test_types_that_can_hold_no_context_are_refused() -> None:
    async def misspelt(x: Annotated[Misspelt, "perdure.context"]) -> None: ...
    async def unknown(x: Annotated[Who, "perdure.context"]) -> None: ...
    async def text(x: Annotated[str, "perdure.context"]) -> None: ...
    async def texts(x: Annotated[dict[str, str], "perdure.context"]) -> None: ...
    async def twice(x: ToolContext, y: Annotated[Any, "perdure.context"]) -> None: ...

    for fn, why in (
        (misspelt, "parameter 'x': Misspelt.sesion_id: a context has no such field; did you mean 'session_id'"),
        (unknown, "parameter 'x': Who.plan: a context has no such field; it has tenant, user"),
        (text, "parameter 'x': a context cannot be given as str"),
        (texts, "parameter 'x': a context cannot be given as dict"),
        (twice, "parameter 'y': 'x' takes the context already"),
    ):
        with pytest.raises(UnsupportedParameter) as refused:
            arguments(fn)
        assert why in str(refused.value)
