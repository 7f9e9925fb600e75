"""A sample shows what its first records become, or why they become nothing."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from collector.datastore.mapping.config import MissingFields
from collector.datastore.mapping.trial import tried
from collector.errors import PermanentError
from tests.collector.datastore.mapping.declared import config

LINE = b'{"at": "2026-01-31T09:30:00Z", "from": "/gateway", "key": "k%d", "who": "acme", "amount": %s}'


def test_lines() -> None:
    sample = b"\n".join([LINE % (1, b"1.5"), b"\r", LINE % (2, b'"x"') + b"\r", LINE % (3, b"0"), LINE % (4, b"4")])
    first, second, third = tried(config(skip=[{"field": "amount", "equals": ["0"]}]), sample, records_max=3)
    assert first.event is not None
    assert (first.number, first.event.id, first.event.value, first.reason) == (0, "k1", 1.5, "")
    assert (second.number, second.event, second.reason) == (1, None, 'value amount "x" is not a number')
    assert second.record == (LINE % (2, b'"x"')).decode()
    assert (third.event, third.is_skipped) == (None, True)


def test_rows_with_a_header() -> None:
    mapping = config(records={"format": "csv"}, id=None)
    sample = b'at,from,who,amount\r\n2026-01-31,/gateway,"of\ntwo",1\r\n2026-01-31,/gateway,a"b,1\r\n2026-01-31,x,y,2'
    first, *others = tried(mapping, sample)
    assert first.event is not None
    assert (first.event.id, first.event.subject) == ("sample#0", "of\ntwo")
    assert [(each.number, each.reason) for each in others] == [(1, "a quote that begins here does not end"), (2, "")]
    with pytest.raises(MissingFields, match=r"at \(time\)"):
        tried(mapping, b"from,who,amount\n")
    with pytest.raises(ValueError, match="neither declared nor named by a header"):
        tried(mapping, b"")


def test_lines_of_an_expression() -> None:
    pattern = r"(?P<at>\S+) (?P<from>\S+) (?P<key>\S+) (?P<who>\S+) (?P<amount>\S+)"
    found = tried(config(records={"format": "regex", "pattern": pattern}), b"2026-01-31 /g k acme 2\nnothing\n")
    assert [each.reason for each in found] == ["", 'the line "nothing" is not what the pattern of the records matches']


def test_a_file_of_parquet() -> None:
    file = io.BytesIO()
    rows = {
        "at": ["2026-01-31"] * 3,
        "from": ["/g"] * 3,
        "key": [1, 2, 3],
        "who": ["acme"] * 3,
        "amount": [1.5, None, 2.0],
    }
    pq.write_table(pa.table(rows), file)
    mapping = config(records={"format": "parquet"})
    first, second = tried(mapping, file.getvalue(), records_max=2)
    assert first.event is not None
    assert (first.event.id, first.event.value) == ("1", 1.5)
    assert (second.number, second.reason) == (1, "value amount is missing")
    assert second.record == '{"amount":null,"at":"2026-01-31","from":"/g","key":2,"who":"acme"}'
    with pytest.raises(PermanentError, match=r"^sample is no Parquet"):
        tried(mapping, b"at,from\n")


def test_no_records_become_nothing() -> None:
    assert tried(config(), b"") == ()
    assert tried(config(), b"\n\r\n") == ()
