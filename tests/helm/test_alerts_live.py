"""Alerts as a real Prometheus judges real programs: it takes the charts' rules, sees nothing wrong where all is well, and sees what is.

In which situation each fires, and after how long, is tried in ``test_alerts``; here the series come from the programs themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.spine import PATIENCE_S, eventually
from tests.helm.charts import CHARTS
from tests.helm.observed import SPOOL_AGE_S_MAX, Observed, observing
from tests.helm.test_alerts import PROMTOOL, names
from tests.servers.prometheus import PROMETHEUS, SCRAPE_S

pytestmark = [
    pytest.mark.charts,
    pytest.mark.skipif(
        PROMETHEUS is None or PROMTOOL is None,
        reason="NO ALERT WAS JUDGED: there is no prometheus or no promtool; make prometheus-assets builds both, or name them: "
        "make charts PROMETHEUS=/opt/prometheus PROMTOOL=/opt/promtool",
    ),
]


LATE = "MeterbookAgentTicksMissed"


@pytest.fixture
def observed(tmp_path: Path) -> Iterator[Observed]:
    with observing(tmp_path) as found:
        # What is told last is what was not observed, some seconds after a ledger began.
        assert eventually(lambda: found.prometheus.now("meterbook_ledger_coverage_gap_seconds"))
        yield found


def rules(observed: Observed) -> dict[str, dict[str, Any]]:
    """Every rule as Prometheus has it, by its name."""
    groups = observed.prometheus.ask("rules")["groups"]
    return {rule["name"]: rule for group in groups for rule in group["rules"]}


def states(observed: Observed) -> dict[str, str]:
    """What is pending or firing, but for what a machine does that has much else to do."""
    known = rules(observed).items()
    return {name: rule["state"] for name, rule in known if rule["state"] != "inactive" and name != LATE}


def test_nothing_is_wrong_where_all_is_well_and_what_goes_wrong_is_seen(observed: Observed) -> None:
    judged_s = observed.prometheus.now_s()
    assert eventually(lambda: observed.prometheus.now_s() > judged_s + 3 * SCRAPE_S)
    found = rules(observed)
    assert set(found) == {name for chart in CHARTS for name in names(chart)}
    assert {name: rule.get("lastError", "") for name, rule in found.items() if rule["health"] != "ok"} == {}
    assert eventually(lambda: not states(observed)), states(observed)
    span = {"start": observed.start_s, "end": observed.prometheus.now_s(), "step": SCRAPE_S}
    assert observed.prometheus.ask("query_range", query='ALERTS{alertstate="firing"}', **span)["result"] == []

    observed.trouble()
    letters, unassigned = "MeterbookAgentDeadLetters", "MeterbookAgentEventsUnassigned"
    refused = {"MeterbookLedgerBatchesRefused": "pending", "MeterbookLedgerLimitsMet": "pending"}
    expected = {letters: "firing", unassigned: "pending"} | refused
    assert eventually(lambda: states(observed).items() >= expected.items()), states(observed)
    (alert,) = rules(observed)[letters]["alerts"]
    labels = {"source": "log", "pod": "meterbook-agent-0", "namespace": "metering", "severity": "warning"}
    assert alert["labels"].items() >= (labels | {"team": "metering"}).items()
    assert alert["annotations"]["description"].startswith("log has ")
    assert alert["annotations"]["runbook_url"].endswith("#meterbookagentdeadletters")

    observed.ledger.stop()
    cut_off = {"MeterbookAgentDisconnected", "MeterbookLedgerDown"}
    assert eventually(lambda: states(observed).keys() >= cut_off), states(observed)
    assert eventually(lambda: states(observed).get("MeterbookAgentDataLost") == "firing", SPOOL_AGE_S_MAX + PATIENCE_S)
    alerts = observed.prometheus.ask("alerts")["alerts"]
    texts = [text for alert in alerts for text in alert["annotations"].values()]
    # What a template cannot say is said so in its place.
    assert len(texts) > 10 and [text for text in texts if "<" in text] == []

    observed.agent.stop()
    assert eventually(lambda: "MeterbookAgentDown" in states(observed)), states(observed)
