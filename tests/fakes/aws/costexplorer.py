"""Cost Explorer, as GetCostAndUsage shows it, with a clock that is set.

It follows the AWS Billing and Cost Management API Reference (GetCostAndUsage, DateInterval, GroupDefinition, ResultByTime) and the errors that
the service's model names: the end is exclusive, after the start, and not beyond the beginning of the next month; the last 12 months and
the current one by the day; at most two groups; a token belongs to one request, and to what was there when it was given. Days of a month are estimated until it is
closed. Each answer is paid for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from tests.fakes.aws.server import AwsError

METRICS = {"UnblendedCost", "AmortizedCost", "BlendedCost", "NetUnblendedCost", "NetAmortizedCost", "UsageQuantity"}
LIMIT_EXCEEDED = AwsError(
    "LimitExceededException", "You made too many calls in a short period of time. Try again later."
)
UNAVAILABLE = AwsError("DataUnavailableException", "The requested data is unavailable.")
EXPIRED_BILL = AwsError("BillExpirationException", "The requested report expired.")
CHANGED = AwsError("RequestChangedException", "Your request parameters changed between pages.")
INVALID_TOKEN = AwsError("InvalidNextTokenException", "The pagination token is invalid.")
DENIED = AwsError("AccessDeniedException", "User: arn:aws:iam::123456789012:user/agent is not authorized")

CLOSED_DAYS = 5


@dataclass(frozen=True)
class Cost:
    """What a service cost on a day, as texts."""

    unblended: str
    amortized: str
    unit: str = "USD"


@dataclass
class FakeCostExplorer:
    """``now_us`` is its clock. ``costs`` are by day, account and service; ``edition`` is another whenever tokens shall not be good any more."""

    now_us: int
    service: str = "ce"
    page_groups_max: int = 5_000
    edition: int = 0
    answered: int = 0
    costs: dict[tuple[date, str, str], Cost] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def cost(self, day: date, account: str, service: str, unblended: str, amortized: str | None = None) -> None:
        """A cost, instead of what it was."""
        self.costs[day, account, service] = Cost(unblended, unblended if amortized is None else amortized)

    @property
    def today(self) -> date:
        return datetime.fromtimestamp(self.now_us / 1e6, UTC).date()

    def get_cost_and_usage(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        start, end = self._days(parameters["TimePeriod"])
        if parameters["Granularity"] != "DAILY":
            raise AwsError("ValidationException", "only DAILY is known here")
        if len(parameters.get("GroupBy", ())) > 2:
            raise AwsError("ValidationException", "The maximum number of groupBys is 2")
        if unknown := set(parameters["Metrics"]) - METRICS:
            raise AwsError("ValidationException", f"{sorted(unknown)} is not a valid metric")
        keys = [(each["Type"], each["Key"]) for each in parameters["GroupBy"]]
        assert keys == [("DIMENSION", "LINKED_ACCOUNT"), ("DIMENSION", "SERVICE")]
        asked = json.dumps({name: each for name, each in parameters.items() if name != "NextPageToken"}, sort_keys=True)
        skipped = self._offset(parameters.get("NextPageToken"), asked)
        groups = [(key, cost) for key, cost in sorted(self.costs.items()) if start <= key[0] < end]
        shown = groups[skipped : skipped + self.page_groups_max]
        days = [start + timedelta(days=place) for place in range((end - start).days)]
        if len(groups) > self.page_groups_max:
            days = [day for day in days if any(key[0] == day for key, _ in shown)]
        answer: dict[str, Any] = {
            "GroupDefinitions": parameters["GroupBy"],
            "ResultsByTime": [self._result(day, shown, parameters["Metrics"]) for day in days],
            "DimensionValueAttributes": [
                {"Value": account, "Attributes": {"description": name}} for account, name in sorted(self.names.items())
            ],
        }
        if skipped + self.page_groups_max < len(groups):
            answer["NextPageToken"] = json.dumps([skipped + self.page_groups_max, self.edition, asked])
        self.answered += 1
        return answer

    def _days(self, period: Mapping[str, str]) -> tuple[date, date]:
        start, end = date.fromisoformat(period["Start"]), date.fromisoformat(period["End"])
        if start >= end:
            raise AwsError("ValidationException", "Start date (and hour) should be before end date (and hour)")
        this = self.today.replace(day=1)
        if end > (this + timedelta(days=32)).replace(day=1):
            raise AwsError("ValidationException", "end date past the beginning of next month")
        if start < this.replace(year=this.year - 1):
            raise AwsError("ValidationException", "You haven't enabled historical data beyond 14 months")
        return start, end

    def _result(self, day: date, shown: list[tuple[tuple[date, str, str], Cost]], metrics: list[str]) -> dict[str, Any]:
        closed = (day.replace(day=1) + timedelta(days=32)).replace(day=1) + timedelta(days=CLOSED_DAYS)
        return {
            "TimePeriod": {"Start": str(day), "End": str(day + timedelta(days=1))},
            "Total": {},
            "Groups": [
                {"Keys": [account, service], "Metrics": {name: _metric(name, cost) for name in metrics}}
                for (of, account, service), cost in shown
                if of == day
            ],
            "Estimated": self.today < closed,
        }

    def _offset(self, token: str | None, asked: str) -> int:
        if token is None:
            return 0
        try:
            skipped, edition, of = json.loads(token)
        except ValueError:
            raise INVALID_TOKEN from None
        if of != asked:
            raise CHANGED
        if edition != self.edition:
            raise INVALID_TOKEN
        return int(skipped)


def _metric(name: str, cost: Cost) -> dict[str, str]:
    return {"Amount": cost.amortized if name == "AmortizedCost" else cost.unblended, "Unit": cost.unit}
