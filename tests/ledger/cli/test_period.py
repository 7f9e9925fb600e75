"""Closing periods, and seeing who is behind, as an operator does it."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import grpc
import pytest

from meterbook.ledger.v1 import period_pb2, query_pb2
from meterbook.wire import instants
from tests.ledger.batches import content, event
from tests.ledger.books import DEFINITIONS, at, filled
from tests.ledger.running import Running, run_cli, serving

GATED = "kind: meter\nname: requests\nspec: {source: {metric: requests_total}, aggregation: increase, unit: requests, gate: 0.9}\n"
VALUED = "kind: meter\nname: weight\nspec: {source: {event: sale}, aggregation: sum, unit: kg, value: size * 2}\n"


@pytest.fixture
def own(tmp_path: Path):
    """A ledger of the test's own, filled."""
    with serving(tmp_path / "store") as running:
        filled(running, tmp_path)
        yield running


def test_a_period_is_closed_and_shown_with_what_was_corrected_since(own: Running) -> None:
    lines = own.cli(
        "period", "close", "2026-03", "--meter", "sales", "--author", "ada", "--reason", "month end"
    ).splitlines()
    assert lines[0].split()[:5] == ["start", "end", "zone", "meters", "position"]
    assert "2026-03-01T00:00:00Z" in lines[1] and "sales" in lines[1] and "month end" in lines[1]
    assert lines[-1] == "2026-03: closed"
    assert own.cli("period", "close", "2026-03", "--meter", "sales").splitlines()[-1] == "2026-03: already closed"
    (close,) = own.json("period", "list")["closes"]
    assert (close["author"], close["meters"], close["forced"]) == ("ada", ["sales"], False)
    assert own.cli("period", "list").splitlines()[-1] == f"as of position {close['position']}"
    shown = own.cli("period", "show", "2026-03").splitlines()
    assert shown[0].split()[:3] == ["meter", "tenant", "at"]
    assert [line.split()[:5] for line in shown[1:3]] == [
        ["sales", "@unassigned", "-1", "0", "-1"], ["sales", "acme", "2.500000001", "0", "2.500000001"],
    ]  # fmt: skip
    assert shown[-1] == (
        f"closed by ada at position {close['position']}, as of {close['at_position']}; as of position {close['position']}"
    )

    assert own.cli("verify").startswith("the book holds")
    # What comes later is a correction of it.
    own.send(content(events=[event(77, time=at(30))]), agent="late-agent")
    own.cli("book")
    row = own.json("period", "show", "2026-03")["rows"][1]
    assert (row["quantity"], row["corrected"], row["now"], row["entries"]) == ("2.500000001", "1.5", "4.000000001", 1)
    before = own.json("period", "show", "2026-03", "--as-of", str(row["closed"]))["rows"][1]
    assert (before["quantity"], before["corrected"], before["entries"]) == ("2.500000001", "0", 0)


def test_a_refusal_names_meter_tenant_source_and_hole(own: Running, tmp_path: Path) -> None:
    own.apply(tmp_path, GATED)
    result = run_cli("period", "close", "2026-03-10", "--meter", "requests", "--ledger", own.address)
    assert result.exit_code == 1
    assert result.stderr == (
        "Error: 2026-03-10 is not closed: 2 obstacles are in the way; see to them, or close it with --force --reason\n"
    )
    lines = result.stdout.splitlines()
    assert lines[1].split()[:3] == ["requests", "acme", "coverage"]
    assert "of the expected time was observed, and the gate is 0.9" in lines[1]
    failed = next(line for line in lines if "failed" in line)
    assert "prometheus/shop  shop-agent" in failed and "timeout after 5 s: what counters added is booked" in failed
    assert any("silent" in line and "it comes when the agent delivers" in line for line in lines)
    as_json = run_cli("period", "close", "2026-03-10", "--meter", "requests", "--json", "--ledger", own.address)
    found = json.loads(as_json.stdout)
    assert (as_json.exit_code, found["outcome"], found["obstacles_total"]) == (1, "refused", 2)
    assert own.error("period", "close", "2026-03-10", "--force") == "reason: say why the period is closed by force"
    forced = own.cli(
        "period", "close", "2026-03-10", "--meter", "requests", "--force", "--reason", "agreed", "--author", "ada"
    )
    assert "by force: agreed" in forced
    shown = own.cli("period", "show", "2026-03-10")
    assert "by force, agreed" in shown and "timeout after 5 s" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["close", "March"], "period: 'March' is neither a month such as 2026-03"),
        (["close", "2999-01"], "period: 2999-01 is 2999-01-01T00:00:00Z to 2999-02-01T00:00:00Z and has not ended"),
        (["show", "2026-02"], "period: 2026-02 is 2026-02-01T00:00:00Z to 2026-03-01T00:00:00Z and is not closed"),
        (["show", "2026-02", "--zone", "Mars"], "zone: 'Mars' is not an IANA time zone"),
    ],
)
def test_a_mistake_is_one_sentence(shop: Running, arguments: list[str], message: str) -> None:
    assert shop.error("period", *arguments).startswith(message)


