"""What holds for every price model alike, over documents drawn at random."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from collections.abc import Callable
from decimal import Decimal, Inexact, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from ledger.directory.price import Price
from ledger.rating import models
from ledger.rating.model import Model, Used
from ledger.rating.models import MODELS, AnyModel, name_of
from ledger.rating.models.burstable import Burstable
from ledger.schema.decimals import exact, total
from tests.ledger.rating.documents import DOCUMENTS, EVENTS, UNITS, USES, amount, both, changed, model

NAMES = sorted(DOCUMENTS)
OF_USE = [name_of(kind) for kind in MODELS if kind.of != "nothing"]
#: Of a price's own quantity these show all of it, and nothing else. The lines of a percentage may be events, a dynamic price shows
#: other units, and what was committed to is paid without being used.
DIVIDING = ["per_unit", "graduated", "volume", "stairstep", "package", "graduated_percentage", "matrix", "cost_plus"]
#: More never costs less. Volume is not among them: its own tests show the dip.
RISING = [name for name in OF_USE if name != "volume"]
#: Two parts cost what the whole does.
LINEAR = ["per_unit", "matrix", "dynamic", "cost_plus"]
#: What a model owes at least where nothing was used; all others owe nothing.
AT_LEAST: dict[type[Model], Callable[[Any], Decimal]] = {
    Burstable: lambda burstable: burstable.committed * burstable.unit_price
}

ANY_MODEL: TypeAdapter[Model] = TypeAdapter(AnyModel)


def modules() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(models.__path__))


def drawn(data: st.DataObject, name: str) -> Model:
    return model(data.draw(DOCUMENTS[name]))


def test_every_model_is_registered_once_under_the_name_of_its_module() -> None:
    names = [name_of(kind) for kind in MODELS]
    assert sorted(names) == modules()
    assert [kind.__module__ for kind in MODELS] == [f"{models.__name__}.{name}" for name in names]
    assert all(name_of(kind) in OF_USE or kind.of == "nothing" for kind in MODELS)


def test_every_model_has_documents_here() -> None:
    assert modules() == NAMES


@pytest.mark.parametrize("name", modules())
def test_every_model_explains_itself_by_an_example_that_holds(name: str) -> None:
    module = importlib.import_module(f"{models.__name__}.{name}")
    results = doctest.testmod(module, optionflags=doctest.FAIL_FAST)
    assert results.attempted > 0
    assert results.failed == 0


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_a_document_is_read_as_its_model_and_written_as_it_was(name: str, data: st.DataObject) -> None:
    one = drawn(data, name)
    assert name_of(one) == name
    written = ANY_MODEL.dump_json(one)
    again = ANY_MODEL.validate_json(written)
    assert type(again) is type(one)
    assert again == one
    assert ANY_MODEL.dump_json(again) == written


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_a_price_can_go_by_it(name: str, data: st.DataObject) -> None:
    document = data.draw(DOCUMENTS[name])
    meter = {"meter": "own"} if model(document).of == "quantity" else {}
    price = Price.model_validate({"name": "price", "charge": document, **meter})
    assert price.charge == model(document)
    assert price.meters() == (*meter.values(), *price.charge.meters())
    assert set(price.charge.meters()) <= {EVENTS, UNITS}


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_a_key_that_it_does_not_know_is_refused(name: str, data: st.DataObject) -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        model({**data.draw(DOCUMENTS[name]), "unitprice": "1"})


def test_a_model_that_nobody_knows_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ValidationError) as refused:
        model({"model": "tiered"})
    assert all(f"'{name}'" in str(refused.value) for name in NAMES)


@pytest.mark.parametrize("name", OF_USE)
@given(data=st.data(), use=USES)
def test_nothing_used_costs_nothing_or_what_is_owed_at_least(name: str, data: st.DataObject, use: Used) -> None:
    one = drawn(data, name)
    nothing = changed(use, lambda _: Decimal(0))
    owed = AT_LEAST.get(type(one))
    if owed is None:
        assert one.rate(nothing) == ()
    else:
        with exact():
            assert amount(one.rate(nothing)) == owed(one)


@pytest.mark.parametrize("name", OF_USE)
@given(data=st.data(), use=USES)
def test_less_than_nothing_costs_what_nothing_does(name: str, data: st.DataObject, use: Used) -> None:
    one = drawn(data, name)
    assert one.rate(changed(use, Decimal.copy_negate)) == one.rate(changed(use, lambda _: Decimal(0)))


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data(), use=USES)
def test_it_says_by_what_it_goes(name: str, data: st.DataObject, use: Used) -> None:
    """Whoever asks a model gives it dimensions, attributes and other meters only where it says that it goes by them."""
    one = drawn(data, name)
    asked = Used(
        use.quantity,
        use.pieces if one.by_dimensions else (),
        {meter: use.others[meter] for meter in one.meters()},
        use.attributes if one.by_attributes else {},
    )
    assert one.rate(asked) == one.rate(use)


@pytest.mark.parametrize("name", DIVIDING)
@given(data=st.data(), use=USES)
def test_the_lines_add_up_to_what_was_used(name: str, data: st.DataObject, use: Used) -> None:
    lines = drawn(data, name).rate(use)
    assert total(line.quantity for line in lines) == use.quantity
    assert all(line.quantity > 0 for line in lines)


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data(), use=USES)
def test_a_line_is_what_it_says(name: str, data: st.DataObject, use: Used) -> None:
    """An amount that has a unit price is the quantity x that, and what a tier charges once besides."""
    one = drawn(data, name)
    for line in one.rate(use):
        assert line.amount >= 0
        if line.unit_price is not None:
            once = one.tiers[line.tier - 1].amount if line.tier else Decimal(0)  # type: ignore[attr-defined]
            with exact():
                assert line.amount == line.quantity * line.unit_price + once


@pytest.mark.parametrize("name", RISING)
@given(data=st.data(), use=USES, more=USES)
def test_more_never_costs_less(name: str, data: st.DataObject, use: Used, more: Used) -> None:
    one = drawn(data, name)
    assert amount(one.rate(use)) <= amount(one.rate(both(use, more)))


@pytest.mark.parametrize("name", LINEAR)
@given(data=st.data(), use=USES, more=USES)
def test_parts_cost_what_the_whole_does(name: str, data: st.DataObject, use: Used, more: Used) -> None:
    one = drawn(data, name)
    with exact():
        assert amount(one.rate(use)) + amount(one.rate(more)) == amount(one.rate(both(use, more)))


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data(), use=USES)
def test_no_digit_is_lost_whatever_context_it_runs_in(name: str, data: st.DataObject, use: Used) -> None:
    one = drawn(data, name)
    with localcontext() as context:
        context.prec = 3
        narrow = one.rate(use)
    assert narrow == one.rate(use)


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_the_longest_numbers_that_can_be_written_fit(name: str, data: st.DataObject) -> None:
    longest = Decimal("99999999999999999999.999999999999999999")
    quantity = Decimal("99999999999999999999999999999.999999999")
    use = Used(quantity, others={EVENTS: quantity, UNITS: quantity})

    def lengthened(part: Any, key: str = "") -> Any:
        if isinstance(part, dict):
            return {name: lengthened(value, name) for name, value in part.items()}
        if isinstance(part, list):
            return [lengthened(value) for value in part]
        is_length = key in (
            "unit_price",
            "overage_price",
            "amount",
            "percent",
            "fixed",
            "markup_percent",
            "otherwise",
            "minimum",
        )
        return longest if is_length and part is not None else part

    try:
        assert model(lengthened(data.draw(DOCUMENTS[name]))).rate(use)
    except Inexact:
        pytest.fail("a product does not fit")
