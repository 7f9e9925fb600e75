"""A life of invoices comes to what a second opinion says, by cycle and line, whenever anything became known.

Every customer is drawn from a seed, so that a failure can be looked at again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest

from ledger.billing.cycles import Account
from ledger.billing.document import document_of
from ledger.billing.invoice import Finalized
from ledger.directory.subscription import Subscription
from ledger.directory.tenant import Tenant
from ledger.directory.versions import Definition
from ledger.schema.currency import minor_unit
from ledger.schema.decimals import total
from tests.ledger.billing.calculator import Calculator, Key
from tests.ledger.billing.lives import Life
from tests.ledger.billing.worlds import Customer, customer

#: Customers of one test, and how many such tests there are.
SHARE, SHARES, SHARES_SLOW = 10, 8, 92
DUE = ("charge", "discount", "minimum", "maximum")


def invoiced(past: Sequence[Finalized]) -> dict[tuple[int, Key], Fraction]:
    """What was invoiced in all, by cycle and line; nothing that is zero."""
    found: dict[tuple[int, Key], Fraction] = {}
    for each in past:
        for line in each.invoice.lines:
            if line.line.role in DUE:
                place = line.cycle_us, line.line.key
                found[place] = found.get(place, Fraction(0)) + Fraction(line.amount)
    return {place: amount for place, amount in found.items() if amount}


def check_invoices(of: Customer, past: Sequence[Finalized]) -> None:
    for each in past:
        invoice = each.invoice
        coin = minor_unit(invoice.currency)
        assert invoice.total == total(line.amount for line in invoice.lines)
        assert all(line.amount % coin == 0 for line in invoice.lines)
        assert invoice.kind == ("credit-note" if invoice.total < 0 else "invoice")
        drawn = -total(line.amount for line in invoice.lines if line.line.role == "credit")
        assert drawn == 0 or (invoice.total >= 0 if drawn > 0 else invoice.total <= 0)
    check_credits(of, past)
    check_commitments(of, past)


def check_credits(of: Customer, past: Sequence[Finalized]) -> None:
    left = {grant.name: grant.credit.amount for grant in of.credits}
    for place, each in enumerate(past):
        lines = [line for line in each.invoice.lines if line.line.role == "credit"]
        for line in lines:
            left[line.line.name] += line.amount
        assert len({line.amount > 0 for line in lines}) < 2
        # Neither more is drawn than there was, nor given back than was drawn.
        assert all(0 <= left[grant.name] <= grant.credit.amount for grant in of.credits)
        if each.invoice.total < 0:
            own = [one for one in past[: place + 1] if one.invoice.subscription == each.invoice.subscription]
            drawn = total(line.amount for one in own for line in one.invoice.lines if line.line.role == "credit")
            assert drawn == 0, "a credit that paid is paid out"
        account = of.account(each.invoice.as_of)
        coin = minor_unit(each.invoice.currency)
        for grant in of.credits:
            credit = grant.credit
            is_held = any(
                account.holds(credit.since, credit.until, at)
                for at in (each.invoice.billed.start_us, each.invoice.billed.end_us - 1)
            )
            if is_held and not credit.products and each.invoice.basis == "cycle":
                # Nobody pays who has a credit left.
                assert left[grant.name] < coin or each.invoice.total <= 0


def check_commitments(of: Customer, past: Sequence[Finalized]) -> None:
    for commitment in of.after.get("commitments", ()):
        spent = over = Decimal(0)
        for each in past:
            for line in each.invoice.lines:
                if line.line.name == commitment["name"]:
                    spent += line.line.quantity or 0 if line.line.role == "draw-down" else 0
                    over += line.line.quantity or 0 if line.line.role == "overage" else 0
            assert 0 <= spent <= Decimal(commitment["amount"])
            assert over >= 0
            assert not over or spent > Decimal(commitment["amount"]) - minor_unit(each.invoice.currency)
        lines = [line for each in past for line in each.invoice.lines if line.line.name == commitment["name"]]
        paid = total(line.amount for line in lines if line.line.role == "commitment")
        drawn = total(line.amount for line in lines if line.line.role == "draw-down")
        if commitment["billed"] == "advance":
            assert -drawn == spent <= paid
        else:
            assert drawn == 0
            assert 0 <= paid <= Decimal(commitment["amount"]) - spent


def check_life(seed: int) -> int:
    of = customer(seed)
    past = Life(of).lived()
    expected = Calculator(of.world).charged()
    found = invoiced(past)
    wrong = {place: (found.get(place), expected.get(place)) for place in found.keys() | expected.keys()}
    assert {place: pair for place, pair in wrong.items() if pair[0] != pair[1]} == {}, seed
    check_invoices(of, past)
    return len(past)


@pytest.mark.parametrize("share", range(SHARES))
def test_lives_come_to_what_the_calculator_says(share: int) -> None:
    assert sum(check_life(seed) for seed in range(share * SHARE, (share + 1) * SHARE)) > SHARE


@pytest.mark.slow
@pytest.mark.parametrize("share", range(SHARES, SHARES + SHARES_SLOW))
def test_many_more_lives(share: int) -> None:
    assert sum(check_life(seed) for seed in range(share * SHARE, (share + 1) * SHARE)) > SHARE


@pytest.mark.parametrize("seed", range(6))
def test_another_tenant_changes_nothing(seed: int) -> None:
    of = customer(seed)
    other = Subscription.model_validate({**of.after, "tenant": "other"})
    more = (
        Definition("tenant", "other", 1, 0, Tenant.model_validate({"timezone": "Asia/Tokyo"}), "ada", 9),
        Definition("subscription", "others", 1, 0, other, "ada", 9),
    )
    alone = [document_of(each.invoice) for each in Life(of).lived()]
    assert [document_of(each.invoice) for each in Life(replace(of, more=more)).lived()] == alone


@pytest.mark.parametrize("seed", range(6))
def test_a_draft_is_the_same_again(seed: int) -> None:
    of = customer(seed)
    past = Life(of).lived()
    for place, each in enumerate(past):
        if each.invoice.basis == "cycle":
            account: Account = of.account(each.invoice.as_of)
            cycle = account.cycle_at(each.invoice.billed.start_us)
            assert cycle is not None
            again = of.desk(each.invoice.as_of, past[:place]).draft(cycle)
            assert document_of(again) == document_of(each.invoice)
