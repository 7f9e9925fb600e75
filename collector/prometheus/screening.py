"""Which exposed values can be metered, and the dead letters of those that cannot.

A sample that is no number, is infinite, is too large for the book's decimals or is a negative count would poison
every sum it enters. It is left out, and a dead letter says so: one per metric, however many series of it are affected,
and a bounded number per scrape. A page repeats its faults every few seconds; the book is told when one begins, and
told again only after a scrape without it.
Buckets and quantiles never come here: a quantile of nothing is NaN by convention.
"""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np
import numpy.typing as npt

from collector.readings import DeadLetter
from meterbook.wire.instants import SECOND_US
from meterbook.wire.sections import VALUE_LIMIT

#: Most metrics that get a dead letter of their own in one scrape.
LETTERS_MAX = 100
#: Years 1 to 9999: what people, and every database behind the ledger, can write down.
TIME_MIN_US = -62_135_596_800 * SECOND_US
TIME_MAX_US = 253_402_300_800 * SECOND_US - 1

#: Most metrics that the checkpoint remembers as told.
TOLD_MAX = 1_000

_HEAD_LENGTH_MAX = 1_000


def fault(value: float, time_us: int, *, counts: bool) -> str | None:
    """Why a sample cannot be metered, as the end of a sentence; None where it can."""
    if math.isnan(value):
        return "is not a number"
    if abs(value) >= VALUE_LIMIT:
        return "is beyond what the ledger can meter exactly" if math.isfinite(value) else "is infinite"
    if counts and value < 0:
        return "is negative, but the series is a counter"
    if not TIME_MIN_US <= time_us <= TIME_MAX_US:
        return "has a time outside the years 1 to 9999"
    return None


def faulty(
    values: npt.NDArray[np.float64], times_us: npt.NDArray[np.int64], counts: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """Which samples have a fault, all at once."""
    # Neither a NaN nor an infinity is less than the limit.
    usable = (np.abs(values) < VALUE_LIMIT) & ~(counts & (values < 0))
    return ~usable | (times_us < TIME_MIN_US) | (times_us > TIME_MAX_US)


class Letters:
    """The dead letters of one scrape; ``told`` are the metrics of which the book knows already."""

    def __init__(self, source: str, place: str, told: Collection[str] = ()) -> None:
        self._source = source
        self._place = place
        self._told = frozenset(told)
        self._first: dict[str, tuple[str, float, str]] = {}
        self._count: dict[str, int] = {}

    def add(self, metric: str, head: str, value: float, reason: str) -> None:
        """Note one sample that was left out; ``reason`` ends the sentence that begins with the value."""
        self._first.setdefault(metric, (head[:_HEAD_LENGTH_MAX], value, reason))
        self._count[metric] = self._count.get(metric, 0) + 1

    @property
    def told(self) -> list[str]:
        """The metrics of which the book knows once these letters are in it, for the scrape after this one."""
        return sorted(self._first)[:TOLD_MAX]

    def letters(self) -> tuple[DeadLetter, ...]:
        """One letter per metric that was not told of before, and a last one for those beyond the bound."""
        letters = []
        named = list(self._first)[:LETTERS_MAX]
        for metric in named:
            if metric in self._told:
                continue
            head, value, reason = self._first[metric]
            others = self._count[metric] - 1
            tail = f"; so it is with {others} more samples of {metric[:100]}" if others else ""
            sentence = f"value {value!r} of {head} {reason}{tail}"
            letters.append(DeadLetter(self._source, f"{self._place} {head}", sentence, f"{head} {value!r}"))
        unnamed = len(self._first.keys() - set(named) - self._told)
        if unnamed:
            sentence = f"{unnamed} more metrics have samples that cannot be metered"
            letters.append(DeadLetter(self._source, self._place, sentence, ""))
        return tuple(letters)
