"""What is asked of a target, and what it is taken to have answered."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from collector.errors import PermanentError
from collector.prometheus.config import PrometheusConfig
from collector.prometheus.negotiation import SCRAPE_PROTOCOLS, ScrapeProtocol, accept, format_of

# Both strings stand so in Prometheus' own test (scrape/scrape_test.go, TestAcceptHeader).
DEFAULT = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROTO_FIRST = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,"
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)


def config(**settings: object) -> PrometheusConfig:
    return PrometheusConfig.model_validate({"job": "shop", "targets": ["a:1"], **settings})


@pytest.mark.parametrize(
    ("protocols", "header"),
    [
        (SCRAPE_PROTOCOLS, DEFAULT),
        (("PrometheusProto", *SCRAPE_PROTOCOLS), PROTO_FIRST),
        (("PrometheusText0.0.4",), "text/plain;version=0.0.4;q=0.6,*/*;q=0.5"),
    ],
)
def test_the_header_is_that_of_prometheus(protocols: tuple[ScrapeProtocol, ...], header: str) -> None:
    assert accept(protocols) == header


def test_protocols_are_asked_for_in_the_order_of_the_setting() -> None:
    assert config().scrape_protocols == (
        "OpenMetricsText1.0.0",
        "OpenMetricsText0.0.1",
        "PrometheusText1.0.0",
        "PrometheusText0.0.4",
    )
    given = ["PrometheusText0.0.4", "PrometheusProto"]
    assert config(scrape_protocols=given).scrape_protocols == tuple(given)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ([], "at least 1 item"),
        (["PrometheusProto", "PrometheusProto"], "PrometheusProto is named more than once"),
        (["prometheusproto"], "'PrometheusProto'"),
    ],
)
def test_what_is_no_list_of_protocols(given: list[str], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        config(scrape_protocols=given)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
        'application/vnd.google.protobuf;encoding=delimited;proto="io.prometheus.client.MetricFamily";escaping=underscores',
        "Application/Vnd.Google.Protobuf",
    ],
)
def test_protobuf(content_type: str) -> None:
    assert format_of("place", content_type, None) == "protobuf"


@pytest.mark.parametrize(
    "content_type",
    [
        "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=text",
        "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=compact-text",
        "application/vnd.google.protobuf; proto=io.prometheus.write.v2.Request; encoding=delimited",
        "application/x-protobuf",
    ],
)
def test_protobuf_of_another_kind_is_refused(content_type: str) -> None:
    with pytest.raises(PermanentError, match=r"^place answered application/.*, not metrics$"):
        format_of("place", content_type, None)
    assert format_of("place", content_type, "protobuf") == "protobuf"
