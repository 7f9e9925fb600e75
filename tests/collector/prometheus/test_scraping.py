"""Settings of a scrape that monitors bring along: whose certificate is believed, and how much a page may show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from collector.prometheus.collector import PrometheusCollector
from collector.prometheus.config import PrometheusConfig
from collector.readings import Coverage
from tests.collector.conftest import WINDOW
from tests.fakes.certificates import Authority
from tests.fakes.http_target import FakeTarget, fake_target, page


def scraped(address: str, **settings: Any) -> Coverage:
    config = PrometheusConfig.model_validate({"job": "shop", "targets": [address], **settings})
    (target,) = config.parsed_targets()
    collector = PrometheusCollector(config, target)
    (coverage,) = collector.collect(WINDOW, {}).coverage
    collector.close()
    return coverage


def test_a_certificate_of_nobody_is_believed_where_that_is_asked_for(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("target")
    with fake_target(pair.cert_file) as target:
        url = f"https://{target.address}"
        assert scraped(url).status == "failed"
        assert scraped(url, insecure_skip_verify=True).status == "complete"
        assert scraped(url, ca_file=str(authority.file)).status == "complete"
        # Its name is that of its address, unless another is expected.
        assert scraped(url, ca_file=str(authority.file), server_name="other.example").status == "failed"
        by_name = f"https://localhost:{target.address.rpartition(':')[2]}"
        assert scraped(by_name, ca_file=str(authority.file)).status == "failed"
        assert scraped(by_name, ca_file=str(authority.file), server_name="127.0.0.1").status == "complete"
    with pytest.raises(ValueError, match="ca_file and insecure_skip_verify: true exclude each other"):
        scraped("a:1", ca_file="a", insecure_skip_verify=True)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({}, ""),
        ({"sample_limit": 2}, ""),
        ({"sample_limit": 1}, "shows 2 samples after relabelling, more than sample_limit 1"),
        # A limit for names of labels says nothing of those of metrics.
        ({"label_name_length_max": 8}, ""),
        ({"metric_name_length_max": 9}, "the name a_metric_o... of 10 characters, more than metric_name_length_max 9"),
    ],
)
def test_limits(target: FakeTarget, settings: dict[str, int], reason: str) -> None:
    drop = {"source_labels": ["__name__"], "regex": "gone", "action": "drop"}
    target.answer = page(b"a_metric_o 1\nb 2\ngone 3\n")
    found = scraped(target.address, metric_relabelings=[drop], **settings)
    assert (found.status == "complete") == (not reason)
    assert reason in found.reason
