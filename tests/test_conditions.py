from typing import Any

import pytest

from perdure.workflows.core.conditions import ConditionError, expression_of, is_true

pytestmark = pytest.mark.pure

NAMES: dict[str, Any] = {"args": {"amount": 150, "tags": ["new"], "who": None}, "session": {"cost_usd": 0.5}}


@pytest.mark.parametrize(
    ("template", "holds"),
    [
        ("{{ args.amount > 100 }}", True),
        ("{{ args.amount > 200 }}", False),
        (" {{args.amount>100 and 'new' in args.tags}}\n", True),
        ("{{ args.who is none }}", True),
        ("{{ args.nobody is defined }}", False),
        ("{{ session.cost_usd >= 0.5 }}", True),
        ("{{ not true }}", False),
    ],
)
def test_a_condition_holds_or_not(template: str, holds: bool) -> None:
    assert is_true(template, NAMES) is holds


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("args.amount > 100", "is not exactly one"),
        ("{{ args.amount }} {{ 1 }}", "is not exactly one"),
        ("yes: {{ true }}", "is not exactly one"),
        ("{% if true %}1{% endif %}", "is not exactly one"),
        ("{{ args.amount }}", r"gives '150' \(int\); a condition gives true or false"),
        ("{{ 'true' }}", r"gives 'true' \(str\)"),
        ("{{ none }}", r"gives 'None' \(NoneType\)"),
        ("{{ args.nobody }}", "gives|nobody"),
        ("{{ args.nobody > 1 }}", "nobody"),
        ("{{ args.who > 1 }}", "not supported between"),
        ("{{ nothing.at.all }}", "nothing"),
        ("{{ args.amount / 0 > 1 }}", "division by zero"),
        ("{{ args.amount > }}", "unexpected|Expected"),
        ("{{ args.__class__.__mro__ == 1 }}", "unsafe|access"),
        ("{{ ''.__class__ == 1 }}", "unsafe|access"),
    ],
)
def test_what_cannot_be_decided_is_an_error(template: str, why: str) -> None:
    with pytest.raises(ConditionError, match=why):
        is_true(template, NAMES)


def test_an_expression_is_what_stands_between_the_braces() -> None:
    assert expression_of("{{ a }}") == "a"
    assert expression_of("{{ a }} ") == "a"
    assert expression_of("{{ a }}{{ b }}") is None
    assert expression_of("a") is None
