"""A day without a ledger, at the interval and with the restarts of a real one, and then everything is caught up with.

No hole, no sample twice, the order kept; and while tens of megabytes are sent the agent grows by far less than they are.
"""

from __future__ import annotations

import threading
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from meterbook.wire import instants
from tests.e2e.spine import meter
from tests.kill.programs import wait_for
from tests.resilience import book
from tests.resilience.exporters import TENANT
from tests.resilience.stage import PATIENCE_S, Stage
from tests.resilience.usagelog import EVENT_TYPE, UsageLog
from tests.resilience.virtualagent import COUNTED, Meters, VirtualAgent, log_maker

pytestmark = [pytest.mark.resilience, pytest.mark.timeout(900)]

DAY_US, HOUR_US, MINUTE_US = 24 * instants.HOUR_US, instants.HOUR_US, 60 * instants.SECOND_US
#: When the agent is stopped, after the beginning, and for how long: a moment, minutes, and over a midnight.
RESTARTS_US = [
    (3 * HOUR_US, 2 * instants.SECOND_US),
    (9 * HOUR_US + 17 * MINUTE_US, 4 * MINUTE_US),
    (20 * HOUR_US, HOUR_US),
]
IN_FLIGHT_MAX = 64
FAST_S, SLOW_S = 15.0, 60.0


def rss_bytes() -> int:
    """Memory of this process that is in use."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4_096


class Watch:
    """Looks, in a thread of its own, how large this process gets and how much it has under way."""

    def __init__(self, agent: VirtualAgent) -> None:
        self.most_bytes, self.most_in_flight = rss_bytes(), 0
        self._agent = agent
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        sent = "meterbook_agent_batches_sent_total"
        while not self._over.wait(0.005):
            # Asked in this order, what is acknowledged in between makes the difference too small, never too large.
            before = self._agent.metrics.registry.get_sample_value(sent) or 0.0
            self.most_in_flight = max(self.most_in_flight, int(before) - self._agent.spool.sizes().acked_sequence)
            self.most_bytes = max(self.most_bytes, rss_bytes())


def test_a_day_offline(tmp_path: Path, memory: Path) -> None:
    stage = Stage(tmp_path, [])
    begin_us = instants.now_us() - DAY_US - 10 * MINUTE_US
    fast = Meters("fast", begin_us - DAY_US, counters=150, gauges=450, seed=1)
    slow = Meters("slow", begin_us - DAY_US, counters=50, gauges=0, seed=2)
    log = UsageLog(tmp_path / "log" / "usage.log")
    sources = [(lambda: fast, FAST_S), (lambda: slow, SLOW_S), (log_maker(log.path), SLOW_S)]
    agent = VirtualAgent(memory, sources, begin_us)
    written: list[int] = []

    def work(now_us: int) -> None:
        """The program writes now and then, and its log is rotated every six hours."""
        if len(written) < (now_us - begin_us) // (5 * MINUTE_US):
            written.append(now_us)
            log.write(3, at_us=now_us - 1)
            if len(written) % 72 == 0:
                log.rotate()

    agent.start()
    agent.connect(stage.port)
    for after_us, for_us in RESTARTS_US:
        agent.run(begin_us + after_us, work)
        agent.stop()
        agent.true_us += for_us
        agent.start()
        agent.connect(stage.port)
    agent.run(begin_us + DAY_US, work)
    waiting = agent.spool.sizes()
    assert waiting.batches > 5_400 + 2 * 1_300
    assert agent.metrics.registry.get_sample_value("meterbook_agent_uplink_connected") == 0

    with stage:
        watch = Watch(agent)
        before_bytes = rss_bytes()
        stage.begin(stage.ledger)
        of_fast = meter("fast", "increase", metric=COUNTED)
        of_fast["spec"]["filter"] = {"of": [fast.source]}
        stage.define(of_fast, meter("events", "count", event=EVENT_TYPE))
        wait_for("everything is sent", lambda: agent.spool.sizes().batches == 0, PATIENCE_S)
        watch.stop()
        # After a day the same agent goes on as if nothing had been.
        agent.run(begin_us + DAY_US + 2 * MINUTE_US, work)
        wait_for("the rest is sent", lambda: agent.spool.sizes().batches == 0, PATIENCE_S)
        grown_bytes = watch.most_bytes - before_bytes
        print(
            f"{waiting.bytes >> 20} MiB in {waiting.batches} batches waited; the agent grew by {grown_bytes >> 20} MiB"
        )
        assert waiting.bytes > 24 << 20
        assert grown_bytes < waiting.bytes / 2
        assert 0 < watch.most_in_flight <= IN_FLIGHT_MAX

        found = book.batches(stage.book, tmp_path / "copy")
        book.check_order(found)
        assert len({batch.epoch for batch in found}) == 1
        assert book.check_samples_once(found) == 600 * len(fast.looks_us) + 50 * len(slow.looks_us)
        told = book.coverage(found)
        for source in (fast.source, slow.source, "logfile/program"):
            book.check_tiled(told[source])
            assert told[source][0].start_us == begin_us
        assert {each.status for each in told["logfile/program"]} == {"complete"}
        for each, interval_s in ((fast, FAST_S), (slow, SLOW_S)):
            gaps_us = [(gap.start_us, gap.end_us) for gap in told[each.source] if gap.status != "complete"]
            assert gaps_us == expected_gaps(each.looks_us, interval_s)
        expected = {
            ("fast", TENANT): Decimal(fast.looks_us[-1] - fast.looks_us[0]),
            ("events", TENANT): Decimal(len(log.events)),
        }
        assert stage.settled_usage(lambda: expected, more={"fast"}) == expected
        check_hours(stage, fast)
        agent.stop()


def expected_gaps(looks_us: list[int], interval_s: float) -> list[tuple[int, int]]:
    """Between two looks only the last interval was watched."""
    interval_us = round(interval_s * instants.SECOND_US)
    pairs = pairwise(looks_us)
    return [(before, after - interval_us) for before, after in pairs if after - before > 1.5 * interval_us]


def check_hours(stage: Stage, meters: Meters) -> None:
    """Each hour has what its microseconds counted."""
    rows = [row for row in stage.ask("usage", "--window", "hour", "--meter", "fast")["rows"] if row["tenant"] == TENANT]
    assert len(rows) >= 24
    for row in rows:
        start_us = instants.parse(row["window"])
        first_us, last_us = max(start_us, meters.looks_us[0]), min(start_us + HOUR_US, meters.looks_us[-1])
        assert Decimal(row["quantity"]) == last_us - first_us, row
