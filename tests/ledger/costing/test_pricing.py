"""Prices that events tell: those of public price lists as they are collected, corrected and taken back."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from collector.aws.prices.price import events
from collector.aws.prices.products import item
from collector.aws.prices.spots import spot
from ledger.costing.pricing import NO_PRICE, Steps, key_of, steps_of, told_prices
from ledger.directory.pricebook import EventPrice, Item
from ledger.journal.derive import TABLES
from meterbook.wire.instants import HOUR_US, LATEST_US, to_datetime
from tests.ledger.batches import MONTH
from tests.ledger.costing.memory import END, Book

LISTED = EventPrice(type="aws.price", match={"beginRange": "0"}, where={"instanceType": "type"})
SPOT = EventPrice(type="aws.spot_price", where={"instanceType": "type", "availabilityZone": "zone"})


def product(sku: str, machine: str, effective: str, price: str) -> str:
    """An item of the price list."""
    rate = {"rateCode": f"{sku}.R", "unit": "Hrs", "pricePerUnit": {"USD": price, "CNY": "7"}}
    term = {"effectiveDate": effective, "priceDimensions": {"r": rate}}
    told = {"product": {"sku": sku, "attributes": {"instanceType": machine}}, "terms": {"OnDemand": {"t": term}}}
    return json.dumps(told)


def listed(*documents: str) -> pa.Table:
    """The events that a collector makes of items."""
    found = [price for document in documents for price in item(document, ["OnDemand"], LATEST_US).prices]
    return events("aws_prices/public", found)


def spots(*rows: tuple[str, str, str, int]) -> pa.Table:
    """The events that a collector makes of a history: zone, machine, price, hour of the month."""
    found = [
        spot(
            {
                "AvailabilityZone": zone,
                "InstanceType": machine,
                "ProductDescription": "Linux/UNIX",
                "SpotPrice": price,
                "Timestamp": to_datetime(MONTH + hour * HOUR_US),
            },
            "eu-central-1",
        )
        for zone, machine, price, hour in rows
    ]
    return events("aws_prices/public", found)


def told(book: Book, table: pa.Table, position: int = 1) -> None:
    book.tell([tuple(row.values()) for row in table.to_pylist()], position)


def prices(book: Book, event: EventPrice, names: dict[str, str], position: int = 1) -> list[tuple[int, Decimal]]:
    """Hours of the month since when each price holds."""
    found = told_prices(book.view(position), event, "USD", END)
    priced = Item(meter="m", prices=({"event": event.model_dump()},))  # type: ignore[arg-type]
    steps = steps_of(priced, [found], names)
    return [
        ((since - MONTH) // HOUR_US, price) for since, price in zip(steps.from_us.tolist(), steps.prices, strict=True)
    ]


def test_prices_of_the_list_hold_from_their_effective_date() -> None:
    book = Book()
    told(book, listed(product("A", "m5", "2026-01-01T00:00:00Z", "0.1150000000")))
    told(book, listed(product("B", "c5", "2026-01-01T00:00:00Z", "0.0970000000")))
    told(book, listed(product("A", "m5", "2026-01-02T00:00:00Z", "0.1070000000")))
    assert prices(book, LISTED, {"type": "m5"}) == [(0, Decimal("0.115")), (24, Decimal("0.107"))]
    assert prices(book, LISTED, {"type": "c5"}) == [(0, Decimal("0.097"))]
    assert prices(book, LISTED, {"type": "t4"}) == prices(book, LISTED, {}) == []


def test_the_history_of_spot_prices_is_one_for_each_zone() -> None:
    book = Book()
    told(book, spots(("1a", "m5", "0.03", -9), ("1b", "m5", "0.04", 1), ("1a", "m5", "0.05", 2)))
    assert prices(book, SPOT, {"type": "m5", "zone": "1a"}) == [(-9, Decimal("0.03")), (2, Decimal("0.05"))]
    assert prices(book, SPOT, {"type": "m5", "zone": "1b"}) == [(1, Decimal("0.04"))]


def test_what_an_event_does_not_say_is_no_price_of_usage_that_does_not_say_it() -> None:
    book = Book()
    told(book, spots(("1a", "m5", "0.03", 0), ("1b", "m5", "0.04", 0)))
    nowhere = EventPrice(type="aws.spot_price", where={"instanceType": "type", "datacentre": "zone"})
    for names in ({"type": "m5"}, {"type": "m5", "zone": ""}, {"type": "m5", "zone": "1a"}):
        assert prices(book, nowhere, names) == []
    assert prices(book, SPOT, {"type": "m5"}) == []


def test_a_price_that_an_operator_amends_or_voids_is_another_or_none() -> None:
    book = Book()
    told(book, spots(("1a", "m5", "0.03", 0), ("1a", "m5", "0.05", 2)))
    first, second = (row["id"] for row in spots(("1a", "m5", "0.03", 0), ("1a", "m5", "0.05", 2)).to_pylist())
    amended(book, first, 0, price="0.02")
    amended(book, second, 2, is_void=1)
    where = {"type": "m5", "zone": "1a"}
    assert prices(book, SPOT, where) == [(0, Decimal("0.03")), (2, Decimal("0.05"))]
    assert prices(book, SPOT, where, position=2) == [(0, Decimal("0.02"))]


def amended(book: Book, id_: str, hour: int, price: str = "0", is_void: int = 0) -> None:
    """An amendment of position 2."""
    time = to_datetime(MONTH + hour * HOUR_US).replace(tzinfo=None)
    properties = {"instanceType": "m5", "availabilityZone": "1a", "currency": "USD", "price": price}
    row: dict[str, Any] = dict.fromkeys(TABLES["amendments"].names, "") | {
        "source": "aws_prices/public",
        "id": id_,
        "type": "aws.spot_price",
        "time": time,
        "time_before": time,
        "value": Decimal(1),
        "properties": json.dumps(properties),
        "is_void": is_void,
        "position": 2,
    }
    columns = [pa.array([row[field.name]], field.type) for field in TABLES["amendments"]]
    book.add("amendments", pa.table(columns, schema=TABLES["amendments"]))


def test_stated_prices_and_events_take_turns() -> None:
    book = Book()
    told(book, spots(("1a", "m5", "0.03", -5), ("1a", "m5", "0.05", 3)))
    found = told_prices(book.view(), SPOT, "USD", END)
    dated = [
        {"event": SPOT.model_dump(), "from": "2026-01-01T02:00:00Z", "until": "2026-01-01T04:00:00Z"},
        {"price": "1", "until": "2026-01-01T01:00:00Z"},
    ]
    priced = Item.model_validate({"meter": "m", "prices": dated})
    steps = steps_of(priced, [found, None], {"type": "m5", "zone": "1a"})
    times = [MONTH + hour * HOUR_US for hour in range(-1, 5)]
    assert shown(steps, times) == ["1", "1", "", "0.03", "0.05", ""]
    assert key_of(SPOT, {"zone": "1a"}) == (None, "1a")


def shown(steps: Steps, times: list[int]) -> list[str]:
    return ["" if place == NO_PRICE else str(steps.prices[place]) for place in steps.at(np.array(times)).tolist()]
