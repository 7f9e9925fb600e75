"""However collections fail, are lost and begin anew: nobody pays for a time in which a resource was not there, and where all went well
and the times are told, for the whole of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.aws.book import Book, Listing
from collector.aws.resources import SIZE, Resource
from tests.collector.aws.seen import held_us

POLL_US = 10
LAST_US = 120


@dataclass(frozen=True)
class Life:
    """A resource that is there from ``born_us`` until ``died_us``, and what a listing tells of that."""

    number: int
    born_us: int
    died_us: int
    tells_birth: bool
    tells_death: bool

    def at(self, time_us: int) -> Resource | None:
        """How a listing shows it; what says when it died is shown ever after."""
        is_over = self.died_us <= time_us
        if time_us < self.born_us or (is_over and not self.tells_death):
            return None
        name = f"r-{self.number}"
        born_us, died_us = (self.born_us if self.tells_birth else None), (self.died_us if is_over else None)
        return Resource("t", name, f"arn:{name}", (), ((SIZE, 5.0),), {}, born_us, died_us)


@dataclass(frozen=True)
class Poll:
    """What becomes of a collection."""

    fails: bool = False
    is_lost: bool = False
    after_restart: bool = False


lives = st.lists(
    st.tuples(st.integers(-40, LAST_US), st.integers(1, 80), st.booleans(), st.booleans()), min_size=1, max_size=6
).map(
    lambda drawn: [
        Life(number, born, born + length, tells_birth, tells_death)
        for number, (born, length, tells_birth, tells_death) in enumerate(drawn)
    ]
)
polls = st.lists(
    st.sampled_from(
        [*[Poll()] * 6, Poll(fails=True), Poll(is_lost=True), Poll(after_restart=True), Poll(False, True, True)]
    ),
    min_size=LAST_US // POLL_US,
    max_size=LAST_US // POLL_US,
)


def told(alive: Sequence[Life], outcomes: Sequence[Poll]) -> dict[tuple[int, str], list[tuple[int, float]]]:
    """What is stored, by resource and metric. The first collection's window begins at 0."""
    book = Book("aws/prod/x", {})
    since_us: int | None = None
    found: dict[int, list[tuple[int, float]]] = {}
    names: dict[int, tuple[int, str]] = {}
    stored = True
    for place, outcome in enumerate(outcomes):
        now_us = (place + 1) * POLL_US
        if outcome.after_restart:
            book, stored = Book("aws/prod/x", {}), False
        listings = {}
        if not outcome.fails:
            resources = [shown for life in alive if (shown := life.at(now_us)) is not None]
            listings["s"] = Listing(resources, place * POLL_US if since_us is None else since_us, since_us is None)
        samples, _ = book.write(listings, now_us, stored=stored)
        stored = not outcome.is_lost
        if outcome.is_lost:
            continue
        since_us = since_us if outcome.fails else now_us
        for row in book.of(np.unique(samples["series_id"].to_numpy())).to_pylist():
            number = int(row["attributes"].partition('"id":"r-')[2].partition('"')[0])
            names[row["series_id"]] = (number, row["metric"])
        columns = samples["series_id"], samples["time"].cast(pa.int64()), samples["value"]
        for series_id, time_us, value in zip(*(column.to_pylist() for column in columns), strict=True):
            found.setdefault(series_id, []).append((time_us, value))
    by_name: dict[tuple[int, str], list[tuple[int, float]]] = {}
    for series_id, rows in found.items():
        by_name.setdefault(names[series_id], []).extend(rows)
    return by_name


@given(lives, polls)
def test_nothing_is_held_beyond_its_life(alive: list[Life], outcomes: list[Poll]) -> None:
    for (number, _), samples in told(alive, outcomes).items():
        life = alive[number]
        assert min(time_us for time_us, _ in samples) >= max(life.born_us, 0)
        # Where no end is told the marker stands right behind the last sample.
        assert held_us(samples) <= min(life.died_us, LAST_US) - max(life.born_us, 0) + 1
        assert len({time_us for time_us, _ in samples}) == len(samples)


@given(lives)
def test_where_all_goes_well_and_is_told_the_whole_life_counts(alive: list[Life]) -> None:
    outcomes = [Poll()] * (LAST_US // POLL_US)
    found = told(alive, outcomes)
    for life in alive:
        if not (life.tells_birth and life.tells_death):
            continue
        begins_us = life.born_us if life.born_us > 0 else POLL_US
        expected = max(0, min(life.died_us, LAST_US) - begins_us)
        assert held_us(found.get((life.number, "aws_resource_exists"), [])) == expected
        assert held_us(found.get((life.number, "aws_resource_size_bytes"), [])) == expected


@given(lives, polls)
def test_what_was_lost_is_told_again(alive: list[Life], outcomes: list[Poll]) -> None:
    """Losing a collection is as if it had not been made."""
    lossy = [Poll(outcome.fails, outcome.is_lost) for outcome in outcomes]
    missed = [Poll(outcome.fails or outcome.is_lost) for outcome in outcomes]
    one, other = told(alive, lossy), told(alive, missed)
    assert {name: held_us(rows) for name, rows in one.items()} == {name: held_us(rows) for name, rows in other.items()}


def test_what_was_over_before_the_first_look_is_not_told_of() -> None:
    assert told([Life(0, -5, 3, tells_birth=True, tells_death=True)], [Poll()] * 3) == {}


def test_a_service_that_was_not_listed_ends_nothing() -> None:
    book = Book("aws/prod/x", {})
    resource = Resource("t", "r-0", "arn:r-0", tags={})
    book.write({"s": Listing([resource], 0, True)}, 10, stored=False)
    samples, _ = book.write({}, 20, stored=True)
    assert samples.num_rows == 0
    samples, _ = book.write({"s": Listing([], 10, False)}, 30, stored=True)
    ((value,),) = (samples["value"].to_pylist(),)
    assert math.isnan(value)


def test_series_that_are_not_known_are_not_defined() -> None:
    with pytest.raises(LookupError, match="1 series that are not defined, such as 7"):
        Book("aws/prod/x", {}).of(np.array([7], np.int64))
