"""Tools that take calls of others back: what they are given, and what a definition may say of them."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from perdure.activities.tools.catalogue import Catalogue
from perdure.temporal.app.processes.toolset import load_catalogue
from perdure.temporal.definitions.tool_check import KnownTools, tool_findings
from perdure.workflows.definition.agent import AgentDefinition
from perdure.workflows.definition.tools.undo import undo_args

ARGS: dict[str, Any] = {"order_id": "A-1", "amount": 150}


def takes(*names: str, optional: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {} for name in (*names, *optional)}, "required": [*names]}


@pytest.mark.parametrize(
    ("schema", "output", "given", "missing"),
    [
        (takes("refund_id"), {"refund_id": "R-1"}, {"refund_id": "R-1"}, ()),
        # What was done counts more than what was asked for.
        (takes("order_id", "amount"), {"amount": 100}, {"order_id": "A-1", "amount": 100}, ()),
        (takes("args", "result"), {"result": 1}, {"args": ARGS, "result": {"result": 1}}, ()),
        (takes("result"), "R-1", {"result": "R-1"}, ()),
        (takes("result"), {"result": "R-2"}, {"result": "R-2"}, ()),
        (takes("order_id", optional=("note",)), None, {"order_id": "A-1"}, ()),
        (takes("refund_id", "order_id"), {"id": "R-1"}, {"order_id": "A-1"}, ("refund_id",)),
        (takes(), {"refund_id": "R-1"}, {}, ()),
    ],
)
def test_parameters_are_found_by_name(schema: Any, output: Any, given: Any, missing: tuple[str, ...]) -> None:
    assert undo_args(schema, ARGS, output) == (given, missing)


def definition(*tools: Any) -> AgentDefinition:
    return AgentDefinition.model_validate(
        {"name": "a", "models": {"m": {"use": "demo/x"}}, "model": "m", "instructions": "x", "tools": tools}
    )


REMOTE: dict[str, Any] = {"task_queue": "q", "description": "x", "input": {"type": "object"}}


@pytest.mark.parametrize(
    ("tools", "told"),
    [
        (
            [{"pay": {"undo": "refnd"}}, "refund"],
            r"the undo 'refnd' of 'pay' is not one of .*; did you mean 'refund'\?",
        ),
        ([{"pay": {"undo": "pay"}}], "undo: cannot be the tool itself"),
        ([{"pay": {"undo": "refund", "side_effects": "none"}}, "refund"], "has nothing to take back"),
        ([{"pay": {"undo": "refund", "fallback": "other"}}, "refund", "other"], "does not go with fallback"),
        ([{"pay": {"undo": "refund"}}, {"refund": {"approval": "always"}}], "runs unasked"),
        (
            [{"pay": {"undo": "ask"}}, {"client": {"name": "ask", "description": "x"}}],
            "is not one of the tools that run",
        ),
        ([{"pay": {"undo": "wake_me"}}, "wake_me"], "is not one of the tools that run on workers"),
    ],
)
def test_what_cannot_be_meant_is_refused(tools: list[Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        definition(*tools)


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    file: Path = tmp_path_factory.mktemp("tools") / "tools.py"
    file.write_text('''
from typing import Any
from pydantic import BaseModel
from temporalio import activity

class Payment(BaseModel):
    payment_id: str

@activity.defn
def pay(amount: int) -> Payment:
    """Pays."""
    return Payment(payment_id="P-1")

@activity.defn
def give(amount: int) -> dict[str, Any]:
    """Gives."""
    return {}

@activity.defn
def refund(payment_id: str, amount: int = 0) -> None:
    """Refunds."""

@activity.defn
def cancel(order_id: str) -> None:
    """Cancels."""

@activity.defn
def reverse(args: dict[str, Any], result: Any) -> None:
    """Reverses."""
''')
    return load_catalogue((str(file),))


@pytest.mark.parametrize(
    ("tool", "undo", "told"),
    [
        ("pay", "refund", None),
        ("pay", "reverse", None),
        # What it returns is known only once it has.
        ("give", "cancel", None),
        (
            "pay",
            "cancel",
            "cancel needs `order_id`, which is neither an argument nor a field of the result; these are: `amount`, "
            "`payment_id`; a parameter named `result` or `args` gets all of them",
        ),
    ],
)
def test_what_could_never_be_given_is_refused_when_the_definition_loads(
    catalogue: Catalogue, tool: str, undo: str, told: str | None
) -> None:
    specs = {spec.name: spec for spec in catalogue.specs(catalogue.names)}
    made = definition({tool: {"undo": undo}}, undo)
    found = [(one.loc, one.message) for one in tool_findings(made, KnownTools(frozenset(specs), specs.get))]
    assert found == ([] if told is None else [(("tools", 0, "undo"), told)])
