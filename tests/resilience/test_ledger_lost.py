"""The ledger restarted, restored from an older backup, replaced by another: the agent notices, and every loss is told.

What the agent still has is sent; what it had given away and the ledger has no more is a ``lost`` coverage record of the source,
over exactly the time whose events are missing. Counters lose nothing: their source still counts.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.e2e.spine import meter
from tests.kill.programs import wait_for
from tests.resilience import book
from tests.resilience.exporters import METRIC, TENANT, Exporter, exporter
from tests.resilience.stage import INTERVAL_S, PATIENCE_S, Stage, Usage
from tests.resilience.usagelog import EVENT_TYPE, UsageLog, Written

pytestmark = [pytest.mark.resilience, pytest.mark.timeout(900)]

METERS = (meter("work", "increase", metric=METRIC), meter("events", "count", event=EVENT_TYPE))
LOG = "logfile/program"


@dataclass
class Scene:
    """A stage with an exporter that counts and a log that is written."""

    stage: Stage
    work: Exporter
    log: UsageLog

    @property
    def sources(self) -> tuple[str, str]:
        return LOG, f"prometheus/work/{self.work.address}"

    def act(self, events: int) -> list[Written]:
        """Events are written, and all that there is now reaches the ledger."""
        self.stage.drain(*self.sources)
        made = self.log.write(events)
        self.stage.drain(*self.sources)
        return made

    def back_up(self) -> Path:
        """A backup of the ledger as it stands."""
        target = self.stage.directory / "backup"
        self.stage.tell("ledger", "backup", "--store", str(self.stage.book), "--to", str(target), "--with-keys")
        return target

    def restore(self, backup: Path) -> None:
        """The ledger is lost, and there is one from a backup again."""
        self.stage.ledger.kill()
        shutil.rmtree(self.stage.book)
        self.stage.tell("ledger", "restore", "--from", str(backup), "--store", str(self.stage.book), "--with-keys")
        self.stage.ledger.start()

    def wait_for_witness(self) -> None:
        """Wait until the agent has seen a checkpoint of more than the book holds now."""
        size = self.stage.metric("acknowledged_sequence")
        wait_for("a checkpoint is shown", lambda: self.stage.metric("witnessed_records") > size + 2, PATIENCE_S)

    def accept(self) -> None:
        """What the agent's refusal tells an operator to do."""
        self.stage.agent.stop()
        self.stage.tell("agent", "forget-ledger", "--config", str(self.stage.config))
        self.stage.begin(self.stage.agent)

    def truth(self, events: int) -> Usage:
        """What the ledger has to say."""
        return {("work", TENANT): self.work.total, ("events", TENANT): Decimal(events)}

    def finish(self) -> None:
        """Nothing more is counted, and all of it has reached the ledger."""
        self.work.stop()
        self.stage.drain(*self.sources)

    def found(self, name: str = "copy") -> list[book.Batch]:
        return book.batches(self.stage.book, self.stage.directory / name)


@contextmanager
def scene(directory: Path) -> Iterator[Scene]:
    with ExitStack() as opened:
        work = opened.enter_context(exporter(Random(192)))
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
        made.stage.drain(*made.sources)
        # From here on every run of the exporter begins under the eyes of the agent.
        work.restart()
        work.begin()
        yield made


def check_lost(found: list[book.Batch], lost: list[Written], kept: list[Written], sources: tuple[str, ...]) -> None:
    """The time of each source is told without a hole; what is missing was written while it says ``lost``, and nothing else."""
    told = book.coverage(found)
    for source in sources:
        book.check_tiled(told[source])
        assert [each.status for each in told[source] if each.status == "lost"] == ["lost"], source
    (gap,) = [each for each in told[LOG] if each.status == "lost"]
    assert all(gap.start_us < event.at_us < gap.end_us for event in lost)
    assert not any(gap.start_us < event.at_us < gap.end_us for event in kept)
    ids = {event_id for batch in found for event_id in batch.content.events["id"].to_pylist()}
    assert ids == {event.id for event in kept}


