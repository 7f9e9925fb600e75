"""Terms: the parts of which an expression is made, each with its value for one event and its text.

A term evaluates what is below it and nothing else, so ``If`` can leave the branch alone that it does not take.
Texts have no parentheses but those that are needed, which is what makes them canonical.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, NamedTuple

from ledger.schema.numerals import NoValue, number

#: The name of an event's own value.
OWN = "value"

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_ARITHMETIC: Mapping[str, Callable[[Fraction, Fraction], Fraction]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
COMPARISONS: Mapping[str, Callable[[Fraction, Fraction], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
OF_SEVERAL: Mapping[str, Callable[[list[Fraction]], Fraction]] = {"min": min, "max": max}
OF_ONE: Mapping[str, Callable[[Fraction], Fraction]] = {
    "abs": abs,
    "floor": lambda number: Fraction(math.floor(number)),
    "ceil": lambda number: Fraction(math.ceil(number)),
    "round": lambda number: Fraction(round(number)),
}

#: The functions: ``if(a < b, then, otherwise)``, ``min`` and ``max`` of two or more, and those of one number, of
#: which ``round`` gives the nearest whole number and of two equally near ones the even one.
FUNCTIONS = ("if", *OF_SEVERAL, *OF_ONE)


class Event(NamedTuple):
    """What an event says of itself: its properties, and its own value or None."""

    properties: Mapping[str, str]
    own: Fraction | None


@dataclass(frozen=True)
class Term:
    """A part of an expression; ``binds`` says how strongly, for its parentheses: 1 like a sum to 4 like a name."""

    binds: ClassVar[int] = 4

    def of(self, event: Event) -> Fraction:
        """Its value for an event. Raises NoValue where there is none."""
        raise NotImplementedError

    def inside(self, binds: int) -> str:
        """As text where something stands that binds so strongly."""
        return str(self) if self.binds >= binds else f"({self})"


@dataclass(frozen=True)
class Number(Term):
    """A number that is written in the expression itself, in its one form."""

    text: str
    number: Fraction

    def of(self, event: Event) -> Fraction:
        return self.number

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Own(Term):
    """The event's own value."""

    def of(self, event: Event) -> Fraction:
        if event.own is None:
            raise NoValue("the event has no value of its own")
        return event.own

    def __str__(self) -> str:
        return OWN


@dataclass(frozen=True)
class Property(Term):
    """A property of the event, read as a number."""

    name: str

    def of(self, event: Event) -> Fraction:
        try:
            return number(event.properties.get(self.name))
        except NoValue as error:
            raise NoValue(f"property {self.name!r} {error}") from None

    def __str__(self) -> str:
        plain = _NAME.fullmatch(self.name) and self.name != OWN
        return self.name if plain else "`" + self.name.replace("`", "``") + "`"


@dataclass(frozen=True)
class Negative(Term):
    """Less than nothing by what stands behind the sign."""

    inner: Term
    binds: ClassVar[int] = 3

    def of(self, event: Event) -> Fraction:
        return -self.inner.of(event)

    def __str__(self) -> str:
        return f"-{self.inner.inside(self.binds)}"


@dataclass(frozen=True)
class Chain(Term):
    """Terms joined from left to right. They are one term, so that only parentheses make an expression deep."""

    first: Term
    rest: tuple[tuple[str, Term], ...]

    def of(self, event: Event) -> Fraction:
        total = self.first.of(event)
        for mark, term in self.rest:
            operand = term.of(event)
            if mark == "/" and operand == 0:
                raise NoValue(f"division by zero: {term.inside(self.binds + 1)} is 0")
            total = _ARITHMETIC[mark](total, operand)
        return total

    def __str__(self) -> str:
        rest = (f" {mark} {term.inside(self.binds + 1)}" for mark, term in self.rest)
        return self.first.inside(self.binds) + "".join(rest)


@dataclass(frozen=True)
class Sum(Chain):
    """Terms joined by ``+`` and ``-``."""

    binds: ClassVar[int] = 1


@dataclass(frozen=True)
class Product(Chain):
    """Terms joined by ``*`` and ``/``."""

    binds: ClassVar[int] = 2


@dataclass(frozen=True)
class Call(Term):
    """A function of one number, or of several."""

    function: str
    arguments: tuple[Term, ...]

    def of(self, event: Event) -> Fraction:
        numbers = [argument.of(event) for argument in self.arguments]
        several = OF_SEVERAL.get(self.function)
        return several(numbers) if several else OF_ONE[self.function](numbers[0])

    def __str__(self) -> str:
        return f"{self.function}({', '.join(map(str, self.arguments))})"


@dataclass(frozen=True)
class If(Term):
    """One of two terms, as a comparison decides; the other is not evaluated."""

    left: Term
    mark: str
    right: Term
    then: Term
    otherwise: Term

    def of(self, event: Event) -> Fraction:
        holds = COMPARISONS[self.mark](self.left.of(event), self.right.of(event))
        return (self.then if holds else self.otherwise).of(event)

    def __str__(self) -> str:
        return f"if({self.left} {self.mark} {self.right}, {self.then}, {self.otherwise})"
