"""Whatever is published, fails, is killed or is not stored: in the end each price that was to be had is in the book, once."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.account.session import Account
from collector.aws.prices.config import PricesConfig
from meterbook.wire.instants import text
from tests.collector.aws.prices.reading import BEGIN, DAY, HOUR, LINUX, MINUTE, OTHER, REGION, Follower
from tests.collector.aws.prices.reading import settings as configured
from tests.fakes.aws.pricing import EXPIRED_TOKEN, INTERNAL, THROTTLED, FakePriceList
from tests.fakes.aws.server import DENIED
from tests.fakes.aws.spot import FakeSpotPrices, PriceServer

REGIONS = [REGION, OTHER]
PRICES = ["0.1", "0.10", "2"]
#: Number of the product, region, price, hours since BEGIN from which on it holds.
PUBLISHED = st.tuples(st.integers(0, 4), st.sampled_from(REGIONS), st.sampled_from(PRICES), st.integers(-50, 200))
#: Region, minutes since BEGIN, price.
QUOTED = st.tuples(st.sampled_from(REGIONS), st.integers(-200, 6_000), st.sampled_from(PRICES))
ACTS = st.lists(
    st.tuples(
        st.integers(0, 40),
        st.sampled_from(["stored", "stored", "lost", "killed", "some"]),
        st.lists(st.sampled_from([None, None, THROTTLED, INTERNAL, EXPIRED_TOKEN, DENIED]), max_size=5),
        st.lists(PUBLISHED, max_size=3),
    ),
    max_size=7,
)


@settings(suppress_health_check=list(HealthCheck), deadline=None)
@given(
    published=st.lists(PUBLISHED, max_size=8),
    quoted=st.lists(QUOTED, max_size=12, unique_by=lambda each: each[:2]),
    acts=ACTS,
    page=st.sampled_from([1, 2, 100]),
    pages_max=st.sampled_from([1, 3, 20]),
)
def test_the_book_has_the_truth(
    server: PriceServer,
    account: Account,
    published: list[Any],
    quoted: list[Any],
    acts: list[Any],
    page: int,
    pages_max: int,
) -> None:
    prices = FakePriceList(page_products_max=page)
    spots = FakeSpotPrices(BEGIN, page_prices_max=page, empty_pages=page == 2)
    server.reset({"pricing": prices, "ec2": spots})
    config = PricesConfig.model_validate(
        configured(server, regions=REGIONS, pages_max=pages_max, spot={"instance_types": ["m5.large"]})
    )
    reader = Follower(spots, config, account)
    for each in published:
        publish(prices, *each)
    for region, minutes, price in quoted:
        spots.quote(f"{region}a", "m5.large", BEGIN + minutes * MINUTE, price)
    now_us = BEGIN + MINUTE
    for hours, act, faults, anew in acts:
        now_us += hours * HOUR + MINUTE
        server.faults.clear()
        server.faults.extend(faults)
        reader.read_at(now_us, stored=act != "lost", collections_max=1 if act == "some" else None)
        if act in ("killed", "some"):
            reader.restart()
        for each in anew:
            publish(prices, *each)
    server.faults.clear()
    # What was begun before is read to its end first, and is due anew after that.
    for days in (1, 2, 3):
        reader.read_at(now_us + days * DAY)
    assert_truth(reader, prices, spots)


def assert_truth(reader: Follower, prices: FakePriceList, spots: FakeSpotPrices) -> None:
    now_us = spots.now_us
    listed = {
        (sku, offer["effectiveDate"], price)
        for sku, product in prices.products.items()
        for offer in product["terms"]["OnDemand"].values()
        for rate in offer["priceDimensions"].values()
        for price in rate["pricePerUnit"].values()
    }
    told = {(sku, text(time_us), price) for sku, time_us, price in reader.book.prices()}
    assert {each for each in listed if each[1] <= text(now_us)} <= told
    assert all(time_us <= now_us for _, time_us, _ in reader.book.prices())
    expected = set()
    for (zone, machine, product), quotes in spots.prices.items():
        before = [each for each in quotes if each[0] < BEGIN][-1:]
        for time_us, price in [*before, *(each for each in quotes if BEGIN <= each[0] < now_us)]:
            expected.add((f"{zone}/{machine}/{product}", time_us, price))
    assert reader.book.prices("aws.spot_price") == expected
    assert reader.book.complete_until_us() == now_us
    assert not reader.book.letters


def publish(prices: FakePriceList, number: int, region: str, price: str, hours: int) -> None:
    attributes = {**LINUX, "regionCode": region, "instanceType": "m5.large"}
    prices.publish(f"{region}.{number}", attributes, {"USD": price}, since=text(BEGIN + hours * HOUR))
