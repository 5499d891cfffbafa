"""Exact arithmetic, and the results of hostile expressions."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.activities.shipped.calculator import MAX_DIGITS, Calculation, CalculationError, calculate


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("0.1 + 0.2", "0.3"),
        ("(19.90 * 3 + 4.95) / 2", "32.325"),
        ("2 + 3 * 4 ** 2", "50"),
        ("-7 // 2", "-4"),
        ("-7 % 3", "2"),
        ("-2 ** 2", "-4"),
        ("2 ** -2", "0.25"),
        ("+-+1", "-1"),
        ("1_000.50 * 2", "2001"),
        ("0.1000000000000000000000000000001 * 10", "1.000000000000000000000000000001"),
        ("123456789123456789 * 987654321987654321", "121932631356500531347203169112635269"),
        ("sqrt(0.25) + sqrt(16)", "4.5"),
        ("9 ** 0.5", "3"),
        ("abs(-3.5)", "3.5"),
        ("round(2.5)", "2"),
        ("round(2.675, 2)", "2.68"),
        ("round(12345, -2)", "12300"),
        ("min(3, 1, 2) + max(1, 2)", "3"),
        ("0 ** 0", "1"),
        ("(-1) ** (10 ** 1500 + 1)", "-1"),
        ("1e999 / 1e998", "10"),
        ("\n 1 +\n 2 ", "3"),
        ("-0.5", "-0.5"),
        ("0e999999999", "0"),
    ],
)
def test_exact_answers(expression: str, result: str) -> None:
    assert calculate(expression) == Calculation(result=result, exact=True)


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("1 / 3", "0.3333333333333333333333333333"),
        ("sqrt(2)", "1.414213562373095048801688724"),
        ("8 ** (1 / 3)", "2"),
        ("1 / 7 ** 50", "5.560297121638573447808725957E-43"),
    ],
)
def test_rounded_answers_say_so(expression: str, result: str) -> None:
    assert calculate(expression) == Calculation(result=result, exact=False)


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("", "not an arithmetic expression"),
        ("1 +", "not an arithmetic expression"),
        ("1; 2", "not an arithmetic expression"),
        ("\0", "not an arithmetic expression"),
        ("\ud800", "not an arithmetic expression"),
        ("１ + ２", "invalid character"),
        ("٣ + ٤", "invalid character"),
        ("1 / 0", "division by zero"),
        ("1 // 0.0", "division by zero"),
        ("5 % (1 - 1)", "division by zero"),
        ("0 ** -1", "division by zero"),
        ("2 ^ 3", r"write \*\* for a power"),
        ("1,000 + 1", "without separators"),
        ("5 & 3", "only the operators"),
        ("sqrt(-1)", "no real square root"),
        ("(-8) ** 0.3", "no real power"),
        ("sqrt(1, 2)", "sqrt does not accept these arguments"),
        ("min()", "min does not accept these arguments"),
        ("round(1, 0.5)", "round does not accept these arguments"),
        ("round(1, 10 ** 9)", "round does not accept these arguments"),
        ("pi * 2", "unknown name 'pi'"),
        ("exp(1)", "unknown function 'exp'; the functions are sqrt, abs"),
        ("True + 1", "'True' is not a supported number"),
        ("2j", "not a supported number"),
        ("'a' * 9", "not a supported number"),
        ("1 < 2", "are supported"),
        ("(1).real", "are supported"),
        ("[1][0]", "are supported"),
        ("(lambda: 1)()", "are supported"),
        ("[x for x in (1, 2)]", "are supported"),
        ("round(number=1)", "are supported"),
        ("max(*(1, 2))", "are supported"),
        ("(0).__class__.__base__.__subclasses__()", "are supported"),
        ("().__class__", "are supported"),
        ("f'{1}'", "are supported"),
        ("1if 2else 3", "are supported"),
    ],
)
def test_what_is_not_understood_is_explained(expression: str, said: str) -> None:
    with pytest.raises(CalculationError, match=said):
        calculate(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "9 ** 9 ** 9",
        "10 ** 1999 * 10 ** 1999",
        "1e999999999",
        "1e-999999999",
        "1e99999999999999999999999999",
        "2 ** (10 ** 10 + 0.5)",
        "0.5 ** 999999999",
        "(1 + 1 / 10 ** 12) ** 5000",
        "9" * 1001,
        "-" * 999 + "1",
        "(" * 400 + "1" + ")" * 400,
        "abs(" * 190 + "9 ** 99999" + ")" * 190,
        "**".join("9" * 300),
    ],
    ids=lambda text: text[:30],
)
def test_what_would_grow_without_end_is_refused(expression: str) -> None:
    with pytest.raises(CalculationError, match=r"more than|longer than|too deeply|too many nested|nested deeper"):
        calculate(expression)


def test_long_sums_and_long_numbers_are_fine() -> None:
    assert calculate("+".join("1" * 500)).result == "500"
    assert len(calculate(f"10 ** {MAX_DIGITS - 2}").result) == MAX_DIGITS - 1


@given(st.text(alphabet="0123456789.+-*/%() e,sqrtabminx", max_size=40))
def test_any_text_is_an_answer_or_an_explanation(text: str) -> None:
    try:
        said = calculate(text).result
    except CalculationError as error:
        said = str(error)
    assert 0 < len(said) < 2 * MAX_DIGITS


@given(st.decimals(-1000, 1000, places=3), st.decimals(-1000, 1000, places=3))
def test_decimals_are_added_as_on_paper(left: Decimal, right: Decimal) -> None:
    answer = calculate(f"{left} + {right}")
    assert answer.exact
    assert Decimal(answer.result) == left + right
