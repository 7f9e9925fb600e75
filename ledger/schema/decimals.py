"""Exact decimal numbers: how they are read, written, and computed with.

A price typed as ``0.1`` has to be one tenth and stay one tenth until the line is rounded to a coin. Two things
would lose that in silence. A float on the way in: so only text, integers and Decimals are read. A context that
rounds: Python's default keeps 28 digits and drops the rest without a word, so arithmetic on quantities and
money runs inside :func:`exact`, where a result that does not fit raises instead.

How many digits are enough is counted, not guessed. A number read here has at most 20 digits before the point
and 18 after it; a quantity at most 29 before (DECIMAL(38,9)) and, cut at a tier boundary, 18 after. Their
product has at most 85 digits, and 15 more leave room to add 10**15 such products.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import AbstractContextManager
from decimal import Context, Decimal, DivisionByZero, FloatOperation, Inexact, InvalidOperation, Overflow, localcontext
from functools import reduce
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

INTEGER_DIGITS_MAX = 20
FRACTION_DIGITS_MAX = 18
_ZERO = Decimal(0)

_PLAIN = re.compile(rf"[0-9]{{1,{INTEGER_DIGITS_MAX}}}(\.[0-9]{{1,{FRACTION_DIGITS_MAX}}})?")
_EXACT = Context(prec=100, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow, FloatOperation])


def exact() -> AbstractContextManager[Context]:
    """A context for sums, differences and products of quantities and money.

    Inside it ``decimal.Inexact`` is raised where a result would need rounding, and ``decimal.FloatOperation``
    where a float slips in. Each use gets its own copy, so threads do not share flags.
    """
    return localcontext(_EXACT)


def total(numbers: Iterable[Decimal]) -> Decimal:
    """The exact sum; ``Decimal('0')`` of nothing. Raises ``decimal.Inexact`` beyond 100 digits."""
    # The context's own method, since a context of its own for each sum takes longer than most sums.
    return reduce(_EXACT.add, numbers, _ZERO)


def product(one: Decimal, other: Decimal) -> Decimal:
    """The exact product, where there is only one to make. Raises ``decimal.Inexact`` beyond 100 digits."""
    return _EXACT.multiply(one, other)


def charged(quantity: Decimal, unit_price: Decimal, amount: Decimal) -> Decimal:
    """Quantity x price + amount, exact. Raises ``decimal.Inexact`` beyond 100 digits."""
    return _EXACT.fma(quantity, unit_price, amount)


def difference(one: Decimal, other: Decimal) -> Decimal:
    """The exact difference, where there is only one to make. Raises ``decimal.Inexact`` beyond 100 digits."""
    return _EXACT.subtract(one, other)


def parse_plain(value: object) -> Decimal:
    """A number of at least zero from plain digits: ``"0.10"`` -> ``Decimal("0.1")``.

    Raises ValueError for signs, exponents, ``NaN``, ``Infinity``, floats, and more digits than the module says.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        raise ValueError(f"{value!r} is not a decimal number: write plain digits such as 0.002")
    written = format(value, "f") if isinstance(value, Decimal) else str(value)
    if written.startswith("-"):
        raise ValueError(f"{written!r} is negative: the number must be zero or more")
    if not _PLAIN.fullmatch(written):
        raise ValueError(
            f"{written!r} is not a plain decimal number such as 0.002: digits with at most one point, no exponent, "
            f"at most {INTEGER_DIGITS_MAX} digits before the point and {FRACTION_DIGITS_MAX} after it"
        )
    return Decimal(plain_text(Decimal(written)))


def plain_text(number: Decimal) -> str:
    """Digits without exponent and without zeros at the end: the one way a number is written in the book.

    ``normalize`` would do the same, but rounds to the context's precision on the way.
    """
    if not number:
        return "0"
    written = str(number)
    if "E" in written:
        written = format(number, "f")
    return written.rstrip("0").rstrip(".") if "." in written else written


def portion(part: int, whole: int) -> Decimal | None:
    """``part / whole`` with four digits, rounded down so that 1 is only said when it is 1; None of nothing."""
    if whole == 0:
        return None
    with exact():
        return Decimal(part * 10_000 // whole).scaleb(-4)


#: A field of a definition that holds such a number; its JSON is text, never a JSON number.
PlainDecimal = Annotated[Decimal, BeforeValidator(parse_plain), PlainSerializer(plain_text, return_type=str)]
