"""Lines of any shape: JSON, CSV and text, with ids of their own and without."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from collector.readings import Readings
from tests.collector.conftest import Reader
from tests.fakes.log_writer import Log

Follow = Callable[..., Reader]
Compress = Callable[[Path], Path]

NAMED = {"type": {"const": "request"}, "source": {"const": "/gateway"}}
CSV = {**NAMED, "records": {"format": "csv"}, "time": "time", "subject": "who", "value": "size"}
JSON = {**NAMED, "time": "$.time", "subject": "$.who", "value": "$.size"}
TEXT = {
    **NAMED,
    "records": {"format": "regex", "pattern": r"(?P<who>\S+) \[(?P<time>[^\]]+)\] (?P<size>\d+)"},
    "time": {"field": "time", "form": "%d/%b/%Y:%H:%M:%S %z"},
    "subject": "who",
    "value": "size",
}
DAY = "2026-01-31T09:30:00Z"


def seen(readings: Readings) -> list[tuple[str, str]]:
    assert [record.status for record in readings.coverage] == ["complete"]
    assert readings.dead_letters == ()
    return [(row["subject"], str(row["value"].normalize())) for row in readings.events.to_pylist()]


def ids(readings: Readings) -> list[str]:
    return list(readings.events["id"].to_pylist())


@pytest.mark.parametrize(
    ("mapping", "line"),
    [
        (CSV | {"records": {"format": "csv", "columns": ["time", "who", "size"]}}, f"{DAY},%s,%d"),
        (JSON, f'{{"time": "{DAY}", "who": "%s", "size": %d}}'),
        (TEXT, "%s [31/Jan/2026:09:30:00 +0000] %d"),
    ],
    ids=["csv", "json", "regex"],
)
def test_lines_become_events(log: Log, follow: Follow, mapping: dict[str, Any], line: str) -> None:
    log.append(f"{line % ('acme', 5)}\n".encode())
    reader = follow(mapping=mapping)
    assert seen(reader.read()) == [("acme", "5")]
    log.append(f"{line % ('globex', 7)}\r\nnone of these\n".encode())
    offset = log.path.read_bytes().index(b"none")
    readings = reader.read()
    assert readings.events["subject"].to_pylist() == ["globex"]
    (letter,) = readings.dead_letters
    assert (letter.place, letter.document) == (f"{log.path}:{offset}", "none of these")


def test_the_id_of_a_record_is_its_own(log: Log, follow: Follow) -> None:
    log.append(f'{{"time": "{DAY}", "n": 17}}\n'.encode())
    assert ids(follow(mapping={**NAMED, "time": "$.time", "id": "$.n"}).read()) == ["17"]


def test_each_file_has_its_own_header(log: Log, follow: Follow, again: Follow, compress: Compress) -> None:
    log.append(f"time,who,size\n{DAY},a,1\n".encode())
    reader = follow(mapping=CSV)
    assert seen(reader.read()) == [("a", "1")]
    log.append(f"{DAY},b,2\n".encode())
    compress(log.rotate())
    log.append(f"size,time,who\n3,{DAY},c\n".encode())
    reader = again(reader, mapping=CSV)
    assert seen(reader.read()) == [("b", "2"), ("c", "3")]
    log.append(f"4,{DAY},d\n".encode())
    assert seen(reader.read()) == [("d", "4")]


def test_a_header_that_is_not_whole_is_waited_for(log: Log, follow: Follow) -> None:
    log.append(b"time,wh")
    reader = follow(mapping=CSV)
    assert seen(reader.read()) == []
    log.append(f"o,size\n{DAY},a,1\n".encode())
    assert seen(reader.read()) == [("a", "1")]


def test_the_header_is_known_to_who_starts_at_the_end(log: Log, follow: Follow) -> None:
    log.append(f"time,who,size\n{DAY},a,1\n".encode())
    reader = follow(mapping=CSV, start_at="end")
    assert seen(reader.read()) == []
    log.append(f"{DAY},b,2\n".encode())
    assert seen(reader.read()) == [("b", "2")]


def test_a_header_that_lacks_what_is_needed_stops_its_file_alone(log: Log, follow: Follow, again: Follow) -> None:
    log.append(f"at,who,size\n{DAY},a,1\n".encode())
    reader = follow(mapping=CSV)
    (record,) = reader.read().coverage
    assert record.status == "partial"
    assert record.reason.startswith(f"{log.path}: its header cannot be used: time (time) is missing")
    log.rotate()
    log.append(f"time,who,size\n{DAY},b,2\n".encode())
    readings = reader.read()
    assert (readings.events["subject"].to_pylist(), readings.coverage[0].status) == (["b"], "partial")
    reader = again(reader, mapping=CSV | {"time": "at"})
    readings = reader.read()
    assert readings.events["subject"].to_pylist() == ["a"]


def test_a_header_without_end(log: Log, follow: Follow) -> None:
    log.append(b"x" * 70_000)
    (record,) = follow(mapping=CSV).read().coverage
    assert record.reason.startswith(f"{log.path}: its header is longer than 65536 bytes")


def test_a_row_has_no_line_ends(log: Log, follow: Follow) -> None:
    log.append(f'time,who,size\n{DAY},"a\nb",1\n{DAY},"c,d",2\n'.encode())
    readings = follow(mapping=CSV).read()
    assert readings.events["subject"].to_pylist() == ["c,d"]
    assert [letter.document for letter in readings.dead_letters] == [f'{DAY},"a', 'b",1']


def test_a_file_that_was_written_anew_behind_the_same_header(log: Log, follow: Follow) -> None:
    header = f"time,who,size,{'x' * 400}\n".encode()

    def lines(*names: str) -> bytes:
        return "".join(f"{DAY},{name},1,\n" for name in names).encode()

    log.append(header + lines("a", "b"))
    reader = follow(mapping=CSV)
    assert reader.read().events["subject"].to_pylist() == ["a", "b"]
    log.truncate()
    log.append(header + lines("c", "d", "e"))
    readings = reader.read()
    assert readings.events["subject"].to_pylist() == ["c", "d", "e"]
    assert readings.coverage[0].status == "partial"


def rows(*names: str) -> bytes:
    return "".join(f"{DAY},{name},1\n" for name in names).encode()


def test_an_event_is_called_the_same_wherever_its_line_is(
    log: Log, follow: Follow, again: Follow, compress: Compress
) -> None:
    log.append(b"time,who,size\n" + rows("a", "b") + rows(*("x" * 100 for _ in range(60))))
    first = follow(mapping=CSV)
    before = first.checkpoint
    called = ids(first.read())
    assert len(set(called)) == 62
    assert all(name.startswith(f"logfile/{log.path}@") for name in called)
    log.append(rows("c"))
    (late,) = ids(first.read())

    def from_the_beginning(**given: Any) -> list[str]:
        new = follow(mapping=CSV, **given)
        new.checkpoint = before
        return ids(new.read())

    assert from_the_beginning() == [*called, late]
    compress(log.rotate())
    log.append(b"time,who,size\n" + rows("d"))
    found = from_the_beginning(start_at="oldest")
    assert found[:-1] == [*called, late]
    assert found[-1] not in [*called, late]


@pytest.mark.parametrize("header", [b"", b"time,who,size\n"])
def test_files_that_begin_with_the_same_line_share_no_name(
    log: Log, follow: Follow, again: Follow, header: bytes
) -> None:
    mapping = CSV if header else CSV | {"records": {"format": "csv", "columns": ["time", "who", "size"]}}
    reader = follow(mapping=mapping)
    found: list[str] = []
    for turn in range(4):
        log.append(header + rows("a"))
        found += ids(reader.read())
        log.append(rows("a"))
        found += ids(reader.read())
        log.rotate()
        if turn == 2:
            # Those from before are gone, but not forgotten.
            for number in (1, 2, 3):
                log.numbered(number).unlink()
        reader = again(reader, mapping=mapping)
    assert len(set(found)) == len(found) == 8


def test_parquet_is_refused(follow: Follow) -> None:
    with pytest.raises(ValueError, match="records of Parquet stand in files"):
        follow(mapping=CSV | {"records": {"format": "parquet"}})
