"""Exact arithmetic on text. Parses with Python's syntax tree; evaluates without Python's `eval`.

Rule 1: numbers are fractions made from the digits as written, so 0.1 + 0.2 is 0.3. Only square roots, powers with a
fractional exponent and decimals without end are rounded, and the result then says that it is not exact.
Rule 2: neither numerator nor denominator has more than `MAX_DIGITS` digits. Operations that could go far beyond that
(powers, exponents) are refused before they are computed.
"""

import ast
import math
import warnings
from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Context, Decimal, DecimalException
from fractions import Fraction

from perdure.workflows.vocabulary.parts import Frozen

MAX_LENGTH = 1000
#: A sum of `MAX_LENGTH` characters has this nesting depth, which is well below Python's own limit.
MAX_DEPTH = 500
MAX_DIGITS = 2000
#: Significant digits of a rounded result.
PRECISION = 28

_MAX_BITS = int(MAX_DIGITS * math.log2(10))
_ROUNDING = Context(prec=PRECISION, rounding=ROUND_HALF_EVEN, Emax=10 * MAX_DIGITS, Emin=-10 * MAX_DIGITS)
_TOO_BIG = f"a number would have more than {MAX_DIGITS} digits"
_FUNCTIONS = "sqrt, abs, round, min, max"


class CalculationError(Exception):
    """The expression cannot be evaluated; the message says why."""


class Calculation(Frozen):
    #: A decimal number, as text because JSON readers round long numbers.
    result: str
    #: False if the result is rounded.
    exact: bool


def calculate(expression: str) -> Calculation:
    """Evaluates an arithmetic expression. Raises `CalculationError`."""
    if len(expression) > MAX_LENGTH:
        raise CalculationError(f"the expression is longer than {MAX_LENGTH} characters")
    text = " ".join(expression.split())
    try:
        with warnings.catch_warnings():
            # Python warns about "1if" and the like on stderr; they are errors below.
            warnings.simplefilter("ignore")
            tree = ast.parse(text, mode="eval")
    except SyntaxError as error:
        raise CalculationError(f"this is not an arithmetic expression: {error.msg}") from None
    except (ValueError, MemoryError, RecursionError):
        raise CalculationError("this is not an arithmetic expression, or it is nested too deeply") from None
    evaluation = _Evaluation(text)
    value = evaluation.value(tree.body, 0)
    written, exact = _write(value)
    return Calculation(result=written, exact=exact and evaluation.exact)


