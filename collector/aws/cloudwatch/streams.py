"""What is read: statistics of metrics, each called the same by whoever reads it.

A metric is its namespace, its name and *all* of its dimensions: one with fewer is another metric, and asked for separately ("Dimensions",
CloudWatch user guide).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from collector.aws.cloudwatch.config import AMOUNTS, MetricQuery

#: By names, ascending.
Dimensions = tuple[tuple[str, str], ...]


def ordered(dimensions: Mapping[str, str]) -> Dimensions:
    """Dimensions as part of an identity."""
    return tuple(sorted(dimensions.items()))


@dataclass(frozen=True, order=True)
class Stream:
    """One statistic of one metric."""

    namespace: str
    metric: str
    dimensions: Dimensions
    statistic: str

    @property
    def is_amount(self) -> bool:
        """Whether its values add up over periods."""
        return self.statistic in AMOUNTS

    @property
    def name(self) -> str:
        """Type of its events, or metric of its series: ``cloudwatch/AWS/Lambda/Invocations/Sum``."""
        return f"cloudwatch/{self.namespace}/{self.metric}/{self.statistic}"

    @property
    def subject(self) -> str:
        """Its dimensions: ``FunctionName=checkout&Resource=checkout%3Alive``."""
        return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in self.dimensions)

    @property
    def path(self) -> str:
        """Unlike that of every other: ``AWS/Lambda/Invocations/FunctionName=checkout/Sum``."""
        # Only a namespace may have slashes in it here, so four parts from the end are what they are.
        return f"{quote(self.namespace)}/{quote(self.metric, safe='')}/{self.subject}/{self.statistic}"

    @property
    def key(self) -> str:
        """JSON text from which :meth:`from_key` makes it again."""
        return json.dumps([self.namespace, self.metric, self.dimensions, self.statistic], ensure_ascii=False)

    @classmethod
    def from_key(cls, key: str) -> Stream:
        """The stream behind a key."""
        namespace, metric, dimensions, statistic = json.loads(key)
        return cls(namespace, metric, tuple((name, value) for name, value in dimensions), statistic)


def streams(query: MetricQuery, metric: str, dimensions: Dimensions) -> Iterator[Stream]:
    """The statistics that a query reads of one metric."""
    for statistic in query.statistics:
        yield Stream(query.namespace, metric, dimensions, statistic)


def is_of(query: MetricQuery, stream: Stream) -> bool:
    """Whether a query with ``each`` reads a stream, if its metric is there."""
    return (
        (stream.namespace, stream.metric in query.metrics, stream.statistic in query.statistics)
        == (query.namespace, True, True)
        and {name for name, _ in stream.dimensions} == {*query.dimensions, *query.each}
        and query.dimensions.items() <= dict(stream.dimensions).items()
    )
