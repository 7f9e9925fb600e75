"""The two requests that are made, page by page, and what their answers mean.

GetMetricData answers oldest first only if told to. A page may hold a part of a metric's values (``PartialData``), and the rest is on
the next; what is still in part on the last page is not known, and none of it is used: half an answer looks like little used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from collector.account.refusals import translated
from collector.account.session import Account
from collector.aws.cloudwatch.config import CloudwatchConfig, MetricQuery
from collector.aws.cloudwatch.progress import Points
from collector.aws.cloudwatch.steps import POINTS_MAX, Step
from collector.aws.cloudwatch.streams import Dimensions
from collector.aws.spending import Tab
from collector.errors import PermanentError, TransientError
from meterbook.wire.instants import SECOND_US, from_datetime, to_datetime

#: Pages of one question; at most two are expected of data, and 500 metrics are on one of a list.
_PAGES_MAX = 200
_SHOWN_CHARS_MAX = 200


@dataclass(frozen=True)
class Unanswered:
    """A stream of which the values are not known, and why."""

    reason: str


class Asker:
    """Asks CloudWatch of one account and region."""

    def __init__(self, config: CloudwatchConfig, account: Account) -> None:
        self._config, self._account = config, account
        self._client: Any = None

    def close(self) -> None:
        """Close connections. Safe to call twice."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def metrics(self, query: MetricQuery, metric: str, tab: Tab) -> Iterator[Dimensions]:
        """Dimensions of the metrics of that name that have those of the query, and perhaps more. Raises SourceError."""
        wanted: list[dict[str, str]] = [{"Name": name, "Value": value} for name, value in query.dimensions.items()]
        wanted += [{"Name": name} for name in query.each]
        asked = {"Namespace": query.namespace, "MetricName": metric, "Dimensions": wanted}
        for page in self._pages("list_metrics", asked, 0, tab):
            for each in page.get("Metrics", ()):
                yield tuple(sorted((one["Name"], one["Value"]) for one in each.get("Dimensions", ())))

    def data(self, steps: Sequence[Step], tab: Tab) -> list[Points | Unanswered]:
        """The values of steps of the same time, since ``check_us``. Raises SourceError."""
        asked = {
            "MetricDataQueries": [_query(f"q{number}", step) for number, step in enumerate(steps)],
            "StartTime": to_datetime(steps[0].check_us),
            "EndTime": to_datetime(steps[0].until_us),
            "ScanBy": "TimestampAscending",
            "MaxDatapoints": POINTS_MAX,
        }
        values: dict[str, dict[int, float]] = {}
        states: dict[str, Mapping[str, Any]] = {}
        for page in self._pages("get_metric_data", asked, len(steps), tab):
            for result in page.get("MetricDataResults", ()):
                number = result["Id"]
                times = map(_instant_us, result.get("Timestamps", ()))
                values.setdefault(number, {}).update(zip(times, result.get("Values", ()), strict=True))
                states[number] = result
        return [
            _verdict(step, values.get(f"q{number}", {}), states.get(f"q{number}")) for number, step in enumerate(steps)
        ]

    def _pages(self, operation: str, asked: Mapping[str, Any], metrics: int, tab: Tab) -> Iterator[Mapping[str, Any]]:
        if self._client is None:
            self._client = self._account.client("cloudwatch", self._config.region)
        token: dict[str, str] = {}
        cost_usd = self._config.cost_usd(metrics)
        for _ in range(_PAGES_MAX):
            tab.send(cost_usd)
            with translated(self._account.grants, self._config.source):
                page = getattr(self._client, operation)(**asked, **token)
            tab.answer(cost_usd, 1 + int(page.get("ResponseMetadata", {}).get("RetryAttempts", 0)), metrics)
            yield page
            if not page.get("NextToken"):
                return
            if token.get("NextToken") == page["NextToken"]:
                break
            token = {"NextToken": page["NextToken"]}
        raise PermanentError(f"{self._config.source}: {operation} has no end after {_PAGES_MAX} pages, or repeats one")


def _query(number: str, step: Step) -> dict[str, Any]:
    stream = step.stream
    metric = {
        "Namespace": stream.namespace,
        "MetricName": stream.metric,
        "Dimensions": [{"Name": name, "Value": value} for name, value in stream.dimensions],
    }
    asked = {"Metric": metric, "Period": step.period_us // SECOND_US, "Stat": stream.statistic}
    return {"Id": number, "MetricStat": asked, "ReturnData": True}


def _verdict(step: Step, values: Mapping[int, float], state: Mapping[str, Any] | None) -> Points | Unanswered:
    if state is None:
        return Unanswered("nothing is answered")
    if state.get("StatusCode") != "Complete":
        told = "; ".join(f"{each.get('Code')}: {each.get('Value')}" for each in state.get("Messages", ()))
        return Unanswered(f"{state.get('StatusCode')} ({told or 'no more is said'})"[:_SHOWN_CHARS_MAX])
    # The beginning is rounded down by AWS, the more the older it is.
    points = sorted(each for each in values.items() if step.check_us <= each[0] < step.until_us)
    if any(time_us % step.period_us for time_us, _ in points):
        return Unanswered("values do not stand at the beginnings of periods")
    return points


def _instant_us(moment: datetime) -> int:
    try:
        return from_datetime(moment)
    except ValueError as error:
        raise TransientError(f"an answer cannot be read: {error}") from None
