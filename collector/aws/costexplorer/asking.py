"""The one request that is made, page by page, until a month is whole.

Cost Explorer answers in one region. Pages belong together: where the service says that they do not any more, the month is begun
again, and that is paid for, too. Each page is asked for only if the budget allows for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from collector.account.answers import code_of, is_answer
from collector.account.refusals import translated
from collector.account.session import Account
from collector.aws.costexplorer.answers import BILLED, EFFECTIVE, Row, in_order, rows
from collector.aws.costexplorer.config import CostExplorerConfig
from collector.aws.costexplorer.months import Due
from collector.aws.spending import Tab
from collector.errors import TransientError

#: Where Cost Explorer is ("AWS Billing and Cost Management API reference", "Service endpoints").
REGION = "us-east-1"

#: Two groups are the most that can be asked for (API reference, GetCostAndUsage, GroupBy).
_GROUPS = [{"Type": "DIMENSION", "Key": "LINKED_ACCOUNT"}, {"Type": "DIMENSION", "Key": "SERVICE"}]
_BEGINNINGS_MAX = 3
_CHANGED = frozenset({"InvalidNextTokenException", "RequestChangedException"})
_OF_THE_MONTH = frozenset({"BillExpirationException", "DataUnavailableException"})


class MonthUnread(TransientError):
    """One month could not be read; others may be."""


class _Changed(Exception):
    """Pages that do not belong together."""


class Asker:
    """Asks Cost Explorer of one account."""

    def __init__(self, config: CostExplorerConfig, account: Account) -> None:
        self._config, self._account = config, account
        self._client: Any = None

    def close(self) -> None:
        """Close connections. Safe to call twice."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def month(self, due: Due, tab: Tab) -> list[Row]:
        """All rows of the days that are due, in order. Raises SourceError; MonthUnread for what is wrong with this month alone."""
        place = f"{self._config.source}: {due.month.name}"
        for _ in range(_BEGINNINGS_MAX):
            try:
                found: list[Row] = []
                for page in self._pages(due, tab, place):
                    found += rows(page, due)
                    if len(found) > self._config.charges_max:
                        raise MonthUnread(f"{place} has more rows than charges_max {self._config.charges_max}")
                return in_order(found)
            except _Changed:
                continue
            except (ValueError, KeyError, TypeError) as error:
                raise MonthUnread(f"{place} cannot be read: {error}") from error
        raise MonthUnread(f"{place}: pages did not belong together, {_BEGINNINGS_MAX} times")

    def _pages(self, due: Due, tab: Tab, place: str) -> Iterator[Mapping[str, Any]]:
        asked = {
            "TimePeriod": {"Start": due.month.first.isoformat(), "End": due.until.isoformat()},
            "Granularity": "DAILY",
            "Metrics": [BILLED, EFFECTIVE],
            "GroupBy": _GROUPS,
        }
        cost_usd = self._config.price_per_request_usd
        token: dict[str, str] = {}
        for _ in range(self._config.pages_max):
            tab.send(cost_usd)
            page = self._page({**asked, **token}, place)
            tab.answer(cost_usd, 1 + int(page.get("ResponseMetadata", {}).get("RetryAttempts", 0)))
            yield page
            following = page.get("NextPageToken")
            if not following:
                return
            if following == token.get("NextPageToken"):
                raise MonthUnread(f"{place}: a page names itself as the next one")
            token = {"NextPageToken": following}
        raise MonthUnread(f"{place} has more pages than pages_max {self._config.pages_max}")

    def _page(self, asked: Mapping[str, Any], place: str) -> Mapping[str, Any]:
        with translated(self._account.grants, place):
            if self._client is None:
                self._client = self._account.client("ce", REGION)
            try:
                page: Mapping[str, Any] = self._client.get_cost_and_usage(**asked)
            except Exception as error:
                if is_answer(error):
                    _judge(error, place)
                raise
            return page


def _judge(error: Any, place: str) -> None:
    code = code_of(error)
    if code in _CHANGED:
        raise _Changed(code) from error
    if code in _OF_THE_MONTH:
        told = str(error.response["Error"].get("Message", "")).rstrip(".")
        raise MonthUnread(f"{place} is not to be had just now ({code}: {told})") from error
