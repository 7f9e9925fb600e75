"""Decimal numbers in what events say of themselves: read exactly, and written in one way.

A property is text that anybody may have sent. JSON and most programs write numbers with signs and exponents, which
the plain digits of prices (see ``decimals``) do not allow; so here they are allowed, and no more than that. What is
read becomes a fraction, because quotients of such numbers have to be exact too.

The limits keep a short text from standing for a number that fills the memory, and are wide enough for every float64
in its shortest form (IEEE 754 binary64: 17 digits, 5e-324 to 1.8e308).
"""

from __future__ import annotations

import re
from fractions import Fraction

#: Characters of a number, and the power of ten of its last digit.
NUMBER_LENGTH_MAX, EXPONENT_MAX = 60, 400
#: Numbers up to this many characters are written plainly, as 1000 and not as 1e3.
_PLAIN_LENGTH_MAX = 24

_NUMBER = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?")


class NoValue(ValueError):
    """An event has no value under an expression; the text names the property or the division that is to blame."""


def number(text: str | None) -> Fraction:
    """A decimal number, exactly: ``"-0.5"``, ``"1e3"``; the whole text, in ASCII digits, without spaces.

    Raises NoValue for anything else, None, ``NaN`` and ``Infinity`` among it, for more than NUMBER_LENGTH_MAX
    characters, and for a last digit beyond 10^EXPONENT_MAX or below 10^-EXPONENT_MAX.
    """
    digits, exponent = _scaled(text)
    return Fraction(digits * 10**exponent) if exponent >= 0 else Fraction(digits, 10**-exponent)


def number_text(text: str) -> str:
    """The one way in which a number is written: two texts of the same number become the same. Raises NoValue."""
    digits, exponent = _scaled(text)
    sign, written = "-" * (digits < 0), str(abs(digits))
    if exponent >= 0:
        plain = sign + written + "0" * exponent
    else:
        written = written.rjust(1 - exponent, "0")
        plain = f"{sign}{written[:exponent]}.{written[exponent:]}"
    short = f"{digits}e{exponent}"
    return plain if len(plain) <= max(_PLAIN_LENGTH_MAX, len(short)) else short


def _scaled(text: str | None) -> tuple[int, int]:
    """Digits without zeros at the end, and the power of ten of the last one."""
    if text is None:
        raise NoValue("is missing")
    found = _NUMBER.fullmatch(text) if len(text) <= NUMBER_LENGTH_MAX else None
    if found is None:
        raise NoValue(
            f"{text[:NUMBER_LENGTH_MAX]!r} is not a decimal number such as 12, -0.5 or 1e3 "
            f"of at most {NUMBER_LENGTH_MAX} characters"
        )
    sign, whole, part, power = found.groups(default="")
    written = (whole + part).rstrip("0")
    if not written.strip("0"):
        return 0, 0
    exponent = int(power or 0) + len(whole) - len(written)
    if abs(exponent) > EXPONENT_MAX:
        raise NoValue(f"{text!r} is beyond the numbers that are computed with: at most 1e{EXPONENT_MAX}")
    return int(sign + written), exponent
