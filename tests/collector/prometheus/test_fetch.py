"""Fetching from a real server: what is a page, what is not, and that every request ends."""

from __future__ import annotations

import gzip
import socket
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from collector.errors import PermanentError, SourceError, ThrottledError, TransientError
from collector.prometheus.config import PrometheusConfig
from collector.prometheus.fetch import Fetcher
from collector.prometheus.negotiation import SCRAPE_PROTOCOLS, accept
from tests.fakes.http_target import OPENMETRICS, TEXT, Answer, FakeTarget, chunked, fake_target, page, zipped
from tests.fakes.metric_messages import CONTENT_TYPE as PROTOBUF

CERTIFICATE = Path(__file__).parents[2] / "data" / "tls" / "target.crt"
BODY = b"jobs_total 3\n"


class Fetchers:
    """Makes fetchers for the fake target, and closes them."""

    def __init__(self, target: FakeTarget) -> None:
        self._target = target
        self._made: list[Fetcher] = []

    def __call__(self, **settings: Any) -> Fetcher:
        config = PrometheusConfig.model_validate(
            {"kind": "prometheus", "job": "shop", "targets": [self._target.address], **settings}
        )
        self._made.append(Fetcher(config, config.parsed_targets()[0]))
        return self._made[-1]

    def close(self) -> None:
        for fetcher in self._made:
            fetcher.close()


@pytest.fixture
def fetcher(target: FakeTarget) -> Iterator[Fetchers]:
    made = Fetchers(target)
    yield made
    made.close()


@pytest.mark.parametrize("answer", [page(BODY), zipped(BODY), chunked(BODY)], ids=["plain", "gzip", "chunked"])
def test_a_whole_page(fetcher: Fetchers, target: FakeTarget, answer: Answer) -> None:
    target.answer = answer
    assert fetcher().fetch().body == BODY


def test_several_gzip_members_are_one_page(fetcher: Fetchers, target: FakeTarget) -> None:
    target.answer = page(gzip.compress(b"a 1\n") + gzip.compress(b"b 2\n"), encoding="gzip")
    assert fetcher().fetch().body == b"a 1\nb 2\n"


def test_the_request_says_what_it_wants(fetcher: Fetchers, target: FakeTarget) -> None:
    made = fetcher(timeout_s=2.5, path="/metrics/all", params={"match[]": ["a", "b"], "x": "1"})
    made.fetch()
    made.fetch()
    method, path, headers = target.requests[0]
    assert (method, path) == ("GET", "/metrics/all?match%5B%5D=a&match%5B%5D=b&x=1")
    assert headers["Accept"] == accept(SCRAPE_PROTOCOLS)
    assert headers["Accept-Encoding"] == "gzip"
    assert headers["X-Prometheus-Scrape-Timeout-Seconds"] == "2.5"
    assert headers["Authorization"] is None
    assert len(target.connections) == 1, "the connection is kept"


def test_protobuf_is_asked_for_where_it_is_wanted(fetcher: Fetchers, target: FakeTarget) -> None:
    fetcher(scrape_protocols=["PrometheusProto", "PrometheusText0.0.4"]).fetch()
    assert target.requests[0][2]["Accept"] == accept(("PrometheusProto", "PrometheusText0.0.4"))


@pytest.mark.parametrize(
    ("content_type", "format"),
    [
        (TEXT, "text"),
        ("text/plain", "text"),
        ('TEXT/Plain; version="0.0.4"', "text"),
        (OPENMETRICS, "openmetrics"),
        ("application/openmetrics-text; version=0.0.1", "openmetrics"),
        (PROTOBUF, "protobuf"),
    ],
)
def test_the_format_is_what_the_target_says(
    fetcher: Fetchers, target: FakeTarget, content_type: str, format: str
) -> None:
    target.answer = page(BODY, content_type)
    assert fetcher().fetch().format == format


@pytest.mark.parametrize(
    ("answer", "error", "reason"),
    [
        (page(b"<html>", "text/html; charset=utf-8"), PermanentError, "answered text/html; charset=utf-8, not metrics"),
        (page(BODY, "application/json"), PermanentError, "answered application/json, not metrics"),
        (page(BODY, "text"), PermanentError, "answered text, not metrics"),
        (page(BODY, "text/plain; version=9"), PermanentError, "version=9, not metrics"),
        (page(BODY, None), PermanentError, "answered without a Content-Type, not metrics"),
        (page(b"slow down", status=429), ThrottledError, "answered status 429"),
        (page(b"oops", status=500), TransientError, "answered status 500"),
        (page(b"later", status=503), TransientError, "answered status 503"),
        (page(b"who?", status=401), PermanentError, "answered status 401"),
        (page(b"", status=302), PermanentError, "redirects are not followed"),
        (page(b"", status=204), PermanentError, "answered status 204, not 200"),
        (page(BODY, missing_bytes=1), TransientError, "broke off"),
        (chunked(BODY, broken=True), TransientError, "broke off"),
        (zipped(BODY * 9, keep_bytes=-1), TransientError, "gzip that was cut off"),
        (zipped(BODY, keep_bytes=0), TransientError, "gzip that was cut off"),
        (page(BODY, encoding="gzip"), TransientError, "gzip that cannot be undone"),
        (page(zlib.compress(BODY), encoding="deflate"), PermanentError, "Content-Encoding deflate"),
    ],
)
def test_what_is_no_page(
    fetcher: Fetchers, target: FakeTarget, answer: Answer, error: type[SourceError], reason: str
) -> None:
    target.answer = answer
    with pytest.raises(SourceError, match=reason) as caught:
        fetcher().fetch()
    assert type(caught.value) is error
    assert str(caught.value).startswith(f"http://{target.address}/metrics")


