"""A digest is of what rows say and of their order, and not of how they are cut."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from agent.importing.digest import Digest, together
from meterbook.wire.sections import CHARGES

TEXTS = st.text("ab\u00e9\U0001f600", max_size=3)
ROWS = st.lists(st.tuples(TEXTS, TEXTS, st.integers(-9, 9)), min_size=1, max_size=12)


def table_of(rows: list[tuple[str, str, int]], version: str = "v") -> pa.Table:
    count = len(rows)
    columns = {
        name: pa.array([0] * count, pa.int64()).cast(CHARGES.field(name).type)
        if CHARGES.field(name).type != pa.utf8()
        else pa.array([version] * count, pa.utf8())
        for name in CHARGES.names
    }
    columns["ServiceName"] = pa.array([service for service, _, _ in rows], pa.utf8())
    columns["ResourceId"] = pa.array([resource for _, resource, _ in rows], pa.utf8())
    columns["BilledCost"] = pa.array([Decimal(cost) for _, _, cost in rows], CHARGES.field("BilledCost").type)
    columns |= {name: pa.array([""] * count, pa.utf8()) for name in ("Tags", "others")}
    columns |= {
        name: pa.array([""] * count, pa.utf8())
        for name in ("BillingCurrency", "ChargeCategory", "BillingAccountId", "SubAccountId")
    }
    return pa.table([columns[name] for name in CHARGES.names], schema=CHARGES)


def digest_of(*tables: pa.Table) -> str:
    made = Digest()
    for table in tables:
        made.add(table)
    return made.text()


@given(ROWS, st.integers(0, 12), st.integers(0, 12))
def test_however_rows_are_cut(rows: list[tuple[str, str, int]], first: int, second: int) -> None:
    whole = table_of(rows)
    cuts = sorted((min(first, len(rows)), min(second, len(rows))))
    parts = [whole.slice(0, cuts[0]), whole.slice(cuts[0], cuts[1] - cuts[0]), whole.slice(cuts[1])]
    assert digest_of(*parts) == digest_of(whole) == digest_of(pa.concat_tables(parts))


@given(ROWS, ROWS)
def test_other_rows_have_another_one(rows: list[tuple[str, str, int]], others: list[tuple[str, str, int]]) -> None:
    assert (digest_of(table_of(rows)) == digest_of(table_of(others))) == (rows == others)


@given(ROWS)
def test_whose_they_are_makes_no_difference(rows: list[tuple[str, str, int]]) -> None:
    assert digest_of(table_of(rows, "v")) == digest_of(table_of(rows, "w"))


@given(st.lists(TEXTS, max_size=4), st.lists(TEXTS, max_size=4))
def test_texts_together_are_told_apart(first: list[str], second: list[str]) -> None:
    assert (together(*first) == together(*second)) == (first == second)
