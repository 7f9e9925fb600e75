"""A number leads back to its entries, to the parts that it is the sum of, and to batches that can be proved."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import grpc
import pytest

from meterbook.ledger.v1 import admin_pb2, proof_pb2, proof_pb2_grpc, query_pb2
from tests.ledger.books import filled
from tests.ledger.running import Running, serving

AT = "2026-03-10T10:20:00Z"


def traced(shop: Running, meter: str, tenant: str, at: str = AT, **dimensions: str) -> query_pb2.TraceResponse:
    return shop.query.Trace(query_pb2.TraceRequest(meter=meter, tenant=tenant, at=at, dimensions=dimensions))


def hour(shop: Running, meter: str, tenant: str) -> Decimal:
    asked = query_pb2.UsageRequest(
        meters=[meter],
        tenants=[tenant],
        window="own",
        range=query_pb2.Range(start="2026-03-10T10:00:00Z", end="2026-03-10T11:00:00Z"),
    )
    return sum((Decimal(row.quantity) for row in shop.query.Usage(asked).rows), Decimal(0))


@pytest.mark.parametrize(
    ("meter", "tenant"), [("requests", "acme"), ("memory", "@shared"), ("sales", "acme"), ("unpriced", "acme")]
)
def test_parts_and_entries_sum_to_the_quantity(shop: Running, meter: str, tenant: str) -> None:
    found = traced(shop, meter, tenant)
    assert (found.start, found.end) == ("2026-03-10T10:00:00Z", "2026-03-10T11:00:00Z")
    quantity = hour(shop, meter, tenant)
    assert quantity
    assert sum(Decimal(part.quantity) for part in found.parts) == Decimal(found.quantity) == quantity
    assert found.parts_total == len(found.parts) > 0
    assert sum(Decimal(entry.quantity) for entry in found.entries) == Decimal(found.booked)


def test_a_correction_is_an_entry_of_its_own(tmp_path: Path) -> None:
    with serving(tmp_path / "store") as shop:
        filled(shop, tmp_path)
        # A late sample has made a rise a reset, and nobody has booked that yet.
        before = traced(shop, "requests", "acme")
        assert (before.quantity, before.booked) == ("756", "420")
        shop.admin.Book(admin_pb2.BookRequest())
        after = traced(shop, "requests", "acme")
        assert [entry.quantity for entry in after.entries] == ["420", "336"]
        assert after.booked == after.quantity == "756"
        assert after.entries[0].position < after.entries[1].position


def test_parts_of_series_have_their_labels(shop: Running) -> None:
    (part,) = traced(shop, "requests", "acme").parts
    assert '"code":"200"' in part.resource
    assert (part.source, dict(part.dimensions)) == ("prometheus/shop", {"code": "200", "pod": "p-1"})


def test_batches_can_be_proved(shop: Running) -> None:
    batches = traced(shop, "requests", "acme").batches
    assert sum(batch.rows for batch in batches) > 10
    for batch in batches:
        asked = proof_pb2.InclusionRequest(agent=batch.agent, epoch=batch.epoch, sequence=batch.sequence)
        assert proof_pb2_grpc.ProofStub(shop.channel).Inclusion(asked).position == batch.position


def test_dimensions_choose(shop: Running) -> None:
    sizes = {size: traced(shop, "unpriced", "acme", size=size).parts for size in ("3", "xl", "m")}
    assert [[part.quantity for part in parts] for parts in sizes.values()] == [["1"], ["1"], []]


@pytest.mark.parametrize(
    ("meter", "tenant", "at", "message"),
    [
        ("request", "acme", AT, "meter: there is no meter 'request'; did you mean 'requests'?"),
        ("requests", "acne", AT, "tenants: there is no tenant 'acne'; did you mean 'acme'?"),
        ("requests", "acme", "noon", "at: 'noon' is not an RFC 3339 time such as 2026-01-31T09:30:00Z"),
        (
            "requests",
            "acme",
            "0001-01-01T00:00:00Z",
            "at: 0001-01-01T00:00:00Z is in no window that 'requests' holds for",
        ),
    ],
)
def test_a_mistake_is_told(shop: Running, meter: str, tenant: str, at: str, message: str) -> None:
    with pytest.raises(grpc.RpcError) as error:
        traced(shop, meter, tenant, at)
    assert error.value.details().startswith(message)  # type: ignore[attr-defined]
