"""Metrics are found by lists: with exactly the dimensions wished, from their first value on, and until nothing can be left of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from collector.aws.cloudwatch.config import CloudwatchConfig
from collector.aws.cloudwatch.permissions import grants
from tests.collector.aws.cloudwatch.reading import (
    BEGIN,
    DAY,
    HOUR,
    INVOCATIONS,
    MINUTE,
    Follower,
    settings,
    statuses,
)
from tests.fakes.aws.cloudwatch import FakeCloudWatch
from tests.fakes.aws.server import DENIED, AwsServer

Follow = Callable[..., Follower]
FUNCTIONS = {"namespace": "AWS/Lambda", "metrics": ["Invocations"], "each": ["FunctionName"]}
SUM = "cloudwatch/AWS/Lambda/Invocations/Sum"


def invoked(cloud: FakeCloudWatch, name: str, time_us: int, value: float = 1.0, **others: str) -> None:
    cloud.publish("AWS/Lambda", "Invocations", {"FunctionName": name, **others}, time_us, value)


def told(reader: Follower) -> dict[str, int]:
    """Events by their subject."""
    found: dict[str, int] = {}
    for event in reader.book.events.values():
        found[event["subject"]] = found.get(event["subject"], 0) + int(event["value"])
    return found


def asked(server: AwsServer) -> list[int]:
    """How many streams each request asked for."""
    return [len(each.parameters["MetricDataQueries"]) for each in server.requests if each.operation == "GetMetricData"]


def test_each_value_of_a_dimension_is_read_and_no_other_metric(
    cloud: FakeCloudWatch, server: AwsServer, follow: Follow
) -> None:
    for name in ("checkout", "search"):
        invoked(cloud, name, BEGIN + MINUTE)
        invoked(cloud, name, BEGIN + MINUTE, 100, Resource=f"{name}:live")
    cloud.publish("AWS/Lambda", "Invocations", {}, BEGIN + MINUTE, 100)
    cloud.publish("AWS/Lambda", "Errors", {"FunctionName": "checkout"}, BEGIN + MINUTE, 100)
    cloud.publish("Own", "Invocations", {"FunctionName": "checkout"}, BEGIN + MINUTE, 100)
    reader = follow(FUNCTIONS)
    reader.read_at(BEGIN + HOUR)
    assert told(reader) == {"FunctionName=checkout": 1, "FunctionName=search": 1}
    fixed = follow({**FUNCTIONS, "dimensions": {"Resource": "search:live"}})
    fixed.window_end_us = BEGIN
    fixed.read_at(BEGIN + HOUR)
    assert told(fixed) == {"FunctionName=search&Resource=search%3Alive": 100}


def test_lists_have_many_pages(cloud: FakeCloudWatch, server: AwsServer, follow: Follow) -> None:
    for number in range(1_001):
        invoked(cloud, f"f{number}", BEGIN + MINUTE)
    reader = follow(FUNCTIONS)
    reader.read_at(BEGIN + HOUR)
    assert len(reader.book.events) == 1_001
    assert server.operations() == ["ListMetrics"] * 3 + ["GetMetricData"] * 3


def test_a_list_is_kept_over_restarts_and_made_anew_after_a_while(
    cloud: FakeCloudWatch, server: AwsServer, follow: Follow
) -> None:
    invoked(cloud, "checkout", BEGIN + MINUTE)
    reader = follow(FUNCTIONS, list_interval_s=7_200)
    for minutes in (30, 60, 90, 149, 150):
        reader.read_at(BEGIN + minutes * MINUTE)
        reader.restart()
    assert server.operations().count("ListMetrics") == 2


def test_what_appears_is_read_from_its_first_value_on(cloud: FakeCloudWatch, follow: Follow) -> None:
    invoked(cloud, "checkout", BEGIN)
    for minute in range(40, 200):
        invoked(cloud, "new", BEGIN + minute * MINUTE)
    reader = follow({**FUNCTIONS, "period_s": 60})
    for minute in (*range(10, 220, 7), 300):
        reader.read_at(BEGIN + minute * MINUTE)
    assert told(reader) == {"FunctionName=checkout": 1, "FunctionName=new": 160}


def test_nothing_is_told_of_time_that_no_list_covers(cloud: FakeCloudWatch, follow: Follow) -> None:
    reader = follow({**FUNCTIONS, "period_s": 60}, settle_s=0, list_interval_s=1_800)
    for minute in range(1, 120):
        invoked(cloud, "new", BEGIN + minute * MINUTE)
        reader.read_at(BEGIN + minute * MINUTE)
        # What is complete stays as it was.
        for complete_us in reader.book.complete_us():
            expected = 0 if complete_us == BEGIN else 1
            assert reader.book.amounts(SUM).get(complete_us, 0) == expected
    assert len(reader.book.complete_us()) > 60


def test_what_is_not_listed_any_more_is_remembered_and_found_again(
    cloud: FakeCloudWatch, server: AwsServer, follow: Follow
) -> None:
    invoked(cloud, "rare", BEGIN)
    invoked(cloud, "rare", BEGIN + 40 * DAY)
    reader = follow(FUNCTIONS, interval_s=86_400, list_interval_s=0, remember_s=86_400)
    for day in range(1, 43):
        invoked(cloud, "often", BEGIN + day * DAY - HOUR)
        reader.read_at(BEGIN + day * DAY)
    assert told(reader) == {"FunctionName=often": 42, "FunctionName=rare": 2}
    # It is listed for 14 days, read on for one, forgotten, and there again on the 40th.
    # On that day the two are read since different times, in two requests.
    assert asked(server) == [2] * 15 + [1] * 26 + [2] * 2


def test_what_was_away_for_long_is_read_to_its_end_though_not_listed(cloud: FakeCloudWatch, follow: Follow) -> None:
    invoked(cloud, "gone", BEGIN + MINUTE)
    reader = follow(FUNCTIONS, remember_s=0)
    reader.read_at(BEGIN + 30 * MINUTE)
    invoked(cloud, "gone", BEGIN + 5 * HOUR)
    reader.read_at(BEGIN + 30 * DAY)
    assert told(reader) == {"FunctionName=gone": 2}
    reader.read_at(BEGIN + 30 * DAY + HOUR)
    assert "gone" not in str(reader.checkpoint["streams"])


def test_another_query_begins_when_it_is_configured(cloud: FakeCloudWatch, follow: Follow) -> None:
    for minute in range(0, 180, 5):
        invoked(cloud, "checkout", BEGIN + minute * MINUTE)
    reader = follow({**FUNCTIONS, "metrics": ["Errors"]})
    reader.read_at(BEGIN + HOUR)
    reader.configure(queries=[FUNCTIONS])
    reader.read_at(BEGIN + 3 * HOUR)
    assert told(reader) == {"FunctionName=checkout": 19}
    assert min(reader.book.amounts(SUM)) == BEGIN + HOUR


def test_without_any_metric_time_goes_by_all_the_same(cloud: FakeCloudWatch, follow: Follow) -> None:
    reader = follow(FUNCTIONS)
    for hour in (1, 2):
        (readings,) = reader.read_at(BEGIN + hour * HOUR)
        assert statuses(readings) == ["complete", "partial"]
    assert reader.book.complete_us() == set(range(BEGIN, BEGIN + 95 * MINUTE, MINUTE))


def test_too_many_are_refused(cloud: FakeCloudWatch, server: AwsServer, follow: Follow) -> None:
    for number in range(30):
        invoked(cloud, f"f{number}", BEGIN)
    reader = follow(FUNCTIONS, streams_max=20)
    (readings,) = reader.read_at(BEGIN + HOUR)
    assert statuses(readings) == ["failed"]
    assert "more than streams_max 20" in readings.coverage[0].reason
    assert asked(server) == []


def test_a_denied_list_names_what_is_needed(server: AwsServer, follow: Follow) -> None:
    reader = follow(FUNCTIONS)
    server.always = DENIED
    (readings,) = reader.read_at(BEGIN + HOUR)
    assert "cloudwatch:ListMetrics" in readings.coverage[0].reason


@pytest.mark.parametrize(
    ("query", "names"), [(INVOCATIONS, ["GetMetricData"]), (FUNCTIONS, ["GetMetricData", "ListMetrics"])]
)
def test_only_what_is_asked_is_granted(server: AwsServer, query: dict[str, object], names: list[str]) -> None:
    (grant,) = grants(CloudwatchConfig.model_validate(settings(server, query)))
    assert grant.actions == tuple(f"cloudwatch:{name}" for name in names)
