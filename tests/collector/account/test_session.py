"""Credentials: found, taken on from a role with an external id, or missing."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from pydantic import ValidationError

from collector.account.config import AccountConfig
from collector.account.permissions import Grant, Operation
from collector.account.session import Account
from collector.errors import PermanentError
from tests.fakes.http_target import FakeTarget

ROLE = "arn:aws:iam::123456789012:role/meterbook"
LIST = Operation("s3", "ListObjectsV2", "s3:ListBucket")
_ASSUMED = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>ROLEKEY</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>
<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"""


@pytest.fixture(autouse=True)
def _nothing_to_find(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))


def test_without_credentials_it_says_so(target: FakeTarget) -> None:
    account = Account(AccountConfig(endpoint=f"http://{target.address}"), [Grant((LIST,))])
    with pytest.raises(PermanentError, match="no AWS credentials are found"):
        account.client("s3")


def test_a_role_is_taken_on_with_its_external_id(target: FakeTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "OWNKEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
    asked: list[dict[str, list[str]]] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        asked.append(parse_qs(body.decode()))
        text = _ASSUMED if handler.command == "POST" else "<ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>"
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text.encode())

    target.answer = answer
    config = AccountConfig(endpoint=f"http://{target.address}", role_arn=ROLE, external_id="acme-7")
    client = Account(config, [Grant((LIST,))]).client("s3")
    assert asked == [], "nothing is asked before the first request"
    client.list_objects_v2(Bucket="usage")
    client.list_objects_v2(Bucket="usage")
    client.close()
    (role,) = (each for each in asked if each)
    assert (role["Action"], role["RoleArn"], role["ExternalId"]) == (["AssumeRole"], [ROLE], ["acme-7"])
    signers = [headers["Authorization"].partition("Credential=")[2].split("/")[0] for _, _, headers in target.requests]
    assert signers == ["OWNKEY", "ROLEKEY", "ROLEKEY"]


def test_a_profile_has_its_own(target: FakeTarget, tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text("[theirs]\naws_access_key_id = THEIRS\naws_secret_access_key = s\n")
    account = Account(AccountConfig(endpoint=f"http://{target.address}", profile="theirs"), [Grant((LIST,))])
    client = account.client("s3")
    client.close()
    missing = Account(AccountConfig(profile="nobody"), [Grant((LIST,))])
    with pytest.raises(PermanentError, match="nobody"):
        missing.client("s3", "eu-central-1")


def test_a_region_is_needed_by_aws_and_by_nobody_else(target: FakeTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "OWNKEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
    with pytest.raises(PermanentError, match="region"):
        Account(AccountConfig(), []).client("ec2")
    Account(AccountConfig(endpoint=f"http://{target.address}"), []).client("ec2").close()


@pytest.mark.parametrize(
    "given",
    [
        {"external_id": "acme-7"},
        {"role_arn": ROLE, "external_id": "x"},
        {"role_arn": "arn:aws:iam::1:role/x"},
        {"endpoint": "127.0.0.1:9000"},
        {"endpoint": "http://somebody@host/"},
        {"session_name": "has blanks"},
        {"colour": "blue"},
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        AccountConfig.model_validate(given)
