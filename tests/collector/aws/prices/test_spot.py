"""Spot prices: all that the history has, each once, over pauses; against the fake, and against moto's EC2 where that is true."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from moto.server import ThreadedMotoServer

from collector.aws.prices.config import PricesConfig
from collector.aws.prices.plugin import plugin
from collector.readings import Window
from meterbook.wire.instants import parse
from tests.collector.aws.prices.reading import BEGIN, DAY, HOUR, MINUTE, OTHER, REGION, SECOND, SOURCE, Follower
from tests.fakes.aws.server import AwsServer
from tests.fakes.aws.spot import BAD_TOKEN, DENIED, FakeSpotPrices

Follow = Callable[..., Follower]
SPOT = {"products": [], "spot": {"instance_types": ["m5.large", "m5.xlarge"]}}
ZONE = f"{REGION}a"


def told(reader: Follower) -> set[tuple[str, int, str]]:
    return reader.book.prices("aws.spot_price")


def test_a_spot_price_is_an_event(spots: FakeSpotPrices, follow: Follow) -> None:
    spots.quote(ZONE, "m5.large", BEGIN + 5 * SECOND, "0.0431")
    reader = follow(**SPOT)
    reader.read_at(BEGIN + HOUR)
    (event,) = reader.book.events.values()
    assert (event["id"], event["subject"]) == (
        f"{ZONE}/m5.large/Linux/UNIX/2026-01-20T00:00:05Z",
        f"{ZONE}/m5.large/Linux/UNIX",
    )
    assert json.loads(event["properties"]) == {
        "availabilityZone": ZONE,
        "currency": "USD",
        "instanceType": "m5.large",
        "price": "0.0431",
        "product": "Linux/UNIX",
        "regionCode": REGION,
    }
    assert reader.book.statuses() == ["complete"]


def test_the_price_that_holds_at_first_is_told_and_what_is_not_asked_for_is_not(
    spots: FakeSpotPrices, follow: Follow
) -> None:
    for days, price in ((50, "1"), (40, "2"), (30, "3")):
        spots.quote(ZONE, "m5.large", BEGIN - days * DAY, price)
    spots.quote(f"{OTHER}b", "m5.large", BEGIN - DAY, "9")
    spots.quote(ZONE, "c5.large", BEGIN - DAY, "9")
    spots.quote(ZONE, "m5.xlarge", BEGIN - DAY, "9", "Windows")
    reader = follow(**SPOT)
    reader.read_at(BEGIN + HOUR)
    subject = f"{ZONE}/m5.large/Linux/UNIX"
    assert told(reader) == {(subject, BEGIN - 30 * DAY, "3")}
    older = follow(**SPOT, spot_history_s=35 * 86_400, regions=[REGION, OTHER])
    older.read_at(BEGIN + HOUR)
    assert told(older) == {
        (subject, BEGIN - 40 * DAY, "2"),
        (subject, BEGIN - 30 * DAY, "3"),
        (f"{OTHER}b/m5.large/Linux/UNIX", BEGIN - DAY, "9"),
    }


@pytest.mark.parametrize("pages", [1, 20])
def test_each_change_is_told_once_over_pages_some_of_which_are_empty(
    spots: FakeSpotPrices, follow: Follow, pages: int
) -> None:
    spots.page_prices_max, spots.empty_pages = 3, True
    for hour in range(60):
        spots.quote(ZONE, "m5.large", BEGIN + hour * HOUR + 30 * SECOND, f"0.{hour}")
    reader = follow(**SPOT, pages_max=pages)
    for day in (1, 2, 3):
        reader.read_at(BEGIN + day * DAY + SECOND // 2)
        reader.restart()
    assert {price for _, _, price in told(reader)} == {f"0.{hour}" for hour in range(60)}
    # What was told in the last hour before a collection is told twice at most.
    assert reader.book.told <= 60 + 3
    assert reader.book.complete_until_us() == BEGIN + 3 * DAY + SECOND // 2


@pytest.mark.parametrize(("late_s", "is_told"), [(600, True), (60, False)])
def test_what_is_shown_late_is_told_if_it_may_be_so_late(
    spots: FakeSpotPrices, follow: Follow, late_s: int, is_told: bool
) -> None:
    reader = follow(**SPOT, spot_late_s=late_s)
    reader.read_at(BEGIN + HOUR)
    spots.quote(ZONE, "m5.large", BEGIN + 55 * MINUTE, "0.5")
    spots.quote(ZONE, "m5.large", BEGIN + 70 * MINUTE, "0.6")
    reader.read_at(BEGIN + 2 * HOUR)
    assert {price for _, _, price in told(reader)} == ({"0.5", "0.6"} if is_told else {"0.6"})


def test_what_could_not_be_read_at_first_is_read_later(
    spots: FakeSpotPrices, server: AwsServer, follow: Follow
) -> None:
    spots.quote(ZONE, "m5.large", BEGIN + MINUTE, "0.5")
    spots.quote(ZONE, "m5.large", BEGIN + 2 * DAY, "0.6")
    reader = follow(**SPOT)
    server.faults.extend([DENIED, DENIED])
    for days in (1, 2, 3):
        reader.read_at(BEGIN + days * DAY)
    assert {price for _, _, price in told(reader)} == {"0.5", "0.6"}
    assert reader.book.complete_until_us() == BEGIN + 3 * DAY


def test_after_a_pause_of_months_what_is_not_kept_is_lost(spots: FakeSpotPrices, follow: Follow) -> None:
    spots.quote(ZONE, "m5.large", BEGIN + 150 * DAY, "0.5")
    reader = follow(**SPOT)
    reader.read_at(BEGIN + HOUR)
    (readings,) = reader.read_at(BEGIN + 200 * DAY)
    lost, rest = readings.coverage
    assert (lost.status, rest.status, rest.end_us) == ("lost", "complete", BEGIN + 200 * DAY)
    assert lost.end_us == BEGIN + 110 * DAY + HOUR
    assert len(told(reader)) == 1


def test_a_denial_names_what_is_missing(spots: FakeSpotPrices, server: AwsServer, follow: Follow) -> None:
    server.always = DENIED
    reader = follow(**SPOT)
    (readings,) = reader.read_at(BEGIN + HOUR)
    assert readings.coverage[0].reason == (
        f"{SOURCE}: spot prices in {REGION}: DescribeSpotPriceHistory is denied; the policy needs "
        '{"Effect": "Allow", "Action": ["ec2:DescribeSpotPriceHistory"], "Resource": ["*"]}'
    )


def test_a_token_that_is_refused_begins_anew(spots: FakeSpotPrices, server: AwsServer, follow: Follow) -> None:
    spots.page_prices_max = 1
    for hour in range(3):
        spots.quote(ZONE, "m5.large", BEGIN + hour * HOUR, "0.5")
    reader = follow(**SPOT)
    server.faults.extend([None, BAD_TOKEN])
    reader.read_at(BEGIN + DAY)
    assert (len(told(reader)), reader.book.statuses()) == (3, ["complete"])


@pytest.fixture
def moto() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def test_prices_of_another_ec2_are_read(moto: str) -> None:
    config = PricesConfig.model_validate(
        {**SPOT, "regions": [REGION], "account": {"endpoint": moto, "attempts_max": 1}}
    )
    (collector,) = plugin.build(config).current()
    readings = collector.collect(Window(BEGIN, BEGIN + HOUR), {})
    collector.close()
    assert [record.status for record in readings.coverage] == ["complete"], readings.coverage
    rows = readings.events.to_pylist()
    assert {row["subject"].split("/")[1] for row in rows} == {"m5.large", "m5.xlarge"}
    assert len(rows) == len({row["id"] for row in rows})
    assert {int(row["time"].timestamp()) for row in rows} == {parse("2006-01-02T15:04:05Z") // SECOND}
    assert {json.loads(row["properties"])["price"] for row in rows} == {"0.00001"}
