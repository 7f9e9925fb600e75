"""Writing: an agent brings only what it was granted, whatever numbers it gives its series."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from ledger.access.caller import ANONYMOUS, Caller, Role
from ledger.access.grants import ALL, Patterns
from ledger.access.policy import Denied
from ledger.access.register import NotAuthenticated, Session
from ledger.access.writing import Writer
from ledger.intake.contents import used_ids
from meterbook.intake.v1 import intake_pb2
from meterbook.wire.sections import Sections
from meterbook.wire.series import Series
from tests.ledger.batches import DAY, bill, charge, content, coverage, event, series

EDGE = Caller("agent", "edge", Patterns.of(["acme", "shop-*"]), Patterns.of(["prometheus/edge*", "logs"]), "id")


def nothing(*_: object) -> pa.Table:
    schema = pa.schema([("series_id", pa.int64()), ("source", pa.utf8()), ("tenant", pa.utf8())])
    return schema.empty_table()


def writer(caller: Caller = EDGE, defined: Callable[..., pa.Table] = nothing) -> Writer:
    made = Writer(Session(caller), defined)
    made.greet(intake_pb2.Hello(agent="edge", epoch=7))
    return made


def genuine(tenant: str = "acme", source: str = "prometheus/edge", **changes: Any) -> tuple[Any, ...]:
    """A row of the section series whose numbers follow from its parts."""
    row = {"metric": "m", "kind": "counter", "unit": "u", "labels": "{}", "attributes": "{}"} | changes
    made = Series(source=source, start_us=None, **row)
    return series(made.series_id, source=source, tenant=tenant, identity=made.identity, **row)


def check(made: Writer, what: Sections) -> None:
    made.still_stands()
    made.check(what, used_ids(what.samples))


def refusal(what: Sections, caller: Caller = EDGE) -> str:
    with pytest.raises(Denied) as denied:
        check(writer(caller), what)
    return str(denied.value)


def test_an_agent_greets_as_itself() -> None:
    with pytest.raises(Denied, match=r"agent edge \(id\) may act only for itself, not for 'core'"):
        Writer(Session(EDGE), nothing).greet(intake_pb2.Hello(agent="core", epoch=1))
    Writer(Session(ANONYMOUS), nothing).greet(intake_pb2.Hello(agent="core", epoch=1))


@pytest.mark.parametrize("role", ["operator", "admin"])
def test_operators_bring_bills_of_any_source_and_nothing_else(role: Role) -> None:
    caller = Caller(role, "oz", credential_id="id")
    with pytest.raises(Denied, match=f"{role} oz .id. may bring bills as import.NAME, and not write as 'edge'"):
        writer(caller)
    made = Writer(Session(caller), nothing)
    made.greet(intake_pb2.Hello(agent="import.0af7", epoch=1))
    check(made, content(charges=[charge(0, source="import/1")], bills=[bill(1, "1", source="import/1")]))
    row = genuine()
    for section, other in (
        ("series", content(series=[row])),
        ("samples", content(samples=[(row[0], DAY, 1.0)])),
        ("events", content(events=[event(1)])),
        ("coverage", content(bills=[bill(0, "0")], coverage=[coverage(0)])),
    ):
        with pytest.raises(Denied, match=f"may bring bills, and the batch has {section}: that takes an agent"):
            check(made, other)


def test_what_is_granted_is_taken() -> None:
    row = genuine()
    check(
        writer(),
        content(
            series=[row, genuine("shop-7", metric="other"), genuine("@shared", labels='{"a":"b"}')],
            samples=[(row[0], DAY, 1.0)],
            events=[event(1, origin="logs"), event(2, origin="logs", tenant="@unassigned")],
            coverage=[coverage(0, source="prometheus/edge-2")],
        ),
    )
    check(writer(), content())


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (content(series=[genuine(), genuine("bcorp", metric="x")]), "tenant 'bcorp', which series.tenant has"),
        (content(series=[genuine("acme2")]), "tenant 'acme2'"),
        (content(series=[genuine("")]), "tenant ''"),
        (content(events=[event(1, origin="logs", tenant="shop")]), "tenant 'shop', which events.tenant has"),
        (content(events=[event(1, origin="log")]), "source 'log', which events.origin has"),
        (content(series=[genuine(source="prometheus/core")]), "source 'prometheus/core', which series.source has"),
        (content(coverage=[coverage(0, source="prometheus/core")]), "which coverage.source has"),
        (content(dead_letters=[("s3/core", "a", "b", "c")]), "which dead_letters.source has"),
    ],
)
def test_what_is_not_granted_refuses_the_whole(what: Sections, said: str) -> None:
    assert said in refusal(what)


def test_one_row_in_many_is_found() -> None:
    events = [event(number, origin="logs") for number in range(5_000)]
    events[random.randrange(5_000)] = event(9_999, origin="logs", tenant="bcorp")
    assert "tenant 'bcorp'" in refusal(content(events=events))


def test_a_series_cannot_be_called_by_anothers_number() -> None:
    victim = Series("prometheus/core", "m", "counter", "u", "{}", "{}")
    stolen = list(genuine())
    stolen[:2] = victim.series_id, victim.identity
    assert "its parts give" in refusal(content(series=[tuple(stolen)]))


def test_samples_belong_to_series_that_the_agent_defined() -> None:
    victim = Series("prometheus/core", "m", "counter", "u", "{}", "{}").series_id
    assert f"has not defined series {victim} in epoch 7" in refusal(content(samples=[(victim, DAY, 1e9)]))
    row, made = genuine(), writer()
    check(made, content(series=[row]))
    check(made, content(samples=[(row[0], DAY, 1.0)]))
    with pytest.raises(Denied):
        check(made, content(samples=sorted([(row[0], DAY, 1.0), (victim, DAY, 1.0)])))


def test_what_was_defined_before_the_stream_began_counts_as_far_as_it_is_granted_now() -> None:
    asked: list[tuple[str, int]] = []

    def defined(agent: str, epoch: int) -> pa.Table:
        asked.append((agent, epoch))
        tenants = ["acme", "gone", "acme", "gone"]
        sources = ["logs", "logs", "elsewhere", "logs"]
        return pa.table({"series_id": [1, 2, 3, 1], "source": sources, "tenant": tenants})

    for number in (1, 2, 3, 4):
        with pytest.raises(Denied):
            check(writer(defined=defined), content(samples=[(number, DAY, 1.0)]))
    assert asked == [("edge", 7)] * 4
    only = pa.table({"series_id": [1], "source": ["logs"], "tenant": ["acme"]})
    check(writer(defined=lambda *_: only), content(samples=[(1, DAY, 1.0)]))


def test_who_may_write_everything_is_asked_nothing() -> None:
    def never(*_: object) -> pa.Table:
        raise AssertionError("the journal was read")

    whole = content(series=[series(1, tenant="any")], samples=[(99, DAY, 1.0)], coverage=[coverage(0)])
    for caller in (ANONYMOUS, Caller("agent", "edge", ALL, ALL, "id")):
        check(writer(caller, never), whole)


def test_a_stream_ends_with_its_credential() -> None:
    def revoked() -> None:
        raise NotAuthenticated("credential id of edge was revoked")

    made = Writer(Session(ANONYMOUS, revoked), nothing)
    with pytest.raises(Denied, match="was revoked"):
        check(made, content())
