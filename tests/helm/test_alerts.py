"""Every alert of the charts fires in the situation that it is for, and none of them where all is well: as promtool evaluates what is rendered.

promtool is found on the PATH, or named in PROMTOOL; it comes with Prometheus (the package ``prometheus`` of Debian and others).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helm.charts import CHARTS, ROOT, changed, one

PROMTOOL = os.environ.get("PROMTOOL") or shutil.which("promtool")

pytestmark = [
    pytest.mark.charts,
    pytest.mark.skipif(
        PROMTOOL is None,
        reason="NO ALERT WAS TRIED: there is no promtool; install Prometheus, or name it: make charts PROMTOOL=/opt/promtool",
    ),
]

MINUTES = 180
STILL, RISING = f"0+0x{MINUTES}", f"0+4x{MINUTES}"
#: What the series show where all is well, minute by minute: each is of one pod.
WELL = {
    "agent": {
        "meterbook_agent_uplink_connected": f"1+0x{MINUTES}",
        "meterbook_agent_ledger_trusted": f"1+0x{MINUTES}",
        "meterbook_agent_spool_bytes": f"1000000+0x{MINUTES}",
        "meterbook_agent_spool_bytes_max": f"1000000000+0x{MINUTES}",
        "meterbook_agent_spool_oldest_age_seconds": f"5+0x{MINUTES}",
        'meterbook_agent_collections_total{source="shop",status="complete"}': RISING,
        'meterbook_agent_collections_total{source="shop",status="failed"}': STILL,
        'meterbook_agent_collections_total{source="shop",status="lost"}': STILL,
        'meterbook_agent_collections_total{source="shop",status="throttled"}': STILL,
        'meterbook_agent_ticks_missed_total{source="shop"}': STILL,
        "meterbook_agent_memory_short": STILL,
        'meterbook_agent_refusals_total{code="too_large"}': STILL,
        'meterbook_agent_dead_letters_total{source="shop"}': STILL,
        'meterbook_agent_events_total{source="shop"}': RISING,
        'meterbook_agent_events_unassigned_total{source="shop"}': STILL,
        "meterbook_agent_epochs_begun_total": STILL,
    },
    "ledger": {
        "meterbook_ledger_log_position": RISING,
        "meterbook_ledger_tables_position": RISING,
        "meterbook_ledger_batches_total": RISING,
        "meterbook_ledger_streams": f"2+0x{MINUTES}",
        "meterbook_ledger_ready": f"1+0x{MINUTES}",
        "meterbook_ledger_booking_failures_total": STILL,
        # What is never accounted for is expected of nobody; a source that failed for a minute is nothing to wake anybody for.
        'meterbook_ledger_coverage_gap_seconds{meter="sales"}': STILL,
        'meterbook_ledger_coverage_expected_seconds{meter="sales"}': STILL,
        'meterbook_ledger_coverage_gap_seconds{meter="requests"}': f"60+0x{MINUTES}",
        'meterbook_ledger_coverage_expected_seconds{meter="requests"}': f"7200+0x{MINUTES}",
        'meterbook_ledger_refusals_total{code="malformed"}': STILL,
        'meterbook_ledger_limits_met_total{limit="rows_max"}': STILL,
        'meterbook_ledger_access_refusals_total{reason="unknown"}': STILL,
        "meterbook_ledger_access_read_failures_total": STILL,
        "meterbook_ledger_certificate_not_after_seconds": f"7776000+0x{MINUTES}",
        "meterbook_ledger_certificate_failures": STILL,
        "meterbook_ledger_store_warnings": STILL,
        'meterbook_ledger_questions_stopped_total{reason="timeout"}': STILL,
        "meterbook_ledger_archive_failures_total": STILL,
        "meterbook_ledger_entitlement_failures_total": STILL,
        'meterbook_ledger_webhook_attempts_total{webhook="erp",result="delivered"}': RISING,
        'meterbook_ledger_webhook_attempts_total{webhook="erp",result="failed"}': STILL,
    },
}
#: What is other where an alert fires; None takes a series away.
ILL: dict[str, dict[str, str | None]] = {
    "MeterbookAgentDown": {"meterbook_agent_uplink_connected": None},
    "MeterbookAgentLedgerDistrusted": {"meterbook_agent_ledger_trusted": STILL},
    "MeterbookAgentDisconnected": {"meterbook_agent_uplink_connected": STILL},
    "MeterbookAgentSpoolFilling": {"meterbook_agent_spool_bytes": f"800000000+0x{MINUTES}"},
    "MeterbookAgentLag": {"meterbook_agent_spool_oldest_age_seconds": f"3700+60x{MINUTES}"},
    "MeterbookAgentDataLost": {'meterbook_agent_collections_total{source="shop",status="lost"}': RISING},
    "MeterbookAgentSourceFailing": {
        'meterbook_agent_collections_total{source="shop",status="failed"}': RISING,
        'meterbook_agent_collections_total{source="shop",status="complete"}': STILL,
    },
    "MeterbookAgentSourceThrottled": {'meterbook_agent_collections_total{source="shop",status="throttled"}': RISING},
    "MeterbookAgentTicksMissed": {'meterbook_agent_ticks_missed_total{source="shop"}': RISING},
    "MeterbookAgentMemoryShort": {"meterbook_agent_memory_short": f"1+0x{MINUTES}"},
    "MeterbookAgentBatchesRefused": {'meterbook_agent_refusals_total{code="too_large"}': RISING},
    "MeterbookAgentDeadLetters": {'meterbook_agent_dead_letters_total{source="shop"}': RISING},
    "MeterbookAgentEventsUnassigned": {'meterbook_agent_events_unassigned_total{source="shop"}': f"0+1x{MINUTES}"},
    "MeterbookAgentEpochBegun": {"meterbook_agent_epochs_begun_total": f"0+0x{MINUTES - 10} 1+0x9"},
    "MeterbookLedgerDown": {"meterbook_ledger_log_position": None},
    "MeterbookLedgerNotReady": {"meterbook_ledger_ready": STILL},
    "MeterbookLedgerTablesBehind": {"meterbook_ledger_log_position": f"20000+4x{MINUTES}"},
    "MeterbookLedgerTablesStuck": {"meterbook_ledger_tables_position": STILL},
    "MeterbookLedgerNothingArrives": {"meterbook_ledger_batches_total": STILL},
    "MeterbookLedgerBookingFails": {"meterbook_ledger_booking_failures_total": RISING},
    "MeterbookLedgerCoverageGap": {'meterbook_ledger_coverage_gap_seconds{meter="requests"}': f"3600+0x{MINUTES}"},
    "MeterbookLedgerBatchesRefused": {'meterbook_ledger_refusals_total{code="malformed"}': RISING},
    "MeterbookLedgerLimitsMet": {'meterbook_ledger_limits_met_total{limit="rows_max"}': RISING},
    "MeterbookLedgerAccessRefused": {'meterbook_ledger_access_refusals_total{reason="unknown"}': f"0+60x{MINUTES}"},
    "MeterbookLedgerAccessUnreadable": {"meterbook_ledger_access_read_failures_total": RISING},
    "MeterbookLedgerCertificateEnds": {"meterbook_ledger_certificate_not_after_seconds": f"86400+0x{MINUTES}"},
    "MeterbookLedgerCertificateUnusable": {"meterbook_ledger_certificate_failures": f"0+0x{MINUTES - 20} 1+0x19"},
    "MeterbookLedgerStoreUnsound": {"meterbook_ledger_store_warnings": f"1+0x{MINUTES}"},
    "MeterbookLedgerQuestionsStopped": {'meterbook_ledger_questions_stopped_total{reason="timeout"}': RISING},
    "MeterbookLedgerArchivingFails": {"meterbook_ledger_archive_failures_total": RISING},
    "MeterbookLedgerEntitlementsOld": {"meterbook_ledger_entitlement_failures_total": RISING},
    "MeterbookLedgerWebhookFails": {
        'meterbook_ledger_webhook_attempts_total{webhook="erp",result="failed"}': RISING,
        'meterbook_ledger_webhook_attempts_total{webhook="erp",result="delivered"}': STILL,
    },
}


def spec(chart: str) -> dict[str, Any]:
    """What is rendered of the rules, all of them."""
    sets = ("metrics.prometheusRule.disabled=[]", "metrics.prometheusRule.extraRules=[]")
    found: dict[str, Any] = one(changed(chart, *sets, values="observed"), "PrometheusRule")["spec"]
    return found


def names(chart: str) -> list[str]:
    rules = yaml.safe_load((ROOT / "helm" / chart / "files" / "rules.yaml").read_text(encoding="utf-8"))["rules"]
    return [rule["alert"] for rule in rules]


def series(chart: str, name: str, values: str) -> dict[str, str]:
    """A series as it is scraped through the chart's ServiceMonitor."""
    metric, _, labels = name.rstrip("}").partition("{")
    scraped = f'namespace="metering",job="meterbook-{chart}-metrics",pod="meterbook-{chart}-0"'
    return {"series": f"{metric}{{{scraped}{',' + labels if labels else ''}}}", "values": values}