def test_a_ledger_that_restarts_is_no_event_at_all(tmp_path: Path) -> None:
    with scene(tmp_path) as on:
        for _ in range(3):
            on.log.write(5)
            on.stage.ledger.kill()
            on.log.write(5)
            on.stage.ledger.start()
            on.act(5)
        on.finish()
        assert on.stage.settled_usage(lambda: on.truth(45)) == on.truth(45)
        found = on.found()
        book.check_order(found)
        book.check_samples_once(found)
        told = book.coverage(found)
        for source in on.sources:
            book.check_tiled(told[source])
            # A machine with too much to do may be late for a tick, which has nothing to do with the ledger.
            assert [
                each for each in told[source] if each.status != "complete" and "tick missed" not in each.reason
            ] == []
        assert on.stage.metric("epochs_begun_total") == 0


def test_a_ledger_restored_from_an_older_backup(tmp_path: Path) -> None:
    with scene(tmp_path) as on:
        kept = on.act(7)
        backup = on.back_up()
        lost = on.act(11)
        on.wait_for_witness()
        on.restore(backup)
        kept += on.log.write(13)
        wait_for("the agent says so", lambda: "went back" in on.stage.not_ready(), PATIENCE_S)
        assert "meterbook agent forget-ledger" in on.stage.not_ready()
        assert {row["epoch"] for row in on.stage.ask("agents")["rows"]} == {on.found("early")[0].epoch}
        on.accept()
        kept += on.act(17)
        on.finish()
        assert on.stage.settled_usage(lambda: on.truth(len(kept))) == on.truth(len(kept))
        check_lost(on.found(), lost, kept, on.sources)
        (row,) = [each for each in on.stage.ask("coverage")["rows"] if each["source"] == LOG]
        assert [gap["status"] for gap in row["gaps"] if gap["status"] == "lost"] == ["lost"]
        assert Decimal(row["observed_s"]) < Decimal(row["expected_s"])
        on.stage.tell("verify", "--ledger", f"127.0.0.1:{on.stage.port}")


def test_the_wrong_ledger_for_a_while_leaves_no_trace(tmp_path: Path) -> None:
    with scene(tmp_path) as on:
        on.act(7)
        on.wait_for_witness()
        on.stage.ledger.kill()
        with on.stage.new_ledger(tmp_path / "empty") as wrong:
            on.log.write(5)
            wait_for("the agent says so", lambda: "cannot be believed" in on.stage.not_ready(), PATIENCE_S)
            assert book.batches(tmp_path / "empty", tmp_path / "nothing") == []
            wrong.stop()
        on.stage.agent.kill()
        on.stage.ledger.start()
        on.stage.begin(on.stage.agent)
        on.act(5)
        on.finish()
        assert on.stage.settled_usage(lambda: on.truth(17)) == on.truth(17)
        found = on.found()
        assert len({batch.epoch for batch in found}) == 1
        assert not any(each.status == "lost" for records in book.coverage(found).values() for each in records)


def test_a_ledger_replaced_by_an_empty_one(tmp_path: Path) -> None:
    with scene(tmp_path) as on:
        lost = on.act(7)
        on.wait_for_witness()
        on.stage.ledger.kill()
        shutil.rmtree(on.stage.book)
        kept = on.log.write(13)
        on.stage.ledger.start()
        wait_for("the agent says so", lambda: "cannot be believed" in on.stage.not_ready(), PATIENCE_S)
        assert on.stage.ask("agents")["rows"] == []
        on.stage.define(*METERS)
        on.accept()
        kept += on.act(17)
        on.finish()
        assert on.stage.settled_usage(lambda: on.truth(len(kept))) == on.truth(len(kept))
        check_lost(on.found(), lost, kept, on.sources)
