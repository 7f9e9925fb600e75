"""The one place of every decision about who may do what.

``RULES`` names every method of every service once, with the roles that may call it and what of the request the decision also
depends on: whose name it bears, which tenants it asks for or brings. What is not named is denied, so a new method is closed
until somebody decides. A batch's content is judged by ``writing``, on the grants that stand here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ledger.access.caller import Caller, Role
from ledger.access.grants import Patterns
from meterbook.wire.series import SHARED, UNASSIGNED, UNRESOLVED

_INTAKE, _QUERY = "/meterbook.intake.v1.Intake/", "/meterbook.ledger.v1.Query/"
_ADMIN, _ACCESS = "/meterbook.ledger.v1.Admin/", "/meterbook.ledger.v1.Access/"
_ENTITLEMENTS = "/meterbook.ledger.v1.Entitlements/"
_PROOF, _COSTING = "/meterbook.ledger.v1.Proof/", "/meterbook.ledger.v1.Costing/"
_INVOICING = "/meterbook.ledger.v1.Invoicing/"
_PLANNING = "/meterbook.ledger.v1.Planning/"
#: Services of gRPC itself: whoever asks is told of health, and whoever is known, what can be called.
_OPEN, _KNOWN = "/grpc.health.v1.Health/", "/grpc.reflection.v1alpha.ServerReflection/"

STREAM = f"{_INTAKE}Stream"
#: What chains are called on which operators bring bills that they have as files; agents have names of their own.
IMPORT_PREFIX = "import."
ENROL = f"{_ACCESS}Enrol"


class Denied(Exception):
    """The caller may not do this; the message is one sentence that says who and what, and never a secret."""


@dataclass(frozen=True)
class Subject:
    """What a decision depends on besides the method: the agent that writes or enrols (if any), tenants and sources by name."""

    agent: str | None = None
    tenants: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Rule:
    """Who may call a method, and what its request is about; a stream's requests are not read here."""

    roles: frozenset[Role]
    subject: Callable[[Any], Subject] = lambda _: Subject()


def _rule(*roles: Role, subject: Callable[[Any], Subject] = lambda _: Subject()) -> Rule:
    return Rule(frozenset(roles), subject)


def _recorded(request: Any) -> Subject:
    return Subject(request.sender, frozenset(each.tenant or UNASSIGNED for each in request.events))


def _leased(request: Any) -> Subject:
    # What stands behind the source tells it from others of that name.
    return Subject(request.agent, sources=frozenset(each.partition("#")[0] for each in request.sources))


_SEES_ALL: tuple[Role, ...] = ("operator", "admin", "anonymous")
_RULES_ACCESS: tuple[Role, ...] = ("admin", "anonymous")

