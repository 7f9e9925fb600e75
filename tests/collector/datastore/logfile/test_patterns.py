"""Which files a pattern matches, and which are only what others were rotated into."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from collector.datastore.logfile.patterns import Matches, is_pattern, originals


def files(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def found(folder: Path, pattern: str, *exclude: str) -> list[str]:
    return [str(Path(path).relative_to(folder)) for path in Matches(f"{folder}/{pattern}", exclude).now()]


def test_each_part_of_the_path_may_be_a_pattern(tmp_path: Path) -> None:
    files(tmp_path, "a_1/web/0.log", "a_1/web/1.log", "a_1/side/0.log", "b_2/web/0.log", "b_2/web/0.txt", "0.log")
    files(tmp_path, ".c/web/0.log", "a_1/web/.0.log", "a_1/deep/web/0.log")
    (tmp_path / "a_1/web/folder.log").mkdir()
    os.mkfifo(tmp_path / "a_1/web/pipe.log")
    (tmp_path / "a_1/web/broken.log").symlink_to(tmp_path / "nowhere")
    assert found(tmp_path, "*/*/*.log") == ["a_1/side/0.log", "a_1/web/0.log", "a_1/web/1.log", "b_2/web/0.log"]
    assert found(tmp_path, "[ab]_?/web/0.log") == ["a_1/web/0.log", "b_2/web/0.log"]
    assert found(tmp_path, "a_1/web/?.log") == ["a_1/web/0.log", "a_1/web/1.log"]
    assert found(tmp_path, "a_*/*/*.log", "*/side/*", "*/1.log") == ["a_1/web/0.log"]
    assert found(tmp_path, "none*/x.log") == []


def test_what_files_are_rotated_into_is_no_file_of_its_own(tmp_path: Path) -> None:
    rotated = ["x.log.1", "x.log-20260101", "x.log.2.gz", "x.log.20260101-120000", "x.log.3.bz2", "y.log.1", "x.log.gz"]
    files(tmp_path, "x.log", "y.log", "x.log.old", *rotated)
    assert found(tmp_path, "*") == ["x.log", "x.log.old", "y.log"]
    files(tmp_path, "worker-1", "worker-2", "worker-2.1")
    assert found(tmp_path, "worker-*") == ["worker-1", "worker-2"]


def test_a_copy_of_what_is_not_there_is_told(tmp_path: Path) -> None:
    files(tmp_path, "x.log.1", "y.log", "y.log.1", "z.log.1")
    matches = Matches(f"{tmp_path}/*", ("*/z*",))
    assert matches.now() == [f"{tmp_path}/y.log"]
    assert matches.orphans == [f"{tmp_path}/x.log.1"]


def test_names_alone_decide() -> None:
    assert originals("x.log.1", "*") == ["x.log"]
    assert originals("x.log.1", "x.log.*") == []
    assert originals("x-20260101-1", "x*") == ["x", "x-20260101"]
    assert originals("0.log", "*.log") == []


def test_folders_that_have_not_changed_are_not_listed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files(tmp_path, "a/x.log", "b/x.log")
    listed: list[str] = []
    really = os.scandir

    def counted(folder: str) -> os._ScandirIterator[str]:
        listed.append(str(Path(folder).relative_to(tmp_path)))
        return really(folder)

    monkeypatch.setattr(os, "scandir", counted)
    matches = Matches(f"{tmp_path}/*/*.log", (), clock_ns=lambda: time.time_ns() + 60_000_000_000)
    assert len(matches.now()) == len(matches.now()) == 2
    assert sorted(listed) == [".", "a", "b"]
    files(tmp_path, "b/y.log")
    assert len(matches.now()) == 3
    assert listed[3:] == ["b"]
    (tmp_path / "a/x.log").rename(tmp_path / "a/x.txt")
    assert matches.now() == [f"{tmp_path}/b/x.log", f"{tmp_path}/b/y.log"]


def test_a_folder_that_has_just_changed_is_not_trusted(tmp_path: Path) -> None:
    files(tmp_path, "x.log")
    matches = Matches(f"{tmp_path}/*.log", ())
    assert len(matches.now()) == 1
    stamp = tmp_path.stat().st_mtime_ns
    files(tmp_path, "y.log")
    os.utime(tmp_path, ns=(stamp, stamp))  # as if the clock of the file system had not moved on
    assert len(matches.now()) == 2


def test_names_that_are_no_text_are_passed_over(tmp_path: Path) -> None:
    files(tmp_path, "x.log")
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.log"))).write_bytes(b"")
    assert found(tmp_path, "*.log") == ["x.log"]


def test_what_cannot_be_listed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files(tmp_path, "a/x.log", "b/x.log")
    really = os.scandir

    def refused(folder: str) -> os._ScandirIterator[str]:
        if str(folder).endswith("/b"):  # chmod would not stop root
            raise PermissionError(13, "Permission denied", folder)
        return really(folder)

    monkeypatch.setattr(os, "scandir", refused)
    matches = Matches(f"{tmp_path}/*/*.log", ())
    assert matches.now() == [f"{tmp_path}/a/x.log"]
    assert matches.problems == [f"{tmp_path}/b cannot be listed: Permission denied"]
    with pytest.raises(FileNotFoundError):
        Matches(f"{tmp_path}/none/*.log", ()).now()


def test_a_link_that_leads_nowhere_hides_nothing_else(tmp_path: Path) -> None:
    files(tmp_path, "a/x.log")
    for folder in (tmp_path, tmp_path / "a"):
        (folder / "circle.log").symlink_to("circle.log")
        (folder / "nothing.log").symlink_to("none")
    matches = Matches(f"{tmp_path}/*/*.log", ())
    assert (matches.now(), matches.problems) == ([f"{tmp_path}/a/x.log"], [])


def test_what_is_a_pattern() -> None:
    assert [is_pattern(path) for path in ("/a/*.log", "/a/?", "/a/[bc]/x", "/a/b.log")] == [True, True, True, False]
