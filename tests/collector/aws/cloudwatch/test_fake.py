"""The fake is as strict as CloudWatch's API Reference: asked by boto3, over both protocols."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.collector.aws.cloudwatch.reading import BEGIN, DAY, HOUR, MINUTE, SECOND
from tests.fakes.aws.cloudwatch import FakeCloudWatch
from tests.fakes.aws.server import DENIED, AwsServer

NOW = BEGIN + 100 * DAY


class Identity:
    """A service of the query protocol."""

    service = "sts"

    def get_caller_identity(self, parameters: dict[str, Any]) -> dict[str, Any]:
        return {"Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/a<b", "UserId": "x"}

    def assume_role(self, parameters: dict[str, Any]) -> dict[str, Any]:
        tags = ",".join(f"{tag['Key']}={tag['Value']}" for tag in parameters["Tags"])
        return {
            "SourceIdentity": tags,
            "PackedPolicySize": parameters["DurationSeconds"],
            "Credentials": {
                "AccessKeyId": "ROLEKEYROLEKEYRO",
                "SecretAccessKey": "s",
                "SessionToken": "t",
                "Expiration": datetime(2027, 1, 1, tzinfo=UTC),
            },
        }


def client(server: AwsServer, service: str) -> Any:
    config = Config(retries={"total_max_attempts": 1})
    return botocore.session.Session().create_client(
        service, region_name="eu-central-1", endpoint_url=server.endpoint, config=config
    )


@pytest.fixture
def boto(cloud: FakeCloudWatch, server: AwsServer) -> Iterator[Any]:
    cloud.now_us = NOW
    made = client(server, "cloudwatch")
    yield made
    made.close()


def at(time_us: int) -> datetime:
    return datetime.fromtimestamp(time_us / SECOND, UTC)


def query(number: int = 0, statistic: str = "Sum", period_s: int = 60, name: str = "M") -> dict[str, Any]:
    metric = {"Namespace": "Own", "MetricName": name, "Dimensions": [{"Name": "a", "Value": "b"}]}
    return {"Id": f"q{number}", "MetricStat": {"Metric": metric, "Period": period_s, "Stat": statistic}}


def ask(boto: Any, *queries: dict[str, Any], since_us: int = NOW - DAY, **others: Any) -> dict[str, Any]:
    asked = {"MetricDataQueries": list(queries), "StartTime": at(since_us), "EndTime": at(NOW), **others}
    found: dict[str, Any] = boto.get_metric_data(**asked)
    return found


def publish(cloud: FakeCloudWatch, *times_us: int, name: str = "M") -> None:
    for number, time_us in enumerate(times_us):
        cloud.publish("Own", name, {"a": "b"}, time_us, float(number + 1))


def test_newest_first_unless_told_otherwise(cloud: FakeCloudWatch, boto: Any) -> None:
    publish(cloud, NOW - 3 * MINUTE, NOW - 2 * MINUTE)
    assert ask(boto, query())["MetricDataResults"][0]["Values"] == [2, 1]
    found = ask(boto, query(), ScanBy="TimestampAscending")["MetricDataResults"][0]
    assert (found["Values"], found["Timestamps"][0]) == ([1, 2], at(NOW - 3 * MINUTE))
    assert found["StatusCode"] == "Complete"


def test_500_queries_and_no_more(boto: Any) -> None:
    assert len(ask(boto, *map(query, range(500)))["MetricDataResults"]) == 500
    with pytest.raises(ClientError, match=r"ValidationError.*greater than 500"):
        ask(boto, *map(query, range(501)))


@pytest.mark.parametrize(
    "wrong", [query(statistic="p101"), query(statistic="Mean"), query(period_s=61), {**query(), "Id": "Q"}]
)
def test_what_is_invalid(cloud: FakeCloudWatch, boto: Any, wrong: dict[str, Any]) -> None:
    publish(cloud, NOW - MINUTE)
    with pytest.raises(ClientError, match="ValidationError"):
        ask(boto, wrong)


def test_pages_of_100_800_values(cloud: FakeCloudWatch) -> None:
    publish(cloud, *range(NOW, NOW + 10 * DAY, MINUTE))
    cloud.now_us = NOW + 10 * DAY
    asked = {"MetricDataQueries": [query(number) for number in range(8)], "ScanBy": "TimestampAscending"}
    times = {"StartTime": at(NOW), "EndTime": at(NOW + 10 * DAY)}
    found = cloud.get_metric_data({**asked, **times})
    assert [len(each["Values"]) for each in found["MetricDataResults"]] == [14_400] * 7 + [0]
    assert "NextToken" in found


def test_a_page_goes_on_where_the_one_before_ended(cloud: FakeCloudWatch, boto: Any) -> None:
    publish(cloud, *range(NOW - 5 * MINUTE, NOW, MINUTE))
    queries = [query(0), query(1)]
    first = ask(boto, *queries, ScanBy="TimestampAscending", MaxDatapoints=3)
    assert [each["Values"] for each in first["MetricDataResults"]] == [[1, 2, 3], []]
    assert [each["StatusCode"] for each in first["MetricDataResults"]] == ["PartialData", "PartialData"]
    more = {"ScanBy": "TimestampAscending", "MaxDatapoints": 7}
    second = ask(boto, *queries, **more, NextToken=first["NextToken"])
    assert [each["Values"] for each in second["MetricDataResults"]] == [[4, 5], [1, 2, 3, 4, 5]]
    assert [each["StatusCode"] for each in second["MetricDataResults"]] == ["Complete", "Complete"]
    assert "NextToken" not in second
    with pytest.raises(ClientError, match="InvalidNextToken"):
        ask(boto, query(), **more, NextToken=first["NextToken"])


@pytest.mark.parametrize(
    ("age_us", "period_s", "is_there"),
    [
        (15 * DAY, 60, True),
        (15 * DAY + MINUTE, 60, False),
        (15 * DAY + MINUTE, 300, True),
        (63 * DAY + HOUR, 300, False),
        (63 * DAY + HOUR, 3_600, True),
        (455 * DAY + HOUR, 3_600, False),
    ],
)
def test_old_values_are_kept_in_coarse_periods(
    cloud: FakeCloudWatch, boto: Any, age_us: int, period_s: int, is_there: bool
) -> None:
    publish(cloud, NOW - age_us)
    found = ask(boto, query(period_s=period_s), since_us=NOW - age_us - 2 * HOUR)
    assert bool(found["MetricDataResults"][0]["Values"]) is is_there


@pytest.mark.parametrize(
    ("age_us", "first_us"), [(DAY + MINUTE // 2, MINUTE), (20 * DAY + 4 * MINUTE, 5 * MINUTE), (70 * DAY + 1, HOUR)]
)
def test_the_beginning_is_rounded_by_its_age(cloud: FakeCloudWatch, boto: Any, age_us: int, first_us: int) -> None:
    start_us = NOW - age_us
    rounded_us = start_us // first_us * first_us
    publish(cloud, rounded_us, rounded_us - first_us)
    found = ask(boto, query(period_s=first_us // SECOND), since_us=start_us)
    assert found["MetricDataResults"][0]["Timestamps"] == [at(rounded_us)]


def test_statistics(cloud: FakeCloudWatch, boto: Any) -> None:
    publish(cloud, *[NOW - MINUTE] * 4)
    names = ["Sum", "SampleCount", "Average", "Minimum", "Maximum", "p50", "p99.9"]
    found = ask(boto, *(query(number, name) for number, name in enumerate(names)))["MetricDataResults"]
    assert [each["Values"][0] for each in found] == pytest.approx([10, 4, 2.5, 1, 4, 2.5, 3.997])


def test_lists_are_late_and_of_two_weeks(cloud: FakeCloudWatch, boto: Any) -> None:
    publish(cloud, NOW - 14 * DAY, name="old")
    publish(cloud, NOW - 14 * DAY - MINUTE, name="idle")
    publish(cloud, NOW - 14 * MINUTE, name="new")
    publish(cloud, NOW - 16 * MINUTE, name="known")
    listed = [each["MetricName"] for each in boto.list_metrics(Namespace="Own")["Metrics"]]
    assert listed == ["known", "old"]
    recent = boto.list_metrics(Namespace="Own", RecentlyActive="PT3H", Dimensions=[{"Name": "a"}])["Metrics"]
    assert [each["MetricName"] for each in recent] == ["known"]
    assert boto.list_metrics(Dimensions=[{"Name": "a", "Value": "c"}])["Metrics"] == []


def test_a_server_speaks_the_query_protocol_as_well() -> None:
    with_sts = AwsServer({"sts": Identity(), "cloudwatch": FakeCloudWatch(NOW)})
    with_sts.start()
    sts = client(with_sts, "sts")
    assert sts.get_caller_identity()["Arn"] == "arn:aws:iam::123456789012:user/a<b"
    asked = {"RoleArn": "arn:aws:iam::123456789012:role/agent", "RoleSessionName": "me", "DurationSeconds": 900}
    taken = sts.assume_role(**asked, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    assert (taken["SourceIdentity"], taken["PackedPolicySize"]) == ("a=1,b=2", 900)
    assert taken["Credentials"]["Expiration"] == datetime(2027, 1, 1, tzinfo=UTC)
    with_sts.faults.append(DENIED)
    with pytest.raises(ClientError, match="AccessDenied"):
        sts.get_caller_identity()
    sts.close()
    with_sts.stop()
    assert with_sts.operations() == ["GetCallerIdentity", "AssumeRole", "GetCallerIdentity"]
    assert {request.key_id for request in with_sts.requests} == {"a-key-id"}
