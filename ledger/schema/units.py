"""Units of quantities, and how many of one are one of another: exactly, or not at all.

Usage is measured in what a source counts, bytes and seconds, and priced in what people buy, GiB-hours and thousands
of requests. The factor between them ends up on an invoice, so it is a fraction, out of a table that is short enough
to be read. A library of physical units would bring thousands of other symbols, and months of a mean length.

Written as in UCUM (the Unified Code for Units of Measure, case sensitive; sections in brackets), which is what
OpenTelemetry asks for (semantic conventions, "Instrument units"): ``By``, ``KiBy``, ``GBy/s``, ``GiBy.h``, ``W.h``, ``s-1``,
``10*6``, ``%``, ``{request}``. Products and quotients are read from left to right [7], so ``a/b.c`` is ``(a/b).c``.
Beside it, as in FOCUS ("Unit Format") and in daily use:

* ``B`` and ``b`` for byte and bit (in UCUM they are bel and barn), ``KB``, ``GB``, ``GiB``, ``Gb``; ``K`` is 1000;
* ``-`` for a product that is taken together: ``GB-Hours``, ``core-seconds``, and ``GB/Core-Hour`` is ``GB/(core.h)``;
  ``*`` for any other; ``^`` before an exponent: ``s^-1``;
* words, small or capitalized, one or many: ``hours``, ``GB/Hour``, ``1000 Requests``; ``vCPU`` and ``core`` are one
  (Kubernetes, "CPU resource units"); ``Wh``, ``Hz``.

Two differences are on purpose. An annotation that stands by itself counts a thing of its own, so that no request is
ever taken for a token, where UCUM lets all of them be 1 [6]; behind a symbol it says nothing, as there. And months
and years are refused, because no fixed number of hours is right for them (UCUM's are means [31]).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

UNIT_LENGTH_MAX, EXPONENT_MAX = 100, 30

_Dimensions = tuple[tuple[str, int], ...]

#: UCUM, table 1; those below one are kept from data, where ``mb`` was meant to be something else.
_LARGE: dict[str, Fraction | int] = {"k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15, "E": 10**18}
_SMALL: dict[str, Fraction | int] = {"m": Fraction(1, 10**3), "u": Fraction(1, 10**6), "n": Fraction(1, 10**9)}
#: IEC 80000-13; UCUM, table 23, has the first four.
_BINARY: dict[str, Fraction | int] = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60}

_PREFIXES: Mapping[str, Mapping[str, Fraction | int]] = {
    "none": {},
    "metric": _LARGE | _SMALL,
    "data": _LARGE | _BINARY,
    "short data": _LARGE | _BINARY | {"K": 10**3},
}


@dataclass(frozen=True)
class Unit:
    """``factor`` of the base units bit, second, core, joule, ampere, metre, gram and things counted, in their powers."""

    factor: Fraction
    dimensions: _Dimensions

    def times(self, other: Unit, power: int) -> Unit:
        """The product with a power of another unit."""
        powers = dict(self.dimensions)
        for name, exponent in other.dimensions:
            powers[name] = powers.get(name, 0) + exponent * power
        kept = tuple(sorted((name, exponent) for name, exponent in powers.items() if exponent))
        return Unit(self.factor * other.factor**power, kept)

    def __str__(self) -> str:
        """What it measures: ``data.time``, ``data/time``, ``{request}``; ``a number`` where nothing is left."""
        above = ".".join(f"{name}{power if power > 1 else ''}" for name, power in self.dimensions if power > 0)
        below = "".join(f"/{name}{-power if power < -1 else ''}" for name, power in self.dimensions if power < 0)
        return f"{above or '1'}{below}" if self.dimensions else "a number"


ONE = Unit(Fraction(1), ())


def _unit(factor: Fraction | int, **powers: int) -> Unit:
    return Unit(Fraction(factor), tuple(sorted(powers.items())))


#: Symbols, and which prefixes they take. UCUM, tables 2 to 5 and 22, but for what the module says.
_SYMBOLS: Mapping[str, tuple[Unit, str]] = {
    "bit": (_unit(1, data=1), "data"),
    "By": (_unit(8, data=1), "data"),
    "b": (_unit(1, data=1), "short data"),
    "B": (_unit(8, data=1), "short data"),
    "s": (_unit(1, time=1), "metric"),
    "min": (_unit(60, time=1), "none"),
    "h": (_unit(3600, time=1), "none"),
    "d": (_unit(86_400, time=1), "none"),
    "wk": (_unit(604_800, time=1), "none"),
    "Hz": (_unit(1, time=-1), "metric"),
    "core": (_unit(1, cpu=1), "metric"),
    "vCPU": (_unit(1, cpu=1), "metric"),
    "J": (_unit(1, energy=1), "metric"),
    "W": (_unit(1, energy=1, time=-1), "metric"),
    "Wh": (_unit(3600, energy=1), "metric"),
    "A": (_unit(1, current=1), "metric"),
    "V": (_unit(1, current=-1, energy=1, time=-1), "metric"),
    "m": (_unit(1, length=1), "metric"),
    "g": (_unit(1, mass=1), "metric"),
    "%": (_unit(Fraction(1, 100)), "none"),
}
#: Words for symbols (OpenMetrics and FOCUS spell units out), and what FOCUS counts.
_WORDS: Mapping[str, str] = {
    "byte": "By",
    "bit": "bit",
    "microsecond": "us",
    "millisecond": "ms",
    "second": "s",
    "minute": "min",
    "hour": "h",
    "day": "d",
    "week": "wk",
    "core": "core",
    "vCPU": "vCPU",
    "joule": "J",
    "watt": "W",
    "ampere": "A",
    "volt": "V",
    "meter": "m",
    "gram": "g",
    "percent": "%",
    **{noun: f"{{{noun}}}" for noun in ("certificate", "connection", "count", "domain", "request", "token", "unit")},
}
_NOT_FIXED = frozenset({"mo", "mo_s", "mo_j", "mo_g", "month", "quarter", "a", "a_t", "a_j", "a_g", "year"})

_PIECE = re.compile(
    r"(?P<power>10[*^](?P<ten>[+-]?[0-9]+))|(?P<number>[0-9]+)(?P<space> ?)"
    r"|(?P<symbol>[A-Za-z_]+|%)(?:\^?(?P<exponent>[+-]?[0-9]+))?|(?P<note>\{[!-z|~]+\})|(?P<mark>[-.*/()])"
)


def factor(source: str, target: str) -> Fraction:
    """How many ``target`` are one ``source``: ``factor("GiB.h", "MiB.min")`` is 61440.

    Raises ValueError where a text is no unit, with the place, and where the two do not measure the same.
    """
    one, other = parse(source), parse(target)
    if one.dimensions != other.dimensions:
        raise ValueError(f"{source!r} measures {one} and {target!r} measures {other}: neither is a number of the other")
    return one.factor / other.factor


@lru_cache(maxsize=1024)
def parse(text: str) -> Unit:
    """The unit in a text. Raises ValueError with the column, from 1, of what is unknown, not fixed or out of place."""
    if len(text) > UNIT_LENGTH_MAX:
        raise ValueError(f"{text[:UNIT_LENGTH_MAX]!r}... is no unit: it has more than {UNIT_LENGTH_MAX} characters")
    return _Parser(text).unit()


class _Parser:
    """Recursive descent: a product, and what stands between its marks."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 0

    def unit(self) -> Unit:
        found = self._product()
        if self._place < len(self._text):
            raise self._unexpected("'.', '-', '*' or '/'")
        return found

    def _product(self) -> Unit:
        found = ONE if self._text.startswith("/", self._place) else self._compound()
        while mark := self._accept(".", "*", "/"):
            found = found.times(self._compound(), -1 if mark == "/" else 1)
        return found

    def _compound(self) -> Unit:
        """What hyphens hold together: a FOCUS ratio is one compound unit per another."""
        found = self._factor()
        while self._accept("-"):
            found = found.times(self._factor(), 1)
        return found

    def _factor(self) -> Unit:
        piece = _PIECE.match(self._text, self._place)
        if piece is None or piece["mark"] not in (None, "("):
            raise self._unexpected("a unit")
        if piece["mark"]:
            self._place = piece.end()
            inner = self._product()
            if not self._accept(")"):
                raise self._unexpected("')'")
            return inner
        if piece["symbol"]:
            found = ONE.times(self._symbol(piece["symbol"]), self._exponent(piece["exponent"] or "1"))
            self._place = piece.end()
            self._note()
            return found
        return self._counted(piece)

    def _counted(self, piece: re.Match[str]) -> Unit:
        """A number, what is counted, or so many of it."""
        if piece["note"]:
            self._place = piece.end()
            return Unit(Fraction(1), ((piece["note"], 1),))
        if piece["power"]:
            number = Fraction(10) ** self._exponent(piece["ten"])
        elif re.match(r"[0-9]+\.[0-9]", self._text[self._place :]):
            raise self._fault("a number in a unit has no point: write 15/10 for 1.5")
        elif int(piece["number"]) == 0:
            raise self._fault("a number in a unit is at least 1")
        else:
            number = Fraction(int(piece["number"]))
        self._place = piece.end()
        found = Unit(number, ())
        # So many of something is one factor: GB/3 Hours is a third of GB/Hour.
        return found.times(self._factor(), 1) if piece["space"] else found.times(self._note(), 1)

    def _note(self) -> Unit:
        """The annotation that stands here, or one."""
        piece = _PIECE.match(self._text, self._place)
        if piece is None or not piece["note"]:
            return ONE
        self._place = piece.end()
        return Unit(Fraction(1), ((piece["note"], 1),))

    def _symbol(self, symbol: str) -> Unit:
        found = _prefixed(symbol)
        if found is not None:
            return found
        word = symbol.lower() if symbol in (symbol.lower(), symbol.capitalize()) else symbol
        for name in (word, word.removesuffix("s")):
            if name in _NOT_FIXED:
                raise self._fault(f"{symbol!r} has no fixed length: use h or d")
            if name in _WORDS:
                return parse(_WORDS[name])
        raise self._fault(f"{symbol!r} is not a unit")

    def _exponent(self, text: str) -> int:
        if abs(int(text)) > EXPONENT_MAX:
            raise self._fault(f"{text} is beyond the exponents, which are at most {EXPONENT_MAX}")
        return int(text)

    def _accept(self, *marks: str) -> str | None:
        mark = self._text[self._place : self._place + 1]
        if mark not in marks:
            return None
        self._place += 1
        return mark

    def _unexpected(self, expected: str) -> ValueError:
        piece = _PIECE.match(self._text, self._place)
        shown = repr(piece[0] if piece else self._text[self._place]) if self._place < len(self._text) else "the end"
        return self._fault(f"{expected} is expected, not {shown}")

    def _fault(self, what: str) -> ValueError:
        return ValueError(f"unit {self._text!r}, column {self._place + 1}: {what}")


def _prefixed(symbol: str) -> Unit | None:
    """The unit of a symbol, alone or behind the longest prefix that it takes [UCUM 11]."""
    if symbol in _SYMBOLS:
        return _SYMBOLS[symbol][0]
    for length in (2, 1):
        unit, prefixes = _SYMBOLS.get(symbol[length:], (ONE, "none"))
        prefix = _PREFIXES[prefixes].get(symbol[:length])
        if prefix is not None:
            return Unit(prefix * unit.factor, unit.dimensions)
    return None
