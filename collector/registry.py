"""Which kinds of collectors there are. A new kind is one package with a ``plugin``, one line here, and one test.

Modules load when a configuration first names their kind, so an agent carries only the libraries it uses.
"""

from __future__ import annotations

from importlib import import_module

from collector.base import Plugin

_PLUGINS = {
    "prometheus": "collector.prometheus.plugin",
    "prometheus_history": "collector.prometheus.history.plugin",
    "prometheus_monitors": "collector.prometheus.monitors.plugin",
    "kubernetes": "collector.kubernetes.plugin",
    "logfile": "collector.datastore.logfile.plugin",
    "kinesis": "collector.datastore.kinesis.plugin",
    "s3": "collector.datastore.s3.plugin",
    "bills": "collector.datastore.bills.plugin",
    "aws": "collector.aws.plugin",
    "aws_cloudwatch": "collector.aws.cloudwatch.plugin",
    "aws_cost_explorer": "collector.aws.costexplorer.plugin",
    "aws_prices": "collector.aws.prices.plugin",
}


def kinds() -> list[str]:
    """The kinds that a configuration can name."""
    return sorted(_PLUGINS)


def plugin(kind: str) -> Plugin:
    """The plugin of a kind. Raises LookupError naming the kinds there are."""
    if kind not in _PLUGINS:
        raise LookupError(f"kind {kind!r} is not a collector: there are {', '.join(kinds())}")
    found = import_module(_PLUGINS[kind]).plugin
    assert isinstance(found, Plugin) and found.kind == kind
    return found
