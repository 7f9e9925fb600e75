"""What becomes of one plan when a document of it is applied: what it says differently, whom that reaches, what it would correct.

A plan without a date holds since ever, so changing a word of it in place reaches back to the first invoice. That is found here before it is
applied: every finalized invoice whose billing period would be charged by another version is counted, and of the first so many it is said by how much.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ledger.billing.cycles import Account, NoPrice
from ledger.billing.period import Period
from ledger.billing.reaching import Reached, is_reached, reached
from ledger.billing.terms import accounts
from ledger.directory.catalog import Catalog
from ledger.directory.differing import Difference, differences
from ledger.directory.documents import Document
from ledger.directory.plan import Plan
from ledger.directory.versions import Change
from ledger.query.desks import Desks
from ledger.query.questions import BadQuestion, Book
from ledger.rating.model import Unpriced
from ledger.schema.decimals import exact
from meterbook.ledger.v1 import planning_pb2
from meterbook.wire import instants


def plan_change(
    book: Book, after: Catalog, document: Document, change: Change, limit: int, problems: list[str]
) -> planning_pb2.PlanChange:
    """What becomes of a plan by a document; at most ``limit`` subscriptions and invoices are named. What cannot be told is a problem."""
    name, since_us, spec = document.name, document.effective_from_us, document.spec
    assert isinstance(spec, Plan)
    until_us = next((us for us in sorted(_dates(after, name)) if us > since_us), None)
    standing = book.catalog.get("plan", name, since_us)
    before = standing.spec if standing is not None and isinstance(standing.spec, Plan) else None
    is_other = change.outcome != "unchanged"
    reach = list(_reach(after, name, since_us, until_us, problems)) if is_other else []
    time_us = book.view.time_us
    corrected = _corrected(book, change, reach, problems) if is_other else []
    told = _amounts(book, after, corrected[:limit], problems)
    return planning_pb2.PlanChange(
        plan=name,
        outcome=change.outcome,
        version=change.version,
        before=standing.version if standing is not None else 0,
        since=instants.text(since_us) if since_us else "",
        until="" if until_us is None else instants.text(until_us),
        differences=[_difference(each) for each in differences(before, spec)] if is_other else [],
        subscriptions=[_affected(each, time_us) for each in reach[:limit]],
        subscriptions_total=len(reach),
        tenants_total=len({each.account.tenant for each in reach}),
        corrected=told,
        corrected_total=len(corrected),
    )


def _dates(catalog: Catalog, name: str) -> set[int]:
    return {each.effective_from_us for each in catalog.versions("plan", name)}


def _reach(after: Catalog, plan: str, since_us: int, until_us: int | None, problems: list[str]) -> Iterator[Reached]:
    for name, subscription in after.subscriptions().items():
        if plan not in (subscription.plan, *(move.plan for move in subscription.moves)):
            continue
        account = _account(after, subscription.tenant, name)
        try:
            found = reached(account, plan, since_us, until_us)
        except NoPrice as error:
            problems.append(str(error))
            continue
        if found is not None:
            yield found


def _account(catalog: Catalog, tenant: str, name: str) -> Account:
    return next(each for each in accounts(catalog, tenant) if each.name == name)


def _corrected(book: Book, change: Change, reach: Sequence[Reached], problems: list[str]) -> list[dict[str, Any]]:
    """The finalized invoices, the newest first, whose billing period another version would be charged by; of each billing period the first."""
    of = {(each.account.tenant, each.account.name): each for each in reach}
    had: dict[tuple[str, str], Account] = {}
    found: dict[tuple[str, str, int], dict[str, Any]] = {}
    for row in book.view.invoices(documents=False).to_pylist() if of else ():
        key = row["tenant"], row["subscription"]
        place, billed = (*key, row["start_us"]), Period(row["start_us"], row["end_us"])
        if key not in of or place in found or billed.end_us < of[key].since_us:
            continue
        # There are many invoices of one subscription, and what its periods follow from is worked out once.
        before = had.get(key) or had.setdefault(key, _account(book.catalog, *key))
        try:
            if is_reached(before, of[key].account, change.name, change.version, billed):
                found[place] = row
        except NoPrice as error:
            problems.append(f"invoice {row['id']}: {error}")
    return sorted(found.values(), key=lambda row: row["position"], reverse=True)


def _amounts(
    book: Book, after: Catalog, rows: Sequence[Mapping[str, Any]], problems: list[str]
) -> list[planning_pb2.CorrectedInvoice]:
    if not rows:
        return []
    desks = Desks(book, {row["tenant"] for row in rows})
    told = []
    for row in rows:
        each = planning_pb2.CorrectedInvoice(
            **{name: row[name] for name in ("id", "tenant", "subscription", "currency")},
            start=instants.text(row["start_us"]),
            end=instants.text(row["end_us"]),
        )
        before, other = (_account(catalog, row["tenant"], row["subscription"]) for catalog in (book.catalog, after))
        cycle = other.cycle_at(row["start_us"])
        try:
            if cycle is not None:
                now, then = desks.desk(before).due(cycle), desks.desk(other).due(cycle)
                each.now, each.then = str(now.total), str(then.total)
                if now.currency == then.currency:
                    with exact():
                        each.difference = str(then.total - now.total)
                else:
                    problems.append(f"invoice {row['id']}: {now.currency} would become {then.currency}")
        except BadQuestion:
            raise
        except (Unpriced, ValueError, LookupError) as error:
            problems.append(f"invoice {row['id']}: what would be charged cannot be told: {error}")
        told.append(each)
    return told


def _difference(each: Difference) -> planning_pb2.PlanDifference:
    return planning_pb2.PlanDifference(
        what=each.what,
        product=each.product,
        price=each.price,
        field=each.field,
        was="" if each.was is None else json.dumps(each.was, ensure_ascii=False),
        becomes="" if each.becomes is None else json.dumps(each.becomes, ensure_ascii=False),
        sentence=each.sentence,
    )


def _affected(each: Reached, time_us: int) -> planning_pb2.AffectedSubscription:
    is_past = each.until_us is not None and each.until_us <= time_us
    return planning_pb2.AffectedSubscription(
        tenant=each.account.tenant,
        subscription=each.account.name,
        since=instants.text(each.since_us),
        state="past" if is_past else "now" if each.since_us <= time_us else "later",
    )
