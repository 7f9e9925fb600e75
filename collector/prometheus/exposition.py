r"""A page of metrics as rows: the series as it is written, its value, its time.

Both formats, Prometheus text 0.0.4 and OpenMetrics 1.0, share their lines::

    http_requests_total{path="/",code="200"} 1027 1395066363000 # {trace_id="x"} 0.5
    `------------- head ------------------' value    time         exemplar

so one expression takes them apart, and it is strict: what does not match fails the page and is named. The head is not
looked into here. Pages repeat their heads from scrape to scrape, so the catalogue has each parsed once, by
``prometheus_client`` (:func:`parse_head`), and this module only splits lines.

``prometheus_client`` is given heads and not pages, because its page parsers do what a meter must not: the text parser
renames ``foo`` to ``foo_total`` for a counter and takes types only for contiguous families; the OpenMetrics parser
drops repeated series in silence and rejects a whole page for one NaN sum.

Only LF ends a line: label values may hold every other character that some call a line break.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from collector.errors import PermanentError, TransientError
from collector.prometheus.fetch import Format, Page

KINDS = frozenset(
    {"counter", "gauge", "histogram", "summary", "untyped", "unknown", "info", "stateset", "gaugehistogram"}
)

_LINE = re.compile(
    r"""
    (?P<head> [a-zA-Z_:][a-zA-Z0-9_:]* (?=[ \t])
            | (?:[a-zA-Z_:][a-zA-Z0-9_:]*+ [ \t]*)? \{ [^"}]*+ (?:"[^"\\]*+ (?:\\. [^"\\]*+)*+ " [^"}]*+)*+ \} )
    [ \t]*
    (?P<value> [-+]? (?: (?:[0-9]+\.?[0-9]*|\.[0-9]+) (?:[eE][-+]?[0-9]+)? | [iI][nN][fF](?:inity)? | [nN][aA][nN] ) )
    (?: [ \t]+ (?P<time> -?[0-9]{1,15} (?:\.[0-9]+)? ) )?
    [ \t]* (?P<exemplar> \#.* )?
    """,
    re.VERBOSE,
)
_METADATA = re.compile(r'#[ \t]+(TYPE|UNIT)[ \t]+("(?:[^"\\]|\\.)*+"|[^\s"]+)[ \t]+(\S+)[ \t]*')
_METADATA_WORD = {"text": re.compile(r"#[ \t]+TYPE\b"), "openmetrics": re.compile(r"#[ \t]+(?:TYPE|UNIT|EOF)\b")}


class Row(NamedTuple):
    """One sample of a page: its series as written, its value, its time in microseconds or None."""

    head: str
    value: float
    time_us: int | None


@dataclass(frozen=True)
class Family:
    """What a page declares of a metric: one of KINDS, and a unit (OpenMetrics only) or the empty text."""

    kind: str
    unit: str = ""


@dataclass(frozen=True)
class Exposition:
    """A whole page. ``families`` are the declared ones by the name they are declared under."""

    rows: list[Row]
    families: Mapping[str, Family]


class HeadError(ValueError):
    """A head that is no metric name and labels."""


def parse(place: str, page: Page, samples_max: int) -> Exposition:
    """The page as rows, in its order. Raises PermanentError naming the line, TransientError where it was cut off."""
    rows: list[Row] = []
    kinds: dict[str, str] = {}
    units: dict[str, str] = {}
    for number, line in enumerate(_whole_text(place, page).split("\n"), start=1):
        if line.startswith("#"):
            # Other comments are nobody's business; a declaration that cannot be read would make a counter a gauge.
            if _METADATA_WORD[page.format].match(line) and not _declare(line.rstrip("\r"), kinds, units):
                raise PermanentError(f"{place} line {number} is not a declaration: {line[:200]!r}")
            continue
        row = _row(line.rstrip("\r"), page.format)
        if row is not None:
            rows.append(row)
            if len(rows) > samples_max:
                raise PermanentError(f"{place} exposes more than samples_max {samples_max} samples")
        elif line.strip():
            raise PermanentError(f"{place} line {number} is not a sample: {line[:200]!r}")
    return Exposition(rows, {name: Family(kind, units.get(name, "")) for name, kind in kinds.items()})


def parse_head(head: str) -> tuple[str, dict[str, str]]:
    """Metric name and labels of a head. Raises HeadError; an empty label is the same as none and is left out."""
    try:
        (family,) = text_string_to_metric_families(f"{head} 0\n")
        (sample,) = family.samples
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise HeadError(f"{head[:200]!r} is no metric name and labels ({str(error)[:200]})") from error
    return sample.name, {name: value for name, value in sample.labels.items() if value}


def _whole_text(place: str, page: Page) -> str:
    """The lines of a page whose end is seen to be there."""
    text = page.text
    if not text:
        raise PermanentError(f"{place} answered an empty page")
    if page.format == "text":
        if not text.endswith("\n"):
            raise TransientError(f"{place} answered a page whose last line does not end: it was cut off")
        return text
    body = text.removesuffix("\n").removesuffix("\r").removesuffix("# EOF")
    if len(body) > len(text) - len("# EOF") or (body and not body.endswith("\n")):
        raise TransientError(f"{place} answered a page without # EOF at its end: it was cut off")
    return body


def _declare(line: str, kinds: dict[str, str], units: dict[str, str]) -> bool:
    """Note a TYPE or UNIT line; whether it is one."""
    found = _METADATA.fullmatch(line)
    if found is None:
        return False
    word, name, text = found.groups()
    if name.startswith('"'):
        try:
            name, _ = parse_head("{" + name + "}")
        except HeadError:
            return False
    if word == "UNIT":
        units[name] = text
        return True
    kinds[name] = text
    return text in KINDS


def _row(line: str, kind: Format) -> Row | None:
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    head, value, time, exemplar = found.groups()
    if kind == "openmetrics":
        return Row(head, float(value), None if time is None else _seconds_us(time))
    if exemplar is not None or (time is not None and "." in time):
        return None
    return Row(head, float(value), None if time is None else int(time) * 1_000)


def _seconds_us(text: str) -> int:
    """Microseconds of decimal seconds, without a detour over floats; digits beyond the microsecond are cut off."""
    sign = -1 if text.startswith("-") else 1
    whole, _, fraction = text.removeprefix("-").partition(".")
    return sign * (int(whole) * 1_000_000 + int(fraction[:6].ljust(6, "0") or 0))