@pytest.mark.parametrize("answer", [page(b"#" * 101), zipped(b"#" * 101)], ids=["plain", "gzip"])
def test_the_limit_is_of_the_uncompressed_body(fetcher: Fetchers, target: FakeTarget, answer: Answer) -> None:
    target.answer = answer
    with pytest.raises(PermanentError, match="more than body_bytes_max 100 bytes"):
        fetcher(body_bytes_max=100).fetch()
    assert len(fetcher(body_bytes_max=101).fetch().body) == 101


def test_a_small_answer_cannot_fill_the_memory(fetcher: Fetchers, target: FakeTarget) -> None:
    target.answer = zipped(bytes(200 << 20))
    with pytest.raises(PermanentError, match="body_bytes_max"):
        fetcher(body_bytes_max=1000).fetch()


@pytest.mark.parametrize("way", ["hang", "drip", "drip_headers"])
def test_a_target_that_never_ends_is_cut_off(fetcher: Fetchers, target: FakeTarget, way: str) -> None:
    target.answer = getattr(target, way)
    made = fetcher(timeout_s=0.2)
    with pytest.raises(TransientError, match=r"did not answer completely within 0\.2 s"):
        made.fetch()
    target.answer = page(BODY)
    assert made.fetch().body == BODY, "and the next scrape begins afresh"


def test_a_target_that_is_down(fetcher: Fetchers, target: FakeTarget) -> None:
    target.stop()
    with pytest.raises(TransientError, match=r"cannot be reached: .*refused"):
        fetcher().fetch()


def test_a_name_that_does_not_resolve(fetcher: Fetchers, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(TransientError, match=r"http://nowhere\.invalid/metrics cannot be reached: name nowhere"):
        fetcher(targets=["nowhere.invalid"]).fetch()


def test_every_address_of_a_name_is_tried(
    fetcher: Fetchers, target: FakeTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in ("127.0.0.2", "127.0.0.1")]
    really = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *rest, **named: answers if host == "shop" else really(host, *rest, **named)
    )
    target.answer = page(BODY)
    assert fetcher(targets=[target.address.replace("127.0.0.1", "shop")]).fetch().body == BODY


def test_a_target_that_speaks_no_http(fetcher: Fetchers, target: FakeTarget) -> None:
    def greet(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"220 smtp ready\r\n\r\n")
        handler.close_connection = True

    target.answer = greet
    with pytest.raises(TransientError, match="broke off or garbled"):
        fetcher().fetch()


def test_a_certificate_is_checked(fetcher: Fetchers) -> None:
    with fake_target(CERTIFICATE) as secure:
        secure.answer = page(BODY)
        url = f"https://{secure.address}"
        with pytest.raises(PermanentError, match="certificate that is not trusted: self-signed certificate"):
            fetcher(targets=[url]).fetch()
        assert fetcher(targets=[url], ca_file=str(CERTIFICATE)).fetch().body == BODY


def test_tls_where_there_is_none(fetcher: Fetchers, target: FakeTarget) -> None:
    with pytest.raises(TransientError, match="cannot be reached"):
        fetcher(scheme="https").fetch()


def test_the_token_is_read_at_every_scrape(fetcher: Fetchers, target: FakeTarget, tmp_path: Path) -> None:
    file = tmp_path / "token"
    made = fetcher(bearer_token_file=str(file))
    for token in ("first", "second"):
        file.write_text(token + "\n")
        made.fetch()
    assert [headers["Authorization"] for _, _, headers in target.requests] == ["Bearer first", "Bearer second"]


@pytest.mark.parametrize("content", ["", "two words s3cret", "s3cret\nX-Evil: 1", "s3crét"])
def test_what_is_no_token_is_not_repeated(fetcher: Fetchers, tmp_path: Path, content: str) -> None:
    file = tmp_path / "token"
    file.write_text(content)
    with pytest.raises(PermanentError, match="holds no token") as caught:
        fetcher(bearer_token_file=str(file)).fetch()
    assert "s3cr" not in str(caught.value)


def test_files_that_are_missing(fetcher: Fetchers, tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match=r"bearer_token_file .*/absent cannot be read: No such file"):
        fetcher(bearer_token_file=str(tmp_path / "absent")).fetch()
    with pytest.raises(PermanentError, match=r"ca_file .*/absent cannot be used: No such file"):
        fetcher(ca_file=str(tmp_path / "absent")).fetch()
    (tmp_path / "empty").touch()
    with pytest.raises(PermanentError, match=r"ca_file .*/empty cannot be used"):
        fetcher(ca_file=str(tmp_path / "empty")).fetch()


def test_secrets_of_the_query_stay_out_of_reasons(fetcher: Fetchers, target: FakeTarget) -> None:
    target.stop()
    with pytest.raises(TransientError) as caught:
        fetcher(params={"token": "s3cret"}).fetch()
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("content_type", ["application/json", None, "text/plain; version=9"])
def test_a_page_without_a_type_can_be_vouched_for(
    fetcher: Fetchers, target: FakeTarget, content_type: str | None
) -> None:
    target.answer = page(BODY, content_type)
    found = fetcher(fallback_format="text").fetch()
    assert (found.body, found.format) == (BODY, "text")
    target.answer = page(BODY)
    assert fetcher(fallback_format="openmetrics").fetch().format == "text"
