"""What was decided where a customer or a bookkeeper would ask: pauses, back-dated changes, commitments, credits, allowances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest

from ledger.billing.cycles import Account
from ledger.billing.document import document_of, invoice_of
from ledger.billing.drafting import Desk
from ledger.billing.invoice import Finalized, Invoice
from ledger.billing.settling import Grant
from ledger.billing.terms import accounts
from ledger.directory.catalog import Catalog
from ledger.directory.credit import Credit
from ledger.directory.plan import Plan
from ledger.directory.subscription import Subscription
from ledger.directory.tenant import Tenant
from ledger.directory.versions import Definition
from ledger.metering.usage import Usage
from meterbook.wire import instants


class Book:
    """Usage of one meter, by the day of it."""

    def __init__(self, used: Mapping[str, str]) -> None:
        self.by_day = {instants.parse(day): Decimal(quantity) for day, quantity in used.items()}

    def used(self, start_us: int, end_us: int) -> Mapping[str, Sequence[Usage]]:
        found = [
            Usage("calls", "acme", "{}", None, quantity, "u", Decimal(0), 1, 1)
            for day_us, quantity in self.by_day.items()
            if start_us <= day_us < end_us
        ]
        return {"calls": found} if found else {}

    def cost(self, start_us: int, end_us: int, currency: str) -> Decimal:
        raise NotImplementedError

    def moved(self, start_us: int, end_us: int, since: int) -> bool:
        return True


FEE = {"name": "fee", "charge": {"model": "flat", "amount": "30"}}
SETUP = {"name": "setup", "times": "once", "charge": {"model": "flat", "amount": "100"}}
CALLS = {"name": "calls", "meter": "calls", "charge": {"model": "per_unit", "unit_price": "1"}}


def plan(*prices: Mapping[str, Any], **told: Any) -> Plan:
    products = [{"name": "all", "prices": list(prices)}]
    return Plan.model_validate({"currency": "EUR", "proration": "day", "products": products, **told})


def account(plans: Mapping[str, Plan], **told: Any) -> Account:
    subscription = Subscription.model_validate({"tenant": "acme", "plan": "a", "start": "2026-04-01", **told})
    found = [Definition("plan", name, 1, 0, spec, "ada", 1) for name, spec in plans.items()]
    found += [Definition("tenant", "acme", 1, 0, Tenant(), "ada", 1), Definition("subscription", "s", 1, 0, subscription, "ada", 1)]  # fmt: skip
    return next(accounts(Catalog.of([]).extended(found), "acme"))


def draft(of: Account, at: str, book: Book, past: Sequence[Finalized] = (), grants: Sequence[Grant] = ()) -> Invoice:
    cycle = of.cycle_at(instants.parse(at))
    assert cycle is not None
    return Desk(of, book, past, grants, len(past) + 1).draft(cycle)


def final(invoice: Invoice | None, past: list[Finalized]) -> Invoice:
    assert invoice is not None
    past.append(Finalized(f"I-{len(past) + 1}", len(past) + 1, invoice_of(document_of(invoice))))
    return invoice


def told(invoice: Invoice) -> list[tuple[str, str, str]]:
    return [(line.line.role, line.line.price or line.line.name, str(line.amount)) for line in invoice.lines]


PAUSED = [{"since": "2026-04-11", "until": "2026-04-21"}]


def test_a_pause_splits_no_minimum_and_no_allowance() -> None:
    included = {"quantity": "30"}
    of = account({"a": plan({**CALLS, "included": included}, minimum="30")}, pauses=PAUSED)
    # 20 of 30 days: 20 calls are free and 20 is the minimum, for both sides of the pause together; what was used in it is told of.
    invoice = draft(of, "2026-04-01", Book({"2026-04-02": "18", "2026-04-15": "99", "2026-04-25": "27"}))
    assert told(invoice) == [("charge", "calls", "25.00")]
    assert invoice.notes == ("paused, 2026-04-11T00:00:00Z to 2026-04-21T00:00:00Z: 99 of 'calls' is not charged",)
    assert str(draft(of, "2026-04-01", Book({})).total) == "20.00"


@pytest.mark.parametrize(("used", "expected"), [({"2026-04-02": "60", "2026-04-25": "70"}, "100.00"), ({}, "0.00")])
def test_a_maximum_without_proration_is_whole_on_both_sides_of_a_pause(used: Mapping[str, str], expected: str) -> None:
    of = account({"a": plan({**CALLS, "maximum": "100"}, proration="none")}, pauses=PAUSED)
    assert str(draft(of, "2026-04-01", Book(used)).total) == expected


def test_what_is_charged_once_waits_for_trial_and_pause_and_does_not_come_back() -> None:
    moves = [{"since": "2026-06-01", "plan": "b"}, {"since": "2026-07-01", "plan": "a"}]
    pauses = [{"since": "2026-04-10", "until": "2026-05-20"}]
    of = account({"a": plan(SETUP), "b": plan(SETUP)}, trial_until="2026-04-15", pauses=pauses, moves=moves)
    months = ["2026-04-01", "2026-05-01", "2026-06-01", "2026-07-01"]
    assert [str(draft(of, month, Book({})).total) for month in months] == ["0.00", "100.00", "100.00", "0.00"]


def test_what_was_billed_in_advance_for_a_time_that_is_gone_is_given_back() -> None:
    plans, past = {"a": plan({**FEE, "billed": "advance"})}, list[Finalized]()
    of = account(plans)
    final(Desk(of, Book({}), [], [], 1).opening(), past)
    april = final(draft(of, "2026-04-01", Book({}), past), past)
    assert [str(each.invoice.total) for each in past] == ["30.00", "30.00"]
    assert [line.cycle_us for line in april.lines] == [instants.parse("2026-05-01")]
    ended = account(plans, end="2026-05-01")
    back = Desk(ended, Book({}), past, [], 9).corrections()
    assert back is not None
    assert (str(back.total), back.kind, [line.corrects for line in back.lines]) == ("-30.00", "credit-note", ["I-2"])


def test_what_was_invoiced_for_a_beginning_that_moved_is_taken_back() -> None:
    plans, past = {"a": plan(FEE), "b": plan(FEE, interval="year")}, list[Finalized]()
    of = account(plans)
    for month in ("2026-04-01", "2026-05-01"):
        final(draft(of, month, Book({}), past), past)
    # Two months were a year from the beginning on: both are given back, until the year is over.
    yearly = account({"a": plans["b"]}, start="2026-04-01")
    back = Desk(yearly, Book({}), past, [], 9).corrections()
    assert back is not None
    assert str(back.total) == "-60.00"
    final(back, past)
    assert str(draft(yearly, "2026-04-01", Book({}), past).total) == "22.60"


def test_late_usage_counts_for_the_commitment_of_its_time_and_what_is_taken_back_goes_back_to_it() -> None:
    commitments = [
        {"name": "c", "amount": "100", "since": "2026-04-01", "until": "2026-05-01", "overage_percent": "10"}
    ]
    of, past = account({"a": plan(CALLS)}, commitments=commitments), list[Finalized]()
    first = final(draft(of, "2026-04-01", Book({"2026-04-02": "120"}), past), past)
    assert told(first)[1:] == [("commitment", "c", "100.00"), ("draw-down", "c", "-100.00"), ("overage", "c", "2.00")]
    # Thirty less: twenty were beyond the commitment and were paid, ten were paid by it.
    second = final(draft(of, "2026-05-01", Book({"2026-04-02": "90"}), past), past)
    assert told(second) == [("charge", "calls", "-30.00"), ("draw-down", "c", "10.00"), ("overage", "c", "-2.00")]
    third = final(draft(of, "2026-06-01", Book({"2026-04-02": "95"}), past), past)
    assert told(third) == [("charge", "calls", "5.00"), ("draw-down", "c", "-5.00")]


def test_a_commitment_ends_with_the_subscription_and_what_is_missing_is_charged_then() -> None:
    commitments = [{"name": "c", "amount": "100.009", "until": "2027-04-01", "billed": "arrears"}]
    of = account({"a": plan(CALLS)}, commitments=commitments, end="2026-04-16")
    invoice = draft(of, "2026-04-01", Book({"2026-04-02": "40"}))
    assert told(invoice) == [("charge", "calls", "40.00"), ("draw-down", "c", "0"), ("commitment", "c", "60.00")]


def test_credits_go_by_priority_and_expiry_and_pay_nothing_below_zero() -> None:
    base = {"tenant": "acme", "currency": "EUR", "reason": "sorry", "amount": "30.009"}
    grants = [
        Grant("late", Credit.model_validate({**base, "until": "2026-09-01"})),
        Grant("soon", Credit.model_validate({**base, "until": "2026-08-01"})),
        Grant("first", Credit.model_validate({**base, "priority": 1})),
        Grant("gone", Credit.model_validate({**base, "until": "2026-04-01"})),
        Grant("dollars", Credit.model_validate({**base, "currency": "USD"})),
    ]
    of, past = account({"a": plan(CALLS)}), list[Finalized]()
    first = final(draft(of, "2026-04-01", Book({"2026-04-02": "70"}), past, grants), past)
    assert told(first)[1:] == [
        ("credit", "first", "-30.00"),
        ("credit", "soon", "-30.00"),
        ("credit", "late", "-10.00"),
    ]
    # What was never paid in money is not paid out in money: the credit gets it back.
    second = final(draft(of, "2026-05-01", Book({"2026-04-02": "60"}), past, grants), past)
    assert told(second) == [("charge", "calls", "-10.00"), ("credit", "late", "10.00")]
    third = final(draft(of, "2026-06-01", Book({"2026-04-02": "60", "2026-06-02": "50"}), past, grants), past)
    assert told(third)[1:] == [("credit", "late", "-30.00")]


def test_an_allowance_is_carried_through_a_pause_and_not_over_a_plan_without_it() -> None:
    calls = {**CALLS, "included": {"quantity": "10", "rollover_periods": 5}}
    plans = {"a": plan(calls), "b": plan(FEE)}
    book = Book({"2026-06-02": "35"})
    assert str(draft(account(plans), "2026-06-01", book).total) == "5.00"
    paused = account(plans, pauses=[{"since": "2026-05-01", "until": "2026-06-01"}])
    assert str(draft(paused, "2026-06-01", book).total) == "15.00"
    moves = [{"since": "2026-05-01", "plan": "b"}, {"since": "2026-06-01", "plan": "a"}]
    assert str(draft(account(plans, moves=moves), "2026-06-01", book).total) == "25.00"


def test_late_usage_of_an_allowance_that_was_used_since_is_charged_where_it_was_used_since() -> None:
    of, past = account({"a": plan({**CALLS, "included": {"quantity": "10", "rollover_periods": 1}})}), list[Finalized]()
    final(draft(of, "2026-04-01", Book({}), past), past)
    assert final(draft(of, "2026-05-01", Book({"2026-05-02": "20"}), past), past).total == 0
    june = draft(of, "2026-06-01", Book({"2026-04-02": "7", "2026-05-02": "20"}), past)
    assert [(line.cycle_us, str(line.amount), line.corrects) for line in june.lines] == [
        (instants.parse("2026-05-01"), "7.00", "I-2")
    ]


def test_who_is_let_off_everything_pays_nothing() -> None:
    holdings = [
        {"name": "seats", "since": day, "quantity": str(n)} for n, day in ((1, "2026-04-01"), (2, "2026-04-11"))
    ]
    seats = {"name": "seats", "quantity": "seats", "charge": {"model": "per_unit", "unit_price": "0.05"}}
    overrides = [{"name": "free", "approved": "ada", "percent": "100"}]
    of = account({"a": plan(seats)}, holdings=holdings, overrides=overrides)
    assert draft(of, "2026-04-01", Book({})).total == 0


def test_what_was_observed_and_costs_nothing_is_told_of_beside_what_was_billed_in_advance() -> None:
    of, past = account({"a": plan({**FEE, "billed": "advance"}, CALLS)}), list[Finalized]()
    final(draft(of, "2026-04-01", Book({}), past), past)
    may = draft(of, "2026-05-01", Book({"2026-05-02": "0"}), past)
    assert told(may) == [("charge", "calls", "0.00"), ("charge", "fee", "30.00")]
    assert may.coverage == 1


def test_invoices_in_another_order_come_to_the_same() -> None:
    of, past = account({"a": plan({**FEE, "billed": "advance"}, CALLS)}), list[Finalized]()
    book = Book({"2026-04-02": "1", "2026-05-02": "2"})
    may = final(draft(of, "2026-05-01", book, past), past)
    april = final(draft(of, "2026-04-01", book, past), past)
    # The draft of May counts on that of April to bill the fee of May, which then corrects what May left out.
    assert (str(may.total), str(april.total)) == ("32.00", "61.00")
    assert Desk(of, book, past, [], 9).corrections() is None


ADVANCE = {"name": "fee", "billed": "advance", "charge": {"model": "flat", "amount": "100"}}


def test_what_is_billed_before_the_first_cycle_takes_nothing_back_of_an_invoice_that_is_there() -> None:
    of, past, book = (
        account({"a": plan(ADVANCE, CALLS)}),
        list[Finalized](),
        Book({"2026-04-02": "50", "2026-05-02": "70"}),
    )
    assert str(final(draft(of, "2026-04-01", book, past), past).total) == "250.00"
    assert Desk(of, book, past, (), 9).opening() is None
    assert str(draft(of, "2026-05-01", book, past).total) == "170.00"


def test_an_opening_invoice_draws_credits_and_counts_for_commitments() -> None:
    plans, book = {"a": plan(ADVANCE)}, Book({})
    credit = Credit.model_validate({"tenant": "acme", "currency": "EUR", "reason": "sorry", "amount": "1000"})
    made = Desk(account(plans), book, (), (Grant("c", credit),), 1).opening()
    assert made is not None and str(made.total) == "0.00"
    of, past = account(plans, commitments=[{"name": "y", "amount": "1000"}]), list[Finalized]()
    made = final(Desk(of, book, past, (), 1).opening(), past)
    assert told(made) == [("charge", "fee", "100.00"), ("commitment", "y", "1000.00"), ("draw-down", "y", "-100.00")]
    assert str(draft(of, "2026-04-01", book, past).total) == "0.00"


@pytest.mark.parametrize(("later", "expected"), [("100", "-200.00"), ("500", "200.00"), (None, "-80.00")])
def test_a_commitment_that_is_changed_is_made_up_for(later: str | None, expected: str) -> None:
    plans, past, book = {"a": plan(CALLS)}, list[Finalized](), Book({"2026-04-02": "220"})
    before = account(plans, commitments=[{"name": "y", "amount": "300"}])
    assert str(final(draft(before, "2026-04-01", book, past), past).total) == "300.00"
    commitments = [] if later is None else [{"name": "y", "amount": later}]
    lines = told(draft(account(plans, commitments=commitments), "2026-05-01", book, past))
    assert ("commitment", "y", expected) in lines


def test_a_correction_tells_of_the_part_that_it_corrects() -> None:
    plans = {"a": plan(CALLS), "b": plan({**CALLS, "charge": {"model": "per_unit", "unit_price": "2"}})}
    of, past = account(plans, moves=[{"since": "2026-04-11", "plan": "b"}]), list[Finalized]()
    final(draft(of, "2026-04-01", Book({"2026-04-02": "5", "2026-04-20": "7"}), past), past)
    (line,) = draft(of, "2026-05-01", Book({"2026-04-02": "6", "2026-04-20": "7"}), past).lines
    assert (str(line.amount), line.line.quantity) == ("1.00", Decimal(6))
    assert line.line.period.start_us == instants.parse("2026-04-01")
