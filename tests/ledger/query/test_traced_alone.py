"""A tenant traces its own numbers: whole, down to batches that can be proved, and with nothing of anybody else in the answer."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.metering.booking import Booker
from ledger.query.amending import Amender
from ledger.query.tracing import answer_trace
from meterbook.ledger.v1 import admin_pb2, proof_pb2, query_pb2
from meterbook.ledger.v1.proof_pb2_grpc import ProofStub
from meterbook.wire import instants
from tests.fakes.journal import MemoryJournal, memory_journal
from tests.ledger.batches import content, coverage, event, series
from tests.ledger.books import filled
from tests.ledger.guarded import bearer, code
from tests.ledger.query.test_scope import Viewer
from tests.ledger.running import Running, serving

#: Stands in everything that is of somebody else or tells of them.
SECRET = "s3cret"
OTHER = f"other-{SECRET}"
HOUR, MINUTE = instants.HOUR_US, 60 * instants.SECOND_US
TEN = instants.parse("2026-03-10T10:00:00Z")

METERS = {
    "requests": "{source: {metric: requests_total}, aggregation: increase, unit: u}",
    "by-pod": "{source: {metric: requests_total}, aggregation: increase, unit: u, per: [pod]}",
    "memory": "{source: {metric: memory}, aggregation: max, unit: u, group_by: [code]}",
    "pods": "{source: {metric: memory}, aggregation: unique, of: pod, unit: u}",
    "sold": "{source: {event: sale}, aggregation: sum, unit: u}",
    "by-shop": "{source: {event: sale}, aggregation: max, unit: u, per: [shop]}",
    "shops": "{source: {event: sale}, aggregation: unique, of: shop, unit: u}",
    "about": "{source: {event: sale}, aggregation: unique, of: shop, unit: u, approximate: true}",
}
TENANT = "kind: tenant\nname: acme\nspec: {}\n"
REASSIGNED = f"""\
kind: reassignment
name: {SECRET}
spec: {{from: {OTHER}, to: acme, any: [{{given: "yes"}}], reason: "{SECRET}"}}
"""

#: What is read: by whom, whose it is at first, whose later, and whether it is given to acme.
SERIES = (
    ("kube/a", "acme", "acme", '{"pod":"p"}'),
    (f"kube/{SECRET}", OTHER, OTHER, f'{{"pod":"{SECRET}"}}'),
    (f"kube/{SECRET}", OTHER, OTHER, f'{{"given":"yes","pod":"{SECRET}"}}'),
    ("kube/a", OTHER, "acme", '{"pod":"q"}'),
    ("kube/a", "acme", OTHER, '{"pod":"r"}'),
)
EVENTS = (
    ("log", "acme", '{"shop":"x"}'),
    (f"log/{SECRET}", OTHER, f'{{"shop":"{SECRET}"}}'),
    (f"log/{SECRET}", OTHER, f'{{"given":"yes","shop":"{SECRET}"}}'),
)


def defined() -> list[tuple[Any, ...]]:
    rows = []
    for number, (source, first, later, labels) in enumerate(SERIES):
        for kind, metric, first_id in (("counter", "requests_total", 1), ("gauge", "memory", 11)):
            for tenant, since in dict(
                [(first, TEN - HOUR), (later, TEN + 30 * MINUTE)][:: 1 if first != later else -1]
            ).items():
                rows.append(
                    series(
                        first_id + number, kind, metric=metric, source=source, labels=labels, tenant=tenant, since=since
                    )
                )
    return sorted(rows, key=lambda row: row[-1])


def sold(number: int, which: int, minute: int) -> tuple[Any, ...]:
    origin, tenant, properties = EVENTS[which]
    named = f"{number}-{SECRET}" if tenant == OTHER else str(number)
    return event(
        number, id=named, origin=origin, source=origin, tenant=tenant, properties=properties, subject=tenant,
        time=TEN + minute * MINUTE, value=Decimal(1 + number),
    )  # fmt: skip


def read(which: int, minute: int) -> list[tuple[int, int, float]]:
    return [(first + which, TEN + minute * MINUTE, float(minute * (which + 1))) for first in (1, 11)]


Step = tuple[bool, list[tuple[bool, int, int]]]
STEPS: st.SearchStrategy[list[Step]] = st.lists(
    st.tuples(st.booleans(), st.lists(st.tuples(st.booleans(), st.integers(0, 4), st.integers(0, 59)), max_size=6)),
    min_size=1,
    max_size=2,
)


def played(
    journal: MemoryJournal,
    steps: list[Step],
    *,
    amended: int,
    reassigned: bool,
    meters: Collection[str] = tuple(METERS),
) -> None:
    """Batches of both agents with rows of everybody, a booking, amendments, a reassignment, and another booking."""
    defined_meters = (f"kind: meter\nname: {name}\nspec: {METERS[name]}\n" for name in meters)
    journal.define("---\n".join([TENANT, *defined_meters]))
    journal.send(f"agent-{SECRET}", content(series=defined()))
    number = 0
    for is_other, rows in steps:
        samples, events = [], []
        for is_event, which, minute in rows:
            number += 1
            if is_event:
                events.append(sold(number, which % 3, minute))
            else:
                samples += read(which, minute)
        told = [
            coverage(0, source=each, start=TEN, end=TEN + HOUR, reason=SECRET) for each in ("kube/a", f"kube/{SECRET}")
        ]
        sent = content(samples=sorted(set(samples)), events=events, coverage=told)
        journal.send(f"agent-{SECRET}" if is_other else "agent", sent)
    Booker(journal).book()  # type: ignore[arg-type]
    if amended:
        for row in journal.view().rows("events", 1, 1 << 60).to_pylist()[:amended]:
            Amender(journal).amend(  # type: ignore[arg-type]
                admin_pb2.AmendEventRequest(
                    source=row["source"], id=row["id"], tenant="acme", reason=SECRET, author=SECRET, value="77"
                )
            )
    if reassigned:
        journal.define(REASSIGNED)
    Booker(journal).book()  # type: ignore[arg-type]


def traced(journal: MemoryJournal, meter: str, seen: frozenset[str] | None) -> query_pb2.TraceResponse:
    request = query_pb2.TraceRequest(meter=meter, tenant="acme", at="2026-03-10T10:20:00Z")
    return answer_trace(journal, request, seen)  # type: ignore[arg-type]


@given(STEPS, st.sampled_from(sorted(METERS)), st.integers(0, 2), st.booleans())
def test_nothing_of_others_is_in_the_answer_and_nothing_of_the_number_is_missing(
    steps: list[Step], meter: str, amended: int, reassigned: bool
) -> None:
    with memory_journal(TEN + 3 * HOUR) as journal:
        # Otherwise nobody knows of acme.
        first = (False, [(False, 0, 1), (False, 0, 9), (True, 0, 5)])
        played(journal, [first, *steps], amended=amended, reassigned=reassigned, meters=[meter])
        own, whole = traced(journal, meter, frozenset({"acme"})), traced(journal, meter, None)
    assert SECRET.encode() not in own.SerializeToString()
    assert (own.quantity, own.booked, own.parts_total) == (whole.quantity, whole.booked, whole.parts_total)
    assert sorted(part.quantity for part in own.parts) == sorted(part.quantity for part in whole.parts)
    assert [each.quantity for each in own.entries] == [each.quantity for each in whole.entries]
    assert {each.leaf for each in own.batches} <= {each.leaf for each in whole.batches}
    assert not any(each.agent or each.hash or each.epoch or each.sequence for each in own.batches)


@pytest.fixture(scope="module")
def told() -> Iterator[MemoryJournal]:
    with memory_journal(TEN + 3 * HOUR) as journal:
        everything = [
            (is_event, which, minute) for is_event in (False, True) for which in range(5) for minute in (3, 20, 50)
        ]
        played(journal, [(False, everything), (True, everything)], amended=2, reassigned=True)
        yield journal


@pytest.mark.parametrize("meter", METERS)
def test_an_operator_is_told_what_a_tenant_is_not(told: MemoryJournal, meter: str) -> None:
    assert SECRET in str(traced(told, meter, None))
    assert SECRET not in str(traced(told, meter, frozenset({"acme"})))


def test_what_is_its_own_is_told() -> None:
    with memory_journal(TEN + 3 * HOUR) as journal:
        played(
            journal, [(True, [(False, 0, 3), (False, 0, 50), (True, 0, 5), (True, 1, 6)])], amended=0, reassigned=False
        )
        (part,) = traced(journal, "requests", frozenset({"acme"})).parts
        assert (part.resource, part.source, part.quantity) == ('{"pod":"p"}', "kube/a", "47")
        (shop,) = traced(journal, "by-shop", frozenset({"acme"})).parts
        assert (shop.resource, shop.source) == ('{"shop":"x"}', "log")


def test_samples_of_the_time_before_it_was_its_own_are_not_counted() -> None:
    with memory_journal(TEN + 3 * HOUR) as journal:
        played(journal, [(True, [(False, 3, 5), (False, 3, 10)]), (True, [(False, 3, 40)]), (True, [(False, 3, 50)])],
               amended=0, reassigned=False)  # fmt: skip
        own, whole = (traced(journal, "requests", seen) for seen in (frozenset({"acme"}), None))
        assert [batch.rows for batch in whole.batches] == [2, 1, 1]
        assert [batch.rows for batch in own.batches] == [1, 1]
        assert own.quantity == whole.quantity != "0"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("alone")
    with serving(folder / "store") as running:
        filled(running, folder)
        yield running


def test_over_the_wire_each_batch_is_proved_by_its_leaf(shop: Running, tmp_path: Path) -> None:
    acme = Viewer(shop, "acme")
    asked = query_pb2.TraceRequest(meter="requests", tenant="acme", at="2026-03-10T10:20:00Z")
    found = shop.query.Trace(asked, metadata=bearer(acme.token))
    assert found.quantity == shop.query.Trace(asked).quantity == "756" and len(found.batches) == 2
    for batch in found.batches:
        proof = ProofStub(shop.channel).Leaf(
            proof_pb2.LeafRequest(position=batch.position), metadata=bearer(acme.token)
        )
        assert proof.leaf.hex() == batch.leaf
        said = acme.cli("proof", "leaf", str(batch.position), "--leaf", batch.leaf).stdout
        stands = re.match(
            rf"leaf {batch.leaf} stands at position {batch.position} of (\d+), under the signed root ", said
        )
        # The ledger writes records of its own beside the batches, so the tree may have grown since.
        assert stands is not None and int(stands[1]) >= proof.size
    lines = acme.cli("trace", "requests", "acme", "--at", "2026-03-10T10:20:00Z").stdout.splitlines()
    assert lines[-2].split() == [str(found.batches[1].position), str(found.batches[1].rows), found.batches[1].leaf]
    assert "has the leaf" in acme.told("proof", "leaf", "2", "--leaf", "00")
    assert "position: 99 is not in the tree of" in acme.told("proof", "leaf", "99")
    strange = "somebody+1a2b3c4d+ATsv5T7aZEsfXEHPyxBfzTWxfHLWHsOKlkLVJgHMrZoV"
    assert "the proof does not hold" in acme.told("proof", "leaf", "2", "--key", strange)


def test_others_numbers_are_refused_and_names_are_not_told(shop: Running) -> None:
    acme = Viewer(shop, "acme")
    for tenant in ("@shared", "nobody"):
        with pytest.raises(grpc.RpcError) as error:
            shop.query.Trace(
                query_pb2.TraceRequest(meter="requests", tenant=tenant, at="2026-03-10"), metadata=bearer(acme.token)
            )
        assert code(error) == "PERMISSION_DENIED"
    said = acme.told("trace", "request", "acme", "--at", "2026-03-10T10:20:00Z")
    assert said.strip() == "Error: meter: there is no meter 'request'"
    assert "may not call" in acme.told("proof", "shop-agent", "1")
