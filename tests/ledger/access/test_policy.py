"""The policy: every method of every service is decided, and by whom it may be called stands here a second time."""

from __future__ import annotations

import importlib
import itertools
import pkgutil
from dataclasses import replace

import pytest

import meterbook.intake.v1
import meterbook.ledger.v1
from ledger.access.caller import ANONYMOUS, Caller
from ledger.access.grants import ALL, Patterns
from ledger.access.policy import ENROL, RULES, STREAM, Denied, Subject, allow, is_open, subject_of, tenants_of
from meterbook.intake.v1 import intake_pb2
from meterbook.ledger.v1 import entitlement_pb2, query_pb2

CALLERS = {
    "admin": Caller("admin", "ada", credential_id="a"),
    "operator": Caller("operator", "oz", credential_id="o"),
    "viewer": Caller("viewer", "vi", Patterns.of(["acme", "bcorp"]), credential_id="v"),
    "agent": Caller("agent", "edge", Patterns.of(["acme", "shop-*"]), ALL, "e"),
    "enrol": Caller("enrol", "edge", ALL, ALL, "i"),
    "anonymous": ANONYMOUS,
}
OWN = {"Usage", "Trace", "Invoice", "Coverage", "Checkpoint", "Leaf", "Consistency", "Keys"}
# What the service Entitlements tells; credentials, too, have a List, and that one is for admins.
OWN |= {"Check", "List", "Notifications"}
OWN |= {"Invoices", "FinalInvoice", "VerifyInvoice", "ExplainLine"}
ALL_TENANTS = OWN | {
    "Cost",
    "Margin",
    "Bills",
    "Charges",
    "Agents",
    "DeadLetters",
    "Definitions",
    "Verify",
    "Inclusion",
    "Reconcile",
    "Allocation",
    "ExplainCost",
    "ExportAllocation",
    "Estimate",
    "UnitCost",
    "Finalize",
    "Correct",
    "Diff",
    "Simulate",
    "TryMeter",
    "Corrections",
    "Event",
    "AmendEvent",
    "Replay",
    "Apply",
    "Book",
    "ClosePeriod",
    "Period",
    "Periods",
}
ALLOWED = {
    "admin": ALL_TENANTS | {"Stream", "IssueToken", "InviteAgent", "Revoke", "Rotate", "List", "RotateKey"},
    "operator": ALL_TENANTS | {"Stream"},
    "viewer": OWN,
    "agent": {"Stream", "Record", "Lease", "Greet"},
    "enrol": {"Enrol"},
}
ALLOWED["anonymous"] = ALLOWED["admin"] | ALLOWED["agent"]


def methods() -> set[str]:
    """Every method that the services have, as gRPC names it."""
    found = set()
    for package in (meterbook.intake.v1, meterbook.ledger.v1):
        names = [each.name for each in pkgutil.iter_modules(package.__path__) if each.name.endswith("_pb2")]
        for file in (importlib.import_module(f"{package.__name__}.{name}").DESCRIPTOR for name in names):
            for service in file.services_by_name.values():
                found |= {f"/{service.full_name}/{method.name}" for method in service.methods}
    return found


def may(caller: Caller, action: str, subject: Subject | None = None) -> bool:
    try:
        allow(caller, action, subject)
    except Denied:
        return False
    return True


def test_every_method_is_decided_and_no_other() -> None:
    assert set(RULES) == methods()


@pytest.mark.parametrize("role", CALLERS)
def test_who_may_call_what(role: str) -> None:
    allowed = {action.rpartition("/")[2] for action in RULES if may(CALLERS[role], action)}
    assert allowed == ALLOWED[role]


@pytest.mark.parametrize("role", CALLERS)
def test_what_is_not_named_is_denied(role: str) -> None:
    for action in ("/meterbook.ledger.v1.Query/Secrets", "/meterbook.ledger.v1.Query/usage", "", "/x/Usage"):
        assert not may(CALLERS[role], action)


def test_health_is_open_and_reflection_is_for_those_who_are_known() -> None:
    assert is_open("/grpc.health.v1.Health/Check")
    assert not any(
        is_open(action) for action in [*RULES, "/grpc.reflection.v1alpha.ServerReflection/X", "/grpc.health"]
    )
    assert may(CALLERS["viewer"], "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")


def test_an_agent_acts_for_itself_only() -> None:
    for role, action in itertools.product(("agent", "enrol"), (STREAM, "/meterbook.intake.v1.Intake/Record", ENROL)):
        if may(CALLERS[role], action):
            assert may(CALLERS[role], action, Subject("edge"))
            for other in ("edge2", "", "EDGE", "edge\n"):
                assert not may(CALLERS[role], action, Subject(other))
    assert may(ANONYMOUS, STREAM, Subject("anybody"))


