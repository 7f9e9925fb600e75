"""SIGKILLs of the agent and the ledger at any moment, while buckets, a stream and logs are written, split, rotated and compressed.

Half of the records have no id of their own: what is counted once is then known by its place alone. In the end the book has what
was written, to the last digit.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

import pytest
from isal import igzip

from meterbook.wire import instants
from tests.e2e.spine import Spine, eventually, meter
from tests.fakes.aws.kinesis import FakeKinesis
from tests.fakes.http_target import fake_target
from tests.fakes.log_writer import rotate_packed
from tests.resilience.rows import HEADER, MAPPING
from tests.servers.usage_bucket import UsageBucket, usage_bucket

pytestmark = [pytest.mark.resilience, pytest.mark.timeout(600)]

KILLS = 10
PAUSES_S = (0.0, 1.2)
#: Seconds between two writes, how many of those it takes for a rotation, and most files that a log is rotated into.
WRITE_S, ROTATES_ONE_IN, ROTATED_MAX = 0.1, 30, 25
TYPES = ("object", "row", "record", "line")


class Writer(threading.Thread):
    """Whoever owns the data writes until it is told to end, and keeps the sums."""

    def __init__(self, random: Random, bucket: UsageBucket, stream: FakeKinesis, logs: Path) -> None:
        super().__init__()
        self._random, self._bucket, self._stream, self._logs = random, bucket, stream, logs
        self._ending = threading.Event()
        self._number = 0
        self.used = dict.fromkeys(TYPES, Decimal(0))
        self.failure: Exception | None = None

    def run(self) -> None:
        try:
            while not self._ending.wait(WRITE_S):
                self._random.choice([self._object, self._rows, self._records, self._lines])()
                if self._random.randrange(ROTATES_ONE_IN) == 0:
                    self._rotate()
        except Exception as error:  # noqa: BLE001 - told where it is waited for
            self.failure = error

    def end(self) -> None:
        self._ending.set()
        if self.ident is not None:
            self.join()
        if self.failure is not None:
            raise self.failure

    def _values(self, kind: str) -> list[Decimal]:
        values = [Decimal(self._random.randrange(1, 10**9)).scaleb(-6) for _ in range(self._random.randrange(1, 60))]
        self.used[kind] += sum(values)
        return values

    def _events(self, kind: str) -> bytes:
        lines = []
        for value in self._values(kind):
            self._number += 1
            head = {"specversion": "1.0", "id": str(self._number), "source": "/gateway", "type": kind}
            data = f'"data":{{"value":{value:f}}}'
            lines.append(f"{json.dumps(head | {'subject': 'acme', 'time': _now()})[:-1]},{data}}}\n")
        return "".join(lines).encode()

    def _csv(self, kind: str) -> str:
        return "".join(f"{_now()},acme,{value:f}\n" for value in self._values(kind))

    def _object(self) -> None:
        events = self._events("object")
        self._bucket.put(
            f"events/{self._random.randrange(10**9)}", self._random.choice([bytes, igzip.compress])(events)
        )

    def _rows(self) -> None:
        body = (HEADER + self._csv("row")).encode()
        self._bucket.put(f"rows/{self._random.randrange(10**9)}.csv.gz", igzip.compress(body))

    def _records(self) -> None:
        for line in self._events("record").splitlines():
            self._stream.put(line, key=str(self._random.random()))
        if self._random.random() < 0.1 and len(self._stream.open()) < 8:
            self._stream.split(self._random.choice(self._stream.open()))

    def _lines(self) -> None:
        log = self._logs / f"shop-{self._random.randrange(2)}" / "usage.csv"
        log.parent.mkdir(exist_ok=True)
        with log.open("a") as file:
            # Where it was rotated, a new one begins with its header.
            file.write((HEADER if file.tell() == 0 else "") + self._csv("line"))

    def _rotate(self) -> None:
        for log in self._logs.glob("*/usage.csv"):
            if len(list(log.parent.glob("usage.csv.*.gz"))) < ROTATED_MAX:
                rotate_packed(log)


def _now() -> str:
    return instants.text(instants.now_us())


def _sources(bucket: UsageBucket, stream: str, logs: Path) -> list[dict[str, Any]]:
    every = {"interval_s": 0.3}
    return [
        {"kind": "s3", **bucket.settings, **every, "prefix": "events/", "readers": 2},
        {"kind": "s3", **bucket.settings, **every, "prefix": "rows/", "mapping": {**MAPPING, "type": {"const": "row"}}},
        {
            "kind": "kinesis",
            "stream": "usage",
            "region": "eu-central-1",
            **every,
            "account": {"endpoint": stream, "attempts_max": 1},
        },
        {
            "kind": "logfile",
            "path": f"{logs}/*/usage.csv",
            "start_at": "oldest",
            **every,
            "mapping": {**MAPPING, "type": {"const": "line"}},
        },
    ]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[tuple[Spine, Writer, Random]]:
    seed = int(os.environ.get("RESILIENCE_SEED", "192"))
    print(f"RESILIENCE_SEED={seed}")
    logs = tmp_path / "logs"
    logs.mkdir()
    with ExitStack() as stack:
        bucket, target = stack.enter_context(usage_bucket()), stack.enter_context(fake_target())
        stack.enter_context(mock.patch.dict(os.environ, {"AWS_EC2_METADATA_DISABLED": "true"}))
        stream = FakeKinesis(time.time, shards=2)
        target.answer = stream.answer
        rules = [{"from": "subject"}]
        spine = Spine(tmp_path, _sources(bucket, f"http://{target.address}", logs), rules)
        writer = Writer(Random(seed), bucket, stream, logs)
        try:
            spine.ledger.start()
            spine.apply(*(meter(kind, "sum", event=kind) for kind in TYPES))
            spine.agent.start()
            writer.start()
            yield spine, writer, Random(seed + 1)
        finally:
            try:
                writer.end()
            finally:
                spine.stop()


def test_the_book_has_what_was_written(stage: tuple[Spine, Writer, Random]) -> None:
    spine, writer, random = stage
    for _ in range(KILLS):
        time.sleep(random.uniform(*PAUSES_S))
        victims = random.choice([[spine.agent], [spine.agent], [spine.ledger], [spine.agent, spine.ledger]])
        for victim in victims:
            victim.kill()
        for victim in reversed(victims):
            victim.start()
    writer.end()

    def found() -> dict[str, Decimal]:
        return {kind: Decimal(used) for (kind, tenant), used in spine.usage().items() if tenant == "acme"}

    assert all(writer.used.values())
    eventually(lambda: found() == writer.used, 120)
    assert found() == writer.used
    assert spine.ask("dead-letters")["rows"] == []
    assert spine.run("verify").returncode == 0
