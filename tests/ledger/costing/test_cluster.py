"""A cluster whose true cost per tenant is known by how it was made: nodes with a price by the hour, pods with whole hours, and a bill of it."""

from __future__ import annotations

import random
from collections import defaultdict
from decimal import Decimal
from fractions import Fraction

from ledger.costing.allocating import allocate
from ledger.costing.reconciling import tenant_costs, totals
from ledger.costing.shares import WHOLE
from ledger.schema.decimals import plain_text
from tests.ledger.costing.memory import Book, catalog, hourly, meters, rule, tenants

#: Cores and GiB of a node, its cost per hour, and what a core and a GiB cost in relation to each other.
CORES, GIB, NODE = 8, 32, Fraction("0.40")
CORE, EACH_GIB = Fraction(NODE, 2 * CORES), Fraction(NODE, 2 * GIB)
RULES = (
    rule(
        "nodes",
        "match: {ServiceName: Nodes}, split: {"
        "cpu: {meter: cpu, where: {node: ResourceId}, price: 4, capacity: {meter: cores}}, "
        "memory: {meter: memory, where: {node: ResourceId}, price: 1, capacity: {meter: gib}}}",
    ),
    rule("control-plane", "match: {ServiceName: Cluster}, to: cluster"),
    rule("cluster", "of: cluster, driver: {meter: cpu}"),
)
NAMES = ("acme", "bcorp", "corp")
HOURS, NODES, CONTROL_PLANE = 12, 5, Fraction("0.10")


def test_the_true_cost_of_a_cluster_comes_back() -> None:
    draw, book = random.Random(7), Book()
    truth: defaultdict[str, Fraction] = defaultdict(Fraction)
    rows, cores_of_hour = [], [defaultdict[str, int](int) for _ in range(HOURS)]
    for hour in range(HOURS):
        for node in (f"i-{number}" for number in range(NODES)):
            document = f'{{"node":"{node}"}}'
            book.use("cores", "@shared", hour, CORES, document)
            book.use("gib", "@shared", hour, GIB, document)
            cores, gib = CORES, GIB
            for name in draw.sample(NAMES, draw.randint(0, len(NAMES))):
                # Pods run for the whole hour, and never ask for more than there is.
                pod_cores, pod_gib = draw.randint(0, cores), draw.randint(0, gib)
                cores, gib = cores - pod_cores, gib - pod_gib
                book.use("cpu", name, hour, pod_cores, document)
                book.use("memory", name, hour, pod_gib, document)
                truth[name] += pod_cores * CORE + pod_gib * EACH_GIB
                cores_of_hour[hour][name] += pod_cores
            truth["@idle"] += cores * CORE + gib * EACH_GIB
            rows.append(hourly(len(rows), plain_text(_decimal(NODE)), hour, ServiceName="Nodes", ResourceId=node))
        rows.append(hourly(len(rows), plain_text(_decimal(CONTROL_PLANE)), hour, ServiceName="Cluster"))
    for used in cores_of_hour:
        for name, cores in used.items():
            truth[name] += CONTROL_PLANE * cores / sum(used.values())
    book.bill(rows)
    book.settle("cpu", "memory", "cores", "gib")
    definitions = catalog(*meters("cpu", "memory", "cores", "gib"), *tenants(*NAMES), *RULES)
    found = allocate(book.view(), definitions, book.standing())
    told = {each.tenant: Fraction(each.cost) for each in tenant_costs(found, "BilledCost")}
    assert told.keys() == truth.keys()
    # Each charge is divided twice at most, and each time to 10^-12 of what is divided.
    for name, cost in truth.items():
        assert abs(told[name] - cost) <= Fraction(2 * len(rows), WHOLE)
    (whole,) = totals(book.view(), book.standing(), found, "BilledCost")
    assert whole.residual == 0
    assert sum(told.values()) == sum(truth.values()) == HOURS * (NODES * NODE + CONTROL_PLANE)


def _decimal(fraction: Fraction) -> Decimal:
    return Decimal(fraction.numerator) / fraction.denominator
