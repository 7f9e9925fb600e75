"""Matchers pass what they say they pass, have one canonical form, and are refused where nothing can pass them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from ledger.directory.matching import Alternatives, Matcher, Matchers, holds, names_read
from ledger.schema.spec import Spec, canonical


class Choice(Spec):
    """What a meter has of this."""

    filter: Matchers = Field(default_factory=dict)
    any: Alternatives = Field(default=())

    def passes(self, **names: str) -> bool:
        return holds(self.filter, self.any, names)


def choice(**written: Any) -> Choice:
    return Choice.model_validate(written)


def refused(**written: Any) -> list[tuple[str, str]]:
    """Where and why."""
    with pytest.raises(ValidationError) as error:
        choice(**written)
    return [
        (".".join(map(str, each["loc"])), each["msg"].removeprefix("Value error, ")) for each in error.value.errors()
    ]


@pytest.mark.parametrize(
    ("matcher", "passing", "others"),
    [
        ("eu", ["eu"], ["us", "", "EU", None]),
        (["eu", "us"], ["eu", "us"], ["eu ", None]),
        ("", [""], ["x", None]),
        ({"not": ["true", "yes"]}, ["false", "", None], ["true", "yes"]),
        ({"matches": "/api/.*"}, ["/api/", "/api/a", "/api/a\nb"], ["/apix", "x/api/", None]),
        ({"matches": "^a|b$"}, ["a", "b"], ["ab", "ac", "cb"]),
        ({"matches": "(?i)é+"}, ["é", "ÉÉ"], ["e", ""]),
        ({"begins": "prod-"}, ["prod-", "prod-a"], ["prod", "a-prod-", None]),
        ({"ends": ".eu"}, [".eu", "a.eu"], ["eu", ".eu.", None]),
        ({"at_least": 100, "below": 1000}, ["100", "1e2", "999.999", "0500"], ["99.9", "1000", "1e3", "a", "", " 100", None]),
        ({"above": "-0.5", "at_most": "0.50"}, ["0", "-0.49", "0.5"], ["-0.5", "0.51", "NaN", "-Infinity", None]),
        ({"at_least": 5, "at_most": 5}, ["5", "5.0"], ["4.999999999999999999999", "5.000000000000000000001"]),
        ({"below": Decimal("1e3")}, ["-1e300", "999"], ["1000", "x", None]),
        ({"exists": True}, ["", "x"], [None]),
        ({"exists": False}, [None], ["", "x"]),
        ({"exists": True, "not": "a"}, ["b", ""], ["a", None]),
        ({"exists": False, "not": "a"}, [None], ["a", "b"]),
        ({"not": "prod-a", "begins": "prod-", "ends": "a"}, ["prod-ba"], ["prod-a", "prod-b", None]),
        ({"in": ["1", "20"], "above": 5}, ["20"], ["1", "21", None]),
    ],
)  # fmt: skip
def test_what_passes(matcher: Any, passing: list[str | None], others: list[str | None]) -> None:
    chosen = choice(filter={"name": matcher})
    for value in [*passing, *others]:
        names = {"another": "x"} | ({} if value is None else {"name": value})
        assert chosen.passes(**names) == (value in passing), value


def test_all_matchers_have_to_hold_and_one_alternative_as_a_whole() -> None:
    chosen = choice(
        filter={"region": "eu", "debug": {"not": "true"}}, any=[{"plan": "gold"}, {"plan": "free", "bytes": {"above": 10}}]
    )  # fmt: skip
    assert chosen.passes(region="eu", plan="gold")
    assert chosen.passes(region="eu", plan="free", bytes="11")
    assert not chosen.passes(region="eu", plan="free", bytes="9")
    assert not chosen.passes(region="eu", plan="free", debug="true", bytes="11")
    assert not chosen.passes(region="us", plan="gold")
    assert not chosen.passes(region="eu")
    assert names_read(chosen.filter, chosen.any) == {"region", "debug", "plan", "bytes"}


def test_without_matchers_everything_passes() -> None:
    assert choice().passes()
    assert choice().passes(a="b")
    assert names_read({}, ()) == frozenset()


@pytest.mark.parametrize(
    ("forms", "text"),
    [
        (["eu", ["eu"], ("eu", "eu"), {"in": "eu"}, {"in": ["eu", "eu"]}, {"in": "eu", "not": None}], '["eu"]'),
        ([["us", "eu"], ["eu", "us", "us"], {"in": ["us", "eu"]}], '["eu","us"]'),
        ([{"not": "x"}, {"not": ["x", "x"]}], '{"not":["x"]}'),
        ([{"at_least": 1000}, {"at_least": "1000.0"}, {"at_least": "1e3"}, {"at_least": Decimal(1000)}], '{"at_least":"1000"}'),
        ([{"exists": "true"}, {"exists": True}], '{"exists":true}'),
        ([{"ends": "b", "in": "ab"}], '{"ends":"b","in":["ab"]}'),
    ],
)  # fmt: skip
def test_equal_words_have_one_canonical_form(forms: list[Any], text: str) -> None:
    for form in forms:
        chosen = choice(filter={"a": form})
        assert canonical(chosen) == f'{{"any":[],"filter":{{"a":{text}}}}}'
        assert chosen == choice(filter={"a": forms[0]})
        assert choice(**chosen.model_dump(mode="json")) == chosen


def test_the_order_of_alternatives_makes_no_difference() -> None:
    one = choice(any=[{"b": "2", "a": "1"}, {"c": {"above": 3}}, {"c": {"above": "3.0"}}])
    other = choice(any=[{"c": {"above": 3}}, {"a": ["1"], "b": ["2"]}])
    assert canonical(one) == canonical(other) == '{"any":[{"a":["1"],"b":["2"]},{"c":{"above":"3"}}],"filter":{}}'
    assert choice(**one.model_dump(mode="json")) == one


EMPTY = "an empty list of accepted values would match nothing: leave the name out or give a value"


@pytest.mark.parametrize(
    ("matcher", "where", "said"),
    [
        ([], "filter.a", EMPTY),
        ({"in": []}, "filter.a", EMPTY),
        ({"not": []}, "filter.a", "'not' is an empty list, which would exclude nothing"),
        ({}, "filter.a", "give at least one condition of in, not, matches, begins,"),
        ({"in": None}, "filter.a", "give at least one condition"),
        (None, "filter.a", "None is neither a value, nor a list of values, nor a mapping"),
        (7, "filter.a", "7 is neither a value, nor a list of values, nor a mapping"),
        ([["x"]], "filter.a.in.0", "Input should be a valid string"),
        ({"like": "x"}, "filter.a.like", "Extra inputs are not permitted"),
        ({"in_": "x"}, "filter.a.in_", "Extra inputs are not permitted"),
        ({"begins": ""}, "filter.a.begins", "String should have at least 1 character"),
        ({"matches": "(a"}, "filter.a.matches", "'(a' is not a regular expression: missing )"),
        ({"matches": r"(a)\1"}, "filter.a.matches", r"'(a)\\1' is not a regular expression: invalid escape sequence"),
        ({"matches": "a" * 1001}, "filter.a.matches", "String should have at most 1000 characters"),
        ({"above": "five"}, "filter.a.above", "'five' is not a decimal number"),
        ({"above": 0.5}, "filter.a.above", "0.5 is not a decimal number: write it as text"),
        ({"above": True}, "filter.a.above", "True is not a decimal number"),
        ({"exists": "maybe"}, "filter.a.exists", "Input should be a valid boolean"),
        # what nothing can pass
        ({"at_least": 5, "below": 5}, "filter.a", "no number is at_least 5 and below 5"),
        ({"above": 5, "at_most": "5.0"}, "filter.a", "no number is above 5 and at_most 5"),
        ({"above": 5, "below": 4}, "filter.a", "no number is above 5 and below 4"),
        ({"at_least": 1, "above": 6, "at_most": 5}, "filter.a", "no number is above 6 and at_most 5"),
        ({"exists": False, "begins": "x", "in": "x"}, "filter.a", "'exists: false' and 'begins', 'in' together match nothing"),
        ({"in": ["x", "y"], "not": ["y", "x"]}, "filter.a", "none of the values in 'in' meets the other conditions: x, y"),
        ({"in": "x", "above": 3}, "filter.a", "none of the values in 'in' meets the other conditions: x"),
    ],
)  # fmt: skip
def test_a_mistake_is_refused_with_its_place(matcher: Any, where: str, said: str) -> None:
    ((place, message),) = refused(filter={"a": matcher})
    assert place == where
    assert message.startswith(said)


def test_mistakes_in_names_and_alternatives_are_refused() -> None:
    assert refused(filter={"": "x"}) == [("filter..[key]", "String should have at least 1 character")]
    assert refused(any=[{"a": "b"}, {}]) == [
        ("any", "an alternative without a name would match everything: leave it out or give a name")
    ]
    assert refused(any=[{"a": []}])[0][0] == "any.0.a"


BOUNDS = st.dictionaries(st.sampled_from(["at_least", "above", "at_most", "below"]), st.integers(0, 4), min_size=1)


@given(BOUNDS)
def test_a_range_is_refused_exactly_where_no_number_is_in_it(bounds: dict[str, int]) -> None:
    """Between whole bounds there is a number exactly where there is a half one."""

    def inside(half: int) -> bool:
        return (
            half >= 2 * bounds.get("at_least", -9)
            and half > 2 * bounds.get("above", -9)
            and half <= 2 * bounds.get("at_most", 9)
            and half < 2 * bounds.get("below", 9)
        )

    halves = {half: str(Decimal(half) / 2) for half in range(-4, 16)}
    if any(map(inside, halves)):
        matcher = Matcher.model_validate(bounds)
        assert {half for half, text in halves.items() if matcher.accepts(text)} == set(filter(inside, halves))
    else:
        with pytest.raises(ValidationError, match="no number is"):
            Matcher.model_validate(bounds)
