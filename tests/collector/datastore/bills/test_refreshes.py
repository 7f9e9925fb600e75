"""Refreshes that are under way, broken off and overtaken: what is not whole never stands, and what stood before does."""

from __future__ import annotations

import gzip
import json
import os
import re
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.collector.datastore.bills.following import Agent
from tests.collector.datastore.bills.rows_of_bills import MONTH, focus_rows
from tests.fakes.aws.exports import Export, TimedS3Server, csv_gz, parquet, table_of
from tests.fakes.http_target import fake_target

KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_EC2_METADATA_DISABLED": "true"}


@pytest.fixture
def server() -> Iterator[TimedS3Server]:
    with fake_target() as target, mock.patch.dict(os.environ, KEYS):
        made = TimedS3Server(target)
        target.answer = made.answer
        yield made


@pytest.fixture
def agent(server: TimedS3Server) -> Iterator[Callable[..., Agent]]:
    made: list[Agent] = []

    def make(**given: Any) -> Agent:
        made.append(Agent({**server.settings, "region": "us-east-1", "prefix": "costs/focus", **given}))
        return made[-1]

    yield make
    for one in made:
        one.collector.close()


def export_of(server: TimedS3Server, **given: Any) -> Export:
    return Export(server.put, "usage", **{"chunk_rows": 10, **given})


def focus(rows: int, seed: int = 7) -> pa.Table:
    found = focus_rows(rows, seed)
    return table_of(found, list(found[0]))


def test_a_manifest_that_comes_before_its_files_waits_for_them(
    server: TimedS3Server, agent: Callable[..., Agent]
) -> None:
    export, one = export_of(server), agent()
    export.deliver(MONTH, focus(20))
    late = export.files[MONTH][1]
    body = server.objects.pop(late)
    coverage = one.tick()
    assert coverage.status == "partial"
    assert f"s3://usage/{late}: the file is not there" in coverage.reason
    assert one.book.closed == []
    server.objects[late] = body
    assert one.tick().status == "complete"
    assert len(one.book.standing()) == 20


def test_files_that_are_newer_than_their_manifest_wait_for_the_next_one(
    server: TimedS3Server, agent: Callable[..., Agent]
) -> None:
    export, one = export_of(server), agent()
    export.deliver(MONTH, focus(20))
    one.tick()
    before = one.book.standing()
    steps = export.steps(MONTH, focus(30, seed=8))
    next(steps), next(steps)
    assert one.tick().status == "complete"
    fresh = agent()
    coverage = fresh.tick()
    assert (coverage.status, fresh.book.closed) == ("partial", [])
    assert "newer than its manifest" in coverage.reason
    assert one.book.standing() == before
    for _ in steps:
        pass
    assert one.tick().status == fresh.tick().status == "complete"
    assert one.book.standing() == fresh.book.standing()
    assert len(one.book.standing()) == 30


@pytest.mark.parametrize("is_done", [False, True])
def test_a_version_that_is_overwritten_while_it_is_read_is_never_closed(
    server: TimedS3Server, agent: Callable[..., Agent], is_done: bool
) -> None:
    export, one = export_of(server), agent(rows_max=10)
    export.deliver(MONTH, focus(40))
    assert one.collect().more
    steps = export.steps(MONTH, focus(40, seed=8))
    for _ in steps:
        if not is_done and server.writes == 7:
            break
    coverage = one.tick()
    assert coverage.status == ("complete" if is_done else "partial")
    assert len(one.book.closed) == is_done
    for _ in steps:
        pass
    assert one.tick().status == "complete"
    assert len(one.book.closed) == 1
    whole = agent()
    whole.tick()
    assert one.book.standing() == whole.book.standing()


def test_a_manifest_that_is_refreshed_at_the_end_is_never_closed(
    server: TimedS3Server, agent: Callable[..., Agent]
) -> None:
    export, one = export_of(server, overwrites=False), agent(rows_max=10)
    export.deliver(MONTH, focus(20))
    assert one.collect().more
    export.deliver(MONTH, focus(20, seed=8))
    statuses = []
    while True:
        readings = one.collect()
        statuses.append(readings.coverage[0].status)
        if not readings.more:
            break
    assert "partial" in statuses
    assert statuses[-1] == "complete"
    assert len(one.book.closed) == 1
    assert len(one.book.lines) == 2


