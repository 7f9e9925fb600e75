"""Matrix: the most specific cell holds, none is ambiguous, and nothing is billed at zero in silence."""

from __future__ import annotations

import pickle
import time
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.rating.model import Piece, Unpriced, Used
from ledger.rating.models.matrix import Matrix
from ledger.schema.decimals import total
from tests.ledger.rating.documents import DOCUMENTS, model


def cell(price: str, **where: str) -> dict[str, Any]:
    return {"where": where, "unit_price": price}


def matrix(*cells: dict[str, Any], otherwise: str | None = None) -> Matrix:
    return Matrix.model_validate({"model": "matrix", "cells": cells, "otherwise": otherwise})


def used(*pieces: tuple[str, dict[str, str]]) -> Used:
    held = tuple(Piece(dimensions, Decimal(quantity)) for quantity, dimensions in pieces)
    return Used(total(piece.quantity for piece in held), held)


def lines(priced: Matrix, *pieces: tuple[str, dict[str, str]]) -> list[tuple[str, str, str]]:
    return [(str(line.quantity), str(line.unit_price), line.label) for line in priced.rate(used(*pieces))]


MACHINES = matrix(
    cell("0.10", region="eu"),
    cell("0.12", region="eu", type="m5.large"),
    cell("0.08", type="m5.large"),
)


def test_the_most_specific_cell_holds() -> None:
    assert lines(
        MACHINES,
        ("1", {"region": "eu", "type": "m5.large"}),
        ("2", {"region": "eu", "type": "c5.large"}),
        ("4", {"region": "us", "type": "m5.large"}),
        ("8", {"region": "eu"}),
    ) == [("10", "0.1", "region=eu"), ("1", "0.12", "region=eu, type=m5.large"), ("4", "0.08", "type=m5.large")]


def test_dimensions_that_no_cell_names_are_added_up() -> None:
    assert lines(MACHINES, ("1", {"region": "eu", "host": "a"}), ("2.5", {"region": "eu", "host": "b"})) == [
        ("3.5", "0.1", "region=eu")
    ]


@pytest.mark.parametrize("dimensions", [{"region": "us", "type": "c5.large"}, {"region": ""}, {"Region": "eu"}, {}])
def test_what_has_no_price_is_refused_by_its_dimensions(dimensions: dict[str, str]) -> None:
    with pytest.raises(Unpriced) as refused:
        MACHINES.rate(used(("1", {"region": "eu"}), ("2.50", dimensions)))
    assert refused.value.dimensions == dimensions
    assert refused.value.quantity == Decimal("2.5")
    assert "2.5" in str(refused.value)
    assert all(f"{name}={value!r}" in str(refused.value) for name, value in dimensions.items())
    assert dimensions or "no dimensions" in str(refused.value)


def test_what_was_refused_is_told_by_another_process_in_the_same_words() -> None:
    refused = Unpriced({"region": "us"}, Decimal("2.50"))
    again = pickle.loads(pickle.dumps(refused))
    assert str(again) == str(refused) == "there is no price for the 2.5 used with region='us'"
    assert (again.dimensions, again.quantity) == (refused.dimensions, refused.quantity)


def test_a_quantity_in_no_pieces_is_one_without_dimensions() -> None:
    with pytest.raises(Unpriced, match="no dimensions"):
        MACHINES.rate(Used(Decimal(3)))
    (line,) = matrix(cell("1", region="eu"), otherwise="2").rate(Used(Decimal(3)))
    assert (line.quantity, line.amount, line.label) == (3, 6, "otherwise")


def test_what_no_cell_is_for_has_the_other_price() -> None:
    priced = matrix(cell("1", region="eu"), otherwise="0")
    assert lines(priced, ("2", {"region": "us"}), ("1", {"region": "eu"}), ("3", {})) == [
        ("1", "1", "region=eu"),
        ("5", "0", "otherwise"),
    ]


def test_less_than_nothing_needs_no_price() -> None:
    assert MACHINES.rate(used(("-1", {"region": "us"}), ("0", {"region": "asia"}))) == ()


