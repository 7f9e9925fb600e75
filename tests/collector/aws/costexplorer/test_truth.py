"""Whatever changes, fails, is killed or is not stored: each month's version is whole, in the end it is the truth, and the budget holds."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.account.session import Account
from collector.aws.costexplorer.config import CostExplorerConfig
from tests.collector.aws.costexplorer.reading import BEGIN, DAY, HOUR, MEMBER, PAYER, Follower, truth
from tests.collector.aws.costexplorer.reading import settings as configured
from tests.fakes.aws.costexplorer import CHANGED, EXPIRED_BILL, INVALID_TOKEN, LIMIT_EXCEEDED, FakeCostExplorer
from tests.fakes.aws.server import BROKEN, AwsServer

FIRST = date(2026, 1, 10)
COST = st.tuples(
    st.integers(0, 40).map(lambda days: FIRST + timedelta(days=days)),
    st.sampled_from([PAYER, MEMBER]),
    st.sampled_from(["Amazon EC2", "Tax"]),
    st.decimals(-100, 10**6, places=10).map(str),
)
ACTS = st.lists(
    st.tuples(
        st.integers(1, 9),
        st.sampled_from(["stored", "stored", "stored", "lost", "killed"]),
        st.lists(st.sampled_from([None, LIMIT_EXCEEDED, BROKEN, CHANGED, INVALID_TOKEN, EXPIRED_BILL]), max_size=4),
        st.lists(COST, max_size=4),
    ),
    max_size=8,
)


@settings(suppress_health_check=list(HealthCheck), deadline=None)
@given(costs=st.lists(COST, max_size=20), acts=ACTS, page=st.sampled_from([1, 3, 1_000]), budget=st.integers(0, 60))
def test_the_book_has_the_truth(
    server: AwsServer, account: Account, costs: list[Any], acts: list[Any], page: int, budget: int
) -> None:
    cloud = FakeCostExplorer(BEGIN, page_groups_max=page)
    server.reset({"ce": cloud})
    config = CostExplorerConfig.model_validate(configured(server, budget_per_month_usd=str(Decimal(budget) / 100)))
    reader = Follower(cloud, config, account)
    for cost in costs:
        cloud.cost(*cost)
    now_us, killed = BEGIN + HOUR, 0
    sent: dict[str, int] = {}
    for days, act, faults, changes in acts:
        now_us += days * DAY
        before = len(server.requests)
        server.faults.clear()
        server.faults.extend(faults)
        reader.read_at(now_us, stored=act in ("stored",))
        month = cloud.today.strftime("%Y-%m")
        sent[month] = sent.get(month, 0) + len(server.requests) - before
        if act == "killed":
            reader.restart()
            killed += 1
        if not killed:
            assert sent[month] <= budget, "what was asked is within the budget"
        assert Decimal(reader.checkpoint.get("spent", {}).get("month_usd", "0")) <= config.budget_per_month_usd
        for cost in changes:
            cloud.cost(*cost)
        cloud.edition += 1
    server.faults.clear()
    server.reset({"ce": cloud})
    assert_truth(reader, cloud, now_us)


def assert_truth(reader: Follower, cloud: FakeCostExplorer, now_us: int) -> None:
    """With money enough, one collection in a month that has not begun yet brings all up to date that was open."""
    document = reader.config.model_dump(mode="json")
    reader.config = CostExplorerConfig.model_validate({**document, "budget_per_month_usd": "1000"})
    reader.restart()
    began = reader.checkpoint
    open_since = began.get("open_since", "2026-01")
    readings = reader.read_at(now_us + DAY)
    assert {record.status for record in readings.coverage} == {"complete"}
    for month in ("2026-01", "2026-02"):
        if month >= open_since and reader.book.versions(month):
            assert reader.book.costs(month) == truth(cloud, month, cloud.today)
    # Where nothing was ever stored, January may have settled before anybody asked.
    months = [min(open_since, "2026-02")] if "open_since" in began else ["2026-01", "2026-02"]
    assert any(reader.book.versions(month) for month in months)
