"""Expressions: what one event counts for, worked out from its value and its properties.

An event often carries the parts of what is billed and not the product: bytes and a replication factor, tokens in
and tokens out. A meter says how they combine, in a language of its own that can compute and do nothing else::

    value * replicas / 1024
    max(bytes, 4096) + `bytes out`
    if(http.status >= 500, 0, 1)

``value`` is the event's own value, every other name a property; a name with other characters, or a property that
is called ``value``, stands in backquotes (a backquote inside is doubled). There are ``+ - * /`` and a leading
``-``, parentheses, and the functions of :data:`FUNCTIONS`; ``if`` evaluates only the branch that it takes.

Numbers are fractions, so nothing is rounded on the way: what is rounded is only the result, by who books it. Texts
come from people and properties from anybody, so both have limits: nesting, words, digits and exponents.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Annotated, NamedTuple

from pydantic import AfterValidator

from ledger.directory.terms import (
    COMPARISONS,
    FUNCTIONS,
    OF_ONE,
    OWN,
    Call,
    Chain,
    Event,
    If,
    Negative,
    Number,
    Own,
    Product,
    Property,
    Sum,
    Term,
)
from ledger.schema.numerals import NoValue, number, number_text

#: Levels of parentheses, functions and signs; and names, numbers and marks in all.
DEPTH_MAX, WORDS_MAX = 32, 500
NAME_LENGTH_MAX = 200
_SHOWN_LENGTH_MAX = 60

_WORD = re.compile(
    r"(?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)|(?P<name>[A-Za-z_][A-Za-z0-9_.]*)"
    r"|`(?P<quoted>(?:[^`]|``)+)`|(?P<mark><=|>=|==|!=|[-+*/(),<>])|(?P<space>[ \t\r\n]+)"
)


@dataclass(frozen=True)
class Expression:
    """A checked expression. As text it is canonical: it parses to an equal expression, which has the same text.

    ``names`` are the properties that it may read, in order of their first use; ``reads_value`` says whether it may
    read the event's own value.
    """

    root: Term = field(repr=False)
    names: tuple[str, ...]
    reads_value: bool

    def value(self, properties: Mapping[str, str], own: Fraction | None = None) -> Fraction:
        """The number that it gives for an event with these properties and this value of its own (None: none).

        Raises NoValue where a property that is needed is missing or no number (see :func:`number`), where the value
        is needed and there is none, and for a division by zero.
        """
        return self.root.of(Event(properties, own))

    def __str__(self) -> str:
        return str(self.root)


@lru_cache(maxsize=1024)
def parse(text: str) -> Expression:
    """The expression in a text. Raises ValueError with the column, from 1, what was expected and what stands there."""
    return _Parser(text).expression()


def _canonical(text: str) -> str:
    return str(parse(text))


#: A field of a definition that holds an expression, as its canonical text.
ExpressionText = Annotated[str, AfterValidator(_canonical)]


class _Word(NamedTuple):
    kind: str
    text: str
    column: int


def _words(text: str) -> list[_Word]:
    words: list[_Word] = []
    place = 0
    while place < len(text):
        found = _WORD.match(text, place)
        if found is None or found.lastgroup is None:
            raise ValueError(f"column {place + 1}: {text[place]!r} has no meaning in an expression")
        if found.lastgroup != "space":
            words.append(_Word(found.lastgroup, found[found.lastgroup], place + 1))
        if len(words) > WORDS_MAX:
            raise ValueError(f"column {place + 1}: an expression has at most {WORDS_MAX} names, numbers and marks")
        place = found.end()
    return [*words, _Word("end", "the end", len(text) + 1)]


class _Parser:
    """Recursive descent: sum, product, sign, and what stands by itself."""

    def __init__(self, text: str) -> None:
        self._words = _words(text)
        self._place = 0
        self._names: dict[str, None] = {}
        self._reads_value = False

    def expression(self) -> Expression:
        root = self._sum(0)
        self._expect("end", "an operator or the end")
        return Expression(root, tuple(self._names), self._reads_value)

    def _sum(self, depth: int) -> Term:
        return self._chain(Sum, "+-", self._product, depth)

    def _product(self, depth: int) -> Term:
        return self._chain(Product, "*/", self._signed, depth)

    def _chain(self, kind: type[Chain], marks: str, operand: Callable[[int], Term], depth: int) -> Term:
        first = operand(depth)
        rest: list[tuple[str, Term]] = []
        while (mark := self._accept(*marks)) is not None:
            rest.append((mark, operand(depth)))
        if not rest:
            return first
        # (a + b) + c means what a + b + c does, and gets the same text.
        if isinstance(first, kind):
            return kind(first.first, (*first.rest, *rest))
        return kind(first, tuple(rest))

    def _signed(self, depth: int) -> Term:
        if self._accept("-") is None:
            return self._single(depth)
        return Negative(self._signed(self._deeper(depth)))

    def _single(self, depth: int) -> Term:
        if self._accept("(") is not None:
            inner = self._sum(self._deeper(depth))
            self._expect(")")
            return inner
        word = self._words[self._place]
        if word.kind not in ("number", "name", "quoted"):
            raise self._unexpected("a number, a name, a function or '('")
        self._place += 1
        if word.kind == "number":
            return self._number(word)
        if word.kind == "name" and self._accept("(") is not None:
            return self._function(word, self._deeper(depth))
        if word.kind == "name" and word.text == OWN:
            self._reads_value = True
            return Own()
        name = word.text.replace("``", "`") if word.kind == "quoted" else word.text
        if len(name) > NAME_LENGTH_MAX:
            raise ValueError(f"column {word.column}: a name has at most {NAME_LENGTH_MAX} characters")
        self._names[name] = None
        return Property(name)

    def _number(self, word: _Word) -> Term:
        try:
            return Number(number_text(word.text), number(word.text))
        except NoValue as error:
            raise ValueError(f"column {word.column}: {error}") from None

    def _function(self, word: _Word, depth: int) -> Term:
        if word.text not in FUNCTIONS:
            known = ", ".join(FUNCTIONS)
            raise ValueError(f"column {word.column}: {word.text[:60]!r} is not a function; known are {known}")
        if word.text == "if":
            return self._if(word, depth)
        arguments = [self._sum(depth)]
        while self._accept(",") is not None:
            arguments.append(self._sum(depth))
        self._expect(")", "',' or ')'")
        if (len(arguments) == 1) != (word.text in OF_ONE):
            takes = "one number" if word.text in OF_ONE else "two numbers or more"
            raise ValueError(f"column {word.column}: {word.text}() takes {takes}")
        return Call(word.text, tuple(arguments))

    def _if(self, word: _Word, depth: int) -> Term:
        left = self._sum(depth)
        mark = self._accept(*COMPARISONS)
        if mark is None:
            raise self._unexpected(f"one of {' '.join(COMPARISONS)}")
        right = self._sum(depth)
        branches: list[Term] = []
        while self._accept(",") is not None:
            branches.append(self._sum(depth))
        self._expect(")", "',' or ')'")
        if len(branches) != 2:
            raise ValueError(f"column {word.column}: if() takes a comparison and two numbers")
        return If(left, mark, right, *branches)

    def _deeper(self, depth: int) -> int:
        if depth == DEPTH_MAX:
            column = self._words[self._place - 1].column
            raise ValueError(f"column {column}: an expression is nested at most {DEPTH_MAX} deep")
        return depth + 1

    def _accept(self, *marks: str) -> str | None:
        word = self._words[self._place]
        if word.kind != "mark" or word.text not in marks:
            return None
        self._place += 1
        return word.text

    def _expect(self, text: str, expected: str | None = None) -> None:
        if (self._words[self._place].kind != "end") if text == "end" else (self._accept(text) is None):
            raise self._unexpected(expected or repr(text))

    def _unexpected(self, expected: str) -> ValueError:
        word = self._words[self._place]
        shown = word.text if word.kind == "end" else repr(word.text[:_SHOWN_LENGTH_MAX])
        return ValueError(f"column {word.column}: {expected} is expected, not {shown}")
