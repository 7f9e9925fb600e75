"""What is gone ends, what fails is told and stops nothing else, and nothing is told of that was not seen."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from collector.aws.inventory import InventoryCollector
from collector.readings import Window
from tests.collector.aws.seen import held_us, later, of, only, samples_of, seen
from tests.collector.aws.simulated import MARKED, REGION, SimulatedAws

Make = Callable[..., InventoryCollector]


def test_what_is_gone_ends_where_it_was_seen_last(account: SimulatedAws, inventory: Make, window: Window) -> None:
    sqs = account.client("sqs")
    url = sqs.create_queue(QueueName="jobs")["QueueUrl"]
    collector = inventory(services=["sqs"])
    first = collector.collect(window, {})
    sqs.delete_queue(QueueUrl=url)
    second = collector.collect(later(window), first.checkpoint)
    ((ended_us, value),) = only(of(second, id="jobs")).samples
    assert ended_us == window.end_us + 1
    assert math.isnan(value)
    third = collector.collect(later(later(window)), second.checkpoint)
    assert third.samples.num_rows == 0
    assert third.coverage[0].status == "complete"


def test_a_queue_that_comes_back_was_not_there_meanwhile(
    account: SimulatedAws, inventory: Make, window: Window
) -> None:
    sqs = account.client("sqs")
    url = sqs.create_queue(QueueName="jobs")["QueueUrl"]
    collector, told, checkpoint = inventory(services=["sqs"]), [], {}
    for act in (None, lambda: sqs.delete_queue(QueueUrl=url), lambda: sqs.create_queue(QueueName="jobs"), None):
        if act is not None:
            act()
        readings = collector.collect(window, checkpoint)
        told += [sample for each in of(readings, id="jobs") for sample in each.samples]
        window, checkpoint = later(window), readings.checkpoint
    assert held_us(told) == 5 * 60_000_000 + 1


def test_a_collection_that_was_not_stored_is_repeated(account: SimulatedAws, inventory: Make, window: Window) -> None:
    sqs = account.client("sqs")
    url = sqs.create_queue(QueueName="jobs")["QueueUrl"]
    collector = inventory(services=["sqs"])
    first = collector.collect(window, {})
    sqs.delete_queue(QueueUrl=url)
    one, other = (collector.collect(later(window), first.checkpoint) for _ in range(2))
    assert one.samples.num_rows == 1
    assert samples_of(one) == samples_of(other)
    assert one.checkpoint == other.checkpoint


def test_other_tags_are_told_and_are_no_other_series(account: SimulatedAws, inventory: Make, window: Window) -> None:
    sqs = account.client("sqs")
    url = sqs.create_queue(QueueName="jobs", tags={"team": "acme"})["QueueUrl"]
    collector = inventory(services=["sqs"])
    first = collector.collect(window, {})
    sqs.tag_queue(QueueUrl=url, Tags={"team": "globex"})
    second = collector.collect(later(window), first.checkpoint)
    assert second.retagged.tolist() == first.samples["series_id"].to_pylist()
    assert only(seen(second)).tags == {"team": "globex"}
    assert collector.collect(later(later(window)), second.checkpoint).retagged.tolist() == []


def test_a_volume_of_another_type_goes_on_as_another_series(
    account: SimulatedAws, inventory: Make, window: Window
) -> None:
    ec2 = account.client("ec2")
    volume = ec2.create_volume(Size=8, AvailabilityZone=f"{REGION}a", VolumeType="gp2")["VolumeId"]
    collector = inventory(services=["ebs_volumes"])
    first = collector.collect(window, {})
    ec2.modify_volume(VolumeId=volume, VolumeType="gp3")
    second = collector.collect(later(window), first.checkpoint)
    before, after = (only(of(second, id=volume, volume_type=kind)) for kind in ("gp2", "gp3"))
    now_us = later(window).end_us
    assert [time_us for time_us, _ in (*before.samples, *after.samples)] == [now_us, now_us]
    assert [math.isnan(value) for value in (*before.values, *after.values)] == [True, False]


def refusing(client: Any, *operations: str, code: str = "AccessDenied", status: int = 403) -> None:
    """Has operations of a client answer with an error, before anything is sent."""

    def refuse(model: Any, **_: Any) -> Any:
        if model.name in operations:
            answer = httpx.Response(status)
            return answer, {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
        return None

    client.meta.events.register("before-call", refuse)


def test_a_service_that_is_denied_stops_no_other(account: SimulatedAws, inventory: Make, window: Window) -> None:
    account.fill_some()
    collector = inventory(services=["eks", "sqs", "dynamodb"])
    first = collector.collect(window, {})
    refusing(collector._client("eks"), "ListClusters")
    second = collector.collect(later(window), first.checkpoint)
    (coverage,) = second.coverage
    assert coverage.status == "partial"
    assert coverage.reason.startswith(f"eks in {REGION}: ListClusters is denied; the policy needs ")
    assert '"Action": ["eks:ListClusters"]' in coverage.reason
    assert {each.type for each in seen(second)} == {"sqs:queue", "dynamodb:table"}
    assert not any(math.isnan(value) for each in seen(second) for value in each.values)
    assert second.checkpoint["listed"]["eks"] == window.end_us


def test_where_all_is_throttled_the_source_is(account: SimulatedAws, inventory: Make, window: Window) -> None:
    collector = inventory(services=["sqs"])
    refusing(collector._client("sqs"), "ListQueues", code="RequestThrottled", status=400)
    readings = collector.collect(window, {"poll": 7, "listed": {}})
    assert (readings.coverage[0].status, readings.checkpoint) == ("throttled", {"poll": 7, "listed": {}})


def test_tags_that_cannot_be_read_are_not_known_or_as_they_were(
    account: SimulatedAws, inventory: Make, window: Window
) -> None:
    account.client("sqs").create_queue(QueueName="jobs", tags=MARKED)
    knows, does_not = inventory(services=["sqs"]), inventory(services=["sqs"])
    first = knows.collect(window, {})
    for collector in (knows, does_not):
        refusing(collector._client("resourcegroupstaggingapi"), "GetResources")
    second = knows.collect(later(window), first.checkpoint)
    assert (only(seen(second)).tags, second.retagged.tolist()) == (MARKED, [])
    assert (second.coverage[0].status, "tag:GetResources" in second.coverage[0].reason) == ("partial", True)
    assert only(seen(does_not.collect(window, {}))).tags is None


def test_more_than_may_be_is_told_and_nothing_is_taken_for_gone(
    account: SimulatedAws, inventory: Make, window: Window
) -> None:
    sqs = account.client("sqs")
    sqs.create_queue(QueueName="jobs")
    collector = inventory(services=["sqs", "kinesis"], resources_max=1)
    first = collector.collect(window, {})
    sqs.create_queue(QueueName="more")
    second = collector.collect(later(window), first.checkpoint)
    assert second.coverage[0].status == "partial"
    assert "more than resources_max 1" in second.coverage[0].reason
    assert second.samples.num_rows == 0


def test_what_takes_too_long_is_not_waited_for(account: SimulatedAws, inventory: Make, window: Window) -> None:
    (coverage,) = inventory(services=["sqs"], timeout_s=1e-9).collect(window, {}).coverage
    assert coverage.status == "failed"
    assert "within the time" in coverage.reason


def test_what_was_listed_and_is_gone_when_it_is_described_is_gone(
    account: SimulatedAws, inventory: Make, window: Window
) -> None:
    account.fill_some()
    collector = inventory(services=["dynamodb", "kinesis", "eks"])
    for service, operation in (
        ("dynamodb", "DescribeTable"),
        ("kinesis", "DescribeStreamSummary"),
        ("eks", "DescribeCluster"),
    ):
        refusing(collector._client(service), operation, code="ResourceNotFoundException", status=400)
    readings = collector.collect(window, {})
    assert (readings.coverage[0].status, readings.samples.num_rows) == ("complete", 0)


def test_without_credentials_the_source_has_failed(
    inventory: Make, window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    (coverage,) = inventory().collect(window, {}).coverage
    assert (coverage.status, "no AWS credentials are found" in coverage.reason) == ("failed", True)


@pytest.mark.slow
def test_pages_are_put_together(account: SimulatedAws, inventory: Make, window: Window) -> None:
    account.tables(101)
    collector, asked = inventory(services=["dynamodb"]), []
    collector._client("dynamodb").meta.events.register("before-call.dynamodb.ListTables", lambda **_: asked.append(1))
    readings = collector.collect(window, {})
    assert (len(of(readings)), len(asked)) == (101, 2)


def test_the_errors_of_a_test_are_those_of_botocore(account: SimulatedAws) -> None:
    sqs = account.client("sqs")
    refusing(sqs, "ListQueues")
    with pytest.raises(ClientError, match="AccessDenied"):
        sqs.list_queues()
