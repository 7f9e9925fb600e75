"""CloudWatch's metrics, as GetMetricData and ListMetrics show them, with a clock that is set.

It follows the Amazon CloudWatch API Reference (GetMetricData, MetricStat, MetricDataResult, ListMetrics) and "CloudWatch statistics
definitions" of the user guide: 500 queries; 100,800 values a page, newest first unless told otherwise; the beginning rounded down by its age; values
of fine periods for 15 and 63 days only; a metric is its namespace, name and all of its dimensions; lists of 500, with metrics of the
last two weeks, 15 minutes late. A value may become visible later than the time that it is of, and then changes the statistics of its period.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.fakes.aws.server import AwsError

SECOND, MINUTE, HOUR, DAY = 1_000_000, 60_000_000, 3_600_000_000, 86_400_000_000
QUERIES_MAX, POINTS_MAX, LISTED_MAX = 500, 100_800, 500
LIST_DELAY, LISTED = 15 * MINUTE, 14 * DAY

Metric = tuple[str, str, tuple[tuple[str, str], ...]]


@dataclass
class FakeCloudWatch:
    """``now_us`` is its clock. ``unanswered`` metrics (by name) stay in part, so many requests long."""

    now_us: int
    service: str = "cloudwatch"
    page_points_max: int = POINTS_MAX
    unanswered: Counter[str] = field(default_factory=Counter)
    #: By metric: (time, value, since when it is visible), in microseconds.
    values: dict[Metric, list[tuple[int, float, int]]] = field(default_factory=dict)

    def publish(
        self,
        namespace: str,
        metric: str,
        dimensions: Mapping[str, str],
        time_us: int,
        value: float,
        visible_us: int | None = None,
    ) -> None:
        """A value that somebody measured."""
        key = (namespace, metric, tuple(sorted(dimensions.items())))
        self.values.setdefault(key, []).append((time_us, value, time_us if visible_us is None else visible_us))

    def statistics(self, metric: Metric, statistic: str, period_us: int, *, ever: bool = False) -> dict[int, float]:
        """Statistics by the beginning of the period; as of now, or of what will be visible some time."""
        periods: dict[int, list[float]] = {}
        for time_us, value, visible_us in self.values.get(metric, ()):
            if ever or visible_us <= self.now_us:
                periods.setdefault(time_us // period_us * period_us, []).append(value)
        return {start_us: _statistic(statistic, values) for start_us, values in sorted(periods.items())}

    def get_metric_data(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        queries = parameters["MetricDataQueries"]
        _check_queries(queries)
        start_us, end_us = _us(parameters["StartTime"]), _us(parameters["EndTime"])
        if start_us >= end_us:
            raise AwsError("ValidationError", "The parameter EndTime must be after StartTime.")
        most = min(parameters.get("MaxDatapoints", POINTS_MAX), self.page_points_max)
        asked = json.dumps([queries, start_us, end_us, parameters.get("ScanBy")], sort_keys=True)
        skipped = _offset(parameters.get("NextToken"), asked)
        results, left, place = [], most, 0
        for query in queries:
            points = self._points(query["MetricStat"], self._rounded(start_us), end_us)
            if parameters.get("ScanBy", "TimestampDescending") == "TimestampDescending":
                points.reverse()
            first = max(0, skipped - place)
            shown = points[first : first + left] if first < len(points) else []
            is_whole = first + len(shown) >= len(points)
            place, left = place + len(points), left - len(shown)
            name = query["MetricStat"]["Metric"]["MetricName"]
            if self.unanswered[name]:
                self.unanswered[name] -= 1
                is_whole, shown = False, shown[: len(shown) // 2]
            results.append(_result(query["Id"], name, shown, is_whole=is_whole))
        answer: dict[str, Any] = {"MetricDataResults": results, "Messages": []}
        if skipped + most < place:
            answer["NextToken"] = json.dumps([skipped + most, asked])
        return answer

    def list_metrics(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        recent_us = 3 * HOUR if parameters.get("RecentlyActive") == "PT3H" else LISTED
        wanted = {key: each for key, each in parameters.items() if key != "NextToken"}
        found = [key for key in sorted(self.values) if self._is_listed(key, recent_us) and _matches(key, parameters)]
        skipped = _offset(parameters.get("NextToken"), json.dumps(wanted, sort_keys=True))
        shown = found[skipped : skipped + LISTED_MAX]
        answer: dict[str, Any] = {
            "Metrics": [
                {
                    "Namespace": namespace,
                    "MetricName": name,
                    "Dimensions": [{"Name": each, "Value": value} for each, value in dimensions],
                }
                for namespace, name, dimensions in shown
            ]
        }
        if skipped + LISTED_MAX < len(found):
            answer["NextToken"] = json.dumps([skipped + LISTED_MAX, json.dumps(wanted, sort_keys=True)])
        return answer

    def _is_listed(self, metric: Metric, recent_us: int) -> bool:
        seen = [(time_us, visible_us) for time_us, _, visible_us in self.values[metric] if visible_us <= self.now_us]
        is_new = all(max(each) > self.now_us - LIST_DELAY for each in seen)
        return not is_new and max(time_us for time_us, _ in seen) >= self.now_us - recent_us

    def _points(self, asked: Mapping[str, Any], start_us: int, end_us: int) -> list[tuple[int, float]]:
        metric = asked["Metric"]
        dimensions = tuple(sorted((each["Name"], each["Value"]) for each in metric.get("Dimensions", ())))
        period_s = asked["Period"]
        found = self.statistics(
            (metric["Namespace"], metric["MetricName"], dimensions), asked["Stat"], period_s * SECOND
        )
        return [
            (time_us, value)
            for time_us, value in found.items()
            if start_us <= time_us < end_us and self._is_kept(time_us, period_s)
        ]

    def _is_kept(self, time_us: int, period_s: int) -> bool:
        age_us = self.now_us - time_us
        needed_s = 60 if age_us <= 15 * DAY else 300 if age_us <= 63 * DAY else 3_600
        return age_us <= 455 * DAY and period_s % needed_s == 0

    def _rounded(self, start_us: int) -> int:
        age_us = self.now_us - start_us
        unit = MINUTE if age_us < 15 * DAY else 5 * MINUTE if age_us <= 63 * DAY else HOUR
        return start_us // unit * unit


def _check_queries(queries: list[Mapping[str, Any]]) -> None:
    if len(queries) > QUERIES_MAX:
        raise AwsError(
            "ValidationError", f"The collection MetricDataQueries must not have a size greater than {QUERIES_MAX}."
        )
    if len({query["Id"] for query in queries}) != len(queries):
        raise AwsError("ValidationError", "The values for parameter id in MetricDataQueries are not unique.")
    for query in queries:
        if not re.fullmatch(r"[a-z][A-Za-z0-9_]{0,254}", query["Id"]):
            raise AwsError(
                "ValidationError", f"The value {query['Id']} for parameter Id is not matching the expected pattern."
            )
        if query["MetricStat"]["Period"] % 60:
            raise AwsError("ValidationError", "Period must be a multiple of 60.")


def _statistic(statistic: str, values: list[float]) -> float:
    match statistic:
        case "Sum":
            return math.fsum(values)
        case "SampleCount":
            return float(len(values))
        case "Average":
            return math.fsum(values) / len(values)
        case "Minimum":
            return min(values)
        case "Maximum":
            return max(values)
    if not re.fullmatch(r"p\d+(\.\d+)?", statistic) or float(statistic[1:]) > 100:
        raise AwsError("ValidationError", f"The parameter Stat has the value {statistic}, which is no statistic.")
    place = float(statistic[1:]) / 100 * (len(values) - 1)
    low, high = sorted(values)[math.floor(place)], sorted(values)[math.ceil(place)]
    return low + (high - low) * (place - math.floor(place))


def _matches(metric: Metric, parameters: Mapping[str, Any]) -> bool:
    namespace, name, dimensions = metric
    has = dict(dimensions)
    return (
        parameters.get("Namespace", namespace) == namespace
        and parameters.get("MetricName", name) == name
        and all(
            each["Name"] in has and each.get("Value", has[each["Name"]]) == has[each["Name"]]
            for each in parameters.get("Dimensions", ())
        )
    )


def _result(number: str, label: str, points: list[tuple[int, float]], *, is_whole: bool) -> dict[str, Any]:
    return {
        "Id": number,
        "Label": label,
        "Timestamps": [datetime.fromtimestamp(time_us / SECOND, UTC) for time_us, _ in points],
        "Values": [value for _, value in points],
        "StatusCode": "Complete" if is_whole else "PartialData",
    }


def _offset(token: str | None, asked: str) -> int:
    if token is None:
        return 0
    try:
        skipped, of = json.loads(token)
    except ValueError:
        raise AwsError("InvalidNextToken", "The next token specified is invalid.") from None
    if of != asked:
        raise AwsError("InvalidNextToken", "The token is of another request.")
    return int(skipped)


def _us(moment: datetime) -> int:
    return round(moment.timestamp() * SECOND)
