"""Who AWS takes us for, asked of a server that answers as STS does, and of one that refuses."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from collector.account.config import AccountConfig
from collector.account.identity import identity
from collector.errors import PermanentError
from tests.fakes.http_target import FakeTarget, fake_target

_ANSWER = """<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Arn>arn:aws:iam::123456789012:user/meterbook</Arn><UserId>U</UserId><Account>123456789012</Account>
</GetCallerIdentityResult></GetCallerIdentityResponse>"""
_DENIED = "<ErrorResponse><Error><Code>InvalidClientTokenId</Code><Message>no</Message></Error></ErrorResponse>"


@pytest.fixture
def target(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeTarget]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "OWNKEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
    with fake_target() as found:
        yield found


def answer(target: FakeTarget, status: int, text: str) -> None:
    def say(handler: BaseHTTPRequestHandler) -> None:
        handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text.encode())

    target.answer = say


def test_the_identity_is_told(target: FakeTarget) -> None:
    answer(target, 200, _ANSWER)
    told = identity(AccountConfig(endpoint=f"http://{target.address}"), 5)
    assert told == "arn:aws:iam::123456789012:user/meterbook"


def test_credentials_that_are_not_known_are_an_error(target: FakeTarget) -> None:
    answer(target, 403, _DENIED)
    with pytest.raises(PermanentError, match="InvalidClientTokenId") as error:
        identity(AccountConfig(endpoint=f"http://{target.address}"), 5)
    assert "a-secret" not in str(error.value)
