"""However a log is written, rotated and read, the same events come out, and a repeated collection repeats itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.collector.conftest import WINDOW, Reader
from tests.fakes.log_writer import Log

EVENT = b'{"id":"%d","source":"s","type":"t","time":"2026-01-01T00:00:00Z"}'


@given(
    lines=st.lists(st.sampled_from(["event", "garbage", "long", "blank"]), max_size=12),
    cuts=st.lists(st.tuples(st.integers(0, 1500), st.sampled_from(["read", "rotate", "restart"])), max_size=8),
    read_bytes_max=st.integers(101, 400),
    lines_max=st.integers(1, 5),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_way_to_write_and_read_gives_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    reader: Callable[..., Reader],
    lines: list[str],
    cuts: list[tuple[int, str]],
    read_bytes_max: int,
    lines_max: int,
) -> None:
    kinds = {"garbage": b"not JSON", "long": b"z" * 250, "blank": b""}
    content = [EVENT % number if kind == "event" else kinds[kind] for number, kind in enumerate(lines)]
    whole = b"".join(line + b"\n" for line in content)
    log = Log(tmp_path_factory.mktemp("log") / "usage.log")
    given = {"path": str(log.path), "line_bytes_max": 100, "read_bytes_max": read_bytes_max, "lines_max": lines_max}
    found: list[str] = []
    refused: list[str] = []

    def drain(one: Reader) -> None:
        for _ in range(200):
            before = one.checkpoint
            readings = one.read()
            again = one.collector.collect(WINDOW, before)
            assert again.events.equals(readings.events)
            assert (again.checkpoint, again.dead_letters) == (readings.checkpoint, readings.dead_letters)
            assert [record.status for record in readings.coverage] == ["complete"]
            found.extend(readings.events["id"].to_pylist())
            refused.extend(letter.document for letter in readings.dead_letters)
            if not readings.more:
                return
        raise AssertionError("never came to an end")

    one = reader("logfile", **given)
    written = 0
    for end, act in sorted((min(end, len(whole)), act) for end, act in cuts):
        log.append(whole[written:end])
        written = end
        drain(one)
        if act == "restart":
            one.collector.close()
            checkpoint = one.checkpoint
            one = reader("logfile", **given)
            one.checkpoint = checkpoint
        elif act == "rotate" and (end == 0 or whole[end - 1 : end] == b"\n"):
            log.rotate()
            log.append(b"")
    log.append(whole[written:])
    drain(one)
    assert found == [str(number) for number, kind in enumerate(lines) if kind == "event"]
    assert refused == [kinds[kind][:100].decode() for kind in lines if kind in ("garbage", "long")]
    one.collector.close()
