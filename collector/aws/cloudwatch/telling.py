"""Points as events and samples.

A value of CloudWatch is a float64. As an amount it is booked as the nearest decimal with nine places, as the ledger does with samples. A level
is held from the beginning of its period to the end: where the next period has no value, the marker of an end stands at its beginning
("intake.proto", Batch). Whether it has one may be known only at the next collection, so a stream is left *open* till then.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal

import pyarrow as pa

from collector.aws.cloudwatch.config import CloudwatchConfig
from collector.aws.cloudwatch.progress import Points, Progress, Told, digest
from collector.aws.cloudwatch.steps import Step
from collector.aws.cloudwatch.streams import Stream
from collector.definitions import Definitions, Known
from collector.readings import DeadLetter, sample_table
from meterbook.wire.instants import SECOND_US, text
from meterbook.wire.sections import EVENTS, STALE, VALUE_LIMIT
from meterbook.wire.series import Series, canonical_json

_NANO = Decimal("1e-9")
_EXACT = Context(prec=60)
_QUALITY = {"quality": "best_effort"}
_DOCUMENT_CHARS_MAX = 4_096


class Telling:
    """Collects what one collection tells of."""

    def __init__(self, config: CloudwatchConfig) -> None:
        self._config = config
        self._about = {"account": config.owner, "region": config.region}
        self._events: dict[str, list[object]] = {
            name: [] for name in ("id", "type", "subject", "time", "value", "properties")
        }
        self._series: dict[int, Series] = {}
        self._ids: list[int] = []
        self._times: list[int] = []
        self._values: list[float] = []
        self._letters: list[DeadLetter] = []

    def add(self, step: Step, points: Points) -> Progress:
        """Tell of a step that was answered; the progress of its stream after that."""
        self._check(step, [each for each in points if each[0] < step.since_us])
        fresh = [each for each in points if each[0] >= step.since_us]
        usable = [each for each in fresh if self._is_usable(step.stream, each)]
        is_open = False
        if step.stream.is_amount:
            self._add_events(step, usable)
        else:
            is_open = self._add_samples(step, usable)
        told = Told(step.keep_us, step.period_us, digest([each for each in points if each[0] >= step.keep_us]))
        return Progress(step.until_us, is_open, step.progress.listed_us, told)

    def close(self, stream: Stream, progress: Progress) -> None:
        """Tell that a stream is not read any more."""
        if progress.is_open:
            self._sample(self._gauge(stream), progress.until_us, STALE)

    def count(self, metric: str, value: int, start_us: int, time_us: int) -> None:
        """Tell what a counter of the collector's own shows."""
        series = Series(
            self._config.source, metric, "counter", "", canonical_json({}), canonical_json(self._about), start_us
        )
        self._sample(series, time_us, float(value))

    def events(self) -> pa.Table:
        """The events, with the schema EVENTS."""
        columns, count = self._events, len(self._events["id"])
        return pa.table(
            [
                [self._config.source] * count,
                [self._config.place] * count,
                columns["id"],
                columns["type"],
                columns["subject"],
                [""] * count,
                pa.array(columns["time"], pa.int64()).cast(EVENTS.field("time").type),
                pa.array(columns["value"], EVENTS.field("value").type),
                columns["properties"],
            ],
            schema=EVENTS,
        )

    def samples(self) -> pa.Table:
        """The samples, with the schema SAMPLES."""
        return sample_table(self._ids, self._times, self._values)

    def series(self) -> Definitions:
        """What defines the series of the samples."""
        return Known.by(self._series.values())

    def letters(self) -> tuple[DeadLetter, ...]:
        """What could not be told."""
        return tuple(self._letters)

    def _check(self, step: Step, points: Points) -> None:
        told = step.progress.told
        if told is None or step.check_us >= step.since_us or digest(points) == told.digest:
            return
        place = f"{step.stream.path}/{text(step.check_us)}"
        reason = (
            f"values of {step.period_us // SECOND_US} s until {text(step.since_us)} changed after they were told as settled, "
            f"and stay as they were told: settle_s {self._config.settle_s:g} is too short"
        )
        document = json.dumps([[text(time_us), value] for time_us, value in points])[:_DOCUMENT_CHARS_MAX]
        self._letters.append(DeadLetter(self._config.source, place, reason, document))

    def _is_usable(self, stream: Stream, point: tuple[int, float]) -> bool:
        time_us, value = point
        if abs(value) < VALUE_LIMIT:
            return True
        place = f"{stream.path}/{text(time_us)}"
        self._letters.append(
            DeadLetter(self._config.source, place, f"value {value!r} is not below 2^62 in magnitude", repr(value))
        )
        return False

    def _add_events(self, step: Step, points: Points) -> None:
        stream, columns = step.stream, self._events
        path, subject, properties = stream.path, stream.subject, canonical_json(_properties(stream, self._about))
        for time_us, value in points:
            columns["id"].append(f"{path}/{text(time_us)}")
            columns["type"].append(stream.name)
            columns["subject"].append(subject)
            columns["time"].append(time_us)
            columns["value"].append(Decimal(value).quantize(_NANO, ROUND_HALF_EVEN, _EXACT))
            columns["properties"].append(properties)

    def _add_samples(self, step: Step, points: Points) -> bool:
        """Gives whether the last value is held to the end of the step and perhaps beyond."""
        series = self._gauge(step.stream)
        held_us = step.progress.until_us if step.progress.is_open else None
        for time_us, value in points:
            if held_us is not None and held_us < time_us:
                self._sample(series, held_us, STALE)
            self._sample(series, time_us, value)
            held_us = time_us + step.period_us
        if held_us is not None and held_us < step.until_us:
            self._sample(series, held_us, STALE)
        return held_us == step.until_us

    def _gauge(self, stream: Stream) -> Series:
        labels = canonical_json({**dict(stream.dimensions), **_QUALITY})
        attributes = canonical_json({**self._about, "namespace": stream.namespace, "statistic": stream.statistic})
        return Series(self._config.source, stream.name, "gauge", "", labels, attributes)

    def _sample(self, series: Series, time_us: int, value: float) -> None:
        self._series[series.series_id] = series
        self._ids.append(series.series_id)
        self._times.append(time_us)
        self._values.append(value)


def _properties(stream: Stream, about: Mapping[str, str]) -> dict[str, str]:
    """The dimensions by their names, and what else is told of a stream; a dimension of such a name has ``dimension_`` before it."""
    told = {
        **about,
        **_QUALITY,
        "namespace": stream.namespace,
        "metric": stream.metric,
        "statistic": stream.statistic,
    }
    return told | {f"dimension_{name}" if name in told else name: value for name, value in stream.dimensions}
