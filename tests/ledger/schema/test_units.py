"""Units are converted exactly between what measures the same, and nothing else is converted."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.schema import units
from ledger.schema.units import Unit, factor, parse


@pytest.mark.parametrize(
    ("source", "target", "number"),
    [
        # UCUM
        ("By", "bit", 8),
        ("KiBy", "By", 1024),
        ("GiBy.h", "By.s", 3600 * 2**30),
        ("GBy", "GiBy", Fraction(10**9, 2**30)),
        ("EiBy", "By", 2**60),
        ("wk", "d", 7),
        ("d", "h", 24),
        ("h", "min", 60),
        ("min", "ms", 60_000),
        ("us", "ns", 1000),
        ("s-1", "Hz", 1),
        ("/s", "Hz", 1),
        ("s2/s", "s", 1),
        ("m2", "mm2", 1_000_000),
        ("10*6", "1", 1_000_000),
        ("10^-3", "%", Fraction(1, 10)),
        ("1000{request}", "{request}", 1000),
        ("{request}/min", "{request}/h", 60),
        ("By{received}/s", "By/s", 1),
        # quotients and products from left to right
        ("By/s.h", "By", 3600),
        ("By/(s.h)", "By/s2", Fraction(1, 3600)),
        ("By/s/s", "By.s-2", 1),
        # energy and money's other measures
        ("kW.h", "kWh", 1),
        ("kWh", "MJ", Fraction(36, 10)),
        ("V.A", "W", 1),
        ("kg", "g", 1000),
        # FOCUS, and how people write
        ("B", "b", 8),
        ("KB", "B", 1000),
        ("kB", "KB", 1),
        ("KiB", "KB", Fraction(1024, 1000)),
        ("Gb/s", "MB/s", 125),
        ("GiB.h", "GiBy-Hours", 1),
        ("GB-Hours", "GB.h", 1),
        ("GB/Core-Hour", "GB/(core.h)", 1),
        ("Core-Hours/Day", "core", Fraction(1, 24)),
        ("GB/3 Core-Hours", "GB/core.h-1", Fraction(1, 3)),
        ("GB/3 Hours", "GB/h", Fraction(1, 3)),
        ("TB-Days", "GB*h", 24_000),
        ("1000 Tokens", "{token}", 1000),
        ("Requests", "request", 1),
        ("core-seconds", "vCPU.h", Fraction(1, 3600)),
        ("mcore", "vCPUs", Fraction(1, 1000)),
        ("s^-1", "s-1", 1),
        ("bytes/second", "By/s", 1),
        ("percent", "1", Fraction(1, 100)),
        ("Milliseconds", "Microsecond", 1000),
    ],
)
def test_factor(source: str, target: str, number: Fraction | int) -> None:
    found = factor(source, target)
    assert (found, type(found)) == (number, Fraction)
    assert factor(target, source) == 1 / found


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        ("GB", "h", "'GB' measures data and 'h' measures time: neither is a number of the other"),
        ("GB/s", "GB.s", "'GB/s' measures data/time and 'GB.s' measures data.time"),
        ("m2", "/s2", "'m2' measures length2 and '/s2' measures 1/time2"),
        ("vCPU.h", "Wh", "'vCPU.h' measures cpu.time and 'Wh' measures energy"),
        # Under UCUM all of these would be 1.
        ("{request}", "{token}", "'{request}' measures {request} and '{token}' measures {token}"),
        ("{request}", "1", "'{request}' measures {request} and '1' measures a number"),
        ("bit", "1", "'bit' measures data and '1' measures a number"),
    ],
)
def test_what_measures_something_else_is_refused(source: str, target: str, said: str) -> None:
    with pytest.raises(ValueError) as refused:
        factor(source, target)
    assert str(refused.value).startswith(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "column 1: a unit is expected, not the end"),
        ("GB.", "column 4: a unit is expected, not the end"),
        ("GB..h", "column 4: a unit is expected, not '.'"),
        ("GB h", "column 3: '.', '-', '*' or '/' is expected, not ' '"),
        (" h", "column 1: a unit is expected, not ' '"),
        ("(GB", "column 4: ')' is expected, not the end"),
        ("GB)", "column 3: '.', '-', '*' or '/' is expected, not ')'"),
        ("s2h", "column 3: '.', '-', '*' or '/' is expected, not 'h'"),
        ("{a b}", "column 1: a unit is expected, not '{'"),
        ("{}", "column 1: a unit is expected, not '{'"),
        ("{{a}}", "column 1: a unit is expected, not '{'"),
        ("µs", "column 1: a unit is expected, not 'µ'"),
        ("GB/gallon", "column 4: 'gallon' is not a unit"),
        ("EUR", "column 1: 'EUR' is not a unit"),
        ("HOURS", "column 1: 'HOURS' is not a unit"),
        ("K", "column 1: 'K' is not a unit"),
        ("KBy", "column 1: 'KBy' is not a unit"),
        ("kh", "column 1: 'kh' is not a unit"),
        ("Kis", "column 1: 'Kis' is not a unit"),
        # A thousandth of a bit is not what was meant.
        ("mb", "column 1: 'mb' is not a unit"),
        ("1.5GB", "column 1: a number in a unit has no point: write 15/10 for 1.5"),
        ("0 GB", "column 1: a number in a unit is at least 1"),
        ("1e3", "column 2: '.', '-', '*' or '/' is expected, not 'e3'"),
        ("-1", "column 1: a unit is expected, not '-'"),
        ("s31", "column 1: 31 is beyond the exponents, which are at most 30"),
        ("10*-31", "column 1: -31 is beyond the exponents, which are at most 30"),
        ("GB-Months", "column 4: 'Months' has no fixed length: use h or d"),
        ("GB.mo", "column 4: 'mo' has no fixed length: use h or d"),
        ("Units/3 Months", "column 9: 'Months' has no fixed length: use h or d"),
        ("a", "column 1: 'a' has no fixed length: use h or d"),
        ("mo_j", "column 1: 'mo_j' has no fixed length: use h or d"),
        ("year", "column 1: 'year' has no fixed length: use h or d"),
    ],
)
def test_what_is_no_unit_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(ValueError) as refused:
        parse(text)
    assert str(refused.value) == f"unit {text!r}, {said}"


def test_a_text_that_is_too_long_is_not_read() -> None:
    assert parse("h" + "/h.h" * 24 + "/h") == parse("1")
    with pytest.raises(ValueError, match="it has more than 100 characters"):
        parse("(" * 1_000_000)


def test_a_symbol_with_a_prefix_is_nothing_else() -> None:
    known = {**units._SYMBOLS, **units._WORDS}
    for symbol, (unit, prefixes) in units._SYMBOLS.items():
        for prefix, times in units._PREFIXES[prefixes].items():
            assert prefix + symbol not in known
            assert parse(prefix + symbol) == Unit(times * unit.factor, unit.dimensions)


def test_every_word_can_be_one_or_many_small_or_capitalized() -> None:
    for word in set(units._WORDS) - {"vCPU"}:
        forms = {parse(form) for form in (word, f"{word}s", word.capitalize(), f"{word.capitalize()}s")}
        assert len(forms) == 1


SIMPLE = [
    "By",
    "KiB",
    "Mbit",
    "s",
    "ms",
    "h",
    "wk",
    "vCPU",
    "kWh",
    "W",
    "V",
    "A",
    "m",
    "{request}",
    "%",
    "10*3",
    "1000 h",
]
FACTORS = st.lists(st.tuples(st.sampled_from("./"), st.sampled_from(SIMPLE)), max_size=6)


@given(st.sampled_from(SIMPLE), FACTORS)
def test_a_product_is_what_its_factors_make_and_its_inverse_undoes_it(first: str, rest: list[tuple[str, str]]) -> None:
    text = first + "".join(mark + simple for mark, simple in rest)
    expected = parse(first)
    for mark, simple in rest:
        expected = expected.times(parse(simple), -1 if mark == "/" else 1)
    assert parse(text) == expected
    assert parse(f"/({text})") == units.ONE.times(expected, -1)


@given(st.text(alphabet="GiBKbyhsm.*/-^()0123 {r}%", max_size=20))
def test_any_text_is_a_unit_or_refused(text: str) -> None:
    try:
        unit = parse(text)
    except ValueError:
        with pytest.raises(ValueError, match=r"column [0-9]+: "):
            parse(text)
    else:
        assert unit.factor > 0
