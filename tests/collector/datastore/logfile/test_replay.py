"""However a log is written, rotated and read, the same events come out, and a repeated collection repeats itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.collector.conftest import WINDOW, Reader
from tests.fakes.log_writer import Log

#: The writer keeps no more; what goes unread is lost then, and said to be.
ROTATIONS_MAX = 8
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


@given(
    acts=st.lists(st.sampled_from(["write", "write", "read", "restart", "rename", "copy"]), max_size=24),
    padding=st.sampled_from([0, 300]),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_rotations_between_two_looks_lose_nothing(
    tmp_path_factory: pytest.TempPathFactory, reader: Callable[..., Reader], acts: list[str], padding: int
) -> None:
    log = Log(tmp_path_factory.mktemp("log") / "usage.log")
    log.append(b"")
    one = reader("logfile", path=str(log.path))
    one.read()
    pad = "x" * padding
    written, found, rotations = 0, list[str](), 0
    for act in [*acts, "write", "read"]:
        if act == "write":
            log.write(f"{written}-{pad}")
            written += 1
        elif act == "read":
            found += one.read().events["id"].to_pylist()
        elif act == "restart":
            one.collector.close()
            checkpoint = one.checkpoint
            one = reader("logfile", path=str(log.path))
            one.checkpoint = checkpoint
        elif log.path.exists() and rotations < ROTATIONS_MAX:
            rotations += 1
            log.rotate() if act == "rename" else log.copy_and_truncate()
    assert sorted(found) == sorted(f"{number}-{pad}" for number in range(written))
    one.collector.close()
