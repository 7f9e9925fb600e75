"""Raw samples from a server's API, interval after interval, from where the last one that is stored ended.

A range selector in an instant query gives samples as they were scraped ("HTTP API", section "Instant queries"; "Querying basics", section
"Range Vector Selectors"). ``rate`` and ``increase`` extrapolate, and are never asked for. What was missed while the agent was away is asked
for when it is back, so the source catches up; the server has what it has, for as long as it keeps it. Coverage tells of the time that was
asked for, ``lag_s`` later; where that had failed before, once more.

Servers differ in whether the left end of a range belongs to it: what lies outside of the interval is left out here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from collector.definitions import Known
from collector.errors import PermanentError, SourceError, TransientError, kind_of
from collector.prometheus.history.acquaintance import Acquaintance
from collector.prometheus.history.config import HistoryConfig
from collector.prometheus.screening import Letters, fault
from collector.prometheus.token import authorization
from collector.readings import Checkpoint, Coverage, Readings, Window, sample_table
from collector.readonly import http_client, within
from meterbook.wire.instants import SECOND_US
from meterbook.wire.sections import STALE
from meterbook.wire.series import Series, canonical_json

_MS_US = 1_000


class HistoryCollector:
    """Reads one server."""

    def __init__(self, config: HistoryConfig) -> None:
        """Raises PermanentError where ``ca_file`` cannot be used."""
        self._config = config
        self._counts = re.compile(config.counters)
        self._left_out = re.compile(config.left_out)
        self._attributes = canonical_json({"server": config.url})
        self._read_as = canonical_json(
            {
                "url": config.url,
                "match": json.dumps(config.match),
                "counters": config.counters,
                "left_out": config.left_out,
            }
        )
        try:
            verify = str(config.ca_file) if config.ca_file else True
            self._client = http_client(
                timeout_s=config.deadline_s, verify=verify, headers={"User-Agent": "meterbook-agent"}
            )
        except OSError as error:
            raise PermanentError(f"ca_file {config.ca_file} cannot be used: {error.strerror or error}") from error

    @property
    def source(self) -> str:
        """``prometheus_history/<name>``."""
        return f"prometheus_history/{self._config.name}"

    @property
    def catches_up(self) -> bool:
        """What was not read in time is read later."""
        return True

    def collect(self, window: Window, checkpoint: Checkpoint) -> Readings:
        """What was scraped since the last interval, up to ``lag_s`` ago or as much as is asked for at a time."""
        since_us = int(checkpoint.get("until_us", window.start_us - self._lag_us)) // _MS_US * _MS_US
        until_us = (window.end_us - self._lag_us) // _MS_US * _MS_US
        # Also where nothing is due the server is asked: whether it answers is what the coverage tells.
        end_us = min(max(until_us, since_us), since_us + round(self._config.range_s_max * SECOND_US) // _MS_US * _MS_US)
        # Times of windows are those of the server's samples plus lag_s. A microsecond or so is lost in its milliseconds.
        first_us, last_us = since_us + self._lag_us, end_us + self._lag_us
        complete = Coverage(
            self.source,
            first_us if first_us <= window.start_us - _MS_US else window.start_us,
            last_us if end_us < until_us else window.end_us,
            "complete",
        )
        letters = Letters(self.source, self._config.url, checkpoint.get("told", ()))
        known = Acquaintance(self._read_as, checkpoint.get("known", {}))
        try:
            found = [each for selector in self._config.match for each in self._asked(selector, since_us, end_us)]
        except SourceError as error:
            failed = Coverage(self.source, window.start_us, window.end_us, error.status, str(error))
            # Where the first window began must not be forgotten: it is asked for again.
            return Readings((failed,), checkpoint=checkpoint or {"until_us": since_us})
        series: dict[int, Series] = {}
        places: dict[tuple[int, int], float] = {}
        for one, samples in found:
            number = one.series_id
            usable = list(self._usable(one, [each for each in samples if since_us < each[0] <= end_us], letters))
            if not usable:
                continue
            series[number] = one
            is_known = known.knew(json.loads(one.labels), usable[-1][0])
            if one.kind == "counter" and not is_known:
                places.setdefault((number, usable[0][0] - 1), STALE)
            for time_us, value in usable:
                places.setdefault((number, time_us), value)
        ids, times = [number for number, _ in places], [time_us for _, time_us in places]
        return Readings(
            coverage=(complete,),
            series=Known.by(series.values()),
            samples=sample_table(ids, times, places.values()),
            dead_letters=letters.letters(),
            checkpoint={"until_us": end_us, "told": letters.told, "known": known.document(end_us)},
            more=end_us < until_us,
        )

    def _usable(self, one: Series, samples: list[tuple[int, float]], letters: Letters) -> Iterator[tuple[int, float]]:
        """The samples that can be metered; there is a letter about each of the others."""
        for time_us, value in samples:
            reason = fault(value, time_us, counts=one.kind == "counter")
            if reason is None:
                yield time_us, value
            else:
                letters.add(one.metric, f"{one.metric}{one.labels}", value, reason)

    def end(self, time_us: int, checkpoint: Checkpoint) -> None:
        """Whether a series has ended, its server says."""

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    @property
    def _lag_us(self) -> int:
        return round(self._config.lag_s * SECOND_US)

    def _asked(self, selector: str, since_us: int, end_us: int) -> Iterator[tuple[Series, list[tuple[int, float]]]]:
        """Series of a selector with their samples. Raises SourceError."""
        query = f"{selector}[{max(1, (end_us - since_us) // _MS_US)}ms]"
        document = self._get({"query": query, "time": f"{end_us / SECOND_US:.3f}"})
        partial = document.get("warnings") or document.get("isPartial") if isinstance(document, dict) else None
        if partial:
            raise TransientError(f"{self._config.url} answered a part only: {str(partial)[:200]}")
        try:
            result = document["data"]["result"]
            if document["data"]["resultType"] != "matrix":
                raise ValueError("no matrix")
            for each in result:
                labels = {str(name): str(text) for name, text in each["metric"].items()}
                metric = labels.pop("__name__", "")
                if not metric or self._left_out.fullmatch(metric):
                    continue
                kind: Any = "counter" if self._counts.fullmatch(metric) else "gauge"
                one = Series(self.source, metric, kind, "", canonical_json(labels), self._attributes)
                yield one, [(round(time_s * 1_000) * _MS_US, float(text)) for time_s, text in each["values"]]
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise PermanentError(f"{self._config.url} answered no samples ({type(error).__name__}: {error})") from None

    def _get(self, parameters: dict[str, str]) -> Any:
        place = f"{self._config.url}/api/v1/query"
        headers = {"Accept-Encoding": "identity", **authorization(self._config.bearer_token_file)}
        with self._client.stream("GET", place, params=parameters, headers=headers) as answer:
            pieces, most = answer.iter_raw(), self._config.body_bytes_max
            body = within(place, pieces, "body_bytes_max", most, ": lower range_s_max")
            status = answer.status_code
        if status != 200:
            raise kind_of(status)(f"{place} answered status {status}: {_reason(body)}")
        try:
            return json.loads(body)
        except ValueError:
            raise PermanentError(f"{place} answered no JSON") from None


def _reason(body: bytes | bytearray) -> str:
    """What the server says is wrong."""
    try:
        return str(json.loads(body)["error"])[:300]
    except (ValueError, LookupError, TypeError):
        return "no reason given"
