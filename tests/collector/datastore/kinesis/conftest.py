"""A stream, an agent that reads it, and credentials that nobody else has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from collector.datastore.kinesis.stream import Stream
from tests.collector.datastore.kinesis.following import Agent, Time
from tests.fakes.aws.kinesis import FakeKinesis
from tests.fakes.http_target import FakeTarget, fake_target


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a-key-id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(scope="session")
def asked() -> Iterator[tuple[FakeTarget, Stream]]:
    """A server, and what asks it for the stream "usage": neither remembers anything of it."""
    with fake_target() as target:
        stream = Stream(Agent(target.address, Time()).config)
        yield target, stream
        stream.close()


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def kinesis(asked: tuple[FakeTarget, Stream], time: Time) -> FakeKinesis:
    stream = FakeKinesis(time)
    asked[0].answer = stream.answer
    return stream


@pytest.fixture
def agent(asked: tuple[FakeTarget, Stream], kinesis: FakeKinesis, time: Time) -> Iterator[Callable[..., Agent]]:
    """Makes agents that read the stream: ``agent(start_at="latest")``."""
    made: list[Agent] = []

    def make(*, is_apart: bool = False, **given: Any) -> Agent:
        target, stream = asked
        made.append(Agent(target.address, time, asks=None if is_apart else stream, **given))
        return made[-1]

    yield make
    for one in made:
        one.close()
