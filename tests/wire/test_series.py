"""The identity of a series never changes, and no two series share one."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbook.wire.series import Series, canonical_json

SERIES = Series(
    source="prometheus/shop/127.0.0.1:8000",
    metric="http_requests_total",
    kind="counter",
    unit="requests",
    labels='{"code":"200","tenant":"acme"}',
    attributes='{"pod":"ü"}',
    start_us=1_769_851_800_000_000,
)

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


def test_the_identity_has_not_changed() -> None:
    """Books hold these numbers: a series that got another one would be counted from zero again."""
    assert SERIES.digest.hex() == "d019e72b1f1aa1e639a9932769fdf70eb1c264b27b0bc90835427c34475677d2"
    assert (SERIES.series_id, SERIES.identity) == (-3_451_473_467_011_325_466, 4_155_013_928_717_252_366)
    assert (
        dataclasses.replace(SERIES, start_us=None).digest.hex()
        == "8f35f5b7f85056f78501b6152a0c10a52a421a6e60acf675a67f5f45ccc98e00"
    )


def test_the_numbers_are_the_first_sixteen_bytes() -> None:
    both = SERIES.series_id.to_bytes(8, "big", signed=True) + SERIES.identity.to_bytes(8, "big", signed=True)
    assert both == SERIES.digest[:16]


@pytest.mark.parametrize(
    "change",
    [
        {"source": "x"},
        {"metric": "x"},
        {"kind": "gauge"},
        {"unit": "x"},
        {"labels": "{}"},
        {"attributes": "{}"},
        {"start_us": None},
        {"start_us": 0},
    ],
    ids=str,
)
def test_every_part_tells_series_apart(change: dict[str, Any]) -> None:
    assert dataclasses.replace(SERIES, **change).digest != SERIES.digest


@given(st.lists(_TEXT, min_size=5, max_size=5), st.lists(_TEXT, min_size=5, max_size=5))
def test_text_cannot_slip_from_one_part_to_the_next(one: list[str], two: list[str]) -> None:
    def digest(parts: list[str]) -> bytes:
        source, metric, unit, labels, attributes = parts
        return Series(source, metric, "gauge", unit, labels, attributes).digest

    assert (digest(one) == digest(two)) == (one == two)
    assert digest(["ab", "", "", "", ""]) != digest(["a", "b", "", "", ""])


@given(st.dictionaries(_TEXT, _TEXT), st.randoms())
def test_equal_mappings_give_equal_json(pairs: dict[str, str], random: Any) -> None:
    shuffled = list(pairs.items())
    random.shuffle(shuffled)
    assert canonical_json(dict(shuffled)) == canonical_json(pairs)
    assert json.loads(canonical_json(pairs)) == pairs


def test_canonical_json_keeps_its_form() -> None:
    assert canonical_json({"b": "ü", "a": '"'}) == r'{"a":"\"","b":"ü"}'