RULES: Mapping[str, Rule] = {
    # An operator brings bills, and nothing else (``writing``).
    STREAM: _rule("agent", *_SEES_ALL),
    f"{_INTAKE}Record": _rule("agent", "anonymous", subject=_recorded),
    f"{_INTAKE}Lease": _rule("agent", "anonymous", subject=_leased),
    f"{_INTAKE}Greet": _rule("agent", "anonymous", subject=lambda asked: Subject(asked.agent)),
    f"{_QUERY}Usage": _rule("viewer", *_SEES_ALL, subject=lambda asked: Subject(tenants=frozenset(asked.tenants))),
    f"{_QUERY}Invoice": _rule("viewer", *_SEES_ALL, subject=lambda asked: Subject(tenants=frozenset([asked.tenant]))),
    f"{_QUERY}Coverage": _rule("viewer", *_SEES_ALL),
    f"{_QUERY}Trace": _rule("viewer", *_SEES_ALL, subject=lambda asked: Subject(tenants=frozenset([asked.tenant]))),
    f"{_QUERY}Corrections": _rule(*_SEES_ALL),
    f"{_QUERY}Event": _rule(*_SEES_ALL),
    # Not for tenants: whoever writes the meter chooses which labels and attributes are shown, and the operator has chosen which of
    # them tenants see, by the meters that there are. Nodes, for one, would tell who else is there.
    f"{_QUERY}TryMeter": _rule(*_SEES_ALL),
    f"{_QUERY}Cost": _rule(*_SEES_ALL),
    f"{_QUERY}Margin": _rule(*_SEES_ALL),
    f"{_QUERY}Bills": _rule(*_SEES_ALL),
    f"{_QUERY}Charges": _rule(*_SEES_ALL),
    f"{_QUERY}Periods": _rule(*_SEES_ALL),
    f"{_QUERY}Period": _rule(*_SEES_ALL),
    f"{_QUERY}Agents": _rule(*_SEES_ALL),
    f"{_QUERY}DeadLetters": _rule(*_SEES_ALL),
    f"{_QUERY}Definitions": _rule(*_SEES_ALL),
    f"{_QUERY}Verify": _rule(*_SEES_ALL),
    f"{_INVOICING}Finalize": _rule(*_SEES_ALL),
    f"{_INVOICING}Correct": _rule(*_SEES_ALL),
    f"{_INVOICING}Invoices": _rule(
        "viewer", *_SEES_ALL, subject=lambda asked: Subject(tenants=frozenset(asked.tenants))
    ),
    # Whose an invoice is the answer finds out: one of another tenant is not there.
    f"{_INVOICING}FinalInvoice": _rule("viewer", *_SEES_ALL),
    f"{_INVOICING}VerifyInvoice": _rule("viewer", *_SEES_ALL),
    f"{_INVOICING}ExplainLine": _rule("viewer", *_SEES_ALL),
    f"{_COSTING}Reconcile": _rule(*_SEES_ALL),
    f"{_COSTING}Allocation": _rule(*_SEES_ALL),
    f"{_COSTING}ExplainCost": _rule(*_SEES_ALL),
    f"{_COSTING}ExportAllocation": _rule(*_SEES_ALL),
    f"{_COSTING}Estimate": _rule(*_SEES_ALL),
    f"{_COSTING}UnitCost": _rule(*_SEES_ALL),
    # Not for tenants: what a plan says that was not applied, and who is on it, is told to whoever may apply it.
    f"{_PLANNING}Diff": _rule(*_SEES_ALL),
    f"{_PLANNING}Simulate": _rule(*_SEES_ALL),
    f"{_ENTITLEMENTS}Check": _rule(
        "viewer", *_SEES_ALL, subject=lambda asked: Subject(tenants=frozenset([asked.tenant]))
    ),
    f"{_ENTITLEMENTS}List": _rule(
        "viewer", *_SEES_ALL, subject=lambda asked: Subject(tenants=frozenset([asked.tenant]))
    ),
    f"{_ENTITLEMENTS}Notifications": _rule(
        "viewer", *_SEES_ALL, subject=lambda asked: Subject(tenants=frozenset(asked.tenants))
    ),
    f"{_ENTITLEMENTS}Replay": _rule(*_SEES_ALL),
    f"{_ADMIN}Apply": _rule(*_SEES_ALL),
    f"{_ADMIN}Book": _rule(*_SEES_ALL),
    f"{_ADMIN}AmendEvent": _rule(*_SEES_ALL),
    f"{_ADMIN}ClosePeriod": _rule(*_SEES_ALL),
    f"{_PROOF}Checkpoint": _rule("viewer", *_SEES_ALL),
    f"{_PROOF}Inclusion": _rule(*_SEES_ALL),
    # Hashes of leaves only, as the paths of Consistency have them, too.
    f"{_PROOF}Leaf": _rule("viewer", *_SEES_ALL),
    f"{_PROOF}Consistency": _rule("viewer", *_SEES_ALL),
    f"{_PROOF}Keys": _rule("viewer", *_SEES_ALL),
    f"{_PROOF}RotateKey": _rule(*_RULES_ACCESS),
    ENROL: _rule("enrol", subject=lambda asked: Subject(asked.agent)),
    f"{_ACCESS}IssueToken": _rule(*_RULES_ACCESS),
    f"{_ACCESS}InviteAgent": _rule(*_RULES_ACCESS),
    f"{_ACCESS}Revoke": _rule(*_RULES_ACCESS),
    f"{_ACCESS}Rotate": _rule(*_RULES_ACCESS),
    f"{_ACCESS}List": _rule(*_RULES_ACCESS),
}


def is_open(action: str) -> bool:
    """Whether a method answers whoever asks, known or not."""
    return action.startswith(_OPEN)


def subject_of(action: str, request: Any) -> Subject:
    """What a method's request is about."""
    rule = RULES.get(action)
    return rule.subject(request) if rule else Subject()


def allow(caller: Caller, action: str, subject: Subject | None = None) -> None:
    """Raises Denied unless the caller may call a method (``action``, as gRPC names it) about a subject."""
    if action.startswith(_KNOWN):
        return
    method = action.rpartition("/")[2]
    rule = RULES.get(action)
    if rule is None or caller.role not in rule.roles:
        takes = " or ".join(sorted(rule.roles - {"anonymous"})) if rule else ""
        raise Denied(f"{caller} may not call {method}" + (f": that takes the role {takes}" if takes else ""))
    if subject is None:
        return
    if caller.role in ("agent", "enrol") and subject.agent is not None and subject.agent != caller.name:
        raise Denied(f"{caller} may act only for itself, not for {subject.agent[:80]!r}")
    if brings_bills_alone(caller) and subject.agent is not None and not subject.agent.startswith(IMPORT_PREFIX):
        raise Denied(f"{caller} may bring bills as {IMPORT_PREFIX}NAME, and not write as {subject.agent[:80]!r}")
    if caller.role in ("agent", "viewer"):
        granted = writable_tenants(caller) if caller.role == "agent" else caller.tenants
        refused = sorted(each for each in subject.tenants if not granted.allow(each))
        if refused:
            raise Denied(f"{caller} has nothing to do with tenant {refused[0][:80]!r}")
    if caller.role == "agent":
        refused = sorted(each for each in subject.sources if not caller.sources.allow(each))
        if refused:
            raise Denied(f"{caller} was not granted the source {refused[0][:80]!r}")


def brings_bills_alone(caller: Caller) -> bool:
    """Whether a caller may write no batches but those of bills."""
    return caller.role in ("operator", "admin")


def tenants_of(caller: Caller) -> frozenset[str] | None:
    """The tenants whose rows a caller may see; None for all of them."""
    return frozenset(caller.tenants.patterns) if caller.role == "viewer" else None


def writable_tenants(caller: Caller) -> Patterns:
    """The tenants that an agent may write for: those granted, and the two that are no customers."""
    return Patterns.of((*caller.tenants.patterns, SHARED, UNASSIGNED, UNRESOLVED))
