"""One harness per kind of collector: how to set up a source, how to break it, how to see what was written to it.

A new kind adds a function here; the contract suite fails until it does.
"""

from __future__ import annotations

import gzip
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from unittest import mock

from collector.base import Collector, Sources
from collector.readings import Window
from tests.collector.aws.simulated import MARKED, REGION, simulated_aws
from tests.collector.datastore.bills.rows_of_bills import MONTH, focus_rows
from tests.fakes.aws.cloudwatch import FakeCloudWatch
from tests.fakes.aws.costexplorer import FakeCostExplorer
from tests.fakes.aws.exports import Export, table_of
from tests.fakes.aws.kinesis import FakeKinesis
from tests.fakes.aws.pricing import FakePriceList
from tests.fakes.aws.server import aws_server
from tests.fakes.aws.spot import FakeSpotPrices, PriceServer
from tests.fakes.cluster.clock import SECOND, Clock
from tests.fakes.cluster.cluster import READER, SimulatedCluster
from tests.fakes.cluster.kubelet import Fault
from tests.fakes.cluster.loads import steady_load
from tests.fakes.cluster.world import World, container
from tests.fakes.http_target import fake_target, page
from tests.fakes.kubernetes_api import FakeKubernetesApi
from tests.fakes.kubernetes_objects import monitor, pod
from tests.fakes.prometheus_server import History
from tests.servers.usage_bucket import usage_bucket

#: The end of the window of tests.collector.conftest.
WINDOW_END_US = 1_767_225_660_000_000

#: Any credentials, for who does not look at them.
KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_EC2_METADATA_DISABLED": "true"}

READER_OF_MONITORS = [
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]},
    {"apiGroups": ["monitoring.coreos.com"], "resources": ["podmonitors"], "verbs": ["list", "watch"]},
]


@dataclass(frozen=True)
class Source:
    """A source that shows something. ``evidence`` changes when somebody writes to it."""

    settings: dict[str, Any]
    break_it: Callable[[], None]
    evidence: Callable[[], object]
    #: Metrics whose values are measured anew at each collection.
    volatile: frozenset[str] = field(default_factory=frozenset)
    #: The collector to test, of those that there are.
    choose: Callable[[Sources], Collector] = lambda sources: sources.current()[0]


@contextmanager
def prometheus(folder: Path) -> Iterator[Source]:
    with fake_target() as target:
        target.answer = page(b"# TYPE jobs_total counter\njobs_total 3\nqueue_depth 7\nbad NaN\n")
        yield Source(
            settings={"job": "shop", "targets": [target.address]},
            break_it=target.stop,
            evidence=lambda: [method for method, _, _ in target.requests if method not in ("GET", "HEAD")],
            volatile=frozenset({"scrape_duration_seconds", "scrape_series_added"}),
        )


