"""Matchers: which labels and properties make a series or an event count.

One matcher speaks of one name. Mostly it is what may stand there, a value or a list of them; else a mapping of
conditions, all of which must hold::

    region: [eu, us]                          # one of these, exactly
    path: {matches: "/api/.*", not: [/api/health]}
    bytes: {at_least: 100, below: 1000}       # what is no decimal number is in no range
    user: {exists: true}

What is missing has no value, so only ``not`` and ``exists: false`` hold for it. Where one list of names is not
enough there are alternatives: at least one of them has to hold as a whole.

What is written in equal words is one specification: ``eu``, ``[eu]`` and ``{in: [eu]}`` become ``["eu"]``, lists become
sorted sets, and of a mapping only what is given is kept. A matcher that nothing can pass is a mistake and refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any

import re2
from pydantic import AfterValidator, BeforeValidator, Field, model_serializer, model_validator

from ledger.schema.numerals import NoValue, number, number_text
from ledger.schema.spec import Part

PATTERN_LENGTH_MAX = 1000

Text = Annotated[str, Field(min_length=1)]


def _as_tuple(value: object) -> object:
    """One value is a list of one."""
    return (value,) if isinstance(value, str) else value


def _canonical_set(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(set(values)))


def _bound(value: object) -> str:
    if isinstance(value, bool | float):
        raise ValueError(f"{value!r} is not a decimal number: write it as text, such as '0.5'")
    try:
        return number_text(str(value))
    except NoValue as error:
        raise ValueError(str(error)) from None


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> Any:
    """The expression of RE2, in which a dot is any character, line ends included. Raises ValueError saying what is wrong with it."""
    options = re2.Options()
    options.dot_nl, options.log_errors = True, False
    try:
        return re2.compile(pattern, options)
    except (re2.error, UnicodeError) as error:
        said = error.args[0] if error.args else ""
        reason = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(error)
        raise ValueError(f"{pattern[:200]!r} is not a regular expression: {reason[:200]}") from None


def _checked_pattern(pattern: str) -> str:
    compiled(pattern)
    return pattern


_number = lru_cache(maxsize=1024)(number)

Values = Annotated[tuple[str, ...], BeforeValidator(_as_tuple), AfterValidator(_canonical_set)]
#: A decimal number (see ``numerals``) as its canonical text.
Bound = Annotated[str, BeforeValidator(_bound)]
Pattern = Annotated[str, Field(min_length=1, max_length=PATTERN_LENGTH_MAX), AfterValidator(_checked_pattern)]


class Matcher(Part):
    """What has to be true of the value that one name has."""

    in_: Values | None = Field(default=None, alias="in", description="Values of which it is one; any by default.")
    not_: Values | None = Field(
        default=None, alias="not", description="Values of which it is none, or it is missing; none by default."
    )
    matches: Pattern | None = Field(
        default=None, description="Expression of RE2 that matches it as a whole, line ends included; any by default."
    )
    begins: Text | None = Field(default=None, description="Text that it begins with; any by default.")
    ends: Text | None = Field(default=None, description="Text that it ends with; any by default.")
    at_least: Bound | None = Field(default=None, description="Decimal number that it is not below; any by default.")
    above: Bound | None = Field(default=None, description="Decimal number that it is above; any by default.")
    at_most: Bound | None = Field(default=None, description="Decimal number that it is not above; any by default.")
    below: Bound | None = Field(default=None, description="Decimal number that it is below; any by default.")
    exists: bool | None = Field(
        default=None, description="Whether it is there at all; by default as the other conditions need it."
    )

    @model_validator(mode="before")
    @classmethod
    def _exact_values_are_a_condition(cls, written: Any) -> Any:
        if isinstance(written, Mapping | Matcher):
            return written
        if isinstance(written, str | list | tuple):
            _refuse_empty(written)
            return {"in": written}
        raise ValueError(f"{written!r:.80} is neither a value, nor a list of values, nor a mapping of conditions")

    @model_validator(mode="after")
    def _can_hold(self) -> Matcher:
        given = self._given()
        if not given:
            raise ValueError(f"give at least one condition of {', '.join(map(_written, Matcher.model_fields))}")
        if self.in_ is not None:
            _refuse_empty(self.in_)
        if self.not_ == ():
            raise ValueError("'not' is an empty list, which would exclude nothing: leave it out or give a value")
        if self.exists is False and set(given) - {"exists", "not"}:
            others = ", ".join(map(repr, sorted(set(given) - {"exists", "not"})))
            raise ValueError(f"'exists: false' and {others} together match nothing: what is missing has no value")
        self._check_range()
        if self.in_ is not None and not any(map(self.accepts, self.in_)):
            raise ValueError(f"none of the values in 'in' meets the other conditions: {', '.join(self.in_)[:200]}")
        return self

    def _check_range(self) -> None:
        lows = [(_number(text), name, text) for name in ("at_least", "above") if (text := getattr(self, name))]
        highs = [(_number(text), name, text) for name in ("at_most", "below") if (text := getattr(self, name))]
        for low, low_name, low_text in lows:
            for high, high_name, high_text in highs:
                both = (low_name, high_name) == ("at_least", "at_most")
                if low > high or (low == high and not both):
                    raise ValueError(f"no number is {low_name} {low_text} and {high_name} {high_text}")

    def _given(self) -> dict[str, Any]:
        """The conditions that are set, by the words of a definition."""
        found = ((name, getattr(self, name)) for name in Matcher.model_fields)
        return {_written(name): condition for name, condition in found if condition is not None}

    @model_serializer(mode="plain")
    def _canonical(self) -> list[str] | dict[str, Any]:
        given = {name: list(x) if isinstance(x, tuple) else x for name, x in self._given().items()}
        exact: list[str] | None = given.get("in")
        return exact if exact is not None and len(given) == 1 else given

    def accepts(self, value: str | None) -> bool:
        """Whether a value passes; None stands for a name that is missing."""
        if value is None:
            return self.exists is False or (self.exists is None and self._given().keys() == {"not"})
        return (
            self.exists is not False
            and (self.in_ is None or value in self.in_)
            and (self.not_ is None or value not in self.not_)
            and (self.begins is None or value.startswith(self.begins))
            and (self.ends is None or value.endswith(self.ends))
            and (self.matches is None or compiled(self.matches).fullmatch(value) is not None)
            and self._in_range(value)
        )

    def _in_range(self, value: str) -> bool:
        if (self.at_least, self.above, self.at_most, self.below) == (None, None, None, None):
            return True
        try:
            found = number(value)
        except NoValue:
            return False
        return (
            (self.at_least is None or found >= _number(self.at_least))
            and (self.above is None or found > _number(self.above))
            and (self.at_most is None or found <= _number(self.at_most))
            and (self.below is None or found < _number(self.below))
        )


def _written(name: str) -> str:
    """A condition's word in a definition: two of them are words of Python."""
    return name.rstrip("_")


