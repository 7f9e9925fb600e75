"""Prices of the list: each an event of when it begins to hold, told once; what is published anew is read anew, and nothing else is."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from collector.readings import Coverage
from meterbook.wire.instants import parse
from tests.collector.aws.prices.reading import BEGIN, DAY, HOUR, LINUX, OTHER, REGION, SOURCE, Follower, machine
from tests.fakes.aws.pricing import EXPIRED_TOKEN, INTERNAL, THROTTLED, FakePriceList
from tests.fakes.aws.server import DENIED, AwsServer

Follow = Callable[..., Follower]
SINCE_2025 = parse("2025-01-01")


def test_a_price_is_an_event(prices: FakePriceList, follow: Follow) -> None:
    prices.publish("ABC", {**LINUX, "instanceType": "m5.large", "vcpu": "2", "unit": "?"}, {"USD": "0.1150000000"})
    reader = follow()
    reader.read_at(BEGIN + HOUR)
    (event,) = reader.book.events.values()
    properties = json.loads(event.pop("properties"))
    assert event == {
        "origin": SOURCE,
        "source": SOURCE,
        "id": "ABC.JRTCKXETXF.6YS6EN2CT7@2025-01-01T00:00:00Z/USD/0.1150000000",
        "type": "aws.price",
        "subject": "ABC",
        "tenant": "",
        "time": event["time"],
        "value": Decimal(1),
    }
    assert event["time"].timestamp() * 1e6 == SINCE_2025
    assert properties == {
        **LINUX,
        "attribute_unit": "?",
        "beginRange": "0",
        "currency": "USD",
        "description": "ABC by the Hrs",
        "effectiveDate": "2025-01-01T00:00:00Z",
        "endRange": "Inf",
        "instanceType": "m5.large",
        "price": "0.1150000000",
        "productFamily": "Compute Instance",
        "rateCode": "ABC.JRTCKXETXF.6YS6EN2CT7",
        "serviceCode": "AmazonEC2",
        "servicecode": "AmazonEC2",
        "sku": "ABC",
        "term": "OnDemand",
        "unit": "Hrs",
        "vcpu": "2",
    }
    assert reader.book.coverage == [Coverage(SOURCE, BEGIN, BEGIN + HOUR, "complete")]


def test_the_default_is_linux_on_demand_in_the_regions(prices: FakePriceList, follow: Follow) -> None:
    machine(prices, "a", "1")
    for number, change in enumerate(
        ({"operatingSystem": "Windows"}, {"tenancy": "Dedicated"}, {"preInstalledSw": "SQL Web"}, {"regionCode": OTHER})
    ):
        prices.publish(f"b{number}", {**LINUX, **change}, {"USD": "2"})
    prices.publish("c", LINUX, {"USD": "3"}, service="AmazonRDS")
    reader = follow()
    reader.read_at(BEGIN + HOUR)
    assert {subject for subject, _, _ in reader.book.prices()} == {"a"}
    reader.configure(regions=[REGION, OTHER])
    reader.read_at(BEGIN + DAY)
    assert {subject for subject, _, _ in reader.book.prices()} == {"a", "b3"}


def test_what_is_published_anew_is_told_and_nothing_else_is_read(
    prices: FakePriceList, server: AwsServer, follow: Follow
) -> None:
    for number in range(5):
        machine(prices, f"sku{number}", "1")
    prices.page_products_max = 2
    reader = follow()
    reader.read_at(BEGIN + HOUR)
    assert (len(server.requests), reader.book.told) == (3, 5)
    reader.restart()
    reader.read_at(BEGIN + DAY)
    assert (len(server.requests), reader.book.told) == (4, 5), "the first page says that nothing is new"
    machine(prices, "sku3", "2", since="2026-01-20T00:00:00Z")
    # A price that is mended without a new date is another price.
    machine(prices, "sku4", "1.5")
    reader.read_at(BEGIN + 2 * DAY)
    assert len(server.requests) == 7
    assert reader.book.prices() >= {
        ("sku3", SINCE_2025, "1"),
        ("sku3", BEGIN, "2"),
        ("sku4", SINCE_2025, "1"),
        ("sku4", SINCE_2025, "1.5"),
    }
    assert len(reader.book.events) == 7
    assert set(reader.book.statuses()) == {"complete"}


def test_a_price_is_told_when_it_begins_to_hold(prices: FakePriceList, server: AwsServer, follow: Follow) -> None:
    machine(prices, "now", "1")
    machine(prices, "later", "2", since="2026-01-22T00:00:00Z")
    reader = follow()
    reader.read_at(BEGIN + HOUR)
    reader.read_at(BEGIN + DAY)
    assert {subject for subject, _, _ in reader.book.prices()} == {"now"}
    reader.read_at(BEGIN + 2 * DAY)
    assert reader.book.prices() == {("now", SINCE_2025, "1"), ("later", BEGIN + 2 * DAY, "2")}


@pytest.mark.parametrize(("terms", "told"), [(["OnDemand"], {"1"}), (["OnDemand", "Reserved"], {"1", "0.6"})])
def test_reserved_prices_are_told_if_asked_for(
    prices: FakePriceList, follow: Follow, terms: list[str], told: set[str]
) -> None:
    machine(prices, "a", "1", reserved={"USD": "0.6"})
    reader = follow()
    reader.read_at(BEGIN + HOUR)
    reader.configure(terms=terms)
    reader.read_at(BEGIN + DAY)
    assert {price for _, _, price in reader.book.prices()} == told
    leases = [json.loads(event["properties"]).get("LeaseContractLength") for event in reader.book.events.values()]
    assert ("1yr" in leases) == ("0.6" in told)


def test_each_currency_is_a_price(prices: FakePriceList, follow: Follow) -> None:
    prices.publish("a", LINUX, {"USD": "1", "CNY": "7"})
    reader = follow()
    reader.read_at(BEGIN + HOUR)
    assert len(reader.book.events) == 2


def test_a_service_without_regions_is_asked_for_once(prices: FakePriceList, server: AwsServer, follow: Follow) -> None:
    prices.publish("zone", {"location": "Any"}, {"USD": "0.5"}, service="AmazonRoute53")
    reader = follow(regions=[REGION, OTHER], products=[{"service": "AmazonRoute53", "is_regional": False}])
    reader.read_at(BEGIN + HOUR)
    assert (len(server.requests), len(reader.book.events)) == (1, 1)


@pytest.mark.parametrize("pages", [1, 2, 20])
def test_pages_are_read_within_bounds_and_on_after_a_restart(
    prices: FakePriceList, server: AwsServer, follow: Follow, pages: int
) -> None:
    for number in range(9):
        machine(prices, f"sku{number}", "1")
    prices.page_products_max = 2
    reader = follow(pages_max=pages)
    now_us, more = BEGIN + HOUR, True
    while more:
        (readings,) = reader.read_at(now_us, collections_max=1)
        more = readings.more
        reader.restart()
        now_us += 1
    assert (len(server.requests), reader.book.told) == (5, 9)
    assert reader.book.complete_until_us() == BEGIN + HOUR
    reader.read_at(BEGIN + DAY)
    assert (len(server.requests), reader.book.told) == (6, 9)
    assert reader.book.complete_until_us() == BEGIN + DAY


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_token_that_is_not_good_any_more_begins_the_question_anew(
    prices: FakePriceList, server: AwsServer, follow: Follow, is_kept: bool
) -> None:
    for number in range(5):
        machine(prices, f"sku{number}", "1")
    prices.page_products_max = 2
    reader = follow(pages_max=1 if is_kept else 20)
    server.faults.extend([None, EXPIRED_TOKEN])
    reader.read_at(BEGIN + HOUR)
    assert len(reader.book.events) == 5
    assert reader.book.complete_until_us() == BEGIN + HOUR


def test_a_token_that_is_never_good_is_told(prices: FakePriceList, server: AwsServer, follow: Follow) -> None:
    machine(prices, "a", "1")
    machine(prices, "b", "1")
    prices.page_products_max = 1
    reader = follow()
    server.faults.extend([None, EXPIRED_TOKEN] * 3)
    (readings,) = reader.read_at(BEGIN + HOUR)
    assert (readings.more, reader.book.statuses()) == (False, ["partial"])
    assert "the next page is not to be had (ExpiredNextTokenException)" in readings.coverage[0].reason
    reader.read_at(BEGIN + DAY)
    reader.read_at(BEGIN + 2 * DAY)
    assert len(reader.book.events) == 2
    assert reader.book.complete_until_us() == BEGIN + 2 * DAY


@pytest.mark.parametrize(
    ("fault", "status", "told"),
    [
        (THROTTLED, "throttled", "GetProducts is throttled (ThrottlingException)"),
        (INTERNAL, "failed", "InternalErrorException"),
        (
            DENIED,
            "failed",
            'the policy needs {"Effect": "Allow", "Action": ["pricing:GetProducts"], "Resource": ["*"]}',
        ),
    ],
)
def test_one_region_that_fails_holds_up_no_other(
    prices: FakePriceList, server: AwsServer, follow: Follow, fault: Any, status: str, told: str
) -> None:
    for region in (REGION, OTHER):
        prices.publish(region, {**LINUX, "regionCode": region}, {"USD": "1"})
    reader = follow(regions=[REGION, OTHER])
    server.faults.extend([fault])
    (readings,) = reader.read_at(BEGIN + HOUR)
    assert {subject for subject, _, _ in reader.book.prices()} == {OTHER}
    assert (readings.coverage[0].status, told in readings.coverage[0].reason) == ("partial", True)
    server.faults.extend([fault, fault])
    (readings,) = reader.read_at(BEGIN + DAY)
    assert readings.coverage[0].status == status
    reader.read_at(BEGIN + 2 * DAY)
    assert len(reader.book.events) == 2
    assert reader.book.coverage[-1] == Coverage(SOURCE, BEGIN, BEGIN + 2 * DAY, "complete")


def test_a_throttled_question_is_read_on_from_its_page(
    prices: FakePriceList, server: AwsServer, follow: Follow
) -> None:
    for number in range(6):
        machine(prices, f"sku{number}", "1")
    prices.page_products_max = 2
    reader = follow()
    server.faults.extend([None, None, THROTTLED])
    reader.read_at(BEGIN + HOUR)
    reader.restart()
    reader.read_at(BEGIN + DAY)
    assert (len(server.requests), reader.book.told, len(reader.book.events)) == (4, 6, 6)


def test_a_question_that_cannot_be_gone_on_with_does_not_hold_up_the_others(
    prices: FakePriceList, server: AwsServer, follow: Follow
) -> None:
    for region in (REGION, OTHER):
        for number in range(2):
            prices.publish(f"{region}{number}", {**LINUX, "regionCode": region}, {"USD": "1"})
    prices.page_products_max = 1
    reader = follow(regions=[REGION, OTHER], pages_max=3)
    reader.read_at(BEGIN + HOUR, collections_max=1)
    server.faults.extend([DENIED])
    reader.read_at(BEGIN + 2 * HOUR)
    prices.publish(f"{REGION}2", LINUX, {"USD": "1"})
    server.faults.extend([None, None, None, DENIED])
    reader.read_at(BEGIN + DAY)
    assert f"{REGION}2" in {subject for subject, _, _ in reader.book.prices()}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"terms": {"OnDemand": {"x": {}}}}, "'effectiveDate'"),
        ({"product": {}}, "'sku'"),
        ({"product": []}, "TypeError"),
    ],
)
def test_an_item_that_cannot_be_read_is_a_dead_letter(
    prices: FakePriceList, follow: Follow, change: dict[str, Any], told: str
) -> None:
    machine(prices, "a", "1")
    machine(prices, "b", "1")
    reader = follow(products=[{"service": "AmazonEC2", "is_regional": False}])
    prices.products["a"] |= change
    original = prices.get_products

    def unfiltered(parameters: dict[str, Any]) -> dict[str, Any]:
        if isinstance(change.get("product"), dict | list):
            items = [json.dumps(each) for each in prices.products.values()]
            return {"FormatVersion": "aws_v1", "PriceList": items}
        return original(parameters)

    prices.get_products = unfiltered  # type: ignore[method-assign]
    reader.read_at(BEGIN + HOUR)
    assert {subject for subject, _, _ in reader.book.prices()} == {"b"}
    (letter,) = reader.book.letters
    assert (letter.place, told in letter.reason) == ("AmazonEC2/0/0", True), letter.reason
    assert json.loads(letter.document)["serviceCode"] == "AmazonEC2"


@pytest.mark.parametrize(
    ("price", "since", "told"), [("free", "2025-01-01", "is not a number"), ("1", "1969-01-01", "before 1970")]
)
def test_a_price_that_cannot_be_meant_is_a_dead_letter(
    prices: FakePriceList, follow: Follow, price: str, since: str, told: str
) -> None:
    machine(prices, "a", price, since=f"{since}T00:00:00Z")
    reader = follow()
    reader.read_at(BEGIN + HOUR)
    assert reader.book.events == {}
    assert told in reader.book.letters[0].reason