@contextmanager
def prometheus_history(folder: Path) -> Iterator[Source]:
    history = History()
    for second in range(60):
        history.add(WINDOW_END_US // 1_000 - 60_000 + second * 1_000, float(second), "jobs_total", job="shop")
    history.add(WINDOW_END_US // 1_000 - 5_000, -1.0, "bad_total", job="shop")
    with fake_target() as target:
        target.answer = history.answer()
        yield Source(
            settings={"name": "main", "url": f"http://{target.address}", "match": ['{job="shop"}'], "lag_s": 1},
            break_it=target.stop,
            evidence=lambda: [method for method, _, _ in target.requests if method not in ("GET", "HEAD")],
        )


@contextmanager
def logfile(folder: Path) -> Iterator[Source]:
    log = folder / "usage.log"
    line = '{"id": "%d", "source": "/gateway", "type": "request", "time": "2026-01-01T00:00:0%dZ"}\n'
    log.write_text("".join(line % (number, number) for number in range(3)) + "not JSON\n")

    def break_it() -> None:
        log.unlink()
        log.mkdir()

    yield Source(
        settings={"path": str(log)},
        break_it=break_it,
        evidence=lambda: sorted(
            (path.name, path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
            for path in folder.iterdir()
        ),
    )


@contextmanager
def kubernetes(folder: Path, source: str = "kubernetes/prod/node-a") -> Iterator[Source]:
    world = World(Clock(WINDOW_END_US - 600 * SECOND))
    world.namespace("shop", labels={"tenant": "acme"})
    node = world.node("node-a")
    world.pod("shop", "web-0", node, [container(load=steady_load(250, 100 << 20, 10_000, 20_000))])
    with SimulatedCluster(world, folder) as cluster:
        cluster.api.allow(READER)
        cluster.run_to(WINDOW_END_US)

        def choose(sources: Sources) -> Collector:
            while True:
                for each in sources.current():
                    if each.source == source:
                        return each
                threading.Event().wait(0.01)

        yield Source(
            settings={"cluster": "prod", "api": {"kubeconfig": str(cluster.api.kubeconfig)}},
            break_it=lambda: cluster.kubelets.fault("node-a", Fault(refuses=True)),
            evidence=lambda: [each for each in cluster.kubelets.requests if each.method != "GET"],
            choose=choose,
        )


@contextmanager
def prometheus_monitors(folder: Path) -> Iterator[Source]:
    with fake_target() as target, FakeKubernetesApi(folder) as api:
        target.answer = page(b"# TYPE jobs_total counter\njobs_total 3\nqueue_depth 7\nbad NaN\n")
        host, _, port = target.address.partition(":")
        api.allow(READER_OF_MONITORS)
        api.put("pods", pod("web-0", host, ports={"http": int(port)}))
        api.put("podmonitors.monitoring.coreos.com", monitor("web", {"port": "http"}, kind="PodMonitor"))

        def choose(sources: Sources) -> Collector:
            while len(sources.current()) < 2:
                threading.Event().wait(0.01)
            return sources.current()[1]

        yield Source(
            settings={"cluster": "prod", "monitors": ["PodMonitor"], "api": {"kubeconfig": str(api.kubeconfig)}},
            break_it=target.stop,
            evidence=lambda: [
                *(method for method, _, _ in target.requests if method not in ("GET", "HEAD")),
                *(each for each in api.requests if each.method != "GET"),
            ],
            volatile=frozenset({"scrape_duration_seconds", "scrape_series_added"}),
            choose=choose,
        )


@contextmanager
def s3(folder: Path) -> Iterator[Source]:
    line = '{"id": "%d", "source": "/gateway", "type": "request", "time": "2026-01-01T00:00:0%dZ"}\n'
    with usage_bucket() as bucket:
        for number in range(3):
            bucket.put(f"usage/{number}.json.gz", gzip.compress((line % (number, number)).encode()))
        bucket.put("usage/odd.json", b"not JSON\n")
        yield Source(
            settings={**bucket.settings, "prefix": "usage/"},
            break_it=bucket.delete,
            evidence=bucket.listed,
        )


@contextmanager
def aws(folder: Path) -> Iterator[Source]:
    with simulated_aws() as account:
        sqs = account.client("sqs")
        url = sqs.create_queue(QueueName="jobs", tags=MARKED)["QueueUrl"]
        yield Source(
            settings={
                "accounts": [{"name": "prod", "account": {"endpoint": account.url, "attempts_max": 1}}],
                "regions": [REGION],
                "services": ["dynamodb", "s3", "sqs"],
            },
            break_it=account.stop,
            evidence=lambda: (
                sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"],
                sqs.list_queue_tags(QueueUrl=url)["Tags"],
                sqs.list_queues()["QueueUrls"],
            ),
        )


@contextmanager
def aws_cloudwatch(folder: Path) -> Iterator[Source]:
    cloud = FakeCloudWatch(WINDOW_END_US)
    for hours_ago in (1, 0):
        time_us = WINDOW_END_US - SECOND - hours_ago * 3_600 * SECOND
        cloud.publish("AWS/Lambda", "Invocations", {"FunctionName": "checkout"}, time_us, 3.0)
    query = {"namespace": "AWS/Lambda", "metrics": ["Invocations"], "each": ["FunctionName"], "period_s": 60}
    with aws_server(cloud) as server, mock.patch.dict(os.environ, KEYS):
        yield Source(
            settings={
                "name": "usage",
                "account": {"endpoint": server.endpoint, "attempts_max": 1},
                "account_id": "123456789012",
                "region": "eu-central-1",
                "queries": [{**query, "statistics": ["Sum", "Maximum"]}],
                "settle_s": 0,
                "list_interval_s": 0,
                "list_delay_s": 0,
            },
            break_it=server.stop,
            evidence=lambda: [each for each in server.operations() if each not in ("GetMetricData", "ListMetrics")],
        )


@contextmanager
def kinesis(folder: Path) -> Iterator[Source]:
    stream = FakeKinesis(time.time)
    line = '{"id": "%d", "source": "/gateway", "type": "request", "time": "2026-01-01T00:00:0%dZ"}'
    for number in range(3):
        stream.put((line % (number, number)).encode())
    stream.put(b"not JSON")

    def choose(sources: Sources) -> Collector:
        listing, window = sources.current()[0], Window(WINDOW_END_US - 60 * SECOND, WINDOW_END_US)
        listing.collect(window, listing.collect(window, {}).checkpoint)
        return sources.current()[1]

    with fake_target() as target, mock.patch.dict(os.environ, KEYS):
        target.answer = stream.answer
        account = {"endpoint": f"http://{target.address}", "attempts_max": 1}
        yield Source(
            settings={"stream": "usage", "region": "eu-central-1", "account": account},
            break_it=target.stop,
            evidence=lambda: set(stream.requests) - {"ListShards", "GetShardIterator", "GetRecords"},
            choose=choose,
        )


@contextmanager
def bills(folder: Path) -> Iterator[Source]:
    rows = focus_rows(20)
    with usage_bucket() as bucket:
        Export(bucket.put, bucket.name).deliver(MONTH, table_of(rows, list(rows[0])))
        yield Source(
            settings={**bucket.settings, "prefix": "costs/focus"},
            break_it=bucket.delete,
            evidence=bucket.listed,
        )


@contextmanager
def aws_cost_explorer(folder: Path) -> Iterator[Source]:
    costs = FakeCostExplorer(WINDOW_END_US)
    costs.cost(date(2025, 12, 31), "123456789012", "Amazon EC2", "1.25")
    with aws_server(costs) as server, mock.patch.dict(os.environ, KEYS):
        yield Source(
            settings={"account": {"endpoint": server.endpoint, "attempts_max": 1}, "account_id": "123456789012"},
            break_it=server.stop,
            evidence=lambda: [each for each in server.operations() if each != "GetCostAndUsage"],
        )


@contextmanager
def aws_prices(folder: Path) -> Iterator[Source]:
    prices, spots = FakePriceList(), FakeSpotPrices(WINDOW_END_US)
    prices.publish("ABC", {"regionCode": "eu-central-1"}, {"USD": "0.1150000000"})
    spots.quote("eu-central-1a", "m5.large", WINDOW_END_US - SECOND, "0.04")
    server = PriceServer({"pricing": prices, "ec2": spots})
    server.start()
    with mock.patch.dict(os.environ, KEYS):
        yield Source(
            settings={
                "account": {"endpoint": server.endpoint, "attempts_max": 1},
                "regions": ["eu-central-1"],
                "products": [{"service": "AmazonEC2"}],
                "spot": {"instance_types": ["m5.large"]},
            },
            break_it=server.stop,
            evidence=lambda: set(server.operations()) - {"GetProducts", "DescribeSpotPriceHistory"},
        )
    server.stop()


HARNESSES: dict[str, Callable[[Path], AbstractContextManager[Source]]] = {
    "prometheus": prometheus,
    "prometheus_history": prometheus_history,
    "prometheus_monitors": prometheus_monitors,
    "logfile": logfile,
    "kubernetes": kubernetes,
    "kinesis": kinesis,
    "s3": s3,
    "bills": bills,
    "aws": aws,
    "aws_cloudwatch": aws_cloudwatch,
    "aws_cost_explorer": aws_cost_explorer,
    "aws_prices": aws_prices,
}
