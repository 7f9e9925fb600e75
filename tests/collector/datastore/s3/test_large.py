"""Objects of gigabytes, buckets of a million keys, a million lines with bad ones among them: all is read, within bounds."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import pytest

from tests.collector.datastore.s3.following import Agent, lines
from tests.collector.datastore.s3.reader_process import collected, digest
from tests.fakes.s3_server import FakeS3Server, fake_s3_server

pytestmark = pytest.mark.slow

MIB = 1 << 20
NOW_US = 1_790_000_000_000_000

#: Of a long object: lines of a member, and members.
MEMBER_LINES, MEMBERS = 20_000, 500
LONG_LINE = '{{"id":"{}","source":"s","type":"t","time":"2026-01-01T00:00:00Z","data":{{"value":1,"note":"{}"}}}}\n'
NOTE = "all work and no play " * 21


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeS3Server]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a-key-id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
    with fake_s3_server() as running:
        yield running


def long_ids() -> Iterator[str]:
    """The ids of a long object: each member begins with one of its own."""
    for member in range(MEMBERS):
        yield f"member-{member}"
        yield from map(str, range(1, MEMBER_LINES))


def long_object() -> tuple[bytes, int]:
    """Members that are compressed once and told apart by a short one before each; and the bytes that they unfold into."""
    block = "".join(LONG_LINE.format(number, NOTE) for number in range(1, MEMBER_LINES)).encode()
    packed, pieces, plain_bytes = gzip.compress(block), list[bytes](), 0
    for member in range(MEMBERS):
        head = lines(f"member-{member}")
        pieces += [gzip.compress(head), packed]
        plain_bytes += len(head) + len(block)
    return b"".join(pieces), plain_bytes


def test_an_object_of_gigabytes_is_read_to_its_end_and_on_from_its_middle(server: FakeS3Server) -> None:
    server.objects["long.gz"], plain_bytes = long_object()
    assert plain_bytes >= 5_000_000_000
    events = MEMBERS * MEMBER_LINES

    first = collected(server.settings, {}, NOW_US, events_max=events // 2)
    assert first["more"] and events // 2 <= first["events"] < events * 3 // 4
    rest = collected(server.settings, first["checkpoint"], first["now_us"])

    assert first["events"] + rest["events"] == events
    ids = long_ids()
    assert first["digest"] == digest(islice(ids, first["events"]))
    assert rest["digest"] == digest(ids)
    for told in (first, rest):
        # A tenth of what is read. How much the allocator holds is up to how threads take turns: 250 MiB as a rule.
        assert told["growth_bytes"] < plain_bytes // 10
        assert told["checkpoint_bytes"] < 2_000
        assert told["collections"] > 50
        assert told["reasons"] == []


def put(server: FakeS3Server, key: str, now_us: int) -> None:
    """An object with one event, whose id is its key, modified now."""
    server.objects[key] = lines(key)
    server.modified[key] = f"{datetime.fromtimestamp(now_us / 1e6, UTC):%Y-%m-%dT%H:%M:%S.000Z}"


def test_of_a_million_keys_the_new_ones_are_read(server: FakeS3Server) -> None:
    server.crowd = [f"2026/{number:07}" for number in range(1_000_000)]
    server.date = "Thu, 01 Jan 2099 00:00:00 GMT"
    settings = {**server.settings, "start_at": "end"}
    checkpoint: dict[str, Any] = {}
    now_us = NOW_US

    def tick() -> dict[str, Any]:
        nonlocal checkpoint, now_us
        server.asked.clear()
        told = collected(settings, checkpoint, now_us)
        assert told["growth_bytes"] < 100 * MIB
        assert told["checkpoint_bytes"] < 4_000
        assert told["reasons"] == []
        checkpoint, now_us = told["checkpoint"], told["now_us"]
        return told

    def lists() -> int:
        return sum(what == "list" for what, _, _ in server.asked)

    told = tick()
    assert told["ids"] == []
    # A walk passes 50,000 keys in a collection, and each 1,000 take a request.
    assert 20 <= told["collections"] <= 21
    assert 1_000 <= lists() <= 1_001

    put(server, "2026/9", now_us)
    put(server, "2026/0000000-late", now_us)
    assert tick()["ids"] == ["2026/9"]
    assert lists() <= 2

    now_us += 3_600_000_000
    told = tick()
    assert told["ids"] == ["2026/0000000-late"]
    assert 1_000 <= lists() <= 1_002
    assert tick()["ids"] == []
    assert [what for what, _, _ in server.asked if what == "get"] == []


def test_poison_among_a_million_lines_becomes_dead_letters_and_nothing_else(server: FakeS3Server) -> None:
    count = 1_000_000
    too_long = b'{"id":"' + b"x" * (2 * MIB) + b'"}\n'
    no_text = lines("bad").replace(b"bad", b"b\xffd")
    poison = {1: b"{not JSON\n", 400_000: too_long, 500_000: no_text, 500_001: b"[]\n", count: b'{"id":"cut'}
    each = lines(*range(1, count + 1)).splitlines(keepends=True)
    for number, line in poison.items():
        each[number - 1] = line
    server.objects["a/b.gz"] = gzip.compress(b"".join(each), 1)

    agent = Agent(server.settings)
    agent.tick()
    agent.collector.close()

    assert agent.found == [str(number) for number in range(1, count + 1) if number not in poison]
    told = [letter.partition(" ") for letter in agent.letters]
    assert [place for place, _, _ in told] == [f"s3://usage/a/b.gz:{number}" for number in sorted(poison)]
    reasons = [reason for _, _, reason in told]
    assert reasons[1] == f"the line is longer than line_bytes_max {MIB}"
    assert "UTF-8" in reasons[2]
