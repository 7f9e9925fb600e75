"""An export over the wire: pieces of one stream, and then what is to be said of it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import grpc
import pyarrow as pa
import pytest

from ledger.query import focusexport
from ledger.query.focusexport import answer_export
from meterbook.ledger.v1 import costing_pb2
from meterbook.ledger.v1.costing_pb2_grpc import CostingStub
from meterbook.wire.instants import DAY_US
from tests.fakes.journal import MemoryJournal, memory_journal
from tests.ledger.allocations import RULES, filled, used
from tests.ledger.batches import MONTH, bill, charge, content
from tests.ledger.running import serving

BOOK = """
kind: price-book
name: cores
spec: {currency: EUR, items: {core: {meter: cpu, prices: 3, dimensions: {ResourceId: node}}}}
"""


@pytest.fixture
def journal() -> Iterator[MemoryJournal]:
    with memory_journal(MONTH + 40 * DAY_US) as journal:
        journal.define(RULES)
        yield journal


def exported(journal: MemoryJournal, **billing: Any) -> tuple[pa.Table, list[costing_pb2.ExportAllocationResponse]]:
    asked = costing_pb2.Billing(**({"period": "2026-01"} | billing))
    request = costing_pb2.ExportAllocationRequest(billing=asked)
    found = list(answer_export(journal, request))  # type: ignore[arg-type]
    return pa.ipc.open_stream(b"".join(each.arrow for each in found)).read_all(), found


def test_the_stream_comes_in_pieces_and_ends_with_what_is_to_be_said(
    journal: MemoryJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.send("a", content(charges=[charge(line) for line in range(3)], bills=[bill(3, "3")]))
    whole, _ = exported(journal)
    monkeypatch.setattr(focusexport, "_PIECE_BYTES", 100)
    table, messages = exported(journal)
    assert table.equals(whole) and len(table) == 3
    assert len(messages) > 20 and all(0 < len(each.arrow) <= 100 for each in messages[:-1])
    last = messages[-1]
    assert (last.arrow, last.rows, last.charges, last.as_of) == (b"", 3, 3, 2)
    assert "InvoiceIssuerName: 3 charges have none, which FOCUS asks for" in last.notes


def test_a_bill_that_is_not_whole_is_a_problem(journal: MemoryJournal) -> None:
    journal.send("a", content(charges=[charge(0)], bills=[bill(2, "1")]))
    table, messages = exported(journal)
    assert len(table) == 0
    assert list(messages[-1].problems) == [
        "the bill of bills/focus is incomplete, 1 of 2 charges: none of it is allocated; wait for the rest"
    ]
    assert "no bill of that month stands" in messages[-1].notes


def test_what_allocation_reports_is_a_problem_of_the_export(journal: MemoryJournal) -> None:
    journal.send("a", content(charges=[charge(0)], bills=[bill(1, "1")], events=[used(1, "acme", 0, "-1")]))
    _, messages = exported(journal)
    assert messages[-1].problems[0].startswith("usage of cpu by 'acme' is less than 0")


def test_estimates_are_exported_like_bills(journal: MemoryJournal) -> None:
    journal.define(BOOK)
    journal.send("a", content(events=[used(1, "acme", 0, "1"), used(2, "bcorp", 1, "2")]))
    table, messages = exported(journal, nature="estimate")
    assert len(table) == messages[-1].rows == 2
    assert sorted(table["BilledCost"].to_pylist()) == [Decimal(3), Decimal(6)]
    assert set(table["BillingCurrency"].to_pylist()) == {"EUR"}
    assert set(table["ResourceId"].to_pylist()) == {"i-0"}


def test_what_cannot_be_answered_is_refused_before_the_first_piece(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("refused")
    with serving(folder / "store") as running:
        filled(running, folder)
        costing = CostingStub(running.channel)
        for asked, message in (
            ({"period": "March"}, "period: 'March' is no month"),
            ({"period": "2026-01", "cost": "billed"}, "cost: 'billed' cannot be chosen, since an export has all costs"),
            ({"period": "2026-01", "sources": ["x"]}, "sources: no bill is of 'x'"),
        ):
            request = costing_pb2.ExportAllocationRequest(billing=costing_pb2.Billing(**asked))
            with pytest.raises(grpc.RpcError, match="INVALID_ARGUMENT") as error:
                next(costing.ExportAllocation(request))
            assert error.value.details().startswith(message)
        request = costing_pb2.ExportAllocationRequest(billing=costing_pb2.Billing(period="2026-01"))
        *_, last = costing.ExportAllocation(request)
        assert (last.rows, last.charges) == (3, 1)