def test_a_shorter_refresh_leaves_files_that_are_not_read(server: TimedS3Server, agent: Callable[..., Agent]) -> None:
    export, one = export_of(server), agent()
    export.deliver(MONTH, focus(40))
    export.deliver(MONTH, focus(20, seed=8))
    one.tick()
    assert len(one.book.standing()) == 20


def spoilt(number: int, **texts: str) -> pa.Table:
    rows = focus_rows(30)
    rows = [{**row, **texts} if place == number else row for place, row in enumerate(rows)]
    return table_of(rows, list(rows[0]))


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_a_row_that_cannot_be_read_refuses_its_version_once(
    server: TimedS3Server, agent: Callable[..., Agent], form: Any
) -> None:
    export, one = export_of(server, form=form), agent()
    export.deliver(MONTH, focus(20))
    one.tick()
    before = one.book.standing()
    export.deliver(MONTH, spoilt(25, BilledCost=""))
    place = f"s3://usage/{export.files[MONTH][2]}:6"
    for _ in range(3):
        coverage = one.tick()
        one.restart()
        assert coverage.status == "failed"
        assert f"{MONTH} is refused: {place}: BilledCost is null" in coverage.reason
    assert [(letter.place, letter.reason) for letter in one.letters] == [(place, "BilledCost is null")]
    assert one.book.standing() == before
    export.deliver(MONTH, focus(30))
    assert one.tick().status == "complete"
    assert len(one.book.standing()) == 30


@pytest.mark.parametrize("has_execution", [True, False])
def test_a_former_refresh_that_is_put_back_stands_again(
    server: TimedS3Server, agent: Callable[..., Agent], has_execution: bool
) -> None:
    export, one = export_of(server), agent()
    export.deliver(MONTH, focus(20))
    key = export.manifest_key(MONTH)
    told = json.loads(server.objects[key])
    if not has_execution:
        del told["executionId"]
    keys = [*export.files[MONTH], key]
    former = {**{each: server.objects[each] for each in keys}, key: json.dumps(told).encode()}
    for _ in range(2):
        for each in keys:
            server.put(each, former[each])
        one.tick()
        before = one.book.standing()
        # The same manifest of other files.
        for each, body in zip(export.files[MONTH], (parquet(focus(7, seed=8)), parquet(focus(8, seed=9))), strict=True):
            server.put(each, body)
        server.put(key, former[key])
        assert one.tick().status == "complete"
        assert len(one.book.standing()) == 15
    for each in keys:
        server.put(each, former[each])
    assert one.tick().status == "complete"
    assert one.book.standing() == before
    issued = [one.book.bills[version]["issued"] for version in one.book.closed]
    assert issued == sorted(issued)
    assert len(set(issued)) == 5


@pytest.mark.parametrize(
    "said",
    [
        {"dataFiles": ["\ud800"]},
        {"dataFiles": ["s3://usage/costs/focus/\ud800"]},
        {"dataFiles": [], "executionId": "\ud800"},
    ],
    ids=["elsewhere", "here", "execution"],
)
def test_a_manifest_with_half_a_pair_is_refused_and_does_not_keep_the_others(
    server: TimedS3Server, agent: Callable[..., Agent], said: dict[str, Any]
) -> None:
    export, one = export_of(server), agent()
    server.put(export.manifest_key("2026-04"), json.dumps(said).encode())
    export.deliver(MONTH, focus(20))
    coverage = one.tick()
    assert coverage.status == "failed"
    assert "2026-04 is refused" in coverage.reason
    assert len(one.book.standing()) == 20


def test_a_period_that_is_refused_does_not_keep_the_others(server: TimedS3Server, agent: Callable[..., Agent]) -> None:
    export, one = export_of(server), agent()
    export.deliver("2026-04", focus(10))
    export.deliver(MONTH, focus(20))
    coverage = one.tick()
    assert coverage.status == "failed"
    assert "2026-04 is refused" in coverage.reason
    assert "BillingPeriodStart 2026-05-01T00:00:00Z is not that of the bill, 2026-04-01T00:00:00Z" in coverage.reason
    assert len(one.book.standing()) == 20


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda body: body[:-20], "gzip"),
        (lambda _: parquet(pa.table({"id": [1], "name": ["x"]})), "has not the columns BilledCost"),
        (lambda _: parquet(focus(10))[:-30], "no Parquet that can be read"),
        (lambda _: csv_gz(pa.table({"id": [1]})), "has not the columns"),
        (lambda body: gzip.compress(gzip.decompress(body) + b"1,2\n"), "2 columns, and the header"),
        (lambda _: b"<html>", "has not the columns|header"),
    ],
)
def test_a_file_that_is_damaged_or_another_refuses_its_version(
    server: TimedS3Server, agent: Callable[..., Agent], spoil: Callable[[bytes], bytes], told: str
) -> None:
    export, one = export_of(server, form="csv"), agent()
    export.deliver(MONTH, focus(20))
    key = export.files[MONTH][1]
    server.objects[key] = spoil(server.objects[key])
    coverage = one.tick()
    assert coverage.status == "failed"
    (letter,) = one.letters
    assert letter.place.startswith(f"s3://usage/{key}")
    assert re.search(told, letter.reason)
    assert one.book.closed == []