def test_what_was_taken_back_needs_no_price() -> None:
    elsewhere = {"region": "asia"}
    assert MACHINES.rate(used(("5", elsewhere), ("-5", elsewhere))) == ()
    with pytest.raises(Unpriced) as refused:
        MACHINES.rate(used(("5", elsewhere), ("-2", elsewhere)))
    assert refused.value.quantity == 3


def test_a_cell_below_zero_takes_nothing_off_another() -> None:
    assert lines(MACHINES, ("-5", {"type": "m5.large"}), ("2", {"region": "eu"})) == [("2", "0.1", "region=eu")]


def test_pieces_that_are_not_the_quantity_are_refused() -> None:
    with pytest.raises(ValueError, match="the pieces add up to 2, and not to 3"):
        MACHINES.rate(Used(Decimal(3), (Piece({"region": "eu"}, Decimal(2)),)))


def test_two_cells_that_could_both_hold_are_refused() -> None:
    with pytest.raises(
        ValueError, match="region=eu and type=m5 both hold for region=eu, type=m5, and neither is the more specific"
    ):
        matrix(cell("1", region="eu"), cell("2", type="m5"))


def test_more_names_do_not_settle_what_two_cells_say() -> None:
    with pytest.raises(ValueError, match="both hold for os=linux, region=eu, type=m5"):
        matrix(cell("1", region="eu"), cell("2", type="m5", os="linux"))


def test_cells_that_never_hold_together_may_stand_together() -> None:
    assert matrix(cell("1", region="eu", type="m5"), cell("2", region="us", os="linux"))


def test_the_same_cell_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="two cells are for type=m5, region=eu"):
        matrix(cell("1", region="eu", type="m5"), cell("1", type="m5", region="eu"))


@pytest.mark.parametrize("cells", [[], [cell("1")], [{"where": {"a": 1}, "unit_price": "1"}], [{"where": {"a": "x"}}]])
def test_cells_say_what_they_are_for_and_what_they_cost(cells: list[dict[str, Any]]) -> None:
    with pytest.raises(ValueError, match="cells"):
        matrix(*cells)


@given(DOCUMENTS["matrix"])
def test_every_piece_has_the_cell_that_names_all_that_the_others_name(document: dict[str, Any]) -> None:
    priced = model(document)
    for values in product(["x", "y", None], repeat=3):
        dimensions = {name: value for name, value in zip("abc", values, strict=True) if value is not None}
        (line,) = priced.rate(used(("1", dimensions)))
        holding = [each for each in document["cells"] if each["where"].items() <= dimensions.items()]
        most = [each for each in holding if all(each["where"].items() >= other["where"].items() for other in holding)]
        assert len(most) == bool(holding)
        expected = most[0]["unit_price"] if most else document["otherwise"]
        assert line.unit_price == Decimal(expected)


@given(DOCUMENTS["matrix"], st.randoms())
def test_the_order_of_the_cells_does_not_matter(document: dict[str, Any], random: Any) -> None:
    shuffled = random.sample(document["cells"], len(document["cells"]))
    one, other = model(document), model({**document, "cells": shuffled})
    for values in product("xy", repeat=3):
        use = used(("3", dict(zip("abc", values, strict=True))))
        assert one.rate(use) == other.rate(use)


def test_thousands_of_cells_are_checked_in_a_moment() -> None:
    regions = [cell("1", region=f"r{number}") for number in range(30)]
    types = [cell("2", region=f"r{number}", type=f"t{each}") for number in range(30) for each in range(200)]
    systems = [cell("3", region=f"r{number}", os="linux") for number in range(30)]
    settled = [
        cell("4", region=f"r{number}", type=f"t{each}", os="linux") for number in range(30) for each in range(200)
    ]
    began = time.process_time()
    priced = matrix(*regions, *types, *systems, *settled)
    assert lines(priced, ("1", {"region": "r7", "type": "t8", "os": "linux"})) == [
        ("1", "4", "region=r7, type=t8, os=linux")
    ]
    # Pair by pair it would be a hundred million comparisons.
    assert time.process_time() - began < 10