def trial(chart: str, alert: str | None) -> dict[str, Any]:
    """What promtool is asked: whether the alert fires in its situation; or that none does where all is well."""
    shown = {**WELL[chart], **(ILL[alert] if alert else {})}
    selector = f'alertname="{alert}",' if alert else ""
    return {
        "interval": "1m",
        "name": alert or "all is well",
        "input_series": [series(chart, name, values) for name, values in shown.items() if values is not None],
        "promql_expr_test": [
            {
                "expr": f'count(ALERTS{{{selector}alertstate="firing"}}) > bool 0',
                "eval_time": f"{MINUTES}m",
                "exp_samples": [{"labels": "{}", "value": 1}] if alert else [],
            }
        ],
    }


def promtool(*arguments: str | Path) -> str:
    """What promtool says, which must be that all is as expected."""
    assert PROMTOOL is not None
    found = subprocess.run([PROMTOOL, *map(str, arguments)], capture_output=True, text=True, timeout=120)
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


@pytest.mark.parametrize("chart", CHARTS)
def test_each_alert_fires_in_its_situation_and_none_where_all_is_well(chart: str, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(yaml.safe_dump(spec(chart)), encoding="utf-8")
    assert f"{len(names(chart))} rules found" in promtool("check", "rules", rules)
    trials = tmp_path / "trials.yaml"
    asked = [trial(chart, alert) for alert in (*names(chart), None)]
    trials.write_text(yaml.safe_dump({"rule_files": [str(rules)], "tests": asked}), encoding="utf-8")
    promtool("test", "rules", trials)


def test_every_alert_has_a_situation() -> None:
    assert [*names("agent"), *names("ledger")] == list(ILL)
