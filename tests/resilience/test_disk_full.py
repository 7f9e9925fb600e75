"""The spool's disk is full: the agent goes on, says so, lets go of what the ledger acknowledges, and collects again when there is room.

The disk is a real one, in memory, where the tests may mount; a limit on the size of files does for everybody.
"""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from tests.e2e.spine import meter
from tests.kill.programs import Failed, wait_for
from tests.resilience import book
from tests.resilience.exporters import METRIC, TENANT, Exporter, exporter
from tests.resilience.stage import INTERVAL_S, PATIENCE_S, Stage
from tests.resilience.usagelog import EVENT_TYPE, UsageLog

pytestmark = [pytest.mark.resilience, pytest.mark.timeout(600)]

DISK_BYTES = 32 << 20
METERS = (meter("work", "increase", metric=METRIC), meter("events", "count", event=EVENT_TYPE))
LOG = "logfile/program"


@dataclass
class Scene:
    """A stage with an exporter that counts and a log."""

    stage: Stage
    work: Exporter
    log: UsageLog

    @property
    def scraped(self) -> str:
        return f"prometheus/work/{self.work.address}"

    def lost_ticks(self) -> float:
        return self.stage.metric("collections_total", f'{{source="{self.scraped}",status="lost"}}')

    def wait_until_refused(self) -> None:
        """Ticks that could not be stored are counted, and more of them come: the agent goes on."""
        before = self.lost_ticks()
        wait_for("ticks are lost", lambda: self.lost_ticks() >= before + 3, PATIENCE_S)

    def check_all_is_told(self) -> None:
        """Nothing that is counted or logged is missing, and the time that nobody watched is told."""
        self.work.stop()
        wait_for("the agent works", self.stage.agent.works, PATIENCE_S)
        self.stage.drain(LOG, self.scraped)
        expected = {("work", TENANT): self.work.total, ("events", TENANT): Decimal(len(self.log.events))}
        assert self.stage.settled_usage(lambda: expected) == expected
        found = book.batches(self.stage.book, self.stage.directory / "copy")
        book.check_order(found)
        book.check_samples_once(found)
        told = book.coverage(found)
        for source in (LOG, self.scraped):
            book.check_tiled(told[source])
        assert {each.status for each in told[LOG]} == {"complete"}
        gaps = [each for each in told[self.scraped] if each.status == "lost"]
        assert gaps
        for gap in gaps:
            assert gap.reason in ("spool full", "spool could not be written")
            assert not any(gap.start_us < each.end_us < gap.end_us for each in told[self.scraped])


@contextmanager
def scene(directory: Path) -> Iterator[Scene]:
    with ExitStack() as opened:
        work = opened.enter_context(exporter(Random(7)))
        log = UsageLog(directory / "log" / "usage.log")
        sources: list[dict[str, Any]] = [
            {
                "kind": "prometheus",
                "job": "work",
                "targets": [work.address],
                "interval_s": INTERVAL_S,
                "timeout_s": 0.2,
            },
            {"kind": "logfile", "name": LOG, "path": str(log.path), "interval_s": INTERVAL_S},
        ]
        made = Scene(opened.enter_context(Stage(directory, sources)), work, log)
        made.stage.start(*METERS)
        made.stage.drain(LOG, made.scraped)
        work.restart()
        work.begin()
        log.write(5)
        made.stage.drain(LOG, made.scraped)
        yield made


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Where the spool will be: a file system of its own."""
    folder = tmp_path / "spool"
    folder.mkdir()
    mounted = (
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)],
            capture_output=True,
            text=True,
            check=False,
        )
        if shutil.which("mount")
        else None
    )
    if mounted is None or mounted.returncode:
        pytest.skip("file systems can be mounted by root alone")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path, *, free_bytes: int) -> Path:
    """Somebody else takes the disk, up to so many bytes; never one that others need."""
    ballast = disk / "ballast"
    status = os.statvfs(disk)
    assert disk.is_mount() and status.f_blocks * status.f_frsize <= DISK_BYTES, f"{disk} is no disk of its own"
    with ballast.open("ab") as file:
        while (wanted := os.statvfs(disk).f_bavail * status.f_frsize - free_bytes) > 0:
            try:
                os.posix_fallocate(file.fileno(), file.tell(), wanted)
            except OSError as error:
                # The agent has taken some of it meanwhile: all is given, or nothing.
                if error.errno != errno.ENOSPC:
                    raise
            file.seek(0, os.SEEK_END)
    return ballast


def test_a_disk_without_a_byte_lets_go_of_what_is_acknowledged(disk: Path, tmp_path: Path) -> None:
    with scene(tmp_path) as on:
        stage = on.stage
        stage.ledger.stop()
        on.log.write(5)
        wait_for("much waits", lambda: stage.metric("spool_batches") > 20, PATIENCE_S)
        ballast = fill(disk, free_bytes=4 << 20)
        on.wait_until_refused()
        assert "the disk has no room" in stage.not_ready()
        waiting = stage.metric("spool_batches")
        fill(disk, free_bytes=0)
        on.log.write(5)
        on.wait_until_refused()
        assert stage.metric("spool_batches") == waiting

        stage.begin(stage.ledger)
        wait_for("all that waits is sent", lambda: stage.metric("spool_batches") == 0, PATIENCE_S)
        assert "the disk has no room" in stage.not_ready()
        assert stage.agent.is_running
        ballast.unlink()
        on.check_all_is_told()


def test_killed_and_started_while_the_disk_is_full(disk: Path, tmp_path: Path) -> None:
    with scene(tmp_path) as on:
        stage = on.stage
        ballast = fill(disk, free_bytes=0)
        on.wait_until_refused()
        stage.agent.kill()
        on.log.write(5)
        stage.agent.start()

        def is_said() -> bool:
            """By an agent that cannot begin, or by one that goes on and is not ready."""
            if not stage.agent.is_running:
                return '"message": "spool ' in stage.agent.last_words()
            with suppress(httpx.HTTPError):
                return "the disk has no room" in stage.not_ready()
            return False

        wait_for("the disk is said to be full", is_said, PATIENCE_S)
        ballast.unlink()
        if not stage.agent.is_running:
            stage.begin(stage.agent)
        wait_for("the agent works", stage.agent.works, PATIENCE_S)
        on.log.write(5)
        on.check_all_is_told()


def test_files_that_may_not_grow(tmp_path: Path) -> None:
    with scene(tmp_path) as on:
        stage = on.stage
        journal = Path(f"{stage.spool}-wal")
        unlimited = resource.prlimit(stage.agent.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(stage.agent.pid, resource.RLIMIT_FSIZE, (journal.stat().st_size, unlimited[1]))
        on.wait_until_refused()
        assert "cannot be used" in stage.not_ready() or "is full" in stage.not_ready()
        on.log.write(5)
        on.wait_until_refused()
        assert stage.agent.is_running
        resource.prlimit(stage.agent.pid, resource.RLIMIT_FSIZE, unlimited)
        on.log.write(5)
        on.check_all_is_told()


def test_a_folder_that_cannot_be_written_is_said_at_once(tmp_path: Path) -> None:
    with Stage(
        tmp_path, [{"kind": "logfile", "path": str(tmp_path / "usage.log")}], spool={"path": "/proc/agent.spool"}
    ) as stage:
        stage.agent.start()
        with pytest.raises(Failed, match=r'"message": "spool /proc/agent\.spool cannot be opened: [^\n]+\n'):
            stage.wait_for_work(stage.agent)