def test_coverage_tells_until_when_each_source_is_accounted_for(shop: Running) -> None:
    found = shop.json("coverage", "--from", "2026-03-10T10:00:00Z", "--to", "2026-03-10T11:00:00Z")
    assert {row["watermark"] for row in found["rows"]} == {"2026-03-10T12:00:00Z"}
    assert {row["state"] for row in found["rows"]} == {"silent"}
    late_us = instants.parse(found["time"]) - at(120)
    assert {Decimal(row["late_s"]) for row in found["rows"]} == {Decimal(late_us) / 10**6}
    lines = shop.cli("coverage").splitlines()
    assert lines[0].split()[-4:] == ["watermark", "late", "s", "state"]
    assert "2026-03-10T12:00:00Z" in lines[1]
    assert lines[-1] == f"as of position {found['as_of']}, {found['time']}"


def test_events_that_count_for_nothing_are_told_with_an_example(own: Running, tmp_path: Path) -> None:
    own.apply(tmp_path, VALUED)
    own.send(content(events=[event(9, time=at(90), properties='{"size":"xl"}', id="late one")]))
    (found,) = own.json("coverage")["uncounted"]
    assert (found["meter"], found["events"]) == ("weight", 3)
    assert (found["since"], found["origin"], found["source"], found["id"]) == (
        "2026-03-10T10:01:00Z",
        "logfile",
        "log",
        "1",
    )
    assert "'xl'" in found["reason"]
    lines = own.cli("coverage").splitlines()
    assert lines[-2].startswith("weight       3  2026-03-10T10:01:00Z  logfile       log 1")
    assert lines[-1].startswith("events that a meter selects and makes no value of; as of position")
    # The range, the position and the sources decide which.
    later = own.json("coverage", "--from", "2026-03-10T11:00:00Z")["uncounted"]
    assert [(each["events"], each["id"]) for each in later] == [(1, "late one")]
    earlier = own.json("coverage", "--as-of", str(own.json("coverage")["as_of"] - 1))["uncounted"]
    assert [each["events"] for each in earlier] == [2]
    assert own.json("coverage", "--source", "prometheus/shop")["uncounted"] == []


def test_an_operator_closes_and_a_viewer_may_not_even_look(tmp_path: Path) -> None:
    token_file, file = tmp_path / "admin.token", tmp_path / "definitions.yaml"
    token_file.write_text(f"mb_token_{'a' * 16}_{'b' * 64}")
    file.write_text(DEFINITIONS)
    with serving(tmp_path / "store", access={"anonymous": "none", "admin_token_file": str(token_file)}) as running:
        run = ["--ledger", running.address, "--token-file", str(token_file)]
        assert run_cli("apply", "-f", str(file), "--author", "ada", *run).exit_code == 0
        closed = run_cli("period", "close", "2026-03-10", "--zone", "Asia/Tokyo", "--author", "ada", "--json", *run)
        (close,) = json.loads(closed.stdout)["closes"]
        assert close["author"] == "ada" and close["caller"].startswith("admin ")
        assert (close["start"], close["end"]) == ("2026-03-09T15:00:00Z", "2026-03-10T15:00:00Z")
        assert close["meters"] == ["memory", "requests", "sales", "unpriced"]
        issued = run_cli("access", "issue-token", "vi", "--role", "viewer", "--tenants", "acme", *run)
        metadata = [("authorization", f"Bearer {issued.stdout.strip()}")]
        running.query.Coverage(query_pb2.CoverageRequest(), metadata=metadata)
        for call, request in (
            (running.query.Periods, period_pb2.PeriodsRequest()),
            (running.query.Period, period_pb2.PeriodRequest(period="2026-03-10", zone="Asia/Tokyo")),
            (running.admin.ClosePeriod, period_pb2.ClosePeriodRequest(period="2026-03", author="vi")),
        ):
            with pytest.raises(grpc.RpcError) as error:
                call(request, metadata=metadata)  # type: ignore[operator]
            assert error.value.code() is grpc.StatusCode.PERMISSION_DENIED  # type: ignore[attr-defined]
