"""Reads the correctness corpus: histories of what was sent, and what usage follows, in a notation that people can check.

A wrong quantity is found by whoever works it out by hand, and nobody works out a Python test. So the histories stand in plain text,
with the arithmetic beside them, and say nothing of this implementation; another metering system could be measured by them. The
notation is told in ``tests/data/metering/README.md``. A line that is not understood is an error that names its place: a history
that is read in part would prove nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from ledger.schema.calendar import OWN, TOTAL
from meterbook.wire import instants
from meterbook.wire.sections import STALE, STATUSES
from meterbook.wire.series import Series, canonical_json

FOLDER = Path(__file__).parents[2] / "data" / "metering"
#: How the comment begins that says what a history is for.
PURPOSE = "# Guards against"

_COMMENT = re.compile(r"(?:^|\s+)#(?:\s.*|$)")
_CLOCK = re.compile(r"\d\d:\d\d(?::\d\d(?:\.\d+)?)?")
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_UNITS_S = (86_400, 3_600, 60, 1)
#: Since when a series is defined where it does not say so.
_EVER = instants.parse("2000-01-01")

Row = tuple[Any, ...]
#: Quantity, the estimated part of it, and observed and expected microseconds, by tenant, dimensions and window (None: all of it).
Answer = dict[tuple[str, str, int | None], tuple[Decimal, Decimal, int, int]]


class Unreadable(ValueError):
    """A line of a history means nothing; the message says which and why."""


@dataclass(frozen=True)
class Definition:
    """A version of a meter or of a reassignment, or a tenant, as a manifest."""

    name: str
    manifest: str


@dataclass(frozen=True)
class Delivery:
    """A batch: when the ledger takes it, from which agent, and its rows by section."""

    now_us: int
    agent: str
    rows: dict[str, list[Row]]


@dataclass(frozen=True)
class Question:
    """What usage of a meter has to be at this point of the history; ``line`` is where that stands."""

    meter: str
    window: str
    zone: str
    line: int
    answer: Answer


@dataclass(frozen=True)
class Correction:
    """What an operator says that an event should have said, by the words of a request."""

    request: dict[str, Any]


Step = Definition | Delivery | Question | Correction


@dataclass
class History:
    """What happened, in order."""

    title: str
    purpose: str = ""
    steps: list[Step] = field(default_factory=list)

    @property
    def batches(self) -> list[Delivery]:
        """What was sent."""
        return [step for step in self.steps if isinstance(step, Delivery)]


def corpus() -> Iterator[tuple[str, History]]:
    """Every history with the name of its file."""
    for path in sorted(FOLDER.glob("*.txt")):
        for history in histories_of(path.name, path.read_text(encoding="utf-8")):
            yield path.stem, history


def histories_of(file: str, text: str) -> list[History]:
    """The histories of a file. Raises Unreadable."""
    reader = _Reader()
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            reader.read(line, number)
        except (ValueError, KeyError, IndexError, ArithmeticError) as error:
            raise Unreadable(f"{file}:{number}: {line.strip()!r}: {error}") from error
    for history in reader.found:
        if not history.purpose or not any(isinstance(step, Question) for step in history.steps):
            raise Unreadable(f"{file}: {history.title!r} does not say {PURPOSE!r}, or expects nothing")
    return reader.found


class _Reader:
    """What was read so far: the histories, and within the last one its clock, its date and its series."""

    def __init__(self) -> None:
        self.found: list[History] = []
        self._block: Callable[[Sequence[str], str], None] | None = None
        self._words = {
            "day": self._date,
            "now": self._clock,
            "meter": partial(self._defined_as, "meter"),
            "reassign": partial(self._defined_as, "reassignment"),
            "tenant": self._tenant,
            "amend": self._amend,
            "batch": self._batch,
            "usage": self._usage,
        }

    def read(self, line: str, number: int) -> None:
        if line.startswith("=== "):
            self._block = None
            self.found.append(History(line[4:].strip()))
            self._day, self._now_us, self._series = "", 0, dict[str, tuple[Series, Row]]()
            return
        if line.startswith(PURPOSE):
            self.found[-1].purpose = line
        line = _COMMENT.sub("", line)
        if not line or not self.found:
            return
        if line[0] != " ":
            self._block = None
            word, *rest = line.split()
            if word not in self._words:
                raise ValueError(f"{word!r} is none of {', '.join(self._words)}")
            self._words[word](rest, number)
        elif self._block is None:
            raise ValueError("belongs to nothing")
        else:
            self._block(line.split(), line)

    def _date(self, words: Sequence[str], _: int) -> None:
        (self._day,) = words

    def _clock(self, words: Sequence[str], _: int) -> None:
        now_us = self._time(*words)
        if now_us < self._now_us:
            raise ValueError("the ledger's clock never goes back")
        self._now_us = now_us

    def _tenant(self, words: Sequence[str], _: int) -> None:
        (name,) = words
        self.found[-1].steps.append(Definition(name, f"kind: tenant\nname: {name}\nspec: {{}}\n"))

    def _amend(self, words: Sequence[str], _: int) -> None:
        ident, *more = words
        told, properties = _told([word for word in more if word != "void"], "by", "value", "tenant", "time")
        request = {
            "source": told.get("by", "shop"),
            "id": ident,
            "value": told.get("value", ""),
            "tenant": told.get("tenant", ""),
            "time": instants.text(self._time(told["time"])) if "time" in told else "",
            "properties": properties,
            "void": "void" in more,
        }
        self.found[-1].steps.append(Correction(request))

    def _defined_as(self, kind: str, words: Sequence[str], _: int) -> None:
        name, *since = words
        lines = [f"kind: {kind}\nname: {name}"]
        if since:
            lines.append(f"effective_from: {instants.text(self._time(*_after('since', since)))}")
        lines.append("spec:")
        place = len(self.found[-1].steps)
        self.found[-1].steps.append(Definition(name, "\n".join(lines)))

        def more(_: Sequence[str], line: str) -> None:
            lines.append(line)
            self.found[-1].steps[place] = Definition(name, "\n".join(lines) + "\n")

        self._block = more

    def _batch(self, words: Sequence[str], _: int) -> None:
        (agent,) = words
        if not self._now_us:
            raise ValueError("the clock was not set: say 'now' first")
        rows: dict[str, list[Row]] = {"series": [], "samples": [], "events": [], "coverage": []}
        self.found[-1].steps.append(Delivery(self._now_us, agent, rows))

        def more(words: Sequence[str], _: str) -> None:
            word, *rest = words
            if word in STATUSES:
                rows["coverage"].append(self._coverage(word, rest))
            elif word == "series":
                rows["series"].append(self._defined(*rest))
            elif word == "again":
                rows["series"].append(self._defined_again(*rest))
            elif word == "sample":
                rows["samples"] += self._samples(*rest)
            elif word == "event":
                rows["events"].append(self._event(*rest))
            else:
                raise ValueError(f"{word!r} is nothing that a batch has")

        self._block = more

    def _coverage(self, status: str, words: Sequence[str]) -> Row:
        source, start, end = words
        return source, self._time(start), self._time(end), status, ""

    def _defined(self, name: str, kind: str, metric: str, tenant: str, *more: str) -> Row:
        told, labels = _told(more, "from", "start", "since")
        start = self._time(told["start"]) if "start" in told else None
        source = told.get("from", "source")
        made = Series(source, metric, kind, "", canonical_json(labels), "{}", start)  # type: ignore[arg-type]
        since = self._time(told["since"]) if "since" in told else _EVER
        row = (made.series_id, made.identity, *made.parts, start, tenant, since)
        self._series[name] = made, row
        return row

    def _defined_again(self, name: str, tenant: str, *more: str) -> Row:
        """The same series, of another tenant since a time."""
        _, row = self._series[name]
        return (*row[:-2], tenant, self._time(*_after("since", more)))

    def _samples(self, name: str, *pairs: str) -> Iterator[Row]:
        series, _ = self._series[name]
        if len(pairs) % 2:
            raise ValueError(f"{pairs[-1]!r} has no value")
        for time, value in zip(pairs[::2], pairs[1::2], strict=True):
            yield series.series_id, self._time(time), STALE if value == "end" else float(value)

    def _event(self, ident: str, kind: str, tenant: str, time: str, value: str, *more: str) -> Row:
        told, properties = _told(more, "from", "by")
        place = told.get("from", "source"), told.get("by", "shop"), ident, kind, "", tenant
        return *place, self._time(time), Decimal(value), canonical_json(properties)

    def _usage(self, words: Sequence[str], number: int) -> None:
        meter, *how = words
        if not self.found[-1].batches or self.found[-1].batches[-1].now_us != self._now_us:
            raise ValueError("the book knows of the time only by its batches: say 'batch' first, if only an empty one")
        if how == ["in", "total"]:
            window, zone = TOTAL, "UTC"
        else:
            window, zone = (*_after("by", how), "UTC")[:2] if how else (OWN, "UTC")
        answer: Answer = {}
        self.found[-1].steps.append(Question(meter, window, zone, number, answer))

        def more(words: Sequence[str], _: str) -> None:
            tenant, *rest = words
            at_us = None if window == TOTAL else self._time(rest.pop(0))
            quantity, *told = rest
            named, dimensions = _told(told, "estimated", "seen")
            seen = [_duration_us(part) for part in named.get("seen", "0s/0s").split("/")]
            cell = tenant, canonical_json(dimensions), at_us
            if cell in answer:
                raise ValueError("stands here twice")
            answer[cell] = Decimal(quantity), Decimal(named.get("estimated", "0")), seen[0], seen[1]

        self._block = more

    def _time(self, text: str) -> int:
        """A time of day is one of the history's day; a date alone is its midnight; both are of UTC if they do not say otherwise."""
        if _CLOCK.fullmatch(text):
            text = f"{self._day}T{text}Z"
        elif _CLOCK.fullmatch(text.partition("T")[2]):
            text += "Z"
        return instants.parse(text)


def _after(word: str, words: Sequence[str]) -> Sequence[str]:
    if words[0] != word:
        raise ValueError(f"{word!r} is expected, not {words[0]!r}")
    return words[1:]


def _told(words: Sequence[str], *names: str) -> tuple[dict[str, str], dict[str, str]]:
    """Words that name the one after them, and ``label=value``."""
    named: dict[str, str] = {}
    labels: dict[str, str] = {}
    left = iter(words)
    for word in left:
        if word in names:
            named[word] = next(left, "")
        else:
            label, equals, value = word.partition("=")
            if not equals:
                raise ValueError(f"{word!r} is none of {', '.join(names)} and no label=value")
            labels[label] = value
    return named, labels


def _duration_us(text: str) -> int:
    found = _DURATION.fullmatch(text)
    if not text or found is None:
        raise ValueError(f"{text!r} is no duration such as 1h30m")
    return (
        sum(int(part or 0) * unit_s for part, unit_s in zip(found.groups(), _UNITS_S, strict=True)) * instants.SECOND_US
    )
