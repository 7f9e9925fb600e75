"""Patterns: a column is judged as each of its values would be."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from ledger.access.grants import ALL, NOTHING, Patterns

NAMES = st.text(alphabet="ab-*é", max_size=4)
GRANTS = st.lists(st.text(alphabet="ab-é", max_size=3).flatmap(lambda text: st.sampled_from([text, text + "*"])))


def test_names_beginnings_and_everything() -> None:
    granted = Patterns.of(["acme", "shop-*"])
    assert [granted.allow(each) for each in ("acme", "acme2", "shop-", "shop-1", "shop", "")] == [
        True, False, True, True, False, False,
    ]  # fmt: skip
    assert ALL.allow("") and ALL.allows_everything
    assert not NOTHING.allow("") and not NOTHING.allows_everything
    assert Patterns.of(["b", "a", "b"]) == Patterns.of(("a", "b"))


@given(GRANTS, st.lists(NAMES))
def test_a_column_is_judged_by_its_values(grants: list[str], names: list[str]) -> None:
    granted = Patterns.of(grants)
    column = pa.chunked_array([names[:2], names[2:]], pa.utf8())
    refused = [each for each in names if not granted.allow(each)]
    found = granted.first_refused(column)
    assert (found is None) == (not refused)
    assert found is None or found in refused
    assert granted.mask(column).to_pylist() == [granted.allow(each) for each in names]


def test_a_sliced_column_is_judged_by_what_it_shows() -> None:
    column = pa.chunked_array([["evil", "acme", "evil"]]).slice(1, 1)
    assert Patterns.of(["acme"]).first_refused(column) is None
