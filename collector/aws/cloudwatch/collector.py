"""One collection: lists what there is, asks for what is due, and tells of what was answered.

Every stream has its own cursor in the checkpoint, so that one which is not answered holds up no other. What ends a collection early
(throttling, a denial, the budget) leaves the cursors of the rest; if nothing was answered at all, the collection has failed. What catches up is asked for
in as large pieces as one page of an answer holds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from collector.account.session import Account
from collector.aws.cloudwatch.asking import Asker, Unanswered
from collector.aws.cloudwatch.config import CloudwatchConfig
from collector.aws.cloudwatch.coverage import Reach, records, unanswered
from collector.aws.cloudwatch.listing import Listing, listing
from collector.aws.cloudwatch.permissions import grants
from collector.aws.cloudwatch.progress import Progress, from_json
from collector.aws.cloudwatch.steps import Step, calls, plan
from collector.aws.cloudwatch.streams import Stream
from collector.aws.cloudwatch.telling import Telling
from collector.aws.spending import Purse, Spent, Tab
from collector.errors import SourceError, TransientError
from collector.readings import Checkpoint, Coverage, Readings, Window
from meterbook.wire.instants import SECOND_US

#: Counters of the collector's own.
REQUESTS, METRICS = "cloudwatch_requests_total", "cloudwatch_metrics_requested_total"


class CloudwatchCollector:
    """Reads the metrics of one account and region."""

    def __init__(self, config: CloudwatchConfig, account: Account | None = None) -> None:
        """Nothing is asked yet. Without ``account`` one is opened as configured."""
        self._config = config
        self._asker = Asker(config, account or Account(config.account, grants(config)))
        self._purse = Purse(config.source, config.budget_per_month_usd)

    @property
    def source(self) -> str:
        """``cloudwatch/<account>/<region>/<name>``."""
        return self._config.source

    @property
    def catches_up(self) -> bool:
        """What was not read in time is read later, as long as CloudWatch has it."""
        return True

    @property
    def lease(self) -> str:
        """One reader is enough, and each one is paid for."""
        told = self._config.model_dump_json(include={"queries", "settle_s"})
        return f"{self.source}#{hashlib.sha256(told.encode()).hexdigest()[:16]}"

    def collect(self, window: Window, checkpoint: Checkpoint) -> Readings:
        """What has settled since ``checkpoint``."""
        # Where even the first collection fails, what follows begins where that would have begun.
        checkpoint = {"since_us": window.start_us, **checkpoint}
        tab = self._purse.open(checkpoint.get("spent"), window.start_us, window.end_us)
        try:
            return self._collect(window, checkpoint, tab)
        except SourceError as error:
            failed = Coverage(self.source, window.start_us, window.end_us, error.status, str(error))
            return Readings((failed,), checkpoint=tab.added(checkpoint))

    def end(self, time_us: int, checkpoint: Checkpoint) -> Readings | None:
        """Levels that are still held end where they were told until."""
        telling = Telling(self._config)
        for key, document in checkpoint.get("streams", {}).items():
            telling.close(Stream.from_key(key), from_json(document))
        samples = telling.samples()
        return Readings((), series=telling.series(), samples=samples) if samples.num_rows else None

    def close(self) -> None:
        """Close connections."""
        self._asker.close()

    def _collect(self, window: Window, checkpoint: Checkpoint, tab: Tab) -> Readings:
        there = listing(self._config, window, checkpoint, lambda query, metric: self._asker.metrics(query, metric, tab))
        settle_us = round(self._config.settle_s * SECOND_US)
        settled_us = window.end_us - settle_us
        if there.until_us is not None:
            settled_us = min(settled_us, there.until_us)
        planned = plan(there.streams, window.end_us, settled_us, points_max=self._config.points_max, check_us=settle_us)
        telling = Telling(self._config)
        after = {stream: progress for stream, (_, progress) in there.streams.items()}
        lost: list[tuple[Step, int]] = []
        faults: list[tuple[Stream, str]] = []
        stopped: SourceError | None = None
        for steps in calls(planned.steps):
            try:
                answers = self._asker.data(steps, tab)
            except SourceError as error:
                stopped = error
                break
            for step, answer in zip(steps, answers, strict=True):
                if isinstance(answer, Unanswered):
                    faults.append((step.stream, answer.reason))
                    continue
                after[step.stream] = telling.add(step, answer)
                if step.since_us > step.progress.until_us:
                    lost.append((step, step.progress.until_us))
        if (stopped or faults) and not any(after[step.stream] != step.progress for step in planned.steps):
            raise stopped or TransientError(unanswered(faults))
        for stream, progress in there.dropped.items():
            telling.close(stream, progress)
        reach = _reach(checkpoint, there, after, settled_us)
        more = bool(planned.behind) and not faults and stopped is None
        paid = tab.added(_kept(window, there, after, reach, checkpoint))
        return self._readings(
            telling,
            tab.spent if "spent" in paid else None,
            window,
            records(self.source, window, reach, lost, faults, stopped, more=more),
            paid,
            more=more,
        )

    def _readings(
        self,
        telling: Telling,
        spent: Spent | None,
        window: Window,
        coverage: tuple[Coverage, ...],
        checkpoint: Checkpoint,
        *,
        more: bool,
    ) -> Readings:
        if spent is not None:
            telling.count(REQUESTS, spent.requests, spent.since_us, window.end_us)
            telling.count(METRICS, spent.metrics, spent.since_us, window.end_us)
        return Readings(
            coverage=coverage,
            series=telling.series(),
            samples=telling.samples(),
            events=telling.events(),
            dead_letters=telling.letters(),
            checkpoint=checkpoint,
            more=more,
        )


def _reach(checkpoint: Checkpoint, there: Listing, after: Mapping[Stream, Progress], settled_us: int) -> Reach:
    """Until where all was told; where there is nothing to tell of, until where it would have been."""
    if after:
        before_us = min(progress.until_us for _, progress in there.streams.values())
        return Reach(before_us, min(progress.until_us for progress in after.values()))
    before_us = int(checkpoint.get("until_us", checkpoint["since_us"]))
    return Reach(before_us, max(before_us, settled_us))


def _kept(
    window: Window, there: Listing, after: Mapping[Stream, Progress], reach: Reach, before: Checkpoint
) -> Checkpoint:
    kept = {
        "streams": {stream.key: progress.as_json() for stream, progress in sorted(after.items())},
        "listed": dict(there.listed),
        "since_us": window.end_us,
        "until_us": reach.after_us,
    }
    return {**kept, "spent": before["spent"]} if "spent" in before else kept
