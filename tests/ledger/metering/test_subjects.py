"""Which series a meter reads, whose they are, and what may stand in their documents."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ledger.directory.meter import Meter
from ledger.metering.subjects import EVER, Key, Subjects, dimensions_of, reassigned, subjects, texts_of, told_by

METER = Meter.model_validate(
    {
        "source": {"metric": "m"},
        "aggregation": "increase",
        "unit": "u",
        "group_by": ["pod", "code"],
        "filter": {"code": "200"},
    }
)


def row(series_id: int, since: int, tenant: str = "acme", **changes: Any) -> dict[str, Any]:
    return {
        "series_id": series_id,
        "source": f"s/{series_id}",
        "kind": "counter",
        "labels": '{"code":"200"}',
        "attributes": '{"pod":"p"}',
        "start_us": None,
        "tenant": tenant,
        "since_us": since,
    } | changes


def of(*rows: dict[str, Any]) -> Subjects:
    return subjects(pa.Table.from_pylist(list(rows)), METER)


def tenants(found: Subjects, *places: tuple[int, int]) -> list[str]:
    """Whose each (code, time) is."""
    codes, times = (np.array(column, dtype=np.int64) for column in zip(*places, strict=True))
    return [found.keys[group].tenant for group in found.assignments(codes, times).tolist()]


def test_assignments_hold_since_a_time_and_the_first_before_it() -> None:
    found = of(row(-5, 10), row(-5, 20, "blue"), row(-5, 30, "acme"), row(3, 0, "green"))
    asked = [(0, 0), (0, 10), (0, 19), (0, 20), (0, 29), (0, 30), (0, 99), (1, -5), (1, 5)]
    assert tenants(found, *asked) == ["acme"] * 3 + ["blue"] * 2 + ["acme"] * 2 + ["green"] * 2
    assert [found.source_of(group) for group in range(4)] == ["s/-5"] * 3 + ["s/3"]


def test_what_repeats_makes_no_assignment_and_the_last_word_for_a_time_counts() -> None:
    assert of(row(1, 10), row(1, 20), row(1, 30)).history(0) == [(10, Key("acme", '{"code":"200","pod":"p"}'))]
    found = of(row(1, 10), row(1, 20, "blue"), row(1, 20, "acme"), row(1, 30, "acme"))
    assert [(since, key.tenant) for since, key in found.history(0)] == [(10, "acme")]
    found = of(row(1, 10), row(1, 10, "blue"), row(1, 20, "blue"))
    assert [(since, key.tenant) for since, key in found.history(0)] == [(10, "blue")]


def test_only_series_of_the_kind_and_filter() -> None:
    refused = [row(1, 0, kind="gauge"), row(2, 0, labels="{}"), row(3, 0, labels='{"code":"500"}')]
    found = of(*refused, row(4, 0, labels="{}", attributes='{"code":"200"}'), row(5, 0, attributes='{"code":"500"}'))
    assert found.ids.tolist() == [4, 5]
    assert [key.dimensions for key in found.keys] == ['{"code":"200"}', '{"code":"200"}']


@pytest.mark.parametrize(
    ("before", "after", "since"),
    [
        ([row(1, 10)], [row(1, 10)], {}),
        ([row(1, 10)], [row(1, 10), row(1, 20)], {}),
        ([row(1, 10)], [row(1, 10), row(1, 20, "blue")], {1: 20}),
        ([row(1, 10), row(1, 30, "blue")], [row(1, 10), row(1, 20, "blue"), row(1, 30, "blue")], {1: 20}),
        ([row(1, 10), row(1, 20, "blue")], [row(1, 10), row(1, 20, "blue"), row(1, 20, "acme")], {1: 20}),
        ([row(1, 10)], [row(1, 5), row(1, 10)], {}),
        ([row(1, 10)], [row(1, 5, "blue"), row(1, 10)], {1: EVER}),
        ([row(1, 10), row(2, 10)], [row(1, 10), row(1, 30, "x"), row(2, 10), row(2, 20, "x")], {1: 30, 2: 20}),
        ([], [row(1, 10)], {}),
    ],
)
def test_reassigned(before: list[Any], after: list[Any], since: dict[int, int]) -> None:
    empty = pa.Table.from_pylist([row(1, 0)]).slice(0, 0)
    assert reassigned(of(*before) if before else subjects(empty, METER), of(*after)) == since


@pytest.mark.parametrize(
    ("document", "texts"),
    [
        ('{"a":"b"}', {"a": "b"}),
        ('{"a":1,"b":1.50,"c":true,"d":null,"e":[1, "x"],"f":{"z":1,"y":2}}',
         {"a": "1", "b": "1.5", "c": "true", "e": '[1,"x"]', "f": '{"y":2,"z":1}'}),
        ('{"a":"\\ud800","\\udfff":"b"}', {"a": "?", "?": "b"}),
        ('{"ü":"日本"}', {"ü": "日本"}),
        ("", {}),
        ("[]", {}),
        ("nonsense", {}),
        ("[" * 100_000, {}),
        ('{"a":' + "9" * 5_000 + "}", {}),
    ],
)  # fmt: skip
def test_texts_of_any_document(document: str, texts: dict[str, str]) -> None:
    assert texts_of(document) == texts


def test_dimensions_are_sorted_by_name() -> None:
    assert (
        dimensions_of(METER, told_by('{"pod":"q","code":"500"}', '{"code":"200","x":"y"}'))
        == '{"code":"200","pod":"q"}'
    )
    assert dimensions_of(METER, {}) is None
