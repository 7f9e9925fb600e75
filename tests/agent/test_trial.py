"""``meterbook agent check SOURCE``: what becomes of real records, before any is kept or sent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from agent.cli import agent
from tests.fakes.http_target import FakeTarget, fake_target, page

LINES = [
    '{"id":"a","source":"s","type":"sale","subject":"acme","time":"2026-01-31T09:30:00Z","data":{"value":1.50,"size":"xl"}}',
    "not JSON",
    '{"id":"b","source":"s","type":"sale","subject":"globex","time":"2026-01-31T09:30:01Z"}',
]

NOT_JSON = "the line is not JSON that can be read (Expecting value: line 1 column 1 (char 0))"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    log, path = tmp_path / "usage.log", tmp_path / "agent.yaml"
    log.write_text("\n".join(LINES) + "\n")
    with fake_target() as target:
        address = target.address
    document = {
        "agent": "a",
        "ledger": {"endpoint": "127.0.0.1:1"},
        "spool": {"path": str(tmp_path / "spool")},
        "tags": {"rules": [{"from": "subject"}, {"from": "label:tenant"}]},
        "sources": [
            {"kind": "logfile", "path": str(log), "name": "sales"},
            {"kind": "prometheus", "job": "shop", "targets": [address]},
        ],
    }
    path.write_text(yaml.safe_dump(document))
    return path


def check(*arguments: str) -> tuple[int, str]:
    told = CliRunner().invoke(agent, ["check", *arguments])
    return told.exit_code, told.output


def test_events_with_their_tenants_and_what_is_none(config: Path, tmp_path: Path) -> None:
    code, output = check("sales", "--config", str(config))
    assert code == 0
    assert output.splitlines() == [
        "sales: complete",
        "events: 2",
        "  2026-01-31T09:30:00.000000Z sale 1.500000000 for acme  s a",
        '    subject "acme", properties {"size":"xl"}',
        "  2026-01-31T09:30:01.000000Z sale 1.000000000 for globex  s b",
        '    subject "globex", properties {}',
        "samples: 0",
        "dead letters: 1",
        f"  {tmp_path}/usage.log:{len(LINES[0]) + 1}: {NOT_JSON}",
        '    "not JSON"',
    ]
    assert not (tmp_path / "spool").exists()
    assert check("sales", "--config", str(config)) == (code, output), "nothing is kept"


def test_samples(config: Path) -> None:
    with fake_target() as target:
        _aim(config, target)
        target.answer = page(b'# TYPE jobs_total counter\njobs_total{tenant="acme"} 3\n')
        code, output = check(f"prometheus/shop/{target.address}", "--rows", "99", "--json", "--config", str(config))
    assert code == 0
    told = json.loads(output)
    (sample,) = (each for each in told["samples"] if each["metric"] == "jobs_total" and each["value"] == 3.0)
    assert (sample["tenant"], sample["kind"], json.loads(sample["labels"])["tenant"]) == ("acme", "counter", "acme")


def test_a_source_that_cannot_be_read_says_why(config: Path) -> None:
    document = yaml.safe_load(config.read_text())
    address = document["sources"][1]["targets"][0]
    code, output = check(f"prometheus/shop/{address}", "--config", str(config))
    assert code == 0
    assert output.startswith(f"prometheus/shop/{address}: failed: ")


def test_a_source_that_there_is_not(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.trial._LOOKED_FOR_S", 0.1)
    code, output = check("sale", "--config", str(config))
    assert code == 1
    assert "there is no source 'sale': there are prometheus/shop/" in output


def _aim(config: Path, target: FakeTarget) -> None:
    document = yaml.safe_load(config.read_text())
    document["sources"][1]["targets"] = [target.address]
    config.write_text(yaml.safe_dump(document))
