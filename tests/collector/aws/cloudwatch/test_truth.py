"""Whatever comes late, fails, restarts or is not stored: in the end the book has exactly what CloudWatch has, and nothing twice."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.account.session import Account
from collector.aws.cloudwatch.config import CloudwatchConfig
from meterbook.wire.series import canonical_json
from tests.collector.aws.cloudwatch.reading import BEGIN, HOUR, MINUTE, SECOND, Book, Follower
from tests.collector.aws.cloudwatch.reading import settings as configured
from tests.fakes.aws.cloudwatch import FakeCloudWatch
from tests.fakes.aws.server import BROKEN, EXPIRED, THROTTLING, AwsServer

SETTLE = 20 * MINUTE
AMOUNTS = ("Sum", "SampleCount")
LEVELS = ("Average", "Maximum")
QUERY = {"namespace": "Own", "metrics": ["Used"], "statistics": [*AMOUNTS, *LEVELS]}

MEASURED = st.lists(
    st.tuples(
        st.sampled_from(["one", "two"]),
        st.integers(0, 3 * 60 * 60 - 1),
        st.integers(-(10**6), 10**12).map(lambda value: value / 1_000),
        st.integers(0, SETTLE // SECOND - 1),
    ),
    max_size=25,
)
ACTS = st.lists(
    st.tuples(
        st.integers(1, 40),
        st.sampled_from(["stored", "stored", "stored", "lost", "restart", "other"]),
        st.lists(st.sampled_from([None, THROTTLING, BROKEN, EXPIRED]), max_size=3),
        st.sampled_from([0, 0, 1, 2]),
    ),
    max_size=8,
)


@settings(suppress_health_check=list(HealthCheck), deadline=None)
@given(
    measured=MEASURED,
    acts=ACTS,
    each=st.booleans(),
    period_s=st.sampled_from([60, 300, 1_800]),
    page=st.sampled_from([70, 1_000]),
)
def test_the_book_has_the_truth(
    server: AwsServer, account: Account, measured: list[Any], acts: list[Any], each: bool, period_s: int, page: int
) -> None:
    cloud = FakeCloudWatch(BEGIN, page_points_max=page)
    server.reset({"cloudwatch": cloud})
    for name, second, value, late_s in measured:
        time_us = BEGIN + second * SECOND
        end_us = (time_us // (period_s * SECOND) + 1) * period_s * SECOND
        cloud.publish("Own", "Used", {"of": name}, time_us, value, min(time_us + late_s * SECOND, end_us + SETTLE))
    fixed = [{"dimensions": {"of": name}} for name in ("one", "two")]
    queries = [{**QUERY, "period_s": period_s, **which} for which in ([{"each": ["of"]}] if each else fixed)]
    config = CloudwatchConfig.model_validate(
        configured(server, *queries, settle_s=SETTLE / SECOND, list_interval_s=0, points_max=300)
    )
    # Two agents with one book, of which now the one and now the other collects; each keeps its own checkpoint.
    book = Book()
    one, other = Follower(cloud, config, account, book), Follower(cloud, config, account, book)
    now_us = BEGIN
    for minutes, act, faults, unanswered in acts:
        now_us += minutes * MINUTE
        server.faults.clear()
        server.faults.extend(faults)
        cloud.unanswered["Used"] = unanswered
        if act == "restart":
            one.restart()
        reader = other if act == "other" else one
        reader.read_at(now_us, stored=act != "lost")
    server.faults.clear()
    cloud.unanswered.clear()
    # The end of the last period is told with what follows it, once a list covers that.
    one.read_at(now_us + 6 * HOUR)
    assert_truth(cloud, book, period_s * SECOND)


def assert_truth(cloud: FakeCloudWatch, book: Book, period_us: int) -> None:
    for metric in cloud.values:
        name = dict(metric[2])["of"]
        for statistic in AMOUNTS:
            told = {
                round(event["time"].timestamp() * SECOND): event["value"]
                for event in book.events.values()
                if event["subject"] == f"of={name}" and event["type"].endswith(f"/{statistic}")
            }
            truth = cloud.statistics(metric, statistic, period_us)
            assert told == {at: Decimal(value).quantize(Decimal("1e-9")) for at, value in truth.items()}
        for statistic in LEVELS:
            labels = canonical_json({"of": name, "quality": "best_effort"})
            truth = cloud.statistics(metric, statistic, period_us)
            held = [(at, at + period_us, value) for at, value in truth.items()]
            assert list(book.levels(f"cloudwatch/Own/Used/{statistic}", labels)) == held
    assert len(book.events) == sum(
        len(cloud.statistics(metric, statistic, period_us)) for metric in cloud.values for statistic in AMOUNTS
    )
    assert not book.letters
