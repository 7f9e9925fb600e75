"""A real bucket: late and re-uploaded keys, compressed and damaged ones, an agent that stops anywhere, a server that goes away."""

from __future__ import annotations

import gzip
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.collector.datastore.s3.following import Agent, lines
from tests.servers.usage_bucket import UsageBucket, usage_bucket


@pytest.fixture
def bucket() -> Iterator[UsageBucket]:
    with usage_bucket() as made:
        yield made


@pytest.fixture
def agent(bucket: UsageBucket) -> Iterator[Callable[..., Agent]]:
    made: list[Agent] = []

    def make(**given: Any) -> Agent:
        made.append(Agent({**bucket.settings, **given}))
        return made[-1]

    yield make
    for one in made:
        one.collector.close()


def test_each_version_is_read_once(bucket: UsageBucket, agent: Callable[..., Agent]) -> None:
    one = agent(prefix="in/", suffix=".gz")
    assert one.collector.source == f"s3/{bucket.name}/in/"
    assert one.tick() == []
    bucket.put("in/2.gz", gzip.compress(lines("c", "d")))
    bucket.put("in/1.gz", gzip.compress(lines("a", "b")))
    bucket.put("out/1.gz", gzip.compress(lines("x")))
    bucket.put("in/3.txt", lines("y"))
    bucket.put("in/empty.gz", b"")
    assert sorted(one.tick()) == ["a", "b", "c", "d"]
    assert one.tick() == []
    bucket.put("in/1.gz", gzip.compress(lines("a", "b", "e")))
    bucket.put("in/0-late.gz", lines("f"))
    assert sorted(one.tick()) == ["a", "b", "e", "f"]
    one.restart()
    assert one.tick() == []
    assert {record.status for record in one.coverage} == {"complete"}


def test_what_was_there_before_is_left_if_so_wished(bucket: UsageBucket, agent: Callable[..., Agent]) -> None:
    bucket.put("old", lines("a"))
    for start_at in ("2099-01-01T00:00:00Z", "beginning"):
        assert agent(start_at=start_at).tick() == ([] if start_at != "beginning" else ["a"])


def test_what_is_damaged_is_told_and_read_as_far_as_it_goes(bucket: UsageBucket, agent: Callable[..., Agent]) -> None:
    whole = gzip.compress(b"".join(lines(number) for number in range(50_000)))
    bucket.put("cut.gz", whole[: len(whole) // 2])
    bucket.put("good.gz", gzip.compress(lines("good")))
    bucket.put("poison", lines("before") + b"{not JSON\n" + lines("behind"))
    one = agent()
    found = one.tick()
    assert {"good", "before", "behind"} <= set(found)
    numbers = [int(name) for name in found if name.isdigit()]
    assert numbers == list(range(len(numbers))) and len(numbers) > 10_000
    (reason,) = {record.reason for record in one.coverage if record.status == "partial"}
    assert reason == f"s3://{bucket.name}/cut.gz: it ends within its gzip data"
    places = sorted(letter.partition(" ")[0] for letter in one.letters)
    assert places == [f"s3://{bucket.name}/cut.gz:{len(numbers) + 1}", f"s3://{bucket.name}/poison:2"]
    assert one.tick() == []
    assert one.coverage[-1].status == "complete"


def test_an_object_that_is_overwritten_while_it_is_read(bucket: UsageBucket, agent: Callable[..., Agent]) -> None:
    # More than what the operating system holds for a reader.
    bucket.put("big", b"".join(lines(f"old-{number}") for number in range(600_000)))
    one = agent(read_bytes_max=100_000, block_bytes=60_000, line_bytes_max=1_000)
    one.collect()
    one.restart()
    bucket.put("big", lines("new"))
    assert one.tick() == ["new"]
    assert [record.status for record in one.coverage if record.status != "complete"] == ["lost"]
    assert one.coverage[1].reason == f"s3://{bucket.name}/big: it was overwritten before it was read to its end"
    assert one.tick() == []
    assert one.coverage[-1].status == "complete"


def test_an_object_that_is_deleted_before_it_is_read(bucket: UsageBucket, agent: Callable[..., Agent]) -> None:
    bucket.put("gone", b"".join(lines(number) for number in range(20_000)))
    one = agent(read_bytes_max=100_000, block_bytes=60_000, line_bytes_max=1_000)
    one.collect()
    one.restart()
    bucket.remove("gone")
    one.tick()
    assert one.coverage[1].status == "lost"
    assert "deleted before it was read to its end" in one.coverage[1].reason
    assert one.tick() == []
    assert one.coverage[-1].status == "complete"


def test_a_bucket_that_is_not_there_is_told(bucket: UsageBucket, agent: Callable[..., Agent]) -> None:
    bucket.put("a", lines("a"))
    one = agent(bucket="no-such-bucket-anywhere")
    assert one.tick() == []
    assert (one.coverage[0].status, one.checkpoint) == ("failed", {})
    assert "s3://no-such-bucket-anywhere/: ListObjectsV2 answers NoSuchBucket" in one.coverage[0].reason


@pytest.mark.slow
def test_many_keys_are_walked_over_page_by_page(bucket: UsageBucket, agent: Callable[..., Agent]) -> None:
    ids = [f"{number:04}" for number in range(1_050)]
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda name: bucket.put(f"keys/{name}", lines(name)), ids))
    one = agent(sweep_keys_max=100, read_bytes_max=20_000)
    assert sorted(one.tick()) == ids
    bucket.put("keys/9999", lines("last"))
    assert one.tick() == ["last"]


@pytest.mark.slow
@given(
    sizes=st.lists(st.integers(0, 400), min_size=1, max_size=6),
    forms=st.lists(
        st.sampled_from([bytes, gzip.compress, lambda each: pa.compress(each, "zstd", asbytes=True)]),
        min_size=6,
        max_size=6,
    ),
    acts=st.lists(st.sampled_from(["collect", "collect", "lose", "restart"]), max_size=14),
    readers=st.integers(1, 3),
)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_stopped_anywhere_it_loses_and_doubles_nothing(
    bucket: UsageBucket, sizes: list[int], forms: list[Any], acts: list[str], readers: int
) -> None:
    wanted, prefix = [], f"{uuid.uuid4()}/"
    for number, size in enumerate(sizes):
        ids = [f"{number}-{line}" for line in range(size)]
        wanted += ids
        bucket.put(f"{prefix}{number}", forms[number](lines(*ids)))
    bounds = {"readers": readers, "read_bytes_max": 4_000, "block_bytes": 2_000, "line_bytes_max": 500}
    one = Agent({**bucket.settings, "prefix": prefix, **bounds})
    for act in acts:
        if act == "restart":
            one.restart()
        else:
            one.collect(is_stored=act == "collect")
    one.tick()
    one.collector.close()
    assert sorted(one.found) == sorted(wanted)
    for number in range(len(sizes)):
        own = [name for name in one.found if name.startswith(f"{number}-")]
        assert own == sorted(own, key=lambda name: int(name.partition("-")[2])), "each object keeps its order"
