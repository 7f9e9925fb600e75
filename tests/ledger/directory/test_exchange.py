"""Exchange rates are read exactly, at most one of two currencies holds on a day, and what would make it two is refused."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from ledger.directory.applying import plan_changes
from ledger.directory.catalog import Catalog
from ledger.directory.documents import Document
from ledger.directory.manifest import parse_manifests
from ledger.directory.quotations import Quotation, Quotations
from ledger.directory.versions import DefinitionRow


def rates(body: str, name: str = "ecb", more: str = "", base: str = "EUR", quote: str = "USD") -> str:
    return f"kind: exchange-rates\nname: {name}\nspec: {{base: {base}, quote: {quote}, rates: {{{body}}}{more}}}\n"


def read(*texts: str) -> tuple[Document, ...]:
    manifest = parse_manifests([("rates.yaml", "---\n".join(texts))])
    assert manifest.faults == ()
    return manifest.documents


def applied(*steps: str, catalog: Catalog | None = None) -> Catalog:
    """A catalog after one apply for each text."""
    held = catalog or Catalog.of([])
    for position, text in enumerate(steps, start=1):
        application = plan_changes(held, read(text))
        assert application.faults == ()
        rows = [
            DefinitionRow(each.kind, each.name, each.version, each.effective_from_us, each.spec, "ada", position)
            for each in application.versions
        ]
        old = [
            DefinitionRow(
                each.kind, each.name, each.version, each.effective_from_us, each.spec.model_dump_json(), "ada", 1
            )
            for each in held
        ]
        held = Catalog.of([*old, *rows])
    return held


def faults(*texts: str, catalog: Catalog | None = None) -> list[str]:
    return [str(fault) for fault in plan_changes(catalog or Catalog.of([]), read(*texts)).faults]


def held(catalog: Catalog, day: str, one: str = "EUR", other: str = "USD") -> Quotation | None:
    return Quotations(catalog).held(one, other, date.fromisoformat(day))


@pytest.mark.parametrize(
    ("day", "when"),
    [
        ("2026-03-01", None),
        ("2026-03-02", "2026-03-02"),
        ("2026-03-04", "2026-03-02"),
        ("2026-03-05", "2026-03-05"),
        ("2036-01-01", "2026-03-05"),
    ],
)
def test_a_rate_of_a_date_holds_until_the_next(day: str, when: str | None) -> None:
    # As text they are not in order of time.
    found = held(applied(rates("2026-03-05: 1.1, 2026-03-02: 1.0832")), day)
    assert (None if found is None else found.when) == when


@pytest.mark.parametrize(("day", "holds"), [("2026-03-02", True), ("2026-03-04", True), ("2026-03-05", False)])
def test_a_rate_of_a_date_holds_for_so_many_days_at_most(day: str, holds: bool) -> None:
    assert (held(applied(rates("2026-03-02: 1.08", more=", days_max: 3")), day) is not None) == holds


@pytest.mark.parametrize(
    ("day", "when"),
    [
        ("2026-01-31", None),
        ("2026-02-01", "2026-02"),
        ("2026-02-28", "2026-02"),
        ("2026-03-01", None),
        ("2026-12-31", "2026-12"),
        ("2027-01-01", None),
        ("9999-12-31", "9999-12"),
    ],
)
def test_a_rate_of_a_month_holds_in_that_month_alone(day: str, when: str | None) -> None:
    found = held(applied(rates("2026-02: 1.08, 2026-12: 1.2, 9999-12: 2")), day)
    assert (None if found is None else found.when) == when


def test_rates_of_two_currencies_may_stand_in_several_definitions_either_way_round() -> None:
    catalog = applied(
        rates("2026-02: 1.08", "february"), rates("2026-03: 0.9", "march", base="USD", quote="EUR"), rates("2026-03: 1", "x", quote="CHF")
    )  # fmt: skip
    for day, name, rate in (("2026-02-03", "february", "1.08"), ("2026-03-03", "march", "0.9")):
        for one, other in (("EUR", "USD"), ("USD", "EUR")):
            found = held(catalog, day, one, other)
            assert found is not None
            assert (found.definition, found.rate) == (name, Decimal(rate))
    assert Quotations(catalog).partners("EUR") == {"USD", "CHF"}
    assert Quotations(catalog).partners("JPY") == set()


def test_the_newest_version_takes_the_place_of_all_earlier_ones() -> None:
    catalog = applied(rates("2026-03-02: 1.08, 2026-03-03: 1.09"), rates("2026-03-02: 1.07"))
    found = held(catalog, "2026-03-03")
    assert found is not None
    assert (found.version, found.rate) == (2, Decimal("1.07"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (rates("2026-13-01: 1"), "rates.yaml:3: spec.rates.2026-13-01: '2026-13-01' is not in the calendar: "),
        (rates("2026-02-29: 1"), "rates.yaml:3: spec.rates.2026-02-29: '2026-02-29' is not in the calendar: "),
        (rates("March: 1"), "rates.yaml:3: spec.rates.March: 'March' is neither a date such as 2026-03-02 nor a month such as 2026-03"),
        (rates("2026-03: 1, 2026-03-02: 1"), "rates.yaml:3: spec.rates: '2026-03' is a month and '2026-03-02' a date: give all"),
        (rates("2026-03: 0"), "rates.yaml:3: spec.rates.2026-03: '0' is refused: input should be greater than 0"),
        (rates("2026-03: 1e3"), "rates.yaml:3: spec.rates.2026-03: '1e3' is not a plain decimal number"),
        (rates(""), "rates.yaml:3: spec.rates: {} is refused: dictionary should have at least 1 item"),
        (rates("2026-03: 1", quote="EUR"), "rates.yaml:3: spec: base and quote are both 'EUR'"),
        (rates("2026-03: 1", quote="eur"), "rates.yaml:3: spec.quote: 'eur' is not an active ISO 4217 currency code that can be paid in; did you mean 'EUR'?"),
        (rates("2026-03: 1", more=", days_max: 3"), "rates.yaml:3: spec: 'days_max' goes with rates of dates"),
        (rates("2026-03-02: 1").replace("spec", "effective_from: 2026-01-01\nspec"), "rates.yaml:3: effective_from: a exchange-rates has no effective_from"),
    ],
)  # fmt: skip
def test_a_fault_names_place_field_and_value(text: str, expected: str) -> None:
    manifest = parse_manifests([("rates.yaml", text)])
    assert str(manifest.faults[0]).startswith(expected)


def test_two_rates_for_one_date_are_refused() -> None:
    standing = applied(rates("2026-03-02: 1.08"))
    other = rates("2026-03-01: 1, 2026-03-02: 0.93", "bank", base="USD", quote="EUR")
    message = "rates.yaml:3: spec.rates.2026-03-02: exchange-rates 'ecb' has a rate of EUR and USD for 2026-03-02 already: leave one of the two out"
    assert faults(other, catalog=standing) == [message]
    assert faults(rates("2026-03-01: 1", "bank"), catalog=standing) == []
    # Of other currencies, and of its own earlier version, nothing is in the way.
    assert faults(rates("2026-03-02: 1", "bank", quote="CHF"), rates("2026-03-02: 1.1"), catalog=standing) == []


def test_months_and_dates_of_two_currencies_are_refused_together() -> None:
    (fault,) = faults(rates("2026-03: 1.08", "average"), catalog=applied(rates("2026-03-02: 1.08")))
    assert fault.startswith(
        "rates.yaml:3: spec.rates.2026-03: '2026-03' and '2026-03-02' of exchange-rates 'ecb' tell of EUR and USD by months and by dates"
    )
