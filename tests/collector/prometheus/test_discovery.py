"""Targets that other programs write into files, and what rules make of them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from collector import registry
from collector.base import Sources
from tests.collector.conftest import WINDOW, series_of
from tests.fakes.http_target import FakeTarget, page


def sources(**settings: Any) -> Sources:
    plugin = registry.plugin("prometheus")
    return plugin.build(plugin.config.model_validate({"kind": "prometheus", "job": "shop", **settings}))


def names(found: Sources) -> list[str]:
    return [each.source.removeprefix("prometheus/shop/") for each in found.current()]


def write(file: Path, *groups: dict[str, Any]) -> None:
    """As one should: whole, beside it, and put in its place."""
    beside = file.with_suffix(".new")
    beside.write_text(json.dumps(groups))
    stamp = file.stat().st_mtime_ns + 1_000_000 if file.exists() else None
    if stamp is not None:
        os.utime(beside, ns=(stamp, stamp))
    beside.rename(file)


def test_files_are_read_again_when_they_change(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    found = sources(targets=["fixed:1"], target_files=[str(tmp_path / "*.json"), str(tmp_path / "b.yaml")])
    assert names(found) == ["fixed:1"]
    write(file, {"targets": ["a:1", "a:2"]}, {"targets": ["a:3"], "labels": {"zone": "z"}})
    assert names(found) == ["fixed:1", "a:1", "a:2", "a:3"]
    before = {each.source: each for each in found.current()}
    write(file, {"targets": ["a:1"]}, {"targets": ["a:3"], "labels": {"zone": "y"}})
    (tmp_path / "b.yaml").write_text("- targets: ['b:1']\n  labels: {zone: 1}\n")
    after = {each.source: each for each in found.current()}
    assert names(found) == ["fixed:1", "a:1", "a:3", "b:1"]
    assert after["prometheus/shop/a:1"] is before["prometheus/shop/a:1"]
    assert after["prometheus/shop/a:3"] is not before["prometheus/shop/a:3"]  # it has another label
    file.unlink()
    assert names(found) == ["fixed:1", "b:1"]


@pytest.mark.parametrize(
    "text", ["{", "7", "[7]", '[{"targets": "a:1"}]', '[{"targets": ["a b"]}]', '[{"targets": [], "lables": {}}]']
)
def test_a_file_that_is_no_list_leaves_what_it_said_before(
    text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "a.json"
    found = sources(target_files=[str(file)])
    write(file, {"targets": ["a:1"]})
    assert names(found) == ["a:1"]
    file.write_text(text)
    for _ in range(3):
        assert names(found) == ["a:1"]
    (record,) = caplog.records
    assert record.message.startswith(f"{file} names no targets, those it named before stay: ")


def test_rules_choose_and_name_targets(target: FakeTarget, tmp_path: Path) -> None:
    """As for an exporter that probes others: the address becomes a parameter, and the instance what is probed."""
    file = tmp_path / "probed.json"
    write(
        file, {"targets": ["db-1:5432", "db-2:5432"], "labels": {"keep": "yes", "__meta": "x"}}, {"targets": ["no:1"]}
    )
    rules = [
        {"source_labels": ["keep"], "regex": "yes", "action": "keep"},
        {"source_labels": ["__address__"], "target_label": "__param_target"},
        {"source_labels": ["__param_target"], "target_label": "instance"},
        {"target_label": "__address__", "replacement": target.address},
        {"target_label": "__metrics_path__", "replacement": "/probe"},
    ]
    found = sources(target_files=[str(file)], relabelings=rules, params={"module": ["pg", "tls"]})
    assert names(found) == [f"db-{number}:5432@{target.address}/probe" for number in (1, 2)]
    target.answer = page(b"up_and_about 1\n")
    readings = found.current()[1].collect(WINDOW, {})
    assert readings.coverage[0].status == "complete"
    _, path, _ = target.requests[-1]
    assert path == "/probe?module=pg&module=tls&target=db-2%3A5432"
    labels = {json.dumps(json.loads(each.labels), sort_keys=True) for each in series_of(readings).values()}
    assert labels == {'{"instance": "db-2:5432", "job": "shop", "keep": "yes"}'}
    for each in found.current():
        each.close()
