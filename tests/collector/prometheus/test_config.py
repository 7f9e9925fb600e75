"""Targets and settings, as they are written."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from collector.prometheus.config import PrometheusConfig
from collector.prometheus.targets import parse_target


def config(**settings: Any) -> PrometheusConfig:
    return PrometheusConfig.model_validate({"kind": "prometheus", "job": "shop", "targets": ["a:1"], **settings})


@pytest.mark.parametrize(
    ("text", "url", "source"),
    [
        ("shop:8000", "http://shop:8000/metrics", "prometheus/job/shop:8000"),
        ("shop", "http://shop:80/metrics", "prometheus/job/shop:80"),
        ("https://shop", "https://shop:443/metrics", "prometheus/job/shop:443"),
        ("https://shop/", "https://shop:443/metrics", "prometheus/job/shop:443"),
        ("http://shop:1/probe/x", "http://shop:1/probe/x", "prometheus/job/shop:1/probe/x"),
        ("[::1]:9100", "http://[::1]:9100/metrics", "prometheus/job/[::1]:9100"),
    ],
)
def test_targets(text: str, url: str, source: str) -> None:
    target = parse_target(text, job="job", scheme="http", path="/metrics")
    assert (target.url, target.source) == (url, source)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":80",
        "shop:port",
        "shop:99999",
        "ftp://shop",
        "a b",
        "shop/metrics?x=1",
        "shop#x",
        "http://[::1",
        "h\u00a0x",
    ],
)
def test_what_is_no_target(text: str) -> None:
    with pytest.raises(ValueError, match=r"^target "):
        parse_target(text, job="job", scheme="http", path="/metrics")


def test_credentials_are_refused_and_not_repeated() -> None:
    with pytest.raises(ValidationError, match="has credentials") as caught:
        config(targets=["http://user:s3cret@shop"])
    assert "s3cret" not in caught.value.errors(include_input=False)[0]["msg"]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"targets": []}, "are needed: say what to scrape"),
        ({"targets": ["a:80", "http://a"]}, "targets name prometheus/shop/a:80 more than once"),
        ({"job": "a/b"}, "pattern"),
        ({"path": "metrics"}, "pattern"),
        ({"labels": {"job": "x"}}, "label job is set by the job"),
        ({"labels": {"1x": "x"}}, "'1x' is no label name"),
        ({"labels": {"__x": "x"}}, "'__x' is no label name"),
        ({"samples_max": 0}, "greater than or equal to 1"),
        ({"interval_s": 5, "timeout_s": 5}, "must be below interval_s"),
        ({"honour_labels": True}, "Extra inputs are not permitted"),
        ({"kubernetes": {}}, "kubernetes.role\n  Field required"),
        ({"kubernetes": {"role": "ingress"}}, "Input should be 'pod', 'service' or 'endpoints'"),
        ({"kubernetes": {"role": "pod", "names": ["a"]}}, "Extra inputs are not permitted"),
    ],
)
def test_what_is_refused(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        config(**settings)


def test_the_same_host_may_have_several_pages() -> None:
    both = config(targets=["a:1", "http://a:1/probe"]).parsed_targets()
    assert [target.source for target in both] == ["prometheus/shop/a:1", "prometheus/shop/a:1/probe"]
