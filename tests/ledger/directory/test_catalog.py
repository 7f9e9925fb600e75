"""A catalog answers what holds when, on both time lines."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.directory.catalog import Catalog
from ledger.directory.versions import DefinitionRow, UnreadableDefinition


def row(version: int, since_us: int, position: int, kind: str = "tenant", name: str = "acme") -> DefinitionRow:
    return DefinitionRow(kind, name, version, since_us, f'{{"title":"{version}"}}', "ada", position)


ROWS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=12).map(
    lambda drawn: [
        row(version, since, position)
        for version, (since, position) in enumerate(
            ((since, sum(step for _, step in drawn[: index + 1])) for index, (since, _) in enumerate(drawn)), start=1
        )
    ]
)


@given(ROWS, st.randoms(use_true_random=False), st.integers(-1, 7), st.integers(0, 40))
def test_the_latest_date_wins_and_then_the_latest_version(rows, random, at_us, position) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    found = Catalog.of(shuffled).as_of(position).get("tenant", "acme", at_us)
    eligible = [each for each in rows if each.effective_from_us <= at_us and each.position <= position]
    expected = max(eligible, key=lambda each: (each.effective_from_us, each.version), default=None)
    assert (found and found.version) == (expected and expected.version)


@given(ROWS, st.integers(0, 40))
def test_as_of_equals_the_catalog_built_then(rows, position) -> None:
    then = Catalog.of([each for each in rows if each.position <= position])
    assert Catalog.of(rows).as_of(position) == then


@given(ROWS, st.integers(0, 6), st.integers(0, 6))
def test_between_two_changes_one_answer_holds(rows, start_us, end_us) -> None:
    catalog = Catalog.of(rows)
    edges = [start_us, *catalog.changes("tenant", start_us, end_us), end_us]
    for lower, upper in pairwise(edges):
        answers = [catalog.in_force("tenant", at_us) for at_us in range(lower, upper)]
        assert all(answer == answers[0] for answer in answers)


def test_in_force_is_sorted_by_name_and_typed() -> None:
    catalog = Catalog.of([row(1, 5, 2, name="b"), row(1, 0, 1, name="c"), row(1, 0, 3, name="a")])
    assert [each.name for each in catalog.in_force("tenant", 0)] == ["a", "c"]
    assert {name: tenant.title for name, tenant in catalog.tenants(5).items()} == {"a": "1", "b": "1", "c": "1"}
    assert catalog.meters(5) == catalog.plans(5) == catalog.price_sheets(5) == catalog.subscriptions() == {}
    assert catalog.get("tenant", "nobody", 5) is None


@pytest.mark.parametrize(
    ("kind", "spec", "message"),
    [
        ("budget", "{}", "budget 'acme' version 1 at journal position 7: this release knows no such kind"),
        ("tenant", "{", "tenant 'acme' version 1 at journal position 7 cannot be read"),
        ("tenant", '{"colour":"red"}', "tenant 'acme' version 1 at journal position 7 cannot be read"),
    ],
)
def test_a_row_that_cannot_be_read_is_named(kind: str, spec: str, message: str) -> None:
    with pytest.raises(UnreadableDefinition, match=message):
        Catalog.of([DefinitionRow(kind, "acme", 1, 0, spec, "ada", 7)])