class _Evaluation:
    def __init__(self, text: str) -> None:
        self._text = text
        self.exact = True

    def value(self, node: ast.expr, depth: int) -> Fraction:
        if depth > MAX_DEPTH:
            raise CalculationError(f"the expression is nested deeper than {MAX_DEPTH} levels")
        match node:
            case ast.Constant():
                return _bounded(self._literal(node))
            case ast.UnaryOp(op=ast.USub()):
                return -self.value(node.operand, depth + 1)
            case ast.UnaryOp(op=ast.UAdd()):
                return self.value(node.operand, depth + 1)
            case ast.BinOp():
                left, right = self.value(node.left, depth + 1), self.value(node.right, depth + 1)
                return _bounded(self._operation(node.op, left, right))
            case ast.Call(func=ast.Name(id=name), keywords=[]):
                return _bounded(self._call(name, [self.value(item, depth + 1) for item in node.args]))
            case ast.Name(id=name):
                raise CalculationError(f"unknown name {name[:40]!r}; use numbers, operators and {_FUNCTIONS}")
            case ast.Tuple(elts=[_, *_]):
                raise CalculationError("write numbers without separators for thousands: 1000, not 1,000")
            case _:
                raise CalculationError(f"only numbers, + - * / // % **, parentheses and {_FUNCTIONS} are supported")

    def _literal(self, node: ast.Constant) -> Fraction:
        if type(node.value) is int:
            return Fraction(node.value)
        if type(node.value) is not float:
            raise CalculationError(f"{str(node.value)[:40]!r} is not a supported number")
        try:
            # From the source text, because the float has lost digits. Via Decimal, which keeps 1e999999999 short.
            number = Decimal((ast.get_source_segment(self._text, node) or "").replace("_", ""))
        except DecimalException:
            raise CalculationError(_TOO_BIG) from None
        if number and abs(number.adjusted()) > MAX_DIGITS:
            raise CalculationError(_TOO_BIG)
        return Fraction(number)

    def _operation(self, operator: ast.operator, left: Fraction, right: Fraction) -> Fraction:
        if isinstance(operator, ast.Div | ast.FloorDiv | ast.Mod) and right == 0:
            raise CalculationError("division by zero")
        match operator:
            case ast.Add():
                return left + right
            case ast.Sub():
                return left - right
            case ast.Mult():
                return left * right
            case ast.Div():
                return left / right
            case ast.FloorDiv():
                return Fraction(left // right)
            case ast.Mod():
                return left % right
            case ast.Pow():
                return self._power(left, right)
            case ast.BitXor():
                raise CalculationError("^ is not supported; write ** for a power")
            case _:
                raise CalculationError("only the operators + - * / // % ** are supported")

    def _power(self, base: Fraction, exponent: Fraction) -> Fraction:
        if base == 0 and exponent < 0:
            raise CalculationError("division by zero")
        if exponent.denominator == 1:
            times = exponent.numerator
            if base in (-1, 0, 1):
                # For these bases only the sign, parity and zeroness of the exponent matter, however long it is.
                times = min(abs(times), 2 + times % 2)
            elif _bits(base) * abs(times) > 2 * _MAX_BITS:
                raise CalculationError(_TOO_BIG)
            return Fraction(base**times)
        if base < 0:
            raise CalculationError("a negative number has no real power with a fractional exponent")
        if exponent == Fraction(1, 2):
            return self._root(base)
        self.exact = False
        return self._rounded(lambda: _ROUNDING.power(_decimal(base), _decimal(exponent)))

    def _root(self, value: Fraction) -> Fraction:
        if value < 0:
            raise CalculationError("a negative number has no real square root")
        root = Fraction(math.isqrt(value.numerator), math.isqrt(value.denominator))
        if root * root == value:
            return root
        self.exact = False
        return self._rounded(lambda: _ROUNDING.sqrt(_decimal(value)))

    def _rounded(self, compute: Callable[[], Decimal]) -> Fraction:
        try:
            number = compute()
        except DecimalException:
            raise CalculationError(_TOO_BIG) from None
        if number and abs(number.adjusted()) > MAX_DIGITS:
            raise CalculationError(_TOO_BIG)
        return Fraction(number)

    def _call(self, name: str, given: list[Fraction]) -> Fraction:
        match name, given:
            case "sqrt", [value]:
                return self._root(value)
            case "abs", [value]:
                return abs(value)
            case "round", [value]:
                return Fraction(round(value))
            case "round", [value, places] if places.denominator == 1 and abs(places) <= 100:
                return Fraction(round(value, int(places)))
            case "min", [_, *_]:
                return min(given)
            case "max", [_, *_]:
                return max(given)
            case (("sqrt" | "abs" | "round" | "min" | "max"), _):
                raise CalculationError(f"{name} does not accept these arguments")
            case _:
                raise CalculationError(f"unknown function {name[:40]!r}; the functions are {_FUNCTIONS}")


def _bits(value: Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def _bounded(value: Fraction) -> Fraction:
    if _bits(value) > _MAX_BITS:
        raise CalculationError(_TOO_BIG)
    return value


def _decimal(value: Fraction) -> Decimal:
    return _ROUNDING.divide(Decimal(value.numerator), Decimal(value.denominator))


def _write(value: Fraction) -> tuple[str, bool]:
    """The value as a decimal, and whether it is exact."""
    if value.denominator == 1:
        return str(value.numerator), True
    rest, twos, fives = value.denominator, 0, 0
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    places = max(twos, fives)
    if rest == 1 and places <= 4 * PRECISION:
        digits = str(abs(value.numerator) * 10**places // value.denominator).rjust(places + 1, "0")
        return f"{'-' if value < 0 else ''}{digits[:-places]}.{digits[-places:]}", True
    return str(_decimal(value)), False
