"""The ends of series are told once they are known to be stored, and again until then."""

from __future__ import annotations

import struct
from collections.abc import Callable

from collector.readings import Checkpoint, Window
from meterbook.wire.sections import STALE
from tests.collector.conftest import WINDOW, Reader, series_of
from tests.fakes.http_target import TEXT, FakeTarget, page

SYNTHETIC = ("up", "scrape_")


def is_stale(value: float) -> bool:
    return struct.pack("<d", value) == struct.pack("<d", STALE)


def test_the_end_of_what_was_not_stored_is_told_again(target: FakeTarget, reader: Callable[..., Reader]) -> None:
    collector = reader("prometheus", job="shop", targets=[target.address]).collector
    windows = [Window(WINDOW.start_us + n, WINDOW.end_us + n) for n in range(6)]

    def read(body: bytes, window: Window, checkpoint: Checkpoint) -> tuple[Checkpoint, set[str]]:
        target.answer = page(body, TEXT)
        readings = collector.collect(window, checkpoint)
        rows = readings.samples.to_pylist()
        ends = {row["series_id"] for row in rows if is_stale(row["value"])} - {
            row["series_id"] for row in rows if not is_stale(row["value"])
        }
        metrics = {series_of(readings)[number].metric for number in ends}
        return readings.checkpoint, {each for each in metrics if not each.startswith(SYNTHETIC)}

    stored, _ = read(b"a 1\nb 1\n", windows[0], {})
    _, ends = read(b"a 1\nc 1\n", windows[1], stored)
    assert ends == {"b"}
    # Nobody was told that b had ended, nor that c was there.
    later, ends = read(b"a 1\n", windows[2], stored)
    assert ends == {"b"}
    final, ends = read(b"a 1\n", windows[3], later)
    assert ends == set()
    last = collector.end(windows[4].end_us, final)
    assert last is not None and last.coverage == ()
    assert is_stale(last.samples["value"][0].as_py()) and last.samples.num_rows == 1
    assert [one.metric for one in series_of(last).values()] == ["a"]


def test_a_target_that_is_down_ends_once(target: FakeTarget, reader: Callable[..., Reader]) -> None:
    collector = reader("prometheus", job="shop", targets=[target.address]).collector
    target.answer = page(b"a 1\n", TEXT)
    checkpoint = collector.collect(WINDOW, {}).checkpoint
    target.answer = page(b"", TEXT, status=503)
    second, third = (Window(WINDOW.start_us + n, WINDOW.end_us + n) for n in (1, 2))
    for _ in range(2):
        down = collector.collect(second, checkpoint)
        assert sum(map(is_stale, down.samples["value"].to_pylist())) == 1
    assert not any(map(is_stale, collector.collect(third, down.checkpoint).samples["value"].to_pylist()))
