"""What was not declared does not leave the process: no call, no page of one, no URL that somebody else could use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import botocore.session
import pytest

from collector.account.config import AccountConfig
from collector.account.guard import CREDENTIALS, Guard
from collector.account.permissions import Grant, Operation
from collector.account.session import Account
from collector.errors import WriteRefused
from tests.fakes.http_target import FakeTarget, page

LIST = Operation("s3", "ListObjectsV2", "s3:ListBucket")
_EMPTY = b'<?xml version="1.0"?><ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>'


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a-key-id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def s3(target: FakeTarget) -> Iterator[Any]:
    client = Account(AccountConfig(endpoint=f"http://{target.address}"), [Grant((LIST,))]).client("s3")
    yield client
    client.close()


def test_what_was_declared_is_asked(s3: Any, target: FakeTarget) -> None:
    target.answer = page(_EMPTY)
    assert s3.list_objects_v2(Bucket="usage")["KeyCount"] == 0
    (found,) = s3.get_paginator("list_objects_v2").paginate(Bucket="usage")
    assert found["KeyCount"] == 0
    assert {method for method, _, _ in target.requests} == {"GET"}


@pytest.mark.parametrize(
    "act",
    [
        lambda s3: s3.put_object(Bucket="usage", Key="k", Body=b"x"),
        lambda s3: s3.delete_object(Bucket="usage", Key="k"),
        lambda s3: s3.get_object(Bucket="usage", Key="k"),
        lambda s3: s3.delete_objects(Bucket="usage", Delete={"Objects": [{"Key": "k"}]}),
        lambda s3: s3.get_waiter("object_exists").wait(Bucket="usage", Key="k"),
        lambda s3: s3.upload_file(__file__, "usage", "k"),
        lambda s3: s3.generate_presigned_url("put_object", {"Bucket": "usage", "Key": "k"}),
        lambda s3: s3.generate_presigned_url("get_object", {"Bucket": "usage", "Key": "k"}),
        lambda s3: s3.generate_presigned_post("usage", "k"),
    ],
)
def test_nothing_else_is(s3: Any, target: FakeTarget, act: Callable[[Any], object]) -> None:
    with pytest.raises(WriteRefused):
        act(s3)
    assert target.requests == []


def test_what_one_service_may_be_asked_no_other_is(target: FakeTarget) -> None:
    account = Account(AccountConfig(endpoint=f"http://{target.address}"), [Grant((LIST,))])
    client = account.client("s3control")
    with pytest.raises(WriteRefused, match="CreateJob"):
        client.create_job(
            AccountId="123456789012",
            Operation={"S3DeleteObjectTagging": {}},
            Report={"Enabled": False},
            ClientRequestToken="x",
            Priority=1,
            RoleArn="arn:aws:iam::123456789012:role/x",
        )
    client.close()
    assert target.requests == []


@pytest.mark.parametrize("service", ["s3", "ec2", "kinesis", "cloudwatch", "sts", "iam", "dynamodb"])
def test_of_all_operations_of_a_service_none_but_the_declared_pass(service: str) -> None:
    model = botocore.session.Session().get_service_model(service)
    guard = Guard()
    guard.allow(model, [LIST])
    name = model.service_id.hyphenize()
    passed = set()
    for operation in model.operation_names:
        for event in ("before-call", "before-sign"):
            try:
                guard._judge(f"{event}.{name}.{operation}")
            except WriteRefused:
                continue
            passed.add(operation)
    expected = {operation for each, operation in CREDENTIALS if each == service}
    assert passed == (expected | {"ListObjectsV2"} if service == "s3" else expected)
