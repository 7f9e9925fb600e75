"""Entitlements through a ledger that serves: what was acknowledged a moment ago counts, and each tenant sees its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from ledger.metering.answer import usage
from ledger.query.entitled import check_as_of
from ledger.query.questions import Book
from meterbook.ledger.v1 import entitlement_pb2
from meterbook.ledger.v1.entitlement_pb2_grpc import EntitlementsStub
from meterbook.wire import instants
from tests.ledger.entitled import DEFINITIONS, QUICK, check, eventually, used
from tests.ledger.guarded import bearer
from tests.ledger.query.test_scope import Viewer
from tests.ledger.running import Running, run_cli, serving


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with serving(tmp_path / "store", entitlements=QUICK) as found:
        found.apply(tmp_path, DEFINITIONS)
        yield found


def test_what_was_acknowledged_counts(running: Running) -> None:
    for number in range(5):
        position = running.send(used(number, 25))
        found = check(running, "acme", "api", at_least=position)
        assert (found.entitlement.used, found.entitlement.allowed) == (str(25 * (number + 1)), number < 3)
        assert found.as_of >= position and found.counted_until <= found.at
    assert (found.entitlement.reason, found.entitlement.over) == ("the hard limit is reached", "25")
    # Booking changes nothing about it, and neither does asking as of a position.
    assert "entries booked" in running.cli("book")
    booked = check(running, "acme", "api", at_least=running.process._journal.log.end)
    assert booked.entitlement == found.entitlement
    first = check(running, "acme", "api", as_of=position - 1)
    assert (first.entitlement.used, first.as_of) == ("100", position - 1)
    assert check(running, "acme", "api", as_of=position - 1) == first


def test_it_is_seen_within_seconds_by_who_does_not_wait(running: Running) -> None:
    assert check(running, "acme", "api").entitlement.used == "0"
    running.send(used(1, 7))
    began_s = time.monotonic()
    eventually(lambda: check(running, "acme", "api").entitlement.used == "7")
    assert time.monotonic() - began_s < 5


def test_each_feature_counts_what_it_is_about(running: Running) -> None:
    running.send(used(1, 8, size="xl"), used(2, 5, size="xxl"), used(3, 50), used(4, 900, "bcorp"))
    end = running.process._journal.log.end
    request = entitlement_pb2.ListEntitlementsRequest(tenant="acme", at_least=end)
    rows = {each.feature: each for each in EntitlementsStub(running.channel).List(request).entitlements}
    assert {name: (each.used, each.limit, each.allowed) for name, each in rows.items()} == {
        "api": ("63", "100", True), "xl": ("13", "10", True), "sso": ("", "", True),
    }  # fmt: skip
    assert (rows["xl"].reason, rows["xl"].over) == ("the soft limit is reached", "3")
    assert check(running, "bcorp", "api").entitlement.remaining == "100"
    assert not check(running, "bcorp", "api", quantity="101").entitlement.allowed
    nobody = check(running, "nobody", "api").entitlement
    assert (nobody.allowed, nobody.reason) == (False, "no subscription holds")


def test_definitions_count_at_once(running: Running, tmp_path: Path) -> None:
    assert not check(running, "nobody", "sso").entitlement.allowed
    running.apply(tmp_path, "{kind: subscription, name: n, spec: {tenant: nobody, plan: pro, start: 2020-01-01}}")
    assert check(running, "nobody", "sso", at_least=running.process._journal.log.end).entitlement.allowed
    running.apply(tmp_path, "{kind: plan, name: pro, spec: {currency: EUR, features: [{name: api}]}}")
    found = check(running, "nobody", "sso", at_least=running.process._journal.log.end).entitlement
    assert (found.allowed, found.reason) == (False, "plan 'pro' does not have it")


def test_memory_and_book_say_the_same(running: Running) -> None:
    journal = running.process._journal
    running.send(used(1, 8, size="xl"), used(2, 50), used(3, 40, "bcorp"))
    running.cli("book")
    running.send(used(4, 3, "bcorp", size="xxl"))
    for tenant in ("acme", "bcorp"):
        for feature in ("api", "xl"):
            now = check(running, tenant, feature, at_least=journal.log.end)
            request = entitlement_pb2.CheckEntitlementRequest(tenant=tenant, feature=feature, as_of=now.as_of)
            assert check_as_of(journal, request, True).entitlement == now.entitlement
            book = Book.at(journal, now.as_of)
            start_us, end_us = (
                instants.parse(each) for each in (now.entitlement.period_start, now.entitlement.period_end)
            )
            rows = usage(book.view, book.catalog, start_us, end_us, meters={"calls"}, tenants={tenant})
            wanted = [row.quantity for row in rows if feature == "api" or '"x' in row.dimensions]
            assert now.entitlement.used == str(int(sum(wanted)))


def test_what_is_wrong_is_told(running: Running) -> None:
    for asked, message in [
        (("entitlement", "check", "acme", "apo"), "feature: no plan has a feature 'apo'; did you mean 'api'?"),
        (("entitlement", "check", "acne", "api"), "tenant: there is no tenant 'acne'; did you mean 'acme'?"),
        (("entitlement", "check", "acme", "api", "--quantity", "-1"), "quantity: '-1' is negative: the number must be zero or more"),
        (("entitlement", "check", "acme", "api", "--at-least", "999"), "at_least: position 999 is not in the book, which ends at 2"),
        (("entitlement", "check", "acme", "api", "--as-of", "999"), "as_of: position 999 is not in the book, which ends at 2"),
        (("entitlement", "replay", "--since", "2026-01-01"), "webhooks: the ledger has none; give it some in its configuration, entitlements.webhooks"),
    ]:  # fmt: skip
        assert running.error(*asked) == message


def test_the_command_says_it_by_its_exit_code_too(running: Running) -> None:
    position = running.send(used(1, 100))
    assert "the hard limit is reached" in _stdout(running, "check", "acme", "api", "--at-least", str(position))
    running.cli("entitlement", "check", "acme", "api", code=3)
    assert running.json("entitlement", "check", "bcorp", "api")["entitlement"]["allowed"] is True
    listed = running.json("entitlement", "list", "acme")
    assert [each["feature"] for each in listed["entitlements"]] == ["api", "sso", "xl"]
    assert "Calls" not in running.cli("entitlement", "list", "acme") and listed["entitlements"][0]["title"] == "Calls"


def _stdout(running: Running, *arguments: str) -> str:
    return run_cli("entitlement", *arguments, "--ledger", running.address).stdout


def test_a_tenant_sees_its_own_alone(running: Running) -> None:
    position = running.send(used(1, 100), used(2, 1000, "bcorp"))
    stub, token = EntitlementsStub(running.channel), bearer(Viewer(running, "acme").token)
    mine = entitlement_pb2.CheckEntitlementRequest(tenant="acme", feature="api", at_least=position)
    assert stub.Check(mine, metadata=token).entitlement.used == "100"
    for call, request in (
        (stub.Check, entitlement_pb2.CheckEntitlementRequest(tenant="bcorp", feature="api")),
        (stub.List, entitlement_pb2.ListEntitlementsRequest(tenant="bcorp")),
        (stub.Notifications, entitlement_pb2.NotificationsRequest(tenants=["bcorp"])),
        (stub.Replay, entitlement_pb2.ReplayNotificationsRequest(since="2026-01-01", author="a")),
    ):
        with pytest.raises(grpc.RpcError) as error:
            call(request, metadata=token)
        assert error.value.code() is grpc.StatusCode.PERMISSION_DENIED  # type: ignore[attr-defined]
    with pytest.raises(grpc.RpcError) as error:
        stub.Check(entitlement_pb2.CheckEntitlementRequest(tenant="acme", feature="apo"), metadata=token)
    assert error.value.details() == "feature: no plan has a feature 'apo'"  # type: ignore[attr-defined]
    eventually(lambda: len(stub.Notifications(entitlement_pb2.NotificationsRequest()).notifications) == 4)
    own = stub.Notifications(entitlement_pb2.NotificationsRequest(), metadata=token).notifications
    assert {each.tenant for each in own} == {"acme"} and len(own) == 2
