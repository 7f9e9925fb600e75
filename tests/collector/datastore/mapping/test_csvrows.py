"""Rows of CSV as events: in columns as one by one, and each column is what a reader of RFC 4180 says it is."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.datastore.cloudevents import BadEvent
from collector.datastore.mapping.config import MappingConfig, MissingFields
from collector.datastore.mapping.csvrows import CsvRows, columns_of
from collector.datastore.mapping.formats import CsvRecords
from collector.datastore.mapping.reader import form_of
from tests.collector.datastore.mapping.declared import certain, check_both_ways, config

HEADER = b"at,key,from,amount,who,region"
CELLS = st.one_of(st.text(max_size=4), st.text(st.sampled_from('a1,;"\n\r\t é'), max_size=5))


def csv_config(**settings: object) -> MappingConfig:
    return config(records={"format": "csv"}, **settings)


@st.composite
def rows(draw: st.DrawFn) -> bytes:
    def mostly(usual: str) -> str:
        return draw(CELLS) if draw(st.integers(0, 7)) == 7 else usual

    cells = [
        mostly(f"2026-01-31T09:30:{draw(st.integers(10, 59))}Z"),
        mostly(f"k{draw(st.integers(0, 9))}"),
        mostly("/gateway"),
        mostly(f"{draw(st.integers(0, 99)) / 8}"),
        draw(CELLS),
        draw(CELLS),
    ]
    cells = cells[: draw(st.sampled_from([6, 6, 6, 6, 6, 5]))]
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    text = io.StringIO()
    csv.writer(text, quoting=quoting, lineterminator=draw(st.sampled_from(["", "\r"]))).writerow(cells)
    row = text.getvalue().encode()
    if draw(st.integers(0, 7)) == 7:
        place = draw(st.integers(0, len(row)))
        row = row[:place] + bytes([draw(st.sampled_from(b'",\n\rx\xff'))]) + row[place:]
    return row


@given(
    st.lists(rows(), min_size=1, max_size=6),
    st.sampled_from(
        [
            {},
            {"id": None, "properties": {"r": "region", "who": "$.who"}},
            {"skip": [{"field": "region", "equals": ["", "a"]}], "subject": "region"},
            {"value": None, "type": "region"},
        ]
    ),
)
def test_a_block_says_what_its_rows_say(records: list[bytes], mapping: dict[str, object]) -> None:
    check_both_ways(csv_config(**mapping), records, HEADER)


@given(st.lists(CELLS, min_size=1, max_size=4), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
def test_a_row_is_what_was_written(cells: list[str], quoting: int) -> None:
    text = io.StringIO()
    csv.writer(text, quoting=quoting, lineterminator="").writerow(cells)  # type: ignore[arg-type]
    names = tuple(map(str, range(len(cells))))
    assert list(CsvRows(CsvRecords(format="csv"), names).record(text.getvalue().encode()).values()) == cells


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b'a"b,c', r'^a quote in "a\\"b,c" neither begins nor ends a column$'),
        (b'"a"b,c', "neither begins nor ends a column"),
        (b'"a,b', "neither begins nor ends a column"),
        (b"a", "^the row has 1 columns, and the header 2$"),
        (b"a,b,c", "^the row has 3 columns, and the header 2$"),
        (b"a,\xff", "^the line is not UTF-8 at its byte 2$"),
    ],
)
def test_a_row_that_is_none_says_why(row: bytes, reason: str) -> None:
    with pytest.raises(BadEvent, match=reason):
        CsvRows(CsvRecords(format="csv"), ("x", "y")).record(row)


def test_usual_rows_are_read_at_once() -> None:
    records = [
        f'2026-01-31T09:30:00Z,k{number},"/gate, way",{number / 8},"a ""name"" of\ntwo lines",'.encode()
        if number % 10 == 0
        else f'2026-01-31T09:30:00Z,k{number},"/gate, way",{number / 8},"two\nlines",eu\r'.encode()
        for number in range(100)
    ]
    check_both_ways(csv_config(), records, HEADER)
    # Quotes within quotes are left to the slow way.
    assert certain(csv_config(), records, HEADER) == 90


def test_other_marks() -> None:
    marks = {"format": "csv", "delimiter": "|", "quote": "'", "columns": ["at", "key", "from", "amount", "who"]}
    mapping = config(records=marks)
    records = [b"2026-01-31T09:30:00Z|k1|'a|b'|1|\"", b"2026-01-31T09:30:00Z|k2|a|1|it''s"]
    check_both_ways(mapping, records)
    form = form_of(mapping)
    assert form.record(records[0])["from"] == "a|b"
    with pytest.raises(BadEvent, match="neither begins nor ends"):
        form.record(records[1])
    unquoted = config(records={**marks, "quote": None, "delimiter": "\t"})
    tabs = [record.replace(b"|", b"\t") for record in records]
    check_both_ways(unquoted, tabs)
    assert form_of(unquoted).record(tabs[1])["who"] == "it''s"


def test_a_quote_of_another_row_is_no_matter() -> None:
    """Rows that were cut by lines, as if there were no quotes."""
    row = b"2026-01-31T09:30:00Z,k%d,/gateway,1,acme,eu"
    check_both_ways(csv_config(), [row % 1, b'x,"', row % 2, row % 3, b'"', row % 4], HEADER)


def test_a_byte_order_mark_is_no_part_of_the_first_column() -> None:
    names = ["who", "at", "key", "from", "amount"]
    mapping = config(records={"format": "csv", "columns": names})
    records = [b"\xef\xbb\xbfacme,2026-01-31T09:30:00Z,k1,/gateway,1", b"acme,2026-01-31T09:30:00Z,k2,/gateway,1"]
    check_both_ways(mapping, records)
    assert form_of(mapping).record(records[0])["who"] == "acme"
    assert certain(mapping, records) == 1


def test_a_header_names_the_columns() -> None:
    given_config = CsvRecords(format="csv")
    assert columns_of(b'\xef\xbb\xbfat,"the key",\r', given_config) == ("at", "the key", "")
    with pytest.raises(ValueError, match=r"^column 'at' is named twice$"):
        columns_of(b"at,at", given_config)
    with pytest.raises(ValueError, match=r"^the header cannot be read: a quote in"):
        columns_of(b'a"t', given_config)


def test_columns_that_are_missing_are_named() -> None:
    with pytest.raises(
        MissingFields, match=r"^at \(time\), amount \(value\) are missing: the header has key, from, who$"
    ):
        form_of(csv_config(), b"key,from,who")
    with pytest.raises(ValueError, match="neither declared nor named by a header"):
        form_of(csv_config())
    # What is no attribute may be missing: older files may not have it yet.
    form_of(csv_config(properties={"a": "new"}, skip=[{"field": "newer", "equals": ["x"]}]), HEADER)
