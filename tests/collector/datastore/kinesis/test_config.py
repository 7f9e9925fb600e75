"""What can be set, what it means for names and grants, and what cannot be is refused."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import pytest
from policy_sentry.querying.actions import get_action_data
from pydantic import ValidationError

from collector.datastore.kinesis.config import KinesisConfig
from collector.datastore.kinesis.permissions import ITERATOR, LIST, RECORDS, grants
from collector.datastore.kinesis.plugin import plugin

ARN = "arn:aws:kinesis:eu-central-1:123456789012:stream/usage"


def test_a_name_or_an_arn_names_the_stream() -> None:
    by_name = KinesisConfig(stream="usage", region="eu-west-1")
    assert (by_name.source, by_name.stream_arn, by_name.stream_region) == ("kinesis/usage", None, "eu-west-1")
    by_arn = KinesisConfig(stream=ARN, name="prod")
    assert (by_arn.source, by_arn.stream_name) == ("kinesis/prod", "usage")
    assert (by_arn.stream_arn, by_arn.stream_region) == (ARN, "eu-central-1")


MAPPING = {"time": "at", "type": "kind", "source": {"const": "/jobs"}}


@pytest.mark.parametrize("records", [{"format": "csv"}, {"format": "parquet"}])
def test_what_has_a_beginning_of_its_own_is_no_record(records: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="here"):
        KinesisConfig.model_validate({"stream": "usage", "mapping": {**MAPPING, "records": records}})


@pytest.mark.parametrize(
    "given",
    [
        {"stream": ""},
        {"stream": "has blanks"},
        {"stream": "arn:aws:s3:::usage"},
        {"stream": ARN, "region": "eu-west-1"},
        {"stream": "usage", "region": "../x"},
        {"stream": "usage", "start_at": "2026-01-01T00:00:00"},
        {"stream": "usage", "start_at": "yesterday"},
        {"stream": "usage", "request_pause_s": 0.1},
        {"stream": "usage", "bytes_per_s_max": 3 << 20},
        {"stream": "usage", "retention_h": 12},
        {"stream": "usage", "colour": "blue"},
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        KinesisConfig.model_validate(given)


@pytest.mark.parametrize("stream", [ARN, "usage"])
def test_three_operations_that_only_read_are_granted_on_the_stream_alone(stream: str) -> None:
    (grant,) = grants(KinesisConfig(stream=stream))
    assert grant.operations == (LIST, ITERATOR, RECORDS)
    for operation in grant.operations:
        service, _, name = operation.action.partition(":")
        (row, *_) = get_action_data(service, name)[service]
        assert row["access_level"] in ("Read", "List")
        assert row["resource_arn_format"].endswith(":stream/${StreamName}")
    (resource,) = grant.resources
    assert resource == ARN if stream == ARN else fnmatchcase(ARN, resource)


@pytest.mark.parametrize(("region", "start"), [("cn-north-1", "arn:aws-cn:"), ("us-gov-west-1", "arn:aws-us-gov:")])
def test_a_policy_names_the_partition(region: str, start: str) -> None:
    (grant,) = grants(KinesisConfig(stream="usage", region=region))
    assert grant.resources == (f"{start}kinesis:{region}:*:stream/usage",)


def test_a_kind_has_its_configuration() -> None:
    assert (plugin.kind, plugin.config) == ("kinesis", KinesisConfig)
    sources = plugin.build(KinesisConfig(stream="usage"))
    assert [each.source for each in sources.current()] == ["kinesis/usage"]
    sources.close()
    sources.close()
