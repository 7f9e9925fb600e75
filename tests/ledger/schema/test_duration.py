"""Durations have one text each, and what is none is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.schema.duration import duration_s, parse_duration


@pytest.mark.parametrize(
    ("written", "canonical"),
    [("90s", "90s"), ("900s", "15m"), ("60m", "1h"), ("24h", "1d"), ("30d", "30d"), ("0d", "0s"), ("007m", "7m")],
)
def test_the_longest_unit_that_gives_a_whole_number(written: str, canonical: str) -> None:
    assert parse_duration(written) == canonical


@given(st.integers(0, 999_999_999), st.sampled_from("smhd"))
def test_the_canonical_text_is_as_long_and_its_own(number: int, unit: str) -> None:
    written = f"{number}{unit}"
    assert duration_s(parse_duration(written)) == duration_s(written)
    assert parse_duration(parse_duration(written)) == parse_duration(written)


@pytest.mark.parametrize(
    "value", ["", "5", "m", "1.5h", "-1h", "1w", "1h30m", " 1h", "1h\n", "1234567890s", "٣h", 90, None]
)
def test_what_is_no_duration(value: object) -> None:
    with pytest.raises(ValueError, match="such as 1h"):
        parse_duration(value)
