"""An object that comes a byte at a time holds up no other, is told of, and is read on from where it was once it comes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.collector.datastore.s3.following import Agent, lines
from tests.fakes.s3_server import FakeS3Server, fake_s3_server

pytestmark = pytest.mark.slow

#: Portions of a megabyte, one a collection, and no object that waits is tried again before half a day.
BOUNDS = {
    "block_bytes": 2_000,
    "line_bytes_max": 500,
    "read_bytes_max": 40_000,
    "patience_s": 1.5,
    "interval_s": 86_400,
    "readers": 2,
}
HALF_A_DAY_US = 43_200_000_000


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeS3Server]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a-key-id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
    with fake_s3_server() as running:
        yield running


@pytest.fixture
def agent(server: FakeS3Server) -> Iterator[Callable[..., Agent]]:
    made: list[Agent] = []

    def make(**given: Any) -> Agent:
        made.append(Agent({**server.settings, **BOUNDS, **given}))
        return made[-1]

    yield make
    for one in made:
        one.collector.close()


def ids(key: str, count: int = 30_000) -> list[str]:
    return [f"{key}-{number}" for number in range(count)]


def put(server: FakeS3Server, *keys: str) -> None:
    for key in keys:
        server.objects[key] = lines(*ids(key))


def catch_up(one: Agent) -> None:
    """Try again until nothing waits."""
    while one.coverage[-1].status != "complete":
        one.later(HALF_A_DAY_US)
        one.tick()


def of(found: list[str], key: str) -> list[str]:
    return [name for name in found if name.startswith(f"{key}-")]


def test_the_others_go_on_and_it_follows_in_its_own_order(server: FakeS3Server, agent: Callable[..., Agent]) -> None:
    put(server, "a", "b", "c", "d")
    server.trickles["a"] = 1_500_000
    one = agent()
    one.tick()
    begun = of(one.found, "a")
    assert 0 < len(begun) < 30_000
    assert [of(one.found, key) for key in "bcd"] == [ids(key) for key in "bcd"]
    assert one.coverage[-1].status == "partial"
    assert one.coverage[-1].reason == ("s3://usage/a: nothing more of it came within patience_s 1.5; the others go on")
    server.over.set()
    catch_up(one)
    assert of(one.found, "a") == ids("a")
    assert one.coverage[-1].status == "complete"
    # What was late went on being fetched.
    assert [key for what, key, _ in server.asked if what == "get"].count("a") == 1


def test_collections_that_were_not_stored_begin_the_same_again(
    server: FakeS3Server, agent: Callable[..., Agent]
) -> None:
    put(server, *"abcd")
    server.trickles["b"] = 1_500_000
    one = agent()
    while one.collect().more:
        stored = json.dumps(one.checkpoint)
        given = [one.collect(is_stored=False).events["id"].to_pylist() for _ in range(2)]
        assert json.dumps(one.checkpoint) == stored
        one.restart()
        given.append(one.collect(is_stored=False).events["id"].to_pylist())
        # Each ends where it was waited too long.
        longest = max(given, key=len)
        assert all(longest[: len(each)] == each for each in given)
    assert sorted(one.found) == sorted([*(name for key in "acd" for name in ids(key)), *of(one.found, "b")])
    server.over.set()
    catch_up(one)
    assert sorted(one.found) == sorted(name for key in "abcd" for name in ids(key))


def test_who_is_late_is_in_the_checkpoint(server: FakeS3Server, agent: Callable[..., Agent]) -> None:
    put(server, "a", "b", "c")
    server.trickles["a"] = 0
    one = agent()
    readings = one.collect()
    assert readings.more and len(readings.events) == 0
    (late,) = [each for each in one.checkpoint["open"] if "fault" in each]
    assert late["key"] == "a" and late["offset"] == 0
    one.restart()
    one.tick()
    assert [of(one.found, key) for key in "abc"] == [[], ids("b"), ids("c")]
    assert [key for what, key, _ in server.asked if what == "get"].count("a") == 1


def test_many_that_are_late_leave_room_for_the_others(server: FakeS3Server, agent: Callable[..., Agent]) -> None:
    put(server, "a", "b", "c", "d")
    server.trickles.update(a=0, b=0)
    one = agent()
    one.tick()
    assert [of(one.found, key) for key in "abcd"] == [[], [], ids("c"), ids("d")]
    assert one.coverage[-1].reason.count("nothing more of it came") == 2


def test_one_that_is_too_slow_is_broken_off_and_asked_for_again(
    server: FakeS3Server, agent: Callable[..., Agent]
) -> None:
    put(server, *"abcdefgh")
    server.trickles.update(dict.fromkeys("abcde", 0))
    account = {**server.settings["account"], "timeout_s": 1.0}
    one = agent(account=account)
    one.tick()
    # More than can be late at once: the others wait until some are broken off.
    assert [of(one.found, key) for key in "fgh"] == [ids(key) for key in "fgh"]
    assert {record.status for record in one.coverage} <= {"partial", "complete"}
    server.over.set()
    catch_up(one)
    assert sorted(one.found) == sorted(name for key in "abcdefgh" for name in ids(key))


def test_a_slow_download_names_its_bound(server: FakeS3Server, agent: Callable[..., Agent]) -> None:
    put(server, "a")
    server.trickles["a"] = 0
    one = agent(account={**server.settings["account"], "timeout_s": 0.5}, patience_s=60)
    one.tick()
    assert one.found == []
    assert one.coverage[-1].status == "partial"
    assert one.coverage[-1].reason.startswith("s3://usage/a: ")
    assert one.coverage[-1].reason.endswith("less than download_min_bytes_s 1024")
    server.over.set()
    catch_up(one)
    assert one.found == ids("a")
