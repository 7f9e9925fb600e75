"""Each refusal says what to do: wait, wait longer, renew, or which statement to add to the policy."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, NoCredentialsError

from collector.account.permissions import Grant, Operation
from collector.account.refusals import translated
from collector.errors import PermanentError, SourceError, ThrottledError, TransientError

LIST = Operation("s3", "ListObjectsV2", "s3:ListBucket")
GET = Operation("s3", "GetObject", "s3:GetObject")
GRANTS = (Grant((LIST,), ("arn:aws:s3:::usage",)), Grant((GET,), ("arn:aws:s3:::usage/*",)))


def answered(code: str, operation: str = "ListObjectsV2", status: int = 400) -> ClientError:
    metadata = {"HTTPStatusCode": status}
    return ClientError({"Error": {"Code": code, "Message": "it says why"}, "ResponseMetadata": metadata}, operation)  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("raised", "kind", "told"),
    [
        (answered("SlowDown", status=503), ThrottledError, "throttled"),
        (answered("ThrottlingException"), ThrottledError, "throttled"),
        (answered("Odd", status=429), ThrottledError, "throttled"),
        (answered("ExpiredToken"), TransientError, "have expired"),
        (answered("ExpiredTokenException"), TransientError, "have expired"),
        (answered("InvalidAccessKeyId", status=403), PermanentError, "not accepted"),
        (answered("OptInRequired"), PermanentError, "region is not enabled"),
        (answered("RequestTimeTooSkewed", status=403), TransientError, "clock"),
        (answered("InternalError", status=500), TransientError, "it says why"),
        (answered("NoSuchBucket", status=404), PermanentError, "NoSuchBucket"),
        (answered("AccessDenied", "AssumeRole", 403), PermanentError, "trust policy"),
        (EndpointConnectionError(endpoint_url="http://x"), TransientError, "http://x"),
        (ConnectTimeoutError(endpoint_url="http://x"), TransientError, "timeout"),
        (NoCredentialsError(), PermanentError, "credentials"),
    ],
)
def test_kinds(raised: Exception, kind: type[SourceError], told: str) -> None:
    with pytest.raises(SourceError) as found, translated(GRANTS, "s3://usage"):
        raise raised
    assert type(found.value) is kind
    assert told in str(found.value)
    assert str(found.value).startswith("s3://usage: ")


@pytest.mark.parametrize(
    ("operation", "action", "resource"),
    [("ListObjectsV2", "s3:ListBucket", "arn:aws:s3:::usage"), ("GetObject", "s3:GetObject", "arn:aws:s3:::usage/*")],
)
def test_what_is_denied_names_the_statement_to_add(operation: str, action: str, resource: str) -> None:
    with pytest.raises(PermanentError) as found, translated(GRANTS, "s3://usage"):
        raise answered("AccessDenied", operation, 403)
    statement = json.loads(str(found.value).partition("the policy needs ")[2])
    assert statement == {"Effect": "Allow", "Action": [action], "Resource": [resource]}


def test_an_error_of_the_source_stays_what_it_is() -> None:
    error = TransientError("as it was")
    with pytest.raises(TransientError) as found, translated(GRANTS, "s3://usage"):
        raise error
    assert found.value is error


def test_an_action_is_one_and_no_pattern() -> None:
    for action in ("s3:*", "s3:Get*", "*", "GetObject"):
        with pytest.raises(ValueError, match="not one IAM action"):
            Operation("s3", "GetObject", action)
