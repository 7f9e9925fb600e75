"""Something of everything in an account is seen, of its size, with its tags or without any."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from agent.inspection import inspect
from agent.rules import TagsConfig, ready
from agent.tagger import Tagger
from collector.aws.catalogue import CATALOGUE
from collector.aws.inventory import InventoryCollector
from collector.aws.resources import GIB, MIB
from collector.readings import Readings, Window
from tests.collector.aws.seen import of, only, seen
from tests.collector.aws.simulated import ACCOUNT, MARKED, REGION, SimulatedAws

Make = Callable[..., InventoryCollector]
ACROSS = {"account": "prod", "account_id": ACCOUNT, "region": REGION}


@pytest.fixture(scope="module")
def everything(filled: SimulatedAws, inventory: Make, window: Window) -> Readings:
    return inventory().collect(window, {})


def test_an_agent_takes_what_is_told_and_finds_whose_it_is(everything: Readings, window: Window) -> None:
    inspect(everything, window)
    rules = ready(TagsConfig.model_validate({"rules": [{"from": "tag:team"}]}))
    series = Tagger(rules).tag(everything, window).series
    tenants = {series.tenants[code] for code in series.codes}
    assert tenants == {"acme", "@unassigned"}


def test_something_of_each_service_is_seen(everything: Readings) -> None:
    (coverage,) = everything.coverage
    assert (coverage.source, coverage.status) == (f"aws/prod/{REGION}", "complete")
    found = {
        "apigateway:apis": "HTTP",
        "apigateway:restapis": "REST",
        "ec2:instance": "m5.large",
        "elasticache:cluster": "cache.t3.micro",
        "elasticloadbalancing:loadbalancer": "application",
        "rds:cluster": "aurora-postgresql",
        "rds:db": "db.r5.large",
        "dynamodb:table": "PAY_PER_REQUEST",
        "lambda:function": "python3.11",
    }
    for kind, label in found.items():
        assert any(label in each.labels.values() for each in of(everything, type=kind)), kind
    types = {each.type for each in seen(everything)}
    others = {"ec2:volume", "ec2:snapshot", "ec2:natgateway", "ecs:cluster", "ecs:service", "ecs:task", "eks:cluster"}
    assert types == found.keys() | others | {"kinesis:stream", "s3:bucket", "sqs:queue"}
    for each in seen(everything):
        assert each.attributes.items() >= ACROSS.items()
        assert each.attributes["arn"].startswith("arn:aws:")


@pytest.mark.parametrize(
    ("id", "metric", "value"),
    [
        ("orders", "aws_resource_size_bytes", 100 * GIB),
        ("cache", "aws_resource_nodes", 1),
        ("resize", "aws_resource_memory_bytes", 512 * MIB),
        ("clicks", "aws_resource_shards", 3),
        ("items", "aws_resource_stored_bytes", 0),
        ("items", "aws_resource_items", 0),
        ("web", "aws_resource_services", 1),
        ("web", "aws_resource_tasks", 1),
    ],
)
def test_sizes(everything: Readings, id: str, metric: str, value: float) -> None:
    assert set(only(of(everything, metric, id=id)).values) == {value}


def test_a_volume_has_its_size_and_speed_since_it_was_made(everything: Readings, filled: SimulatedAws) -> None:
    volumes = filled.client("ec2").describe_volumes(Filters=[{"Name": "volume-type", "Values": ["gp3"]}])["Volumes"]
    (volume,) = volumes
    made_us = round(volume["CreateTime"].timestamp() * 1e6)
    now_us = everything.coverage[0].end_us
    for metric, value in (("size_bytes", 100 * GIB), ("iops", 4_000), ("exists", 1)):
        found = only(of(everything, f"aws_resource_{metric}", id=volume["VolumeId"]))
        assert found.samples == [(made_us, value), (now_us, value)]
        assert (found.start_us, found.labels["volume_type"], found.tags) == (made_us, "gp3", MARKED)


def test_a_table_has_its_size_since_it_was_seen_and_not_since_it_was_made(everything: Readings) -> None:
    assert len(only(of(everything, id="items")).samples) == 2
    assert len(only(of(everything, "aws_resource_stored_bytes", id="items")).samples) == 1


@pytest.mark.parametrize(
    "id", ["orders", "cache", "resize", "web", "api", "front", "prod", "jobs", "items", "usage", "ledger"]
)
def test_tags_are_those_of_the_listing_or_of_the_tagging_api(everything: Readings, id: str) -> None:
    found = of(everything, id=id)
    assert found
    assert all(each.tags == MARKED for each in found)


def test_what_was_never_tagged_is_seen_and_has_no_tags(everything: Readings) -> None:
    assert only(of(everything, id="untagged")).tags == {}


def test_a_bucket_is_seen_in_its_own_region_alone(everything: Readings, inventory: Make, window: Window) -> None:
    assert [each.id for each in of(everything, type="s3:bucket")] == ["usage"]
    there = inventory(regions=["eu-west-1"], services=["s3"]).collect(window, {})
    assert [(each.id, each.tags) for each in seen(there)] == [("elsewhere", MARKED)]


def test_another_agent_gives_the_same_series(everything: Readings, inventory: Make, window: Window) -> None:
    assert inventory().collect(window, {}).samples.equals(everything.samples)


def test_every_service_is_named_as_its_file_calls_it() -> None:
    for name, service in CATALOGUE.items():
        assert service.name == name
        assert {operation.service for grant in service.grants for operation in grant.operations} == {service.client}
