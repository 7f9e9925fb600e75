"""Invoices to write down: one with everything in it, a credit note, an empty one and a long one."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

from ledger.billing.charging import Line
from ledger.billing.invoice import Invoice, InvoiceLine
from ledger.billing.parties import Paper, Party
from ledger.billing.period import Period
from ledger.rating.model import RatedLine
from ledger.rating.rounding import round_exact
from meterbook.wire import instants


def period(start: str, end: str) -> Period:
    """A period by its ends."""
    return Period(instants.parse(start), instants.parse(end))


FEBRUARY = period("2026-01-31T23:00:00Z", "2026-02-28T23:00:00Z")
MARCH = period("2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z")
APRIL = period("2026-03-31T22:00:00Z", "2026-04-30T22:00:00Z")
ISSUED_US = instants.parse("2026-04-01T06:30:00Z")
HASH = "9f2c4be1d07a5c3386b1c0f7e2d94a58b6130fa7c5d2e8914703bb6a1f0e9d3c"
_NONE = Decimal(0)
_DAY_US = 86_400_000_000

SELLER = Party(
    "Nordlicht Metering GmbH",
    ("Torstraße 112", "10119 Berlin", "Germany"),
    "DE 312 456 789",
    "billing@nordlicht.example",
)
CUSTOMER = Party(
    "Acme Observatory Ltd",
    ("Building 7, Science Park", "Milton Road", "Cambridge CB4 0WS", "United Kingdom"),
    "GB 123 4567 89",
)
PAPER = Paper(
    timezone="Europe/Berlin",
    language="en",
    payment_days=14,
    payment_details=("IBAN DE02 1203 0000 0000 2020 51", "BIC BYLADEM1001"),
    footer=("Nordlicht Metering GmbH · Torstraße 112 · 10119 Berlin", "Amtsgericht Charlottenburg HRB 123456 B"),
    accent="#0b5d66",
)


def charged(
    product: str, price: str, title: str, exact: Decimal | Fraction, currency: str = "EUR", **more: object
) -> InvoiceLine:
    """A line that charges something."""
    amount = round_exact(exact, currency)
    line = Line("charge", product, price, "", title, MARCH, amount, exact)
    return InvoiceLine(line._replace(**more), MARCH.start_us, amount)  # type: ignore[arg-type]


def besides(role: str, name: str, amount: str, product: str = "", price: str = "", **more: object) -> InvoiceLine:
    """A line that charges nothing by itself."""
    value = Decimal(amount)
    line = Line(role, product, price, name, name, MARCH, value, value)  # type: ignore[arg-type]
    return InvoiceLine(line._replace(**more), MARCH.start_us, value)  # type: ignore[arg-type]


def piece(quantity: str, price: str, tier: int = 0, label: str = "") -> RatedLine:
    """A piece at one price."""
    return RatedLine(Decimal(quantity), Decimal(price), Decimal(quantity) * Decimal(price), tier, label)


def _recurring() -> tuple[InvoiceLine, ...]:
    advance = charged(
        "platform", "seats", "Seats", Decimal("480"), quantity=Decimal(12), details=(piece("12", "40"),), period=APRIL
    )
    prorated = charged(
        "platform",
        "seats",
        "Seats",
        Fraction(80) * Fraction(19, 31),
        quantity=Decimal(2),
        details=(piece("2", "40"),),
        period=period("2026-03-12T23:00:00Z", "2026-03-31T22:00:00Z"),
    )
    back = Line("charge", "platform", "seats", "", "Seats", MARCH, Decimal("-40.00"), Decimal("-40.00"))
    fee = charged("platform", "base", "Platform fee", Decimal("199"), quantity=Decimal(1), details=(piece("1", "199"),))
    return (
        fee,
        prorated,
        InvoiceLine(back, MARCH.start_us, Decimal("-40.00"), Decimal("40.00")),
        InvoiceLine(advance.line, APRIL.start_us, advance.amount),
        charged(
            "support",
            "onboarding",
            "Onboarding workshop",
            Decimal("500"),
            quantity=Decimal(1),
            details=(piece("1", "500"),),
        ),
    )


def _usage() -> tuple[InvoiceLine, ...]:
    tiers = (piece("1000000", "0.0004", 1), piece("4000000", "0.00025", 2), piece("1734208", "0.000125", 3))
    requests = charged(
        "gateway",
        "requests",
        "API requests",
        Decimal("1616.776"),
        meter="requests",
        model="graduated",
        unit="requests",
        quantity=Decimal("6734208"),
        details=tiers,
        observed_us=31 * _DAY_US - 535_680_000,
        expected_us=31 * _DAY_US,
        estimated=Decimal("1204"),
    )
    egress = charged(
        "gateway",
        "egress",
        "Data transfer out",
        Decimal("92.24893057"),
        meter="egress",
        model="per_unit",
        unit="GB",
        quantity=Decimal("1853.78195"),
        included=Decimal(100),
        details=(RatedLine(Decimal("1753.78195"), Decimal("0.0526"), Decimal("92.24893057"), 0, ""),),
    )
    storage = charged(
        "storage",
        "stored",
        "Object storage",
        Decimal("68.924999975"),
        meter="stored",
        model="matrix",
        unit="TB·month",
        quantity=Decimal("3.25"),
        details=(
            piece("2.5", "21.5", label="region eu-central-1"),
            piece("0.75", "20.2333333", label="region us-east-1"),
        ),
    )
    return (
        requests,
        besides("discount", "Launch partner, 10 %", "-161.68", "gateway", "requests"),
        egress,
        storage,
        besides("minimum", "Storage", "31.08", "storage"),
    )


def _corrections() -> tuple[InvoiceLine, ...]:
    line = Line(
        "charge", "gateway", "requests", "", "API requests", FEBRUARY, Decimal("-12.40"), Decimal("-12.40"), "requests"
    )
    return (InvoiceLine(line, FEBRUARY.start_us, Decimal("-12.40"), Decimal("1480.25"), "INV-41"),)


def everything() -> Invoice:
    """An invoice that has a line of every kind."""
    settling = (
        besides("draw-down", "annual 2026", "-1500.00", quantity=Decimal("1500.00")),
        besides("overage", "annual 2026", "12.50", quantity=Decimal("125.00")),
        besides("credit", "Outage of 3 February", "-75.00"),
    )
    return Invoice(
        as_of=184_213,
        tenant="acme",
        subscription="acme-pro",
        plan="Professional",
        plan_version=3,
        period=MARCH,
        billed=MARCH,
        currency="EUR",
        lines=(*_recurring(), *_usage(), besides("discount", "Loyalty", "-20.00"), *_corrections(), *settling),
        carried={},
        notes=("trial, 1 March: 4211 of 'requests' is not charged",),
        seller=SELLER,
        customer=CUSTOMER,
        paper=PAPER,
    )


def credit_note() -> Invoice:
    """What earlier invoices charged too much."""
    return replace(everything(), lines=_corrections(), notes=())


def nothing() -> Invoice:
    """An invoice without a line, between parties of whom nothing is known."""
    return replace(everything(), lines=(), notes=(), seller=Party(), customer=Party("acme"), paper=Paper())


def in_currency(currency: str) -> Invoice:
    """One line in a currency."""
    line = charged(
        "p", "x", "X", Decimal("1234567.4565"), currency, quantity=Decimal(1), details=(piece("1", "1234567.4565"),)
    )
    return replace(everything(), currency=currency, lines=(line,))


def long(lines: int) -> Invoice:
    """As many lines as one wants."""
    made = (
        charged(
            f"product {number // 12}",
            f"price {number}",
            f"Price {number}",
            Decimal(number),
            meter="m",
            quantity=Decimal(number),
            unit="h",
            details=(piece(str(number), "1"),),
        )
        for number in range(1, lines + 1)
    )
    return replace(everything(), lines=tuple(made))