def _refuse_empty(values: Sequence[str]) -> None:
    if not values and not isinstance(values, str):
        raise ValueError("an empty list of accepted values would match nothing: leave the name out or give a value")


def _told_apart(alternatives: tuple[Mapping[str, Matcher], ...]) -> tuple[Mapping[str, Matcher], ...]:
    if not all(alternatives):
        raise ValueError("an alternative without a name would match everything: leave it out or give a name")
    by_text = {
        json.dumps({name: matcher.model_dump(mode="json") for name, matcher in each.items()}, sort_keys=True): each
        for each in alternatives
    }
    return tuple(by_text[text] for text in sorted(by_text))


#: All of them have to hold.
Matchers = Mapping[Text, Matcher]
#: At least one of them has to hold as a whole; nothing is asked where there is none.
Alternatives = Annotated[tuple[Matchers, ...], AfterValidator(_told_apart)]


def holds(
    matchers: Mapping[str, Matcher], alternatives: Sequence[Mapping[str, Matcher]], names: Mapping[str, str]
) -> bool:
    """Whether labels or properties pass all matchers, and all of at least one alternative if there are any."""
    return _all_hold(matchers, names) and (not alternatives or any(_all_hold(each, names) for each in alternatives))


def names_read(matchers: Mapping[str, Matcher], alternatives: Sequence[Mapping[str, Matcher]]) -> frozenset[str]:
    """The names that :func:`holds` may look at."""
    return frozenset(matchers).union(*alternatives)


def _all_hold(matchers: Mapping[str, Matcher], names: Mapping[str, str]) -> bool:
    return all(matcher.accepts(names.get(name)) for name, matcher in matchers.items())
