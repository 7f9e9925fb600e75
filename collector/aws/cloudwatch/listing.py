"""Which streams there are: those that are configured one by one, and those of the metrics that CloudWatch lists.

A metric is listed from ``list_delay_s`` after its first value arrived, and until two weeks after its last (API reference, ListMetrics); and
a value arrives before it has settled. So a list *covers* the time until these two before it was made: one that appears later has no value from
before that, and is read from there; and nothing is told of time that no list covers yet. One that is missing is read on for ``remember_s``,
and at any rate until there can be nothing left of it.

Only metrics with exactly the dimensions of a query are read: those with one more say the same again, in other parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from collector.aws.cloudwatch.config import CloudwatchConfig, MetricQuery
from collector.aws.cloudwatch.progress import Progress, from_json
from collector.aws.cloudwatch.streams import Dimensions, Stream, is_of, ordered, streams
from collector.errors import PermanentError
from collector.readings import Checkpoint, Window
from meterbook.wire.instants import DAY_US, SECOND_US
from meterbook.wire.series import canonical_json

#: Gives the dimensions of all metrics of a query's namespace that have this name and its dimensions, and perhaps more. Raises SourceError.
Lister = Callable[[MetricQuery, str], Iterator[Dimensions]]

_LISTED_US = 14 * DAY_US


@dataclass(frozen=True)
class Listing:
    """Periods in microseconds and progress by stream; of each list, when it was made last and since when it is of interest; until when they
    cover all, None without lists; and the streams that are not read any more."""

    streams: Mapping[Stream, tuple[int, Progress]]
    listed: Mapping[str, tuple[int, int]]
    until_us: int | None
    dropped: Mapping[Stream, Progress]


def listing(config: CloudwatchConfig, window: Window, checkpoint: Checkpoint, lister: Lister) -> Listing:
    """The streams to read as of the end of the window; new ones since the last collection that did not fail. Raises SourceError."""
    before = {Stream.from_key(key): from_json(each) for key, each in checkpoint.get("streams", {}).items()}
    listed: dict[str, tuple[int, int]] = {}
    found: dict[Stream, tuple[int, Progress]] = {}
    first_us = int(checkpoint.get("since_us", window.start_us)) - round(config.history_s * SECOND_US)
    behind_us = round((config.list_delay_s + config.settle_s) * SECOND_US)
    for query in config.queries:
        period_us = query.period_s * SECOND_US
        for metric in query.metrics:
            if not query.each:
                for stream in streams(query, metric, ordered(query.dimensions)):
                    fresh = Progress(first_us // period_us * period_us)
                    found.setdefault(stream, (period_us, replace(before.get(stream, fresh), listed_us=None)))
                continue
            key = _key(query, metric)
            last_us, began_us = checkpoint.get("listed", {}).get(key, (None, first_us))
            known = {
                stream: each for stream, each in before.items() if stream.metric == metric and is_of(query, stream)
            }
            if last_us is None or window.end_us - last_us >= config.list_interval_s * SECOND_US:
                covered_us = began_us if last_us is None else max(began_us, last_us - behind_us)
                fresh = Progress(covered_us // period_us * period_us)
                known = _listed(config, query, metric, window.end_us, lister, known, fresh)
                last_us = window.end_us
            listed[key] = last_us, began_us
            for stream, progress in known.items():
                found.setdefault(stream, (period_us, progress))
            if len(found) > config.streams_max:
                break
    if len(found) > config.streams_max:
        raise PermanentError(
            f"{config.source}: more than streams_max {config.streams_max} statistics of metrics are asked for"
        )
    until_us = min(last_us for last_us, _ in listed.values()) - behind_us if listed else None
    return Listing(found, listed, until_us, {stream: each for stream, each in before.items() if stream not in found})


def _listed(
    config: CloudwatchConfig,
    query: MetricQuery,
    metric: str,
    now_us: int,
    lister: Lister,
    known: Mapping[Stream, Progress],
    fresh: Progress,
) -> dict[Stream, Progress]:
    """Progress by stream, of those listed now and of those that were and may have something left."""
    found: dict[Stream, Progress] = {}
    names = {*query.dimensions, *query.each}
    for dimensions in lister(query, metric):
        if {name for name, _ in dimensions} == names:
            for stream in streams(query, metric, dimensions):
                found[stream] = replace(known.get(stream, fresh), listed_us=now_us)
        if len(found) > config.streams_max:
            break
    for stream, progress in known.items():
        listed_us = progress.listed_us or now_us
        is_recent = now_us - listed_us <= config.remember_s * SECOND_US
        if stream not in found and (is_recent or progress.until_us < now_us - _LISTED_US):
            found[stream] = replace(progress, listed_us=listed_us)
    return found


def _key(query: MetricQuery, metric: str) -> str:
    """What is asked for: where that changes, nobody had asked for it before."""
    asked: dict[str, Any] = {
        "namespace": query.namespace,
        "metric": metric,
        "dimensions": canonical_json(query.dimensions),
        "each": " ".join(sorted(query.each)),
        "statistics": " ".join(sorted(query.statistics)),
    }
    return canonical_json(asked)