def test_a_manifest_that_names_files_of_others_is_refused(server: TimedS3Server, agent: Callable[..., Agent]) -> None:
    export, one = export_of(server), agent()
    export.deliver(MONTH, focus(10))
    key = export.manifest_key(MONTH)
    told = json.loads(server.objects[key])
    server.put(key, json.dumps({**told, "dataFiles": ["s3://secrets/costs/focus/data/1"]}).encode())
    assert one.tick().status == "failed"
    assert one.letters[0].place == f"s3://usage/{key}"
    assert not [asked for asked in server.asked if "secrets" in asked[1]]


def test_an_empty_file_has_no_rows(server: TimedS3Server, agent: Callable[..., Agent]) -> None:
    export, one = export_of(server), agent()
    export.deliver(MONTH, focus(20))
    server.objects[export.files[MONTH][1]] = b""
    assert one.tick().status == "complete"
    assert len(one.book.standing()) == 10


@pytest.mark.parametrize(
    ("times", "status", "code", "told"), [(1, 503, "SlowDown", "throttled"), (3, 500, "InternalError", "failed")]
)
def test_a_file_that_cannot_be_fetched_just_now_is_read_on_later(
    server: TimedS3Server, agent: Callable[..., Agent], times: int, status: int, code: str, told: str
) -> None:
    export, one = export_of(server), agent(rows_max=10)
    export.deliver(MONTH, focus(30))
    assert one.collect().more
    before = one.checkpoint
    server.faults[export.files[MONTH][1]] = times * [(status, code)]
    readings = one.collect()
    assert (readings.coverage[0].status, readings.more, readings.charges.num_rows) == (told, False, 0)
    assert readings.checkpoint == before
    assert one.tick().status == "complete"
    assert len(one.book.standing()) == 30


def test_what_is_in_an_archive_is_waited_for(server: TimedS3Server, agent: Callable[..., Agent]) -> None:
    export, one = export_of(server), agent()
    export.deliver(MONTH, focus(10))
    server.storage[export.files[MONTH][0]] = "GLACIER"
    coverage = one.tick()
    assert (coverage.status, "archive" in coverage.reason) == ("partial", True)


#: What may happen next: an object is written, a collection is stored or lost, the agent dies.
ACTS = st.lists(st.sampled_from(["write", "write", "collect", "lose", "die"]), max_size=30)


@pytest.mark.slow
@settings(max_examples=10)
@given(ACTS, st.booleans(), st.booleans(), st.integers(1, 12))
def test_whatever_happens_only_whole_bills_stand_and_at_the_end_the_last_one(
    acts: list[str], overwrites: bool, is_csv: bool, rows_max: int
) -> None:
    with fake_target() as target, mock.patch.dict(os.environ, KEYS):
        server = TimedS3Server(target)
        target.answer = server.answer
        export = export_of(server, chunk_rows=5, overwrites=overwrites, form="csv" if is_csv else "parquet")
        refreshes = [focus(12), focus(20, seed=8), focus(8, seed=9)]
        steps = (step for table in refreshes for step in export.steps(MONTH, table))
        given = {
            **server.settings,
            "region": "us-east-1",
            "prefix": "costs/focus",
            "rows_max": rows_max,
            "batch_rows": 3,
        }
        one = Agent(given)
        for act in acts:
            match act:
                case "write":
                    next(steps, None)
                case "collect":
                    one.collect()
                case "lose":
                    one.collect(is_stored=False)
                case "die":
                    one.restart()
        for _ in steps:
            pass
        assert one.tick().status == "complete"
        standing = one.book.standing()
        whole = Agent(given)
        whole.tick()
        assert standing == whole.book.standing()
        assert len(standing) == 8
        assert one.letters == []
        one.collector.close()
        whole.collector.close()
