"""Columns as money and as instants: exact, rounded only behind the 18th digit, and refused with row and value where they are neither."""

from __future__ import annotations

import datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.datastore.bills.amounts import amounts, moments
from collector.datastore.bills.refused import Refused
from meterbook.wire.sections import AMOUNT, COST_LIMIT

_MANY = Context(prec=300)
_LIMIT = Decimal(COST_LIMIT)
_UTC = datetime.UTC


def decimals(places: int) -> st.SearchStrategy[Decimal]:
    return st.decimals(
        min_value=-_LIMIT + 1, max_value=_LIMIT - 1, allow_nan=False, allow_infinity=False, places=places
    )


@given(
    st.lists(st.none() | decimals(18) | decimals(30) | decimals(2), max_size=20),
    st.sampled_from(["{}", "{:f}", "{:E}"]),
)
def test_texts_are_taken_by_their_digits(values: list[Decimal | None], form: str) -> None:
    texts = [None if value is None else form.format(value) for value in values]
    found = amounts("BilledCost", pa.array(texts, pa.utf8()))
    assert found.type == AMOUNT
    wanted = [
        None if text is None else Decimal(text).quantize(Decimal("1E-18"), rounding=ROUND_HALF_EVEN, context=_MANY)
        for text in texts
    ]
    assert found.to_pylist() == wanted


@given(st.lists(st.floats(min_value=-1e13, max_value=1e13), max_size=20))
def test_floats_are_taken_by_their_shortest_text(values: list[float]) -> None:
    found = amounts("BilledCost", pa.array(values, pa.float64()))
    wanted = [
        Decimal(repr(value)).quantize(Decimal("1E-18"), rounding=ROUND_HALF_EVEN, context=_MANY) for value in values
    ]
    assert found.to_pylist() == wanted


def test_binary_noise_is_no_money() -> None:
    assert amounts("BilledCost", pa.array([0.1, 1e-7, 0.1 + 0.2])).to_pylist() == [
        Decimal("0.1"),
        Decimal("1E-7"),
        Decimal("0.30000000000000004"),
    ]


def test_half_a_unit_goes_to_the_even_one() -> None:
    texts = ["0.0000000000000000005", "0.0000000000000000015", "-0.0000000000000000025"]
    unit = Decimal("1E-18")
    assert amounts("BilledCost", pa.array(texts)).to_pylist() == [0, 2 * unit, -2 * unit]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1, -2], pa.int64()),
        pa.array([1, -2], pa.int16()),
        pa.array([Decimal("1.0"), Decimal("-2.0")], pa.decimal128(5, 1)),
        pa.array([Decimal(1), Decimal(-2)], AMOUNT),
        pa.array([Decimal("1.00"), Decimal("-2.00")], pa.decimal256(50, 2)),
        pa.array(["1", "-2"]).dictionary_encode(),
        pa.array(["1", "-2"], pa.large_utf8()),
    ],
    ids=lambda column: str(column.type),
)
def test_every_type_that_holds_numbers_is_read(column: pa.Array) -> None:
    assert amounts("BilledCost", column).to_pylist() == [1, -2]


@pytest.mark.parametrize(
    "text", ["", "1,5", "1_0", "NaN", "inf", "0x1", " 1", "1 ", "--1", "one", "1e9999", "1" * 300, "100000000000000"]
)
def test_what_is_no_amount_is_refused_with_its_row(text: str) -> None:
    with pytest.raises(Refused, match="BilledCost") as refused:
        amounts("BilledCost", pa.array(["1", None, text, "x"]))
    assert refused.value.row == 2


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e14, -1e300])
def test_so_is_a_float_that_is_none(value: float) -> None:
    with pytest.raises(Refused, match="BilledCost"):
        amounts("BilledCost", pa.array([1.0, value]))


def test_digits_that_arrow_would_take_for_others_are_beyond_the_limit() -> None:
    with pytest.raises(Refused, match="beyond"):
        amounts("BilledCost", pa.array(["123456789012345678901234567890.5"]))
    with pytest.raises(Refused, match="beyond"):
        amounts("BilledCost", pa.array([Decimal(COST_LIMIT)], AMOUNT))


def test_a_column_of_another_type_is_refused() -> None:
    with pytest.raises(Refused, match="BilledCost is of the type bool"):
        amounts("BilledCost", pa.array([True]))


MAY = datetime.datetime(2026, 5, 1, 12, 30, tzinfo=_UTC)


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["2026-05-01T12:30:00Z"]),
        pa.array(["2026-05-01T12:30:00.000Z"]),
        pa.array(["2026-05-01 12:30:00"]),
        pa.array(["2026-05-01T14:30:00+02:00"]),
        pa.array([MAY.replace(tzinfo=None)], pa.timestamp("ms")),
        pa.array([MAY.replace(tzinfo=None)], pa.timestamp("ns")),
        pa.array([MAY], pa.timestamp("us", tz="Europe/Berlin")),
    ],
    ids=str,
)
def test_times_are_in_utc_unless_they_say_otherwise(column: pa.Array) -> None:
    assert moments("ChargePeriodStart", column).to_pylist() == [MAY]


def test_a_time_that_is_none_is_refused_with_its_row() -> None:
    assert moments("t", pa.array(["2026-05-01", None])).to_pylist() == [
        datetime.datetime(2026, 5, 1, tzinfo=_UTC),
        None,
    ]
    with pytest.raises(Refused, match="2026-02-30") as refused:
        moments("t", pa.array(["2026-05-01T00:00:00Z", "2026-02-30T00:00:00Z"]))
    assert refused.value.row == 1
    with pytest.raises(Refused, match="no time"):
        moments("t", pa.array([1]))
