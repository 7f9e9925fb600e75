"""What was booked again is listed with what it came to before and after, and why; and a trace says the same."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import grpc
import pytest

from meterbook.ledger.v1 import admin_pb2, query_pb2
from tests.ledger.batches import content, event
from tests.ledger.query.test_amending import MINUTE, TEN, amend, fill
from tests.ledger.running import Running, serving

REASSIGNMENT = """\
kind: reassignment
name: team-x
effective_from: 2026-03-10T11:00:00Z
spec: {from: acme, to: blue, filter: {size: s}, reason: tagged for the former team}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Running]:
    with serving(tmp_path / "store") as running:
        fill(running)
        running.admin.Book(admin_pb2.BookRequest())
        yield running


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A ledger that nothing is written to."""
    with serving(tmp_path_factory.mktemp("closed") / "store") as running:
        fill(running)
        yield running


def corrections(shop: Running, **asked: object) -> list[tuple[str, str, str, str, str]]:
    """Hour, tenant, before, after and why."""
    rows = shop.query.Corrections(query_pb2.CorrectionsRequest(**{"meter": "sales"} | asked)).rows  # type: ignore[arg-type]
    return [(row.window[11:13], row.tenant, row.before, row.after, ", ".join(row.causes)) for row in rows]


def traced(shop: Running, tenant: str, at: str = "2026-03-10T10:10:00Z") -> query_pb2.TraceResponse:
    return shop.query.Trace(query_pb2.TraceRequest(meter="sales", tenant=tenant, at=at))


def apply(shop: Running, text: str) -> None:
    manifests = [admin_pb2.Manifest(name="a.yaml", text=text)]
    shop.admin.Apply(admin_pb2.ApplyRequest(manifests=manifests, author="ada"))
    shop.admin.Book(admin_pb2.BookRequest())


def late(shop: Running, number: int = 7, minutes: int = 5) -> None:
    shop.send(content(events=[event(number, time=TEN + minutes * MINUTE, value=Decimal(1))]))
    shop.admin.Book(admin_pb2.BookRequest())


def test_what_is_booked_for_the_first_time_is_no_correction(shop: Running) -> None:
    assert corrections(shop) == []
    assert [list(entry.causes) for entry in traced(shop, "acme").entries] == [["first"]]


def test_every_reason_is_told_newest_first(shop: Running) -> None:
    late(shop)
    amend(shop, value="2")
    amend(shop, "7", tenant="blue")
    shop.admin.Book(admin_pb2.BookRequest())
    apply(shop, REASSIGNMENT)
    apply(shop, "kind: meter\nname: sales\nspec: {source: {event: sale}, aggregation: count, unit: items}\n")
    both = "amendment log 1, amendment log 7"
    assert corrections(shop) == [
        ("10", "acme", "2", "1", "meter"),
        ("11", "blue", "4", "1", "meter"),
        ("11", "acme", "4", "0", "reassignment team-x"),
        ("11", "blue", "0", "4", "reassignment team-x"),
        ("10", "acme", "3.5", "2", both),
        ("10", "blue", "0", "1", both),
        ("10", "acme", "2.5", "3.5", "late"),
    ]
    assert corrections(shop, tenants=["blue"], range=query_pb2.Range(start="2026-03-10T11:00:00Z")) == [
        ("11", "blue", "4", "1", "meter"),
        ("11", "blue", "0", "4", "reassignment team-x"),
    ]


def test_only_the_newest_are_given_where_there_are_too_many(shop: Running) -> None:
    for number in range(3):
        late(shop, 10 + number)
    found = shop.query.Corrections(query_pb2.CorrectionsRequest(meter="sales", limit=2))
    assert ([row.after for row in found.rows], found.rows_total) == (["5.5", "4.5"], 3)
    assert [row.after for row in shop.query.Corrections(query_pb2.CorrectionsRequest(meter="sales", as_of=found.rows[1].position)).rows] == ["4.5", "3.5"]  # fmt: skip


def test_a_trace_shows_why_each_entry_was_booked_and_what_was_amended(shop: Running) -> None:
    late(shop)
    first = amend(shop, value="2")
    second = amend(shop, "7", tenant="blue")
    shop.admin.Book(admin_pb2.BookRequest())
    found = traced(shop, "acme")
    assert [list(entry.causes) for entry in found.entries] == [
        ["first"], ["late"], ["amendment log 1", "amendment log 7"],
    ]  # fmt: skip
    # What left the quantity is told as well as what changed in it.
    assert [each.position for each in found.amendments] == [first.position, second.position]
    assert (found.quantity, found.booked, [part.quantity for part in found.parts]) == ("2", "2", ["2"])
    came = traced(shop, "blue")
    assert ([each.id for each in came.amendments], came.quantity) == (["7"], "1")
    assert [batch.rows for batch in came.batches] == [1]


def test_the_batches_of_what_was_reassigned_are_those_of_its_new_tenant(shop: Running) -> None:
    apply(shop, REASSIGNMENT)
    found = traced(shop, "blue", "2026-03-10T11:30:00Z")
    assert (found.quantity, [batch.rows for batch in found.batches]) == ("4", [1])
    left = traced(shop, "acme", "2026-03-10T11:30:00Z")
    assert (left.quantity, list(left.batches), left.booked) == ("0", [], "0")
    assert [(entry.quantity, list(entry.causes)) for entry in left.entries] == [
        ("4", ["first"]), ("-4", ["reassignment team-x"]),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"meter": "sale"}, "meter: there is no meter 'sale'; did you mean 'sales'?"),
        ({"limit": -1}, "limit: -1 is not between 1 and 100000"),
        ({"tenants": ["acne"]}, "tenants: there is no tenant 'acne'; did you mean 'acme'?"),
        ({"as_of": 999}, "as_of: position 999 is not in the book"),
    ],
)
def test_a_mistake_is_told(closed: Running, asked: dict[str, object], message: str) -> None:
    with pytest.raises(grpc.RpcError) as error:
        corrections(closed, **asked)
    assert error.value.details().startswith(message)  # type: ignore[attr-defined]