def test_operators_write_on_chains_of_bills_only() -> None:
    for role in ("operator", "admin"):
        assert may(CALLERS[role], STREAM, Subject("import.0af7"))
        for other in ("edge", "", "import", "importer.x", "IMPORT.x"):
            assert not may(CALLERS[role], STREAM, Subject(other))


def test_events_bear_only_granted_tenants() -> None:
    action = "/meterbook.intake.v1.Intake/Record"

    def recorded(*tenants: str) -> Subject:
        events = [intake_pb2.Event(tenant=each) for each in tenants]
        return subject_of(action, intake_pb2.RecordRequest(sender="edge", events=events))

    assert may(CALLERS["agent"], action, recorded("acme", "shop-7", "", "@shared", "@unassigned"))
    with pytest.raises(Denied, match=r"agent edge \(e\) has nothing to do with tenant 'bcorp'"):
        allow(CALLERS["agent"], action, recorded("acme", "bcorp"))


def test_an_agent_leases_only_granted_sources() -> None:
    action = "/meterbook.intake.v1.Intake/Lease"

    def leased(*sources: str) -> Subject:
        return subject_of(action, intake_pb2.LeaseRequest(agent="edge", sources=sources))

    agent = replace(CALLERS["agent"], sources=Patterns.of(["prometheus/shop/*"]))
    assert may(agent, action, leased("prometheus/shop/a:80#1f", "prometheus/shop/b:80")) and may(
        agent, action, leased()
    )
    with pytest.raises(Denied, match="was not granted the source 'prometheus/bank/a:80'"):
        allow(agent, action, leased("prometheus/shop/a:80", "prometheus/bank/a:80"))
    assert may(ANONYMOUS, action, leased("anything"))


def test_a_viewer_asks_for_its_own_tenants_only() -> None:
    usage, invoice, trace = (f"/meterbook.ledger.v1.Query/{method}" for method in ("Usage", "Invoice", "Trace"))
    viewer = CALLERS["viewer"]
    for own in ([], ["acme"], ["acme", "bcorp"]):
        allow(viewer, usage, subject_of(usage, query_pb2.UsageRequest(tenants=own)))
    for other in (["corp"], ["acme", "corp"], ["@shared"], ["*"], [""]):
        assert not may(viewer, usage, subject_of(usage, query_pb2.UsageRequest(tenants=other)))
    allow(viewer, invoice, subject_of(invoice, query_pb2.InvoiceRequest(tenant="acme")))
    allow(viewer, trace, subject_of(trace, query_pb2.TraceRequest(tenant="bcorp")))
    for other in ("corp", "@shared", "*", ""):
        assert not may(viewer, trace, subject_of(trace, query_pb2.TraceRequest(tenant=other)))
    for other_tenant in ("corp", "", "acme "):
        assert not may(viewer, invoice, subject_of(invoice, query_pb2.InvoiceRequest(tenant=other_tenant)))


def test_a_viewer_lists_entitlements_of_its_own_and_no_credentials() -> None:
    check, listed, told = (f"/meterbook.ledger.v1.Entitlements/{each}" for each in ("Check", "List", "Notifications"))
    viewer = CALLERS["viewer"]
    allow(viewer, check, subject_of(check, entitlement_pb2.CheckEntitlementRequest(tenant="acme")))
    allow(viewer, listed, subject_of(listed, entitlement_pb2.ListEntitlementsRequest(tenant="bcorp")))
    allow(viewer, told, subject_of(told, entitlement_pb2.NotificationsRequest()))
    for other in ("corp", "", "*", "@shared"):
        assert not may(
            viewer, check, subject_of(check, entitlement_pb2.CheckEntitlementRequest(tenant=other, feature="api"))
        )
        assert not may(viewer, listed, subject_of(listed, entitlement_pb2.ListEntitlementsRequest(tenant=other)))
        assert not may(viewer, told, subject_of(told, entitlement_pb2.NotificationsRequest(tenants=["acme", other])))
    assert not may(viewer, "/meterbook.ledger.v1.Access/List") and not may(
        CALLERS["operator"], "/meterbook.ledger.v1.Access/List"
    )


def test_which_rows_a_caller_sees() -> None:
    assert tenants_of(CALLERS["viewer"]) == {"acme", "bcorp"}
    assert all(tenants_of(CALLERS[role]) is None for role in ("admin", "operator", "anonymous"))
