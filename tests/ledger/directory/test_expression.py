"""An expression gives what Python would give for the same words, exactly, and has one canonical text."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from ledger.directory.expression import DEPTH_MAX, NAME_LENGTH_MAX, WORDS_MAX, ExpressionText, parse
from ledger.schema.numerals import NoValue

PROPERTIES = {"a": "3", "b": "-0.25", "c.d": "1e2", "zero": "0", "two words": "7", "value": "1000", "tick`": "5"}
OWN = Fraction(11, 2)

#: Words of ours beside the same words of Python.
Both = tuple[str, str]

LEAVES: list[Both] = [
    ("1", "F(1)"),
    ("0.5", "F('0.5')"),
    ("1e3", "F(1000)"),
    ("2.50E-1", "F('0.25')"),
    ("a", "F(3)"),
    ("b", "F('-0.25')"),
    ("c.d", "F(100)"),
    ("zero", "F(0)"),
    ("`two words`", "F(7)"),
    ("`value`", "F(1000)"),
    ("`tick```", "F(5)"),
    ("value", "F('5.5')"),
]


def _deeper(inner: st.SearchStrategy[Both]) -> st.SearchStrategy[Both]:
    """Chains without parentheses among it: precedence is what Python says it is."""

    def each(form: str, python: str, count: int) -> st.SearchStrategy[Both]:
        parts = st.tuples(*[inner] * count)
        return parts.map(lambda found: (form.format(*(x for x, _ in found)), python.format(*(y for _, y in found))))

    chained = st.tuples(inner, st.sampled_from("+-*/"), inner, st.sampled_from(["", " ", "\n "])).map(
        lambda found: (
            f"{found[0][0]}{found[3]}{found[1]}{found[3]}{found[2][0]}",
            f"{found[0][1]}{found[1]}{found[2][1]}",
        )
    )
    compared = st.sampled_from(["<", "<=", ">", ">=", "==", "!="]).flatmap(
        lambda mark: each(f"if({{}} {mark} {{}}, {{}}, {{}})", f"({{2}} if {{0}} {mark} {{1}} else {{3}})", 4)
    )
    return st.one_of(
        chained,
        compared,
        each("({})", "({})", 1),
        each("-{}", "-{}", 1),
        each("min({},{})", "min({},{})", 2),
        each("max({}, {}, {})", "max({},{},{})", 3),
        each("abs({})", "abs({})", 1),
        each("floor({})", "F(math.floor({}))", 1),
        each("ceil({})", "F(math.ceil({}))", 1),
        each("round ( {} )", "F(round({}))", 1),
    )


WORDS = st.recursive(st.sampled_from(LEAVES), _deeper, max_leaves=12)


@given(WORDS)
def test_an_expression_gives_what_the_same_words_give_elsewhere(words: Both) -> None:
    ours, python = words
    try:
        expected: Any = eval(python, {"F": Fraction, "math": math})
    except ZeroDivisionError:
        with pytest.raises(NoValue, match="division by zero"):
            parse(ours).value(PROPERTIES, OWN)
    else:
        found = parse(ours).value(PROPERTIES, OWN)
        assert (found, type(found)) == (expected, Fraction)


@given(WORDS)
def test_the_canonical_text_is_the_same_expression(words: Both) -> None:
    expression = parse(words[0])
    assert parse(str(expression)) == expression
    assert str(parse(str(expression))) == str(expression)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("1+2*3", "1 + 2 * 3"),
        ("((a))", "a"),
        ("(a+b)+zero", "a + b + zero"),
        ("a-(b-zero)", "a - (b - zero)"),
        ("(a*b)/(a*b)", "a * b / (a * b)"),
        ("-(a+b)*-a", "-(a + b) * -a"),
        ("--a", "--a"),
        ("`a` + `value` + `a b`", "a + `value` + `a b`"),
        ("1.50 + 1e3 + 1000e-3 + 0.0", "1.5 + 1000 + 1 + 0"),
        ("1e30", "1e30"),
        ("if(a<=(b),min( a,(b) ),1)", "if(a <= b, min(a, b), 1)"),
        ("`min` * min(`min`, 1)", "min * min(min, 1)"),
    ],
)
def test_canonical_text(text: str, canonical: str) -> None:
    assert str(parse(text)) == canonical


def test_a_field_holds_the_canonical_text_and_refuses_what_is_none() -> None:
    field = TypeAdapter(ExpressionText)
    assert field.validate_python("value*2") == "value * 2"
    with pytest.raises(ValidationError, match="column 8"):
        field.validate_python("value *")


@pytest.mark.parametrize(
    ("text", "names", "reads_value"),
    [
        ("1", (), False),
        ("value", (), True),
        ("`value`", ("value",), False),
        ("b + a * b + if(c > 0, d, e)", ("b", "a", "c", "d", "e"), False),
    ],
)
def test_an_expression_says_what_it_reads(text: str, names: tuple[str, ...], reads_value: bool) -> None:
    expression = parse(text)
    assert (expression.names, expression.reads_value) == (names, reads_value)


def test_only_the_branch_that_is_taken_is_evaluated() -> None:
    assert parse("if(zero == 0, a, a / zero)").value(PROPERTIES) == 3
    assert parse("if(zero != 0, nobody, a)").value(PROPERTIES) == 3
    with pytest.raises(NoValue, match="'nobody' is missing"):
        parse("min(a, nobody)").value(PROPERTIES)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a * nobody", "property 'nobody' is missing"),
        ("word + 1", "property 'word' 'twelve' is not a decimal number such as 12, -0.5 or 1e3"),
        ("a / (zero * a)", r"division by zero: \(zero \* a\) is 0"),
        ("a * 2 / zero", "division by zero: zero is 0"),
        ("value", "the event has no value of its own"),
    ],
)
def test_what_has_no_value_says_why(text: str, said: str) -> None:
    with pytest.raises(NoValue, match=said):
        parse(text).value(PROPERTIES | {"word": "twelve"})


@pytest.mark.parametrize(
    ("function", "results"),
    [("floor", (2, -3)), ("ceil", (3, -2)), ("round", (2, -2)), ("abs", (Fraction(5, 2), Fraction(5, 2)))],
)
def test_functions_of_one_number(function: str, results: tuple[Fraction, Fraction]) -> None:
    assert (parse(f"{function}(2.5)").value({}), parse(f"{function}(-2.5)").value({})) == results


def test_nothing_is_rounded_on_the_way() -> None:
    assert parse("a / 7 * 7").value(PROPERTIES) == 3
    assert parse("round(2.5) + round(3.5) + round(-2.5)").value({}) == 4
    assert parse("1e17 + 0.1 - 1e17").value({}) == Fraction(1, 10)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "column 1: a number, a name, a function or '(' is expected, not the end"),
        ("  ", "column 3: a number, a name, a function or '(' is expected, not the end"),
        ("a +", "column 4: a number, a name, a function or '(' is expected, not the end"),
        ("a b", "column 3: an operator or the end is expected, not 'b'"),
        ("a < b", "column 3: an operator or the end is expected, not '<'"),
        ("+1", "column 1: a number, a name, a function or '(' is expected, not '+'"),
        ("(a", "column 3: ')' is expected, not the end"),
        ("a)", "column 2: an operator or the end is expected, not ')'"),
        ("1.", "column 2: '.' has no meaning in an expression"),
        (".5", "column 1: '.' has no meaning in an expression"),
        ("1_000", "column 2: an operator or the end is expected, not '_000'"),
        ("0x10", "column 2: an operator or the end is expected, not 'x10'"),
        ("a ** 2", "column 4: a number, a name, a function or '(' is expected, not '*'"),
        ("a % 2", "column 3: '%' has no meaning in an expression"),
        ("größe", "column 3: 'ö' has no meaning in an expression"),
        ("٣", "column 1: '٣' has no meaning in an expression"),
        ("``", "column 1: '`' has no meaning in an expression"),
        ("`open", "column 1: '`' has no meaning in an expression"),
        ("a = b", "column 3: '=' has no meaning in an expression"),
        ("sqrt(2)", "column 1: 'sqrt' is not a function; known are if, min, max, abs, floor, ceil, round"),
        ("__import__(a)", "column 1: '__import__' is not a function"),
        ("value(2)", "column 1: 'value' is not a function"),
        ("min()", "column 5: a number, a name, a function or '(' is expected, not ')'"),
        ("1 + min(a)", "column 5: min() takes two numbers or more"),
        ("abs(a, b)", "column 1: abs() takes one number"),
        ("min(a b)", "column 7: ',' or ')' is expected, not 'b'"),
        ("if(a, b, c)", "column 5: one of < <= > >= == != is expected, not ','"),
        ("if(a < b < c, 1, 2)", "column 10: ',' or ')' is expected, not '<'"),
        ("if(a < b, c)", "column 1: if() takes a comparison and two numbers"),
        ("1 + 1e401", "column 5: '1e401' is beyond the numbers that are computed with: at most 1e400"),
        ("9" * 61, "column 1: '" + "9" * 60 + "' is not a decimal number"),
        ("a" * (NAME_LENGTH_MAX + 1), "column 1: a name has at most 200 characters"),
    ],
)  # fmt: skip
def test_what_is_no_expression_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(ValueError) as refused:
        parse(text)
    assert str(refused.value).startswith(said)


@pytest.mark.parametrize("opening", ["(", "-", "abs(", "if(1 < 2, 1, ", "min(1, "])
def test_what_is_nested_too_deep_is_refused_before_the_stack_ends(opening: str) -> None:
    for times in (DEPTH_MAX + 1, 400, 1_000_000):
        with pytest.raises(ValueError, match=r"nested at most 32 deep|has at most 500 names"):
            parse(opening * times + "1")


def test_as_deep_and_as_long_as_allowed_is_evaluated() -> None:
    deep = parse("(1 + " * DEPTH_MAX + "a" + ")" * DEPTH_MAX)
    assert parse(str(deep)).value(PROPERTIES) == DEPTH_MAX + 3
    long = parse("+".join(["a"] * (WORDS_MAX // 2)))
    assert parse(str(long)).value(PROPERTIES) == 3 * (WORDS_MAX // 2)
    with pytest.raises(ValueError, match="has at most 500 names, numbers and marks"):
        parse("+".join(["a"] * (WORDS_MAX // 2 + 1)))


@given(st.text(alphabet="ab1.e0 +-*/()<=!,`valuemin_if", max_size=40))
def test_any_text_is_an_expression_or_refused_with_its_place(text: str) -> None:
    try:
        expression = parse(text)
    except ValueError:
        with pytest.raises(ValueError, match=r"^column [0-9]+: "):
            parse(text)
    else:
        assert parse(str(expression)) == expression
