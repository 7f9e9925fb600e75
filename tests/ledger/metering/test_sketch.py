"""Sketches: they mean what the papers say, whatever the order and the parts, and their numbers are as good as promised."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.journal.registers import CHOOSING_BITS, RANK_MAX, REGISTERS, registers_of
from ledger.metering.sketch import Sketches, estimate
from tests.fakes.journal import memory_journal

Columns = list[tuple[int, int, int]]


def told(text: str) -> tuple[int, int]:
    """Register and rank of a text, in plain Python."""
    bits = f"{int.from_bytes(hashlib.md5(text.encode()).digest()[:8], 'big'):064b}"
    return int(bits[:CHOOSING_BITS], 2), (bits[CHOOSING_BITS:] + "1").index("1") + 1


def sketches(rows: Columns) -> Sketches:
    columns = np.array(rows, np.int64).reshape(-1, 3).T
    return Sketches.of(*columns)


def state(found: Sketches) -> Columns:
    return list(zip(found.groups.tolist(), found.registers.tolist(), found.ranks.tolist(), strict=True))


def of_texts(texts: list[str]) -> Sketches:
    return sketches([(0, *told(text)) for text in texts])


rows = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(1, RANK_MAX)), max_size=30)


@given(rows, rows, rows)
def test_the_sketch_of_a_union_is_the_union_of_sketches(one: Columns, two: Columns, three: Columns) -> None:
    whole = state(sketches([*one, *two, *three]))
    assert state(sketches(one).union(sketches(two)).union(sketches(three))) == whole
    assert state(sketches(three).union(sketches(two).union(sketches(one)))) == whole
    assert state(sketches([*three, *one, *two, *one])) == whole
    assert whole == [(*place, rank) for place, rank in sorted(greatest([*one, *two, *three]).items())]


def greatest(rows: Columns) -> dict[tuple[int, int], int]:
    found: dict[tuple[int, int], int] = {}
    for group, register, rank in rows:
        found[group, register] = max(rank, found.get((group, register), 0))
    return found


@given(rows, st.lists(st.integers(0, 2), min_size=4, max_size=4))
def test_groups_that_are_put_together_are_one(rows: Columns, groups: list[int]) -> None:
    together = sketches(rows).by(np.array(groups, np.int64))
    assert state(together) == state(sketches([(groups[group], *rest) for group, *rest in rows]))  # type: ignore[misc]


@given(st.lists(st.text(max_size=40), max_size=20))
def test_the_tables_hash_as_everybody_can(texts: list[str]) -> None:
    with memory_journal() as journal:
        found = registers_of(journal.tables, texts).to_pylist()
    assert [(row["register"], row["rank"]) for row in found] == [told(text) for text in texts]


def test_what_the_hash_means_stays_for_ever() -> None:
    with memory_journal() as journal:
        found = registers_of(journal.tables, ["", "acme", "ü", "4711"]).to_pylist()
    assert [(row["register"], row["rank"]) for row in found] == [(13575, 2), (5359, 3), (12301, 6), (11592, 1)]


@pytest.mark.parametrize("count", [1, 2, 3, 10, 50, 100])
def test_few_are_counted_to_the_unit_but_for_those_that_share_a_register(count: int) -> None:
    for seed in range(20):
        texts = [f"{seed}/{number}" for number in range(count)]
        shared = count - len({told(text)[0] for text in texts})
        assert shared <= 3
        assert abs(of_texts(texts * 2).estimates()[0] - count) <= shared


@pytest.mark.parametrize("count", [1_000, 15_000, 40_000, 100_000])
def test_the_error_is_as_small_as_promised(count: int) -> None:
    """Random hashes stand for those of texts: 30 sets of each size, within four standard errors of 1.04 / sqrt(2^14)."""
    errors = []
    for seed in range(30):
        hashes = np.random.default_rng(seed).integers(0, 1 << 62, size=(2, count))
        # The place of the first 1 of random bits: at least k with a probability of 2^(1 - k).
        low = hashes[0] & -hashes[0]
        ranks = np.minimum(np.where(low == 0, RANK_MAX, np.log2(np.maximum(low, 1)).astype(np.int64) + 1), RANK_MAX)
        found = Sketches.of(np.zeros(count, np.int64), hashes[1] % REGISTERS, ranks).estimates()[0]
        errors.append(Fraction(found - count, count))
    # 1.04 / 128 squared, times 16.
    assert max(error**2 for error in errors) < 16 * Fraction(104, 12_800) ** 2
    mean = sum(errors) / len(errors)
    # The mean of thirty is better than one.
    assert mean**2 < 16 * Fraction(104, 12_800) ** 2 / len(errors)


def test_the_estimate_of_nothing_of_one_and_of_as_much_as_there_can_be() -> None:
    nothing = [REGISTERS] + [0] * RANK_MAX
    assert estimate(nothing) == 0
    assert estimate([REGISTERS - 1, 1, *[0] * (RANK_MAX - 1)]) == 1
    assert estimate([0] * RANK_MAX + [REGISTERS]) == 1 << 64
    # Each register that keeps more says that there is more.
    steps = [estimate([REGISTERS - met, met, *[0] * (RANK_MAX - 1)]) for met in range(0, REGISTERS, 500)]
    ranks = [estimate([0] * rank + [REGISTERS] + [0] * (RANK_MAX - rank)) for rank in range(1, RANK_MAX + 1)]
    assert all(low < high for low, high in (*pairwise(steps), *pairwise(ranks)))
