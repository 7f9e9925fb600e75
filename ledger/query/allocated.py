"""What becomes of bills by the allocation rules, as the wire gives it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from ledger.costing.allocating import Allocated, allocate
from ledger.costing.bills import NOT_WHOLE, Bill, bills, why_not
from ledger.costing.columns import NoSuchColumn
from ledger.costing.converted import (
    DAY,
    TooManyGroups,
    days_of,
    denominated,
    reconciled_in,
    tenant_costs_in,
    together,
    unallocated_in,
)
from ledger.costing.exchanging import Exchange
from ledger.costing.expected import ASKED_NATURES, EXPECTED, Month, book_sources, month_of
from ledger.costing.explaining import COLUMNS, ByRule, Explained, by_rule, explained
from ledger.costing.profiles import MISSING
from ledger.costing.reconciling import CLASSES, Reconciled, Unallocated, reconciled, totals, unallocated
from ledger.costing.targets import IDLE, SHARED, UNALLOCATED
from ledger.journal.journal import Journal
from ledger.query.exchanged import asked_currency, exchange_of, rate_rows
from ledger.query.questions import BadQuestion, Book, suggestion
from ledger.schema.decimals import plain_text
from meterbook.ledger.v1 import costing_pb2
from meterbook.wire import instants
from meterbook.wire.sections import NATURES

_ROWS_DEFAULT, _ROWS_MAX = 1_000, 100_000
_CHARGES_DEFAULT, _CHARGES_MAX = 100, 10_000
_COLUMNS_MAX = 20
#: What a person calls columns of FOCUS.
_CALLED = {"account": "SubAccountId", "service": "ServiceName"}
_COSTS = {"billed": "BilledCost", "effective": "EffectiveCost"}
_OWN = (SHARED, IDLE, UNALLOCATED)


def answer_reconcile(journal: Journal, request: costing_pb2.ReconcileRequest) -> costing_pb2.ReconcileResponse:
    """What was billed against what became of it. Raises BadQuestion, JournalError."""
    limit, into = asked_limit(request.limit, _ROWS_DEFAULT, _ROWS_MAX), asked_currency(request.currency)
    by = asked_columns(request.by)
    asked = Asked.of(Book.at(journal, request.as_of), request.billing)
    view, standing, exchange = asked.book.view, asked.standing, Exchange("", {})
    try:
        allocated = allocate(view, asked.book.catalog, standing, [*by, DAY] if into else by)
        if into:
            exchange = exchange_of(asked.book, into, days_of(allocated.profiles))
            every = reconciled_in(view, standing, allocated, exchange, asked.cost, by)
            rows, count, sums = every[:limit], len(every), together(every)
            nobodys, left = _greatest(unallocated_in(denominated(allocated, exchange), asked.cost, sums), limit)
        else:
            rows, count = reconciled(view, standing, allocated, asked.cost, by, limit)
            sums = rows if not by else totals(view, standing, allocated, asked.cost)
            nobodys, left = _greatest(unallocated(allocated, asked.cost), limit)
    except (NoSuchColumn, TooManyGroups) as error:
        raise BadQuestion(f"by: {error}") from error
    return costing_pb2.ReconcileResponse(
        as_of=asked.book.view.position,
        rows=[_reconciled_row(row) for row in rows],
        rows_total=count,
        totals=[_reconciled_row(row) for row in sums],
        unallocated=[
            costing_pb2.UnallocatedRow(
                reason=row.reason, currency=row.currency, charges=row.charges, amount=plain_text(row.amount)
            )
            for row in nobodys
        ],
        rules=[
            costing_pb2.RuleRow(rule=each.rule, charges=each.charges, before=each.before)
            for each in allocated.usefulness
        ],
        problems=[*asked.problems(), *allocated.problems, *exchange.missing(), *_residuals([*rows, *sums])],
        notes=[*asked.notes(), *left, *_notes(allocated)],
        rates=rate_rows(exchange),
    )


def answer_allocation(journal: Journal, request: costing_pb2.AllocationRequest) -> costing_pb2.AllocationResponse:
    """What each tenant bears. Raises BadQuestion, JournalError."""
    into = asked_currency(request.currency)
    asked = Asked.of(Book.at(journal, request.as_of), request.billing)
    allocated = allocate(asked.book.view, asked.book.catalog, asked.standing)
    exchange = exchange_of(asked.book, into, days_of(allocated.profiles))
    chosen = _tenants(asked.book, allocated, request.tenants)
    rows = [
        costing_pb2.AllocationRow(
            tenant=row.tenant,
            currency=row.currency,
            cost=plain_text(row.cost),
            parts={name: plain_text(amount) for name, amount in row.parts.items()},
        )
        for row in tenant_costs_in(denominated(allocated, exchange), asked.cost)
        if not chosen or row.tenant in chosen
    ]
    return costing_pb2.AllocationResponse(
        as_of=asked.book.view.position,
        rows=rows,
        problems=[*asked.problems(), *allocated.problems, *exchange.missing()],
        rates=rate_rows(exchange),
    )


def answer_explain_cost(journal: Journal, request: costing_pb2.ExplainCostRequest) -> costing_pb2.ExplainCostResponse:
    """What one tenant bears, by rule and by charge. Raises BadQuestion, JournalError."""
    limit = asked_limit(request.limit, _CHARGES_DEFAULT, _CHARGES_MAX)
    if not request.tenant:
        raise BadQuestion(f"tenant: name the tenant whose cost is to be explained, or one of {', '.join(_OWN)}")
    asked = Asked.of(Book.at(journal, request.as_of), request.billing)
    view, catalog = asked.book.view, asked.book.catalog
    allocated = allocate(view, catalog, asked.standing, COLUMNS, by_line=True)
    _tenants(asked.book, allocated, [request.tenant])
    charges, count = explained(view, catalog, allocated, asked.cost, request.tenant, limit)
    return costing_pb2.ExplainCostResponse(
        as_of=view.position,
        rules=[_rule_row(row) for row in by_rule(allocated, asked.cost, request.tenant)],
        charges=[_charge_row(row) for row in charges],
        charges_total=count,
        problems=[*asked.problems(), *allocated.problems],
    )


@dataclass(frozen=True)
class Asked:
    """The bills of a month that were asked about, those that stand, and which of their costs."""

    book: Book
    month: list[Bill]
    cost: str
    expected: Month

    @classmethod
    def of(cls, book: Book, billing: costing_pb2.Billing) -> Asked:
        start_us, nature, cost = _month(billing.period), billing.nature or NATURES[0], billing.cost or "billed"
        if nature not in ASKED_NATURES:
            raise BadQuestion(f"nature: {nature!r} is not one of {', '.join(ASKED_NATURES)}")
        if cost not in _COSTS:
            raise BadQuestion(f"cost: {cost!r} is not one of {', '.join(_COSTS)}")
        sources, books = set(billing.sources), book_sources(book.catalog, nature)
        found = bills(book.view, () if nature == EXPECTED else sources)
        if unknown := sorted(sources.difference(books, (bill.source for bill in found))):
            known = sorted({*books, *(bill.source for bill in bills(book.view))})
            raise BadQuestion(f"sources: no bill is of {unknown[0]!r}; {suggestion(unknown[0], known)}")
        month = month_of(book.view, book.catalog, found, start_us, nature, sources)
        return cls(book, list(month.bills), _COSTS[cost], month)

    @property
    def standing(self) -> list[Bill]:
        return [bill for bill in self.month if bill.state == "stands"]

    def problems(self) -> list[str]:
        """Bills of which no version is whole."""
        return self.expected.problems + [
            f"the bill of {_called(bill)} {why_not(bill)}: none of it is allocated; "
            + ("wait for the rest" if bill.state == "incomplete" else "have it corrected where it is made")
            for bill in self.month
            if bill.state in NOT_WHOLE and _called(bill) not in self._stand()
        ]

    def notes(self) -> list[str]:
        found = [] if self.standing else ["no bill of that month stands"]
        return [*found, *self.expected.notes] + [
            f"{_called(bill)}: a newer version {why_not(bill)}"
            for bill in self.month
            if bill.state in NOT_WHOLE and _called(bill) in self._stand()
        ]

    def _stand(self) -> set[str]:
        return {_called(bill) for bill in self.standing}


def _called(bill: Bill) -> str:
    """The source of a bill, with the day on which its period begins where that is not the first of the month."""
    day = instants.text(bill.period_us)[: len("2026-03-15")]
    return bill.source if day.endswith("-01") else f"{bill.source} of {day}"


def _month(period: str) -> int:
    try:
        if len(period) == len("2026-03"):
            return instants.parse(f"{period}-01")
    except ValueError:
        pass
    raise BadQuestion(f"period: {period!r} is no month such as 2026-03; bills are of months in UTC")


def asked_columns(names: Iterable[str]) -> list[str]:
    """The columns of FOCUS that are asked for, each once. Raises BadQuestion."""
    by = list(dict.fromkeys(_CALLED.get(name, name) for name in names))
    if len(by) > _COLUMNS_MAX:
        raise BadQuestion(f"by: {len(by)} columns are more than {_COLUMNS_MAX}")
    return by


def asked_limit(asked: int, default: int, most: int) -> int:
    """How many rows to give. Raises BadQuestion."""
    if not 0 <= asked <= most:
        raise BadQuestion(f"limit: {asked} is not between 1 and {most}")
    return asked or default


def _tenants(book: Book, allocated: Allocated, asked: Iterable[str]) -> Collection[str]:
    """The tenants that are asked for. Raises BadQuestion for one that is neither defined nor bears anything."""
    bearers = {target for stage in allocated.stages for target in np.unique(stage.shares.target).tolist()}
    known = {*book.catalog.names("tenant"), *(allocated.targets[each] for each in bearers), *_OWN}
    found = set(asked)
    if unknown := sorted(found - known):
        raise BadQuestion(f"tenants: there is no tenant {unknown[0]!r}; {suggestion(unknown[0], sorted(known))}")
    return found


def _greatest(rows: list[Unallocated], limit: int) -> tuple[list[Unallocated], list[str]]:
    """The rows of the greatest amounts, and a note about the others. A reason may name a text, and there may be as many as charges."""
    if len(rows) <= limit:
        return rows, []
    order = sorted(range(len(rows)), key=lambda place: (-abs(rows[place].amount), place))
    note = f"there are {len(rows) - limit} more reasons for which something is unallocated, of smaller amounts"
    return [rows[place] for place in sorted(order[:limit])], [note]


def _residuals(rows: Iterable[Reconciled]) -> list[str]:
    return sorted(
        {
            f"{plain_text(row.residual)} {row.currency} of {dict(row.group) or 'all charges'} became nothing: report this as a fault of the ledger"
            for row in rows
            if row.residual
        }
    )


def _notes(allocated: Allocated) -> list[str]:
    if not allocated.rules:
        return ["there are no allocation rules: write some with 'meterbook apply'"]
    columns = allocated.profiles.columns
    missing = [name for name, column in sorted(columns.items()) if len(column.codes) and column.codes.max() == MISSING]
    found = [f"no charge has {name!r}, which rules look at" for name in missing]
    for each in allocated.usefulness:
        others = ", ".join(f"{rule} ({count})" for rule, count in sorted(each.before.items()))
        if not each.charges:
            found.append(f"the rule {each.rule!r} took no charge" + (f"; before it came {others}" if others else ""))
        elif others:
            found.append(f"the rule {each.rule!r} holds for charges that others took before it: {others}")
    return found


def _reconciled_row(row: Reconciled) -> costing_pb2.ReconciledRow:
    return costing_pb2.ReconciledRow(
        group=row.group,
        currency=row.currency,
        charges=row.charges,
        billed=plain_text(row.billed),
        residual=plain_text(row.residual),
        **{name: plain_text(row.parts[name]) for name in CLASSES},
    )


def _rule_row(row: ByRule) -> costing_pb2.ExplainedRule:
    return costing_pb2.ExplainedRule(
        rule="" if row.rule is None else row.rule.name,
        version=0 if row.rule is None else row.rule.version,
        method="" if row.rule is None else row.rule.spec.method,
        of=row.pool,
        currency=row.currency,
        cost=plain_text(row.cost),
        charges=row.charges,
    )


def _charge_row(row: Explained) -> costing_pb2.ExplainedCharge:
    return costing_pb2.ExplainedCharge(
        rule="" if row.rule is None else row.rule.name,
        of=row.pool,
        source=row.source,
        version=row.version,
        line=row.line,
        service=row.columns["ServiceName"],
        resource=row.columns["ResourceId"],
        start=instants.text(row.start_us),
        end=instants.text(row.end_us),
        currency=row.currency,
        cost=plain_text(row.cost),
        share=plain_text(row.share),
        part=plain_text(row.part),
        drivers=[
            costing_pb2.ExplainedDriver(
                part=each.part,
                meters=each.meters,
                quantity=plain_text(each.quantity),
                total=plain_text(each.total),
                capacity=_text(each.capacity),
            )
            for each in row.usage
        ],
    )


def _text(number: Decimal | None) -> str:
    return "" if number is None else plain_text(number)
