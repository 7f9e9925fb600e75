"""Matrix: the price of a unit goes by the values of its dimensions.

A cell says for which values it is, and what a unit of them costs. It need not name every dimension: what it leaves out may have any
value, so that one cell can be for a region and another for one type in that region. Where several cells hold, the most specific one
wins: the one that names all that the others name, and more. Two cells that can both hold, and of which neither is the more specific,
are refused unless a third settles it, that for both at once: no price may depend on the order of cells.

What no cell holds has the price ``otherwise``. Without one there is no price to be had: it raises :class:`Unpriced`, since usage
that is billed at zero in silence is found by nobody. So is usage that came without the dimensions that the cells name.

Every cell stands for itself: one whose pieces add up to less than zero costs nothing, and takes nothing off another.

10 hours of m5.large and 5 hours of c5.large in the EU, where the one has a price of its own:

>>> from ledger.rating.models.matrix import Matrix
>>> from ledger.rating.model import Piece, Used
>>> from decimal import Decimal
>>> cells = [
...     {"where": {"region": "eu"}, "unit_price": "0.10"},
...     {"where": {"region": "eu", "type": "m5.large"}, "unit_price": "0.12"},
... ]
>>> pieces = (
...     Piece({"region": "eu", "type": "m5.large"}, Decimal(10)),
...     Piece({"region": "eu", "type": "c5.large"}, Decimal(5)),
... )
>>> lines = Matrix(model="matrix", cells=cells).rate(Used(Decimal(15), pieces))
>>> [(str(line.quantity), str(line.amount), line.label) for line in lines]
[('5', '0.5', 'region=eu'), ('10', '1.20', 'region=eu, type=m5.large')]
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from functools import cached_property
from itertools import combinations
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from ledger.rating.model import Model, Piece, RatedLine, Unpriced, Used
from ledger.schema.decimals import PlainDecimal, exact, plain_text, total
from ledger.schema.spec import Name, Part

#: Some dimensions with their values, as a set.
_Values = frozenset[tuple[str, str]]

#: The label of what no cell holds.
OTHERWISE = "otherwise"


class Cell(Part):
    """The price of a unit where dimensions have these values."""

    where: Annotated[Mapping[Name, str], Field(min_length=1)] = Field(
        description="For each dimension that the cell goes by, its value; a dimension left out may have any."
    )
    unit_price: PlainDecimal = Field(description="Price of one unit there, in the plan's currency.")

    @property
    def label(self) -> str:
        """``region=eu, type=m5.large``, in the order in which the cell says it."""
        return _shown(self.where)


def _shown(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())


def _by_names(cells: Iterable[_Values]) -> Mapping[frozenset[str], list[_Values]]:
    """The cells by the set of dimensions that they name."""
    grouped = defaultdict(list)
    for cell in cells:
        grouped[frozenset(name for name, _ in cell)].append(cell)
    return grouped


def _overlaps(grouped: Mapping[frozenset[str], list[_Values]]) -> Iterator[tuple[_Values, _Values]]:
    """Pairs of cells that can both hold, and of which neither is the more specific.

    Only cells that agree in the dimensions that both name are put together: a matrix of thousands of cells is checked in a moment.
    """
    for one, two in combinations(grouped, 2):
        if one <= two or two <= one:
            continue
        agreeing = defaultdict(list)
        for cell in grouped[two]:
            agreeing[_part(cell, one)].append(cell)
        for cell in grouped[one]:
            for other in agreeing[_part(cell, two)]:
                yield cell, other


def _part(values: _Values, names: frozenset[str]) -> _Values:
    return frozenset(pair for pair in values if pair[0] in names)


def _added_up(pieces: Iterable[Piece]) -> Mapping[_Values, Decimal]:
    """The quantity of each set of dimensions: several pieces may have the same, such as an hour's use and what was taken back of it later."""
    found: dict[_Values, list[Decimal]] = defaultdict(list)
    for piece in pieces:
        found[frozenset(piece.dimensions.items())].append(piece.quantity)
    return {values: total(quantities) for values, quantities in found.items()}


def _unambiguous(cells: tuple[Cell, ...]) -> tuple[Cell, ...]:
    known: dict[_Values, Cell] = {}
    for cell in cells:
        if known.setdefault(frozenset(cell.where.items()), cell) is not cell:
            raise ValueError(f"two cells are for {cell.label}: which of the prices holds could not be told")
    for one, two in _overlaps(_by_names(known)):
        if one | two not in known:
            raise ValueError(
                f"the cells {known[one].label} and {known[two].label} both hold for {_shown(dict(sorted(one | two)))}, and "
                "neither is the more specific: add a cell for that"
            )
    return cells


class Matrix(Model):
    """Unit prices by the values of dimensions."""

    by_dimensions: ClassVar[bool] = True

    model: Literal["matrix"] = Field(description="Unit prices by the values of dimensions.")
    cells: Annotated[tuple[Cell, ...], Field(min_length=1), AfterValidator(_unambiguous)] = Field(
        description="The prices, each with the values that it is for; the most specific one holds."
    )
    otherwise: PlainDecimal | None = Field(
        default=None,
        description="Price of one unit that no cell is for, in the plan's currency; null, the default, to refuse such usage.",
    )

    @cached_property
    def _places(self) -> tuple[tuple[frozenset[str], Mapping[_Values, int]], ...]:
        """The places of the cells by the dimensions that they name, those that name most first."""
        places = {frozenset(cell.where.items()): place for place, cell in enumerate(self.cells)}
        grouped = _by_names(places)
        return tuple(
            (names, {cell: places[cell] for cell in grouped[names]}) for names in sorted(grouped, key=len, reverse=True)
        )

    def rate(self, used: Used) -> tuple[RatedLine, ...]:
        """The lines, one per cell that holds any of the quantity, in the order of the cells, and what no cell holds last.

        Raises Unpriced where that has no price, and ValueError where the pieces do not add up to the quantity. A quantity that
        comes in no pieces is one without dimensions.
        """
        pieces = used.pieces or (Piece({}, used.quantity),)
        whole = total(piece.quantity for piece in pieces)
        if whole != used.quantity:
            raise ValueError(f"the pieces add up to {plain_text(whole)}, and not to {plain_text(used.quantity)}")
        held: dict[int, list[Decimal]] = defaultdict(list)
        for values, quantity in _added_up(pieces).items():
            place = self._place(values)
            if place == len(self.cells) and self.otherwise is None and quantity > 0:
                raise Unpriced(dict(sorted(values)), quantity)
            held[place].append(quantity)
        quantities = {place: total(held[place]) for place in sorted(held)}
        with exact():
            return tuple(
                RatedLine(quantity, price := self._price(place), quantity * price, label=self._label(place))
                for place, quantity in quantities.items()
                if quantity > 0
            )

    def _place(self, values: _Values) -> int:
        """The place of the cell that holds for the dimensions; one beyond the last where none does."""
        for names, places in self._places:
            # The first that is found is the most specific: of any two that hold there is one that names what both name.
            place = places.get(_part(values, names))
            if place is not None:
                return place
        return len(self.cells)

    def _price(self, place: int) -> Decimal:
        if place < len(self.cells):
            return self.cells[place].unit_price
        assert self.otherwise is not None, "what is above zero and has no price was refused"
        return self.otherwise

    def _label(self, place: int) -> str:
        return self.cells[place].label if place < len(self.cells) else OTHERWISE
