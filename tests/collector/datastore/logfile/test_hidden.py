"""Where a log is rotated out of sight: what lies behind a link is found, and what nobody may list is said to be unknown."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from collector.readings import Readings
from tests.collector.conftest import Reader
from tests.fakes.log_writer import Log

Follow = Callable[..., Reader]
Ids = Callable[[Readings], list[str]]


@pytest.fixture
def unlisted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders may be passed, and not be listed; taking the right away would not stop root."""

    def refused(folder: str) -> None:
        raise PermissionError(13, "Permission denied", folder)

    monkeypatch.setattr(os, "scandir", refused)


def said(readings: Readings) -> tuple[str, str]:
    (record,) = readings.coverage
    return record.status, record.reason


def unknown(log: Log) -> tuple[str, str]:
    return (
        "partial",
        f"{log.path.parent} cannot be listed: what {log.path} was rotated into since it was last seen is not read, if there is more of it",
    )


@pytest.mark.usefixtures("unlisted")
@pytest.mark.parametrize("rotations", [1, 2])
def test_a_log_that_was_renamed_in_a_folder_that_cannot_be_listed(
    log: Log, follow: Follow, ids: Ids, rotations: int
) -> None:
    log.write("a")
    reader = follow()
    assert said(reader.read()) == ("complete", "")
    log.write("b")
    assert said(reader.read()) == ("complete", "")
    for number in range(rotations):
        log.rotate()
        log.write(f"c{number}")
    readings = reader.read()
    assert (ids(readings), said(readings)) == ([f"c{rotations - 1}"], unknown(log))
    log.write("d")
    assert said(reader.read()) == ("complete", "")


@pytest.mark.usefixtures("unlisted")
def test_a_log_that_was_empty_in_a_folder_that_cannot_be_listed(log: Log, follow: Follow, ids: Ids) -> None:
    log.append(b"")
    reader = follow()
    assert [said(reader.read()) for _ in range(2)] == [("complete", "")] * 2
    log.write("a")
    log.copy_and_truncate()
    assert said(reader.read()) == unknown(log)
    assert said(reader.read()) == ("complete", "")


@pytest.mark.usefixtures("unlisted")
@pytest.mark.parametrize("start_at", ["oldest", "beginning", "end"])
def test_the_first_look_into_a_folder_that_cannot_be_listed(log: Log, follow: Follow, start_at: str) -> None:
    log.write("a")
    assert said(follow(start_at=start_at).read()) == (unknown(log) if start_at == "oldest" else ("complete", ""))


@pytest.fixture
def linked(tmp_path: Path) -> tuple[Log, Log]:
    """A log as it is configured, a link, and as it is written, elsewhere and of another name."""
    link, written = Log(tmp_path / "logs" / "usage.log"), Log(tmp_path / "data" / "shop.log")
    for each in (link, written):
        each.path.parent.mkdir()
    link.path.symlink_to(written.path)
    return link, written


@pytest.mark.parametrize("down", [False, True], ids=["running", "down"])
@pytest.mark.parametrize("is_renamed", [False, True], ids=["truncated", "renamed"])
def test_a_log_behind_a_link_is_rotated_beside_what_that_points_at(
    linked: tuple[Log, Log],
    reader: Callable[..., Reader],
    ids: Ids,
    is_renamed: bool,
    down: bool,
) -> None:
    link, log = linked
    log.write("a")
    follows = reader("logfile", path=str(link.path))
    assert ids(follows.read()) == ["a"]
    log.write("b")
    for name in "cd":
        log.rotate() if is_renamed else log.copy_and_truncate()
        log.write(name)
    if down:
        follows.collector.close()
        checkpoint, follows = follows.checkpoint, reader("logfile", path=str(link.path))
        follows.checkpoint = checkpoint
    readings = follows.read()
    assert (ids(readings), said(readings)) == (["b", "c", "d"], ("complete", ""))
    assert ids(follows.read()) == []


def test_a_link_to_one_dated_file_after_the_other(log: Log, follow: Follow, ids: Ids) -> None:
    reader, found = None, []
    for day in range(1, 6):
        dated = log.path.with_name(f"{log.path.name}-2026010{day}")
        log.write(f"{day}", path=dated)
        log.path.unlink(missing_ok=True)
        log.path.symlink_to(dated.name)
        if day % 2:
            reader = reader or follow()
            readings = reader.read()
            found += ids(readings)
            assert said(readings) == ("complete", "")
    assert found == list("12345")
