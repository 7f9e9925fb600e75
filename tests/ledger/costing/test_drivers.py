"""Usage by charge periods is what usage is, booked or not, and resources belong to whom they did."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ledger.costing.drivers import Asked, usage_of
from ledger.costing.inventory import owners
from ledger.directory.catalog import Catalog
from ledger.directory.standing import catalog_of
from ledger.journal.journal import Journal
from ledger.journal.record import DEFINITIONS_CHAIN, Kind
from ledger.journal.view import View
from ledger.metering.answer import usage
from ledger.metering.booking import Booker
from ledger.schema.spec import canonical
from meterbook.ledger.v1 import journal_pb2
from meterbook.wire.instants import HOUR_US
from tests.ledger.batches import MONTH, Sender, append, content, event, extend, opened, series
from tests.ledger.costing.memory import catalog, meters

METERS = "kind: meter\nname: short\nspec: {source: {event: cpu}, aggregation: sum, unit: u, group_by: [node], window: minute}"


def definitions(journal: Journal) -> Catalog:
    found = catalog(*meters("cpu", "memory"), METERS)
    versions = [
        journal_pb2.DefinitionVersion(
            kind=each.kind, name=each.name, version=1, effective_from_us=0, spec=canonical(each.spec)
        )
        for each in found
    ]
    record = journal_pb2.DefinitionsRecord(author="ada", versions=versions)
    extend(journal, Kind.DEFINITIONS, DEFINITIONS_CHAIN, record.SerializeToString())
    return catalog_of(journal.view())


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with opened(tmp_path) as journal:
        used = [
            (0, "acme", "n1", 1),
            (0, "bcorp", "n2", 2),
            (1, "acme", "n1", 4),
            (2, "acme", "n2", 8),
            (2, "bcorp", "n1", 16),
        ]
        events = [
            event(
                10 * number + kind,
                type=name,
                tenant=tenant,
                time=MONTH + hour * HOUR_US + 30 * 60_000_000,
                value=Decimal(value),
                properties=f'{{"node":"{node}"}}',
            )
            for number, (hour, tenant, node, value) in enumerate(used)
            for kind, name in enumerate(("cpu", "memory"))
        ]
        append(journal, content(events=events))
        yield journal


def told(
    view: View, found: Catalog, names: list[str], first: int, last: int, node: str | None = None
) -> dict[str, Decimal]:
    where = {} if node is None else {"node": pa.array([node])}
    asked = Asked(np.array([MONTH + first * HOUR_US]), np.array([MONTH + last * HOUR_US]), where)
    return {row["tenant"]: row["quantity"] for row in usage_of(view, found, names, asked).to_pylist()}


def test_usage_of_a_period_is_what_usage_is_booked_or_not(journal: Journal) -> None:
    found = definitions(journal)
    for books, name in itertools.product((False, True), ("cpu", "short")):
        if books:
            Booker(journal).book(MONTH + 2 * HOUR_US)
        view = journal.view()
        for first, last in ((0, 1), (0, 3), (2, 744)):
            rows = usage(view, found, MONTH + first * HOUR_US, MONTH + last * HOUR_US, meters=[name])
            expected: dict[str, Decimal] = {}
            for row in rows:
                expected[row.tenant] = expected.get(row.tenant, Decimal(0)) + row.quantity
            assert told(view, found, [name], first, last) == expected
        assert told(view, found, [name], 0, 3, "n1") == {"acme": 5, "bcorp": 16}
        assert told(view, found, [name], 0, 3, "n3") == {}


def test_the_greatest_of_two_meters_that_are_alike_is_either(journal: Journal) -> None:
    found = definitions(journal)
    view = journal.view()
    assert told(view, found, ["cpu", "memory"], 0, 3) == told(view, found, ["cpu"], 0, 3)


def test_a_resource_is_found_by_what_can_be_read_of_it(journal: Journal) -> None:
    half = r'{"id":"i-1","name":"\ud800"}'
    rows = [
        series(1, "gauge", metric="aws_resource_exists", attributes=half, labels='{"id":"i-2"}', tenant="acme"),
        series(2, "gauge", metric="aws_resource_exists", attributes='{"id":"i-3"}', labels=half, tenant="bcorp"),
    ]
    append(journal, content(series=rows), sender=Sender("inventory"))
    names = ["i-1", "i-2", "i-3"]
    found = owners(journal.view(), "aws_resource_exists", ["id"], pa.array(names), np.full(len(names), MONTH))
    assert found == [None, "acme", "bcorp"]


def test_resources_belong_to_whom_they_did(journal: Journal) -> None:
    attributes = ('{"arn":"arn:x/i-1","id":"i-1"}', '{"id":"i-2"}')
    rows = [
        series(
            1, "gauge", metric="aws_resource_exists", attributes=attributes[0], tenant="acme", since=MONTH + HOUR_US
        ),
        series(
            1,
            "gauge",
            metric="aws_resource_exists",
            attributes=attributes[0],
            tenant="bcorp",
            since=MONTH + 5 * HOUR_US,
        ),
        series(2, "gauge", metric="aws_resource_exists", attributes=attributes[1], tenant="@shared", since=MONTH),
        series(3, "gauge", metric="something_else", attributes='{"id":"i-3"}', since=MONTH),
    ]
    append(journal, content(series=[rows[0], rows[2], rows[3]]), content(series=[rows[1]]), sender=Sender("inventory"))
    asked = [("i-1", 0), ("i-1", 1), ("arn:x/i-1", 4), ("i-1", 5), ("i-1", 99), ("i-2", 3), ("i-3", 3), (None, 3)]
    names, hours = zip(*asked, strict=True)
    at_us = MONTH + np.array(hours) * HOUR_US
    found = owners(journal.view(), "aws_resource_exists", ["arn", "id"], pa.array(names, pa.utf8()), at_us)
    assert found == ["acme", "acme", "acme", "bcorp", "bcorp", "@shared", None, None]
