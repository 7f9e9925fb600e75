"""Documents of every price model, drawn at random, and what might be used under them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from pydantic import TypeAdapter

from ledger.rating.model import Model, Piece, RatedLine, Used
from ledger.rating.models import AnyModel
from ledger.schema.decimals import plain_text, total

#: Meters that the documents name besides the price's own.
EVENTS, UNITS = "events", "units"

_ANY_MODEL: TypeAdapter[Model] = TypeAdapter(AnyModel)
_LEAST = Decimal("1E-18")

#: Small numbers meet ends of tiers, large ones the limits of what can be written.
NUMBERS = st.one_of(st.decimals(0, 30, places=1), st.decimals(0, 10**12, places=18))
PERCENTS = st.one_of(st.decimals(0, 200, places=1), st.decimals(0, 10**6, places=18))
QUANTITIES = st.one_of(st.decimals(0, 40, places=1), st.decimals(0, 10**28, places=9))
SIZES = st.one_of(st.decimals("0.1", 30, places=1), st.decimals(_LEAST, 10**12, places=18))
_ENDS = st.one_of(
    st.sets(st.decimals("0.1", 30, places=1), max_size=5), st.sets(st.decimals(_LEAST, 10**19, places=18), max_size=5)
).map(sorted)

TEXT = NUMBERS.map(plain_text)
_WHERE = st.dictionaries(st.sampled_from("abc"), st.sampled_from("xy"), min_size=1)


def model(document: Mapping[str, Any]) -> Model:
    """The document as a plan reads it."""
    return _ANY_MODEL.validate_python(document)


def tiers(**fields: SearchStrategy[Any]) -> SearchStrategy[list[dict[str, Any]]]:
    """Tiers with these fields besides their ends."""
    one = st.fixed_dictionaries(fields)
    return _ENDS.flatmap(
        lambda ends: st.tuples(*(one.map(lambda tier, end=end: {"up_to": end, **tier}) for end in [*ends, None])).map(
            list
        )
    )


def _rising(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    amounts = sorted((step["amount"] for step in steps), key=Decimal)
    return [{**step, "amount": amount} for step, amount in zip(steps, amounts, strict=True)]


def settled(wheres: list[dict[str, str]]) -> list[dict[str, str]]:
    """What the cells of a matrix are for, with a cell for whatever two of them are for at once."""
    found: list[dict[str, str]] = []
    waiting = list(wheres)
    while waiting:
        where = waiting.pop(0)
        if where not in found:
            waiting += [
                where | other for other in found if all(where.get(key, value) == value for key, value in other.items())
            ]
            found.append(where)
    return found


def _cells() -> SearchStrategy[list[dict[str, Any]]]:
    wheres = st.lists(_WHERE, min_size=1, max_size=5).map(settled)
    return wheres.flatmap(
        lambda each: st.tuples(*(st.fixed_dictionaries({"where": st.just(w), "unit_price": TEXT}) for w in each)).map(
            list
        )
    )


def _document(name: str, **fields: SearchStrategy[Any]) -> SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"model": st.just(name), **fields})


_WITH_EVENTS = _document("percentage", percent=PERCENTS, fixed=SIZES, count=st.just(EVENTS), minimum=NUMBERS)

DOCUMENTS: Mapping[str, SearchStrategy[dict[str, Any]]] = {
    "flat": _document("flat", amount=TEXT),
    "per_unit": _document("per_unit", unit_price=TEXT),
    "graduated": _document("graduated", tiers=tiers(unit_price=TEXT, amount=TEXT)),
    "volume": _document("volume", tiers=tiers(unit_price=TEXT, amount=TEXT)),
    "stairstep": _document("stairstep", tiers=tiers(amount=TEXT).map(_rising)),
    "package": _document("package", size=SIZES, amount=TEXT),
    "percentage": st.one_of(_WITH_EVENTS, _document("percentage", percent=PERCENTS, minimum=NUMBERS)),
    "graduated_percentage": _document("graduated_percentage", tiers=tiers(percent=PERCENTS, amount=TEXT)),
    "matrix": _document("matrix", cells=_cells(), otherwise=TEXT),
    "dynamic": _document("dynamic", units=st.sampled_from([None, UNITS])),
    "attribute": _document(
        "attribute",
        attribute=st.just("class"),
        amounts=st.dictionaries(st.sampled_from(["gold", "silver"]), TEXT, min_size=1),
        otherwise=TEXT,
    ),
    "burstable": _document(
        "burstable", committed=QUANTITIES.filter(lambda q: q < 10**20), unit_price=TEXT, overage_price=st.none() | TEXT
    ),
    "cost_plus": _document("cost_plus", markup_percent=PERCENTS),
}

#: Pieces by dimensions, and the other meters; what nobody asks for does no harm.
USES: SearchStrategy[Used] = st.builds(
    lambda held, events, units, known: used(held, {EVENTS: events, UNITS: units}, known),
    st.dictionaries(_WHERE.map(lambda where: tuple(sorted(where.items()))), QUANTITIES, max_size=4),
    st.integers(0, 10**9).map(Decimal),
    QUANTITIES,
    st.dictionaries(st.just("class"), st.sampled_from(["gold", "silver", "bronze"])),
)


def used(
    held: Mapping[tuple[tuple[str, str], ...], Decimal], others: Mapping[str, Decimal], known: Mapping[str, str]
) -> Used:
    """What was used, in pieces that add up to the quantity."""
    pieces = tuple(Piece(dict(dimensions), quantity) for dimensions, quantity in held.items())
    return Used(total(held.values()), pieces, others, known)


def changed(one: Used, change: Callable[[Decimal], Decimal]) -> Used:
    """The same with every quantity changed."""
    held = {tuple(piece.dimensions.items()): change(piece.quantity) for piece in one.pieces}
    return used(held, {name: change(quantity) for name, quantity in one.others.items()}, one.attributes)


def both(one: Used, other: Used) -> Used:
    """The one and the other together; the attributes are those of the one."""
    held: dict[tuple[tuple[str, str], ...], Decimal] = {}
    for piece in (*one.pieces, *other.pieces):
        key = tuple(piece.dimensions.items())
        held[key] = total([held.get(key, Decimal(0)), piece.quantity])
    others = {name: total([one.others[name], other.others[name]]) for name in one.others}
    return used(held, others, one.attributes)


def amount(lines: tuple[RatedLine, ...]) -> Decimal:
    """What the lines come to."""
    return total(line.amount for line in lines)
