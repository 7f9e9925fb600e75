"""What settles is told once: amounts as events, levels as gauges that end where their period does; what is not known is not guessed."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from decimal import Decimal

import pytest

from collector.readings import Coverage, Window
from tests.collector.aws.cloudwatch.reading import (
    BEGIN,
    CHECKOUT,
    DAY,
    HOUR,
    INVOCATIONS,
    MINUTE,
    Follower,
    statuses,
)
from tests.fakes.aws.cloudwatch import FakeCloudWatch
from tests.fakes.aws.server import BROKEN, DENIED, EXPIRED, THROTTLING, AwsServer

Follow = Callable[..., Follower]
SUM = "cloudwatch/AWS/Lambda/Invocations/Sum"
SOURCE = "cloudwatch/123456789012/eu-central-1/usage"


def invoked(cloud: FakeCloudWatch, *at: tuple[int, float]) -> None:
    for time_us, value in at:
        cloud.publish("AWS/Lambda", "Invocations", CHECKOUT, time_us, value)


def test_a_sum_is_an_event_at_the_beginning_of_its_period(cloud: FakeCloudWatch, follow: Follow) -> None:
    invoked(cloud, (BEGIN + MINUTE, 2), (BEGIN + 4 * MINUTE, 0.1), (BEGIN + 7 * MINUTE, 5))
    # Of other metrics: one dimension more, one less, another namespace.
    cloud.publish("AWS/Lambda", "Invocations", {**CHECKOUT, "Resource": "checkout"}, BEGIN, 100)
    cloud.publish("AWS/Lambda", "Invocations", {}, BEGIN, 100)
    cloud.publish("Own", "Invocations", CHECKOUT, BEGIN, 100)
    reader = follow(INVOCATIONS)
    reader.read_at(BEGIN + HOUR)
    first, second = reader.book.events.values()
    assert first == {
        "origin": SOURCE,
        "source": "cloudwatch/123456789012/eu-central-1",
        "id": "AWS/Lambda/Invocations/FunctionName=checkout/Sum/2026-01-01T00:00:00Z",
        "type": SUM,
        "subject": "FunctionName=checkout",
        "tenant": "",
        "time": first["time"],
        "value": Decimal("2.100000000"),
        "properties": first["properties"],
    }
    assert json.loads(first["properties"]) == {
        "FunctionName": "checkout",
        "account": "123456789012",
        "metric": "Invocations",
        "namespace": "AWS/Lambda",
        "quality": "best_effort",
        "region": "eu-central-1",
        "statistic": "Sum",
    }
    assert (second["value"], reader.book.amounts(SUM)[BEGIN + 5 * MINUTE]) == (5, 5)


def test_time_that_has_not_settled_is_partial_and_complete_later(cloud: FakeCloudWatch, follow: Follow) -> None:
    invoked(cloud, (BEGIN + MINUTE, 2))
    reader = follow(INVOCATIONS, settle_s=1_800)
    (early,) = reader.read_at(BEGIN + 20 * MINUTE)
    assert statuses(early) == ["partial"]
    assert "have not settled yet" in early.coverage[0].reason
    assert reader.book.events == {}
    (later,) = reader.read_at(BEGIN + 62 * MINUTE)
    assert later.coverage[0] == Coverage(SOURCE, BEGIN, BEGIN + 30 * MINUTE, "complete")
    assert (later.coverage[1].status, later.coverage[1].end_us) == ("partial", BEGIN + 62 * MINUTE)
    assert reader.book.amounts(SUM) == {BEGIN: 2}
    (idle,) = reader.read_at(BEGIN + 63 * MINUTE)
    assert idle.coverage[0].start_us == BEGIN + 30 * MINUTE, "what is open is told of as one"


def test_what_comes_late_is_in_the_sum_if_it_comes_before_it_settles(cloud: FakeCloudWatch, follow: Follow) -> None:
    invoked(cloud, (BEGIN, 1))
    cloud.publish("AWS/Lambda", "Invocations", CHECKOUT, BEGIN + MINUTE, 2, BEGIN + 14 * MINUTE)
    cloud.publish("AWS/Lambda", "Invocations", CHECKOUT, BEGIN + MINUTE, 4, BEGIN + 16 * MINUTE)
    reader = follow(INVOCATIONS)
    for minute in (15, 20, 25, 60):
        reader.read_at(BEGIN + minute * MINUTE)
    assert reader.book.amounts(SUM) == {BEGIN: 3}, "told once"
    (letter,) = reader.book.letters
    assert letter.place == "AWS/Lambda/Invocations/FunctionName=checkout/Sum/2026-01-01T00:00:00Z"
    assert "settle_s 600 is too short" in letter.reason
    assert json.loads(letter.document) == [["2026-01-01T00:00:00Z", 7.0]]


def test_a_level_is_held_for_its_periods_and_no_longer(cloud: FakeCloudWatch, follow: Follow) -> None:
    metric = "cloudwatch/AWS/RDS/CPUUtilization/Average"
    for minute, value in ((0, 10.0), (1, 30.0), (5, 40.0), (20, 7.0), (55, 9.0)):
        cloud.publish("AWS/RDS", "CPUUtilization", {"DBInstanceIdentifier": "main"}, BEGIN + minute * MINUTE, value)
    query = {"namespace": "AWS/RDS", "metrics": ["CPUUtilization"], "dimensions": {"DBInstanceIdentifier": "main"}}
    reader = follow({**query, "statistics": ["Average", "p50", "Maximum"]})
    for minute in (15, 20, 35, 40, 120):
        reader.read_at(BEGIN + minute * MINUTE)
    held = [(0, 5, 20.0), (5, 10, 40.0), (20, 25, 7.0), (55, 60, 9.0)]
    assert list(reader.book.levels(metric)) == [
        (BEGIN + since * MINUTE, BEGIN + until * MINUTE, value) for since, until, value in held
    ]
    assert [each[2] for each in reader.book.levels("cloudwatch/AWS/RDS/CPUUtilization/Maximum")] == [30, 40, 7, 9]
    (labels,) = {labels for name, labels in reader.book.samples if name == metric}
    assert json.loads(labels) == {"DBInstanceIdentifier": "main", "quality": "best_effort"}


def test_a_level_of_a_source_that_is_gone_ends(cloud: FakeCloudWatch, follow: Follow) -> None:
    invoked(cloud, (BEGIN, 3.0))
    reader = follow({**INVOCATIONS, "statistics": ["Maximum"]})
    reader.read_at(BEGIN + 15 * MINUTE)
    metric = "cloudwatch/AWS/Lambda/Invocations/Maximum"
    assert list(reader.book.levels(metric)) == [(BEGIN, -1, 3.0)]
    last = reader.collector.end(BEGIN + 16 * MINUTE, reader.checkpoint)
    assert last is not None
    reader.book.accept(last)
    assert list(reader.book.levels(metric)) == [(BEGIN, BEGIN + 5 * MINUTE, 3.0)]
    reader.read_at(BEGIN + 40 * MINUTE)
    assert reader.collector.end(BEGIN + 41 * MINUTE, reader.checkpoint) is None


def test_a_level_before_a_time_that_is_lost_ends(cloud: FakeCloudWatch, follow: Follow) -> None:
    invoked(cloud, (BEGIN, 3.0), (BEGIN + 90 * DAY, 4.0))
    reader = follow({**INVOCATIONS, "statistics": ["Maximum"]})
    reader.read_at(BEGIN + 15 * MINUTE)
    reader.read_at(BEGIN + 91 * DAY)
    held = [(BEGIN, BEGIN + 5 * MINUTE, 3.0), (BEGIN + 90 * DAY, BEGIN + 90 * DAY + 5 * MINUTE, 4.0)]
    assert list(reader.book.levels("cloudwatch/AWS/Lambda/Invocations/Maximum")) == held


def test_a_stream_that_is_not_configured_any_more_ends(cloud: FakeCloudWatch, follow: Follow) -> None:
    invoked(cloud, (BEGIN, 3.0))
    reader = follow({**INVOCATIONS, "statistics": ["Maximum", "Sum"]})
    reader.read_at(BEGIN + 15 * MINUTE)
    reader.configure(queries=[INVOCATIONS])
    reader.read_at(BEGIN + 30 * MINUTE)
    metric = "cloudwatch/AWS/Lambda/Invocations/Maximum"
    assert list(reader.book.levels(metric)) == [(BEGIN, BEGIN + 5 * MINUTE, 3.0)]
    assert reader.book.amounts(SUM) == {BEGIN: 3}


def test_answers_of_many_pages_are_whole_and_oldest_first(cloud: FakeCloudWatch, follow: Follow) -> None:
    invoked(cloud, *((BEGIN + minute * MINUTE, 1.0) for minute in range(600)))
    cloud.page_points_max = 7
    reader = follow({**INVOCATIONS, "period_s": 60, "statistics": ["Sum", "SampleCount"]})
    (readings,) = reader.read_at(BEGIN + 2 * HOUR)
    assert reader.book.amounts(SUM) == {BEGIN + minute * MINUTE: 1 for minute in range(110)}
    assert readings.events.num_rows == 220
    assert statuses(readings) == ["complete", "partial"]


def test_more_streams_than_one_request_takes(cloud: FakeCloudWatch, server: AwsServer, follow: Follow) -> None:
    names = [f"Metric{number}" for number in range(501)]
    for name in names:
        cloud.publish("Own", name, {}, BEGIN, 1.0)
    reader = follow({"namespace": "Own", "metrics": names})
    reader.read_at(BEGIN + HOUR)
    assert len(reader.book.events) == 501
    assert [len(each.parameters["MetricDataQueries"]) for each in server.requests] == [500, 1]
    assert {each.parameters["ScanBy"] for each in server.requests} == {"TimestampAscending"}


def test_a_stream_that_is_answered_in_part_waits_and_holds_up_no_other(cloud: FakeCloudWatch, follow: Follow) -> None:
    invoked(cloud, (BEGIN, 3.0))
    cloud.publish("AWS/Lambda", "Errors", CHECKOUT, BEGIN, 1.0)
    cloud.publish("AWS/Lambda", "Errors", CHECKOUT, BEGIN + 6 * MINUTE, 1.0)
    cloud.unanswered["Errors"] = 1
    reader = follow({**INVOCATIONS, "metrics": ["Errors", "Invocations"]})
    (readings,) = reader.read_at(BEGIN + HOUR)
    assert {event["type"] for event in reader.book.events.values()} == {SUM}
    assert statuses(readings) == ["partial"]
    assert "AWS/Lambda/Errors/FunctionName=checkout/Sum: PartialData" in readings.coverage[0].reason
    assert not reader.book.complete_us()
    (readings,) = reader.read_at(BEGIN + 2 * HOUR)
    assert len(reader.book.events) == 3
    assert readings.coverage[0] == Coverage(SOURCE, BEGIN, BEGIN + 110 * MINUTE, "complete")


@pytest.mark.parametrize(
    ("fault", "status", "told"),
    [
        (THROTTLING, "throttled", "GetMetricData is throttled"),
        (DENIED, "failed", '"Action": ["cloudwatch:GetMetricData"]'),
        (EXPIRED, "failed", "the credentials have expired"),
        (BROKEN, "failed", "InternalFailure"),
    ],
)
def test_what_is_refused_keeps_the_cursor(
    cloud: FakeCloudWatch, server: AwsServer, follow: Follow, fault: Exception, status: str, told: str
) -> None:
    invoked(cloud, (BEGIN, 3.0))
    reader = follow(INVOCATIONS)
    server.faults.append(fault)  # type: ignore[arg-type]
    (readings,) = reader.read_at(BEGIN + HOUR)
    assert readings.coverage == (Coverage(SOURCE, BEGIN, BEGIN + HOUR, status, readings.coverage[0].reason),)  # type: ignore[arg-type]
    assert told in readings.coverage[0].reason
    assert readings.checkpoint == {"since_us": BEGIN}
    reader.read_at(BEGIN + HOUR + MINUTE)
    assert reader.book.amounts(SUM) == {BEGIN: 3}
    assert set(range(BEGIN, BEGIN + 50 * MINUTE, MINUTE)) <= reader.book.complete_us(), "told once more"


def test_what_was_answered_before_a_throttled_request_is_kept(
    cloud: FakeCloudWatch, server: AwsServer, follow: Follow
) -> None:
    names = [f"Metric{number:03}" for number in range(501)]
    for name in names:
        cloud.publish("Own", name, {}, BEGIN, 1.0)
    reader = follow({"namespace": "Own", "metrics": names})
    server.faults.extend([None, THROTTLING])
    (readings,) = reader.read_at(BEGIN + HOUR)
    assert (readings.events.num_rows, statuses(readings)) == (500, ["throttled"])
    (readings,) = reader.read_at(BEGIN + HOUR + MINUTE)
    assert (readings.events.num_rows, len(reader.book.events)) == (1, 501)
    assert readings.coverage[0].status == "complete"


def test_a_pause_is_caught_up_in_steps(cloud: FakeCloudWatch, follow: Follow) -> None:
    invoked(cloud, *((BEGIN + hour * HOUR, 1.0) for hour in range(240)))
    reader = follow(INVOCATIONS, points_max=200)
    found = reader.read_at(BEGIN + 10 * DAY)
    assert len(found) > 10
    assert reader.book.amounts(SUM) == {BEGIN + hour * HOUR: 1 for hour in range(240)}
    assert reader.book.complete_us() == set(range(BEGIN, BEGIN + 10 * DAY - 10 * MINUTE, MINUTE))


def test_what_is_looked_at_again_is_not_told_again(cloud: FakeCloudWatch, follow: Follow) -> None:
    invoked(cloud, *((BEGIN + minute * MINUTE, 1.0) for minute in range(120)))
    reader = follow({**INVOCATIONS, "period_s": 60})
    rows = [reader.read_at(BEGIN + minute * MINUTE)[0].events.num_rows for minute in range(10, 130, 7)]
    assert rows == [0] + [7] * 17


def test_what_is_not_kept_any_more_is_lost(cloud: FakeCloudWatch, follow: Follow) -> None:
    reader = follow({**INVOCATIONS, "period_s": 60})
    invoked(cloud, (BEGIN + 10 * MINUTE, 1.0), (BEGIN + 10 * DAY, 2.0))
    reader.read_at(BEGIN + 19 * MINUTE)
    reader.read_at(BEGIN + 20 * DAY)
    assert reader.book.amounts(SUM) == {BEGIN + 10 * DAY: 2}
    (lost,) = (record for record in reader.book.coverage if record.status == "lost")
    assert lost.start_us == BEGIN + 9 * MINUTE
    assert lost.end_us == BEGIN + 5 * DAY + HOUR
    assert (
        "values since 2026-01-01T00:09:00Z of 60 s are not kept any more: CloudWatch has them for 15 days"
        in lost.reason
    )
    told = {*range(BEGIN, lost.start_us, MINUTE), *range(lost.end_us, BEGIN + 20 * DAY - 10 * MINUTE, MINUTE)}
    assert reader.book.complete_us() == told


def test_history_is_read_where_that_is_wished(cloud: FakeCloudWatch, follow: Follow) -> None:
    invoked(cloud, (BEGIN - DAY, 1.0), (BEGIN - 3 * DAY, 1.0))
    reader = follow(INVOCATIONS, history_s=2 * 86_400)
    reader.read_at(BEGIN + HOUR)
    assert reader.book.amounts(SUM) == {BEGIN - DAY: 1}


def test_another_period_neither_repeats_nor_leaves_out(cloud: FakeCloudWatch, follow: Follow) -> None:
    invoked(cloud, *((BEGIN + minute * MINUTE, 1.0) for minute in range(240)))
    reader = follow({**INVOCATIONS, "period_s": 300})
    reader.read_at(BEGIN + 48 * MINUTE)
    reader.configure(queries=[{**INVOCATIONS, "period_s": 3_600}])
    reader.read_at(BEGIN + 3 * HOUR)
    reader.configure(queries=[{**INVOCATIONS, "period_s": 60}])
    reader.read_at(BEGIN + 4 * HOUR)
    assert sum(reader.book.amounts(SUM).values()) == 230
    assert not reader.book.letters


def test_what_cannot_be_metered_is_a_dead_letter(cloud: FakeCloudWatch, follow: Follow) -> None:
    invoked(cloud, (BEGIN, 2.0**70), (BEGIN + 5 * MINUTE, 1 / 3))
    reader = follow(INVOCATIONS)
    reader.read_at(BEGIN + HOUR)
    assert reader.book.amounts(SUM) == {BEGIN + 5 * MINUTE: Decimal("0.333333333")}
    (letter,) = reader.book.letters
    assert "is not below 2^62" in letter.reason
    assert letter.place.endswith("Sum/2026-01-01T00:00:00Z")


def test_a_collection_that_was_not_stored_is_repeated(cloud: FakeCloudWatch, follow: Follow) -> None:
    invoked(cloud, *((BEGIN + minute * MINUTE, 1.5) for minute in range(60)))
    reader = follow({**INVOCATIONS, "statistics": ["Sum", "Average"]})
    (lost,) = reader.read_at(BEGIN + HOUR, stored=False)
    (again,) = reader.read_at(BEGIN + HOUR)
    assert again.events.equals(lost.events)
    assert again.samples.equals(lost.samples)
    assert again.checkpoint == lost.checkpoint


def test_two_readers_count_once(cloud: FakeCloudWatch, server: AwsServer, follow: Follow) -> None:
    invoked(cloud, *((BEGIN + minute * MINUTE, 1.0) for minute in range(120)))
    one = follow({**INVOCATIONS, "statistics": ["Sum", "Maximum"]})
    two = Follower(cloud, one.config, one.account, one.book)
    assert one.collector.lease == two.collector.lease
    for minute in range(20, 150, 10):
        (one, two)[minute // 10 % 2].read_at(BEGIN + minute * MINUTE)
    assert sum(one.book.amounts(SUM).values()) == 120
    held = list(one.book.levels("cloudwatch/AWS/Lambda/Invocations/Maximum"))
    assert sum(until_us - since_us for since_us, until_us, _ in held) == 120 * MINUTE
    assert math.isclose(held[0][2], 1.0)


def test_nothing_is_asked_where_nothing_is_due(cloud: FakeCloudWatch, server: AwsServer, follow: Follow) -> None:
    reader = follow({**INVOCATIONS, "period_s": 3_600})
    for minute in range(0, 69, 10):
        reader.read_at(BEGIN + minute * MINUTE + 1)
    assert server.requests == []
    reader.read_at(BEGIN + 71 * MINUTE)
    assert server.operations() == ["GetMetricData"]


def test_a_window_may_be_of_any_length(cloud: FakeCloudWatch, follow: Follow) -> None:
    reader = follow(INVOCATIONS, settle_s=0)
    readings = reader.collector.collect(Window(BEGIN + 1, BEGIN + 2), {})
    assert [(each.start_us, each.end_us) for each in readings.coverage] == [(BEGIN, BEGIN + 2)]
