"""A server that breaks off, denies, throttles and forgets: what was read is kept, what was not is told and read later."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from tests.collector.datastore.s3.following import Agent, lines
from tests.fakes.http_target import page
from tests.fakes.s3_server import FakeS3Server, fake_s3_server


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeS3Server]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a-key-id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
    with fake_s3_server() as running:
        yield running


@pytest.fixture
def agent(server: FakeS3Server) -> Iterator[Agent]:
    made = Agent(server.settings)
    yield made
    made.collector.close()


def test_a_download_that_breaks_off_goes_on_where_it_was(server: FakeS3Server, agent: Agent) -> None:
    ids = [str(number) for number in range(20_000)]
    server.objects["a"] = lines(*ids)
    server.breaks["a"] = [600_000, 0, 400_000]
    assert agent.tick() == ids
    starts = [wanted for what, _, wanted in server.asked if what == "get"]
    assert starts == ["", "bytes=600000-", "bytes=600000-", "bytes=1000000-"]
    assert {record.status for record in agent.coverage} == {"complete"}


def test_one_that_breaks_off_again_and_again_waits_for_the_next_tick(server: FakeS3Server, agent: Agent) -> None:
    server.objects.update(a=lines("a"), b=lines("b"))
    server.breaks["a"] = [0] * 3
    assert agent.tick() == ["b"]
    assert agent.coverage[-1].status == "partial"
    assert agent.coverage[-1].reason.startswith("s3://usage/a: ")
    agent.restart()
    assert agent.tick() == ["a"]
    assert agent.coverage[-1].status == "complete"


def test_one_that_is_denied_waits_and_the_statement_is_told(server: FakeS3Server, agent: Agent) -> None:
    server.objects.update(a=lines("a"), b=lines("b"))
    server.faults["a"] = [(403, "AccessDenied")] * 2
    assert agent.tick() == ["b"]
    assert agent.coverage[-1].status == "partial"
    needed = json.loads(agent.coverage[-1].reason.partition("the policy needs ")[2])
    assert needed == {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::usage/*"]}
    assert agent.tick() == []
    assert agent.tick() == ["a"]


def test_many_that_are_denied_end_the_walk_until_they_can_be_read(server: FakeS3Server) -> None:
    server.objects = {f"{number:02}": lines(number) for number in range(12)}
    server.faults = {key: [(403, "AccessDenied")] * 2 for key in server.objects}
    agent = Agent({**server.settings, "waiting_max": 5})
    assert agent.tick() == []
    gets = [key for what, key, _ in server.asked if what == "get"]
    assert len(gets) < 10
    for _ in range(8):
        agent.restart()
        agent.tick()
    assert sorted(agent.found) == sorted(str(number) for number in range(12))
    agent.collector.close()


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [
        (503, "SlowDown", "throttled"),
        (500, "InternalError", "failed"),
        (403, "AccessDenied", "failed"),
        (400, "ExpiredToken", "failed"),
    ],
)
def test_a_list_that_fails(server: FakeS3Server, agent: Agent, status: int, code: str, told: str) -> None:
    server.objects["a"] = lines("a")
    server.faults["list"] = [(status, code)]
    assert agent.tick() == []
    assert (agent.coverage[-1].status, agent.checkpoint) == (told, {})
    assert agent.tick() == ["a"]


def test_a_list_that_fails_half_way_goes_on_behind_the_last_key(server: FakeS3Server, agent: Agent) -> None:
    server.page_keys = 3
    server.objects = {f"{number}": lines(number) for number in range(9)}
    server.faults["list"] = []
    agent.collector.close()
    agent = Agent({**server.settings, "readers": 1})

    original = server.answer

    def answer(handler: object) -> None:
        if len([each for each in server.asked if each[0] == "list"]) == 1:
            server.faults["list"] = [(500, "InternalError")]
        original(handler)  # type: ignore[arg-type]

    server.target.answer = answer
    first = agent.tick()
    assert first == ["0", "1", "2"]
    assert agent.coverage[-1].status in ("partial", "failed")
    agent.restart()
    server.target.answer = original
    server.asked.clear()
    assert agent.tick() == [str(number) for number in range(3, 9)]
    assert server.asked[0] == ("list", "2", "")
    agent.collector.close()


def test_what_is_archived_is_told_once(server: FakeS3Server, agent: Agent) -> None:
    server.objects.update(a=lines("a"), b=lines("b"))
    server.storage.update(a="GLACIER")
    assert agent.tick() == ["b"]
    assert (
        agent.coverage[-1].reason
        == "s3://usage/a: it is in an archive; what is restored and copied to another key is read"
    )
    assert agent.tick() == []
    assert agent.coverage[-1].status == "complete"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>log in</html>",
        b"<ListBucketResult><Name>other</Name><IsTruncated>false</IsTruncated></ListBucketResult>",
    ],
)
def test_what_is_no_list_is_no_empty_bucket(server: FakeS3Server, agent: Agent, body: bytes) -> None:
    server.objects["a"] = lines("a")
    server.target.answer = page(body, "application/xml")
    assert agent.tick() == []
    assert (agent.coverage[-1].status, agent.checkpoint) == ("failed", {})
    server.target.answer = server.answer
    assert agent.tick() == ["a"]


def test_what_is_no_object_stops_no_other(server: FakeS3Server, agent: Agent) -> None:
    server.objects.update(a=lines("a"), b=lines("b"))

    def answer(handler: BaseHTTPRequestHandler) -> None:
        page(b"log in", "text/html")(handler) if handler.path == "/usage/a" else server.answer(handler)

    server.target.answer = answer
    assert agent.tick() == ["b"]
    assert "s3://usage/a: what is answered is no object" in agent.coverage[-1].reason
    server.target.answer = server.answer
    assert agent.tick() == ["a"]


def test_millions_of_short_lines_come_in_portions(server: FakeS3Server) -> None:
    server.objects["a"] = b"x\n" * 150_000 + lines("a")
    agent = Agent({**server.settings, "records_max": 60_000, "patience_s": 300})
    counts = []
    while True:
        readings = agent.collect()
        counts.append(len(readings.dead_letters))
        if not readings.more:
            break
    agent.collector.close()
    assert agent.found == ["a"]
    assert sum(counts) == 150_000
    assert max(counts) <= 100_000
    assert agent.letters[-1].startswith("s3://usage/a:150000 ")


def test_other_keys_may_be_wanted_later(server: FakeS3Server) -> None:
    server.objects.update({"a.json": lines("a"), "b.txt": lines("b")})
    agent = Agent({**server.settings, "suffix": ".json"})
    assert agent.tick() == ["a"]
    agent._settings["suffix"] = ""
    agent.restart()
    assert "b" in agent.tick()
    agent.collector.close()


def test_a_walk_over_many_keys_is_stored_on_the_way(server: FakeS3Server) -> None:
    server.page_keys = 500
    server.objects = {f"{number:05}": b"" for number in range(2_500)}
    agent = Agent({**server.settings, "keys_max": 1_000})
    more = [agent.collect().more for _ in range(3)]
    assert more == [True, True, False]
    agent.collector.close()
