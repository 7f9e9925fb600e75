"""Manifests are read exactly, and everything that is wrong with them is said at once, with its place."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ledger.directory.documents import Document
from ledger.directory.manifest import parse_manifests
from ledger.directory.meter import Meter
from ledger.directory.plan import Plan
from ledger.directory.pricesheet import PriceSheet
from ledger.directory.subscription import Subscription
from ledger.directory.tenant import Tenant
from ledger.schema.spec import canonical
from meterbook.wire import instants

GOOD = """\
# everything at once
kind: meter
name: cpu
spec:
  source: {metric: container_cpu_usage_seconds_total}
  filter: {region: [eu, us], status: 200, on: yes}
  aggregation: increase
  unit: core-seconds
  group_by: [pod]
---
kind: meter
name: requests
spec:
  source: {event: request}
  aggregation: count
  unit: requests
---
---
kind: price-sheet
name: aws
effective_from: 2026-03-01
spec: {currency: EUR, prices: {cpu: 0.1, requests: 0.000000000000000001}}
---
kind: plan
name: team
spec:
  currency: USD
  flat_fee: 10.00
  charges:
    - meter: requests
      tiers:
        - {up_to: 1000, unit_price: 0.002}
        - {unit_price: 0.0010, up_to: ~}
---
kind: tenant
name: acme
spec: {title: ACME Ltd, timezone: Europe/Berlin}
---
kind: subscription
name: acme-team
spec: {tenant: acme, plan: team, start: 2026-01-01, end: 2027-01-01T00:00:00+01:00}
"""


def read(text: str, file: str = "book.yaml") -> tuple[Document, ...]:
    manifest = parse_manifests([(file, text)])
    assert manifest.faults == ()
    return manifest.documents


def faults(text: str, file: str = "book.yaml") -> list[str]:
    return [str(fault) for fault in parse_manifests([(file, text)]).faults]


def test_every_kind_is_read() -> None:
    cpu, requests, sheet, plan, tenant, subscription = read(GOOD)
    assert (cpu.kind, cpu.name, cpu.effective_from_us, cpu.place) == ("meter", "cpu", 0, "book.yaml:2")
    assert isinstance(cpu.spec, Meter)
    assert cpu.spec.model_dump(mode="json")["filter"] == {"region": ["eu", "us"], "status": ["200"], "on": ["yes"]}
    assert cpu.spec.max_gap_s == 300
    assert isinstance(requests.spec, Meter)
    assert requests.spec.source.kind == "event"
    assert sheet.effective_from_us == instants.parse("2026-03-01")
    assert isinstance(sheet.spec, PriceSheet)
    assert sheet.spec.prices == {"cpu": Decimal("0.1"), "requests": Decimal("0.000000000000000001")}
    assert isinstance(plan.spec, Plan)
    assert str(plan.spec.flat_fee) == "10"
    assert [tier.up_to for tier in plan.spec.charges[0].tiers] == [Decimal(1000), None]
    assert isinstance(tenant.spec, Tenant)
    assert tenant.spec.zone.key == "Europe/Berlin"
    assert isinstance(subscription.spec, Subscription)
    assert (subscription.spec.start, subscription.spec.end) == ("2026-01-01", "2026-12-31T23:00:00Z")
    assert subscription.spec.bounds(tenant.spec.zone) == (
        instants.parse("2025-12-31T23:00:00Z"),
        instants.parse("2026-12-31T23:00:00Z"),
    )


def test_a_meter_without_a_filter_accepts_all() -> None:
    spec = read("kind: meter\nname: m\nspec: {source: {event: e}, aggregation: sum, unit: u}")[0].spec
    assert isinstance(spec, Meter)
    assert (spec.filter, spec.group_by) == ({}, ())


def test_exchange_rates_are_read_exactly_and_are_the_same_in_any_order() -> None:
    specs = [
        read(f"kind: exchange-rates\nname: r\nspec: {{base: EUR, quote: USD, rates: {{{rates}}}}}")[0].spec
        for rates in ("2026-03-02: 1.08320, 2026-03-03: 0.1", "2026-03-03: '0.10', 2026-03-02: 1.0832")
    ]
    told = '{"base":"EUR","days_max":null,"quote":"USD","rates":{"2026-03-02":"1.0832","2026-03-03":"0.1"}}'
    assert [canonical(spec) for spec in specs] == [told, told]


def test_canonical_text_spells_out_defaults_and_writes_decimals_as_text() -> None:
    told = '{"address":[],"attributes":{},"email":"","language":"","series":"INV","tax_id":"","timezone":"UTC","title":null}'
    assert canonical(read("kind: tenant\nname: a\nspec: {}")[0].spec) == told
    plans = [f"kind: plan\nname: p\nspec: {{currency: EUR, flat_fee: {fee}}}" for fee in ("1", "1.0", "01.000", '"1"')]
    (told,) = {canonical(read(plan)[0].spec) for plan in plans}
    assert told.startswith('{"anchor":"calendar","charges":[],"currency":"EUR"')
    assert '"flat_fee":"1"' in told


PLAN = "kind: plan\nname: p\nspec:\n  currency: EUR\n"
CHARGE = PLAN + "  charges:\n    - meter: m\n      tiers: "
METER = "kind: meter\nname: m\nspec:\n  unit: u\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # YAML itself
        ("kind: [plan\n", "book.yaml:2: this is not YAML: did not find expected ',' or ']'"),
        ("kind: plan\nkind: meter\n", "book.yaml:2: the key 'kind' is given twice, first in line 1"),
        (PLAN + "  flat_fee: !!float 1", "book.yaml:5: spec.flat_fee: the tag tag:yaml.org,2002:float is not supported: write plain text"),
        ("a: &x 1\nb: *x", "book.yaml:2: b: the alias *x is not supported: write the value out"),
        ("? [a]\n: b", "book.yaml:1: a key must be plain text"),
        ("[" * 40, "book.yaml:1: this is not YAML: it is nested more than 32 deep"),
        ("a: \x07", "book.yaml:1: this is not YAML: "),
        # the envelope
        ("just text", "book.yaml:1: 'just text' is not a definition: it needs the keys kind, name and spec"),
        ("kind: plann\nname: p\nspec: {}", "book.yaml:1: kind: 'plann' is not a kind of definition; did you mean 'plan'?"),
        ("kind: xyz\nname: p\nspec: {}", "book.yaml:1: kind: 'xyz' is not a kind of definition; known are allocation, credit, exchange-rates, meter, plan, price-book, price-sheet, reassignment, seller, subscription, tenant"),
        ("kind: tenant\nspec: {}", "book.yaml:1: name: is missing"),
        ("kind: tenant\nname: '@shared'\nspec: {}", "book.yaml:2: name: '@shared' begins with @, which is kept for the book's own tenants such as @shared"),
        ("kind: tenant\nname: ' a'\nspec: {}", "book.yaml:2: name: ' a' has spaces around it or characters that cannot be printed"),
        ("kind: tenant\nname: a\neffective_from: soon\nspec: {}", "book.yaml:3: effective_from: 'soon' is not an RFC 3339 time such as 2026-01-31T09:30:00Z"),
        ("kind: tenant\nname: a\neffektive_from: 2026-01-01\nspec: {}", "book.yaml:3: effektive_from: 'effektive_from' is not a known key; did you mean 'effective_from'?"),
        # meters
        (METER + "  source: {metric: x}\n  aggregation: count", "book.yaml:3: spec: aggregation 'count' does not fit a source of kind 'metric': use 'increase', 'rate', 'integral', 'average', 'active', 'min', 'max', 'mean', 'percentile', 'latest', 'last_known' or 'unique'"),
        (METER + "  source: {event: x}\n  aggregation: increase", "book.yaml:3: spec: aggregation 'increase' does not fit a source of kind 'event': use 'count', 'sum', 'total', 'integral', 'average', 'active', 'min', 'max', 'mean', 'percentile', 'latest', 'last_known' or 'unique'"),
        (METER + "  source: {event: x, metric: y}\n  aggregation: sum", "book.yaml:5: spec.source: give either 'metric: <name>' or 'event: <type>', and not both"),
        (METER + "  source: {event: x}\n  aggregation: avg", "book.yaml:6: spec.aggregation: 'avg' is refused: input should be 'increase', 'rate', 'integral', 'average', 'active', 'min', 'max', 'mean', 'percentile', 'latest', 'last_known', 'unique', 'count', 'sum' or 'total'"),
        (METER + "  source: {event: x}\n  agregation: sum\n  aggregation: sum", "book.yaml:6: spec.agregation: 'agregation' is not a known key; did you mean 'aggregation'?"),
        (METER + "  source: {event: x}\n  aggregation: sum\n  max_gap_s: soon", "book.yaml:7: spec.max_gap_s: 'soon' is refused: input should be a valid integer"),
        (METER + "  source: {event: x}\n  aggregation: sum\n  filter: {a: []}", "book.yaml:7: spec.filter.a: an empty list of accepted values would match nothing"),
        (METER + "  source: {event: x}\n  aggregation: sum\n  group_by: [a, a]", "book.yaml:7: spec.group_by: 'a' is named twice"),
        # money
        (PLAN + "  flat_fee: 1e3", "book.yaml:5: spec.flat_fee: '1e3' is not a plain decimal number such as 0.002"),
        (PLAN + "  flat_fee: .nan", "book.yaml:5: spec.flat_fee: '.nan' is not a plain decimal number"),
        (PLAN + "  flat_fee: NaN", "book.yaml:5: spec.flat_fee: 'NaN' is not a plain decimal number"),
        (PLAN + "  flat_fee: Infinity", "book.yaml:5: spec.flat_fee: 'Infinity' is not a plain decimal number"),
        (PLAN + "  flat_fee: -1", "book.yaml:5: spec.flat_fee: '-1' is negative: the number must be zero or more"),
        (PLAN + "  flat_fee: 1_000", "book.yaml:5: spec.flat_fee: '1_000' is not a plain decimal number"),
        (PLAN + "  flat_fee: 0.0000000000000000001", "book.yaml:5: spec.flat_fee: '0.0000000000000000001' is not a plain decimal number"),
        ("kind: plan\nname: p\nspec: {currency: eur}", "book.yaml:3: spec.currency: 'eur' is not an active ISO 4217 currency code that can be paid in; did you mean 'EUR'?"),
        ("kind: price-sheet\nname: p\nspec: {currency: EUR, prices: {}}", "book.yaml:3: spec.prices: {} is refused: dictionary should have at least 1 item"),
        # tiers
        (CHARGE + "[]", "book.yaml:7: spec.charges[0].tiers: a charge needs at least one tier"),
        (CHARGE + "[{up_to: 10, unit_price: 1}]", "book.yaml:7: spec.charges[0].tiers: the last tier ends at 10: it must be open-ended"),
        (CHARGE + "[{unit_price: 1}, {unit_price: 1}]", "book.yaml:7: spec.charges[0].tiers: tier 1 has no up_to"),
        (CHARGE + "[{up_to: 0, unit_price: 1}, {unit_price: 1}]", "book.yaml:7: spec.charges[0].tiers: the first tier ends at 0"),
        (CHARGE + "[{up_to: 5, unit_price: 1}, {up_to: 5.0, unit_price: 1}, {unit_price: 1}]", "book.yaml:7: spec.charges[0].tiers: up_to 5 does not rise above 5"),
        (CHARGE + "[{unit_price: x}]", "book.yaml:7: spec.charges[0].tiers[0].unit_price: 'x' is not a plain decimal"),
        (CHARGE + "[{unit_prise: 1}]", "book.yaml:7: spec.charges[0].tiers[0].unit_prise: 'unit_prise' is not a known key; did you mean 'unit_price'?"),
        (CHARGE + "[{unit_price: 1}]\n    - {meter: m, tiers: [{unit_price: 1}]}", "book.yaml:5: spec.charges: meter 'm' is charged twice"),
        # tenants and subscriptions
        ("kind: tenant\nname: a\nspec: {timezone: Europe/Berlim}", "book.yaml:3: spec.timezone: 'Europe/Berlim' is not an IANA time zone; did you mean 'Europe/Berlin'?"),
        ("kind: tenant\nname: a\nspec: {timezone: ../etc/passwd}", "book.yaml:3: spec.timezone: '../etc/passwd' is not an IANA time zone"),
        ("kind: subscription\nname: a\nspec: {tenant: '@shared', plan: p, start: 2026-01-01}", "book.yaml:3: spec.tenant: '@shared' begins with @"),
        ("kind: subscription\nname: a\nspec: {tenant: a, plan: p, start: 2026-02-30}", "book.yaml:3: spec.start: '2026-02-30' is not a time"),
        ("kind: subscription\nname: a\nspec: {tenant: a, plan: p, start: 2026-02-01, end: 2026-02-01}", "book.yaml:3: spec: end '2026-02-01' is not after start '2026-02-01'"),
        ("kind: subscription\nname: a\neffective_from: 2026-01-01\nspec: {tenant: a, plan: p, start: 2026-02-01}", "book.yaml:3: effective_from: a subscription has no effective_from"),
    ],
)  # fmt: skip
def test_a_fault_names_place_field_and_value(text: str, expected: str) -> None:
    found = faults(text)
    assert found
    assert found[0].startswith(expected)


def test_faults_of_all_documents_and_files_are_collected() -> None:
    first = "kind: tenant\nname: a\nspec: {tz: UTC}\n---\nkind: tenant\nname: b\nspec: {timezone: Mars/Base}\n"
    manifest = parse_manifests([("1.yaml", first), ("2.yaml", "kind: [\n"), ("3.yaml", GOOD)])
    assert [fault.place for fault in manifest.faults] == ["1.yaml:3", "1.yaml:7", "2.yaml:2"]
    assert len(manifest.documents) == 6


def test_an_unknown_key_inside_lists_is_compared_with_the_keys_that_stand_there() -> None:
    found = faults(CHARGE + "[{unit_prise: 1}]")
    assert found[0].endswith("'unit_prise' is not a known key; did you mean 'unit_price'?")


def test_a_bomb_of_aliases_is_refused_without_unfolding_it() -> None:
    levels = [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 12)]
    assert len(faults("\n".join(["l0: &l0 x", *levels]))) == 99
