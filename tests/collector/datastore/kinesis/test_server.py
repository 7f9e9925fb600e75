"""The ordinary path against an implementation that is not ours: moto's server, with streams that a producer's SDK writes to."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from collector.datastore.kinesis.config import KinesisConfig
from collector.datastore.kinesis.plugin import plugin
from collector.readings import Readings, Window
from tests.collector.datastore.kinesis.following import event, zipped


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def producer(endpoint: str) -> Iterator[Any]:
    client = boto3.client("kinesis", "eu-central-1", endpoint_url=endpoint)
    client.create_stream(StreamName="usage", ShardCount=2)
    yield client
    client.delete_stream(StreamName="usage")
    client.close()


def test_what_is_put_is_read_over_a_restart(endpoint: str, producer: Any) -> None:
    config = KinesisConfig.model_validate(
        {"stream": "usage", "region": "eu-central-1", "account": {"endpoint": endpoint}}
    )
    checkpoints: dict[str, Any] = {}
    found: list[str] = []
    for life in range(2):
        for number in range(10):
            name = f"{life}.{number}"
            data = zipped(name) if number % 2 else event(name)
            producer.put_record(StreamName="usage", PartitionKey=name, Data=data)
        sources = plugin.build(config)
        for _ in range(2):
            for each in sources.current():
                while True:
                    now_us = time.time_ns() // 1_000
                    window = Window(now_us - 1_000_000, now_us)
                    readings: Readings = each.collect(window, checkpoints.get(each.source, {}))
                    assert {record.status for record in readings.coverage} == {"complete"}
                    checkpoints[each.source] = readings.checkpoint
                    found += readings.events["id"].to_pylist()
                    if not readings.more:
                        break
        assert len(sources.current()) == 3
        sources.close()
    assert sorted(found) == sorted(f"{life}.{number}" for life in range(2) for number in range(10))
