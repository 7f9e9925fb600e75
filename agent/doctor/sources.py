"""Whether the sources can be read: who an AWS account takes us for, what a cluster's role lacks, and else one collection each.

A collection is made as ever and thrown away. Where one would cost money, or read by the gigabyte, only the way there is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from pydantic import BaseModel

from agent.config import AgentConfig
from collector import registry
from collector.base import Collector, Plugin, SourceConfig, interval_s_of
from collector.errors import SourceError
from collector.readings import Window
from meterbook.doctor.findings import PATIENCE_S, Finding, failure, ok, warning
from meterbook.wire.instants import SECOND_US, now_us

Part = TypeVar("Part", bound=BaseModel)

#: Sources of one entry that are read, and how many at a time.
_SOURCES_MAX, _AT_ONCE = 20, 8


def sources(config: AgentConfig) -> Iterator[Finding]:
    """What is found of each entry of the configuration, in its order."""
    looks = [partial(_looked, f"sources.{index} ({each.kind})", each) for index, each in enumerate(config.sources)]
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        for found in threads.map(lambda look: list(look()), looks):
            yield from found


def _looked(place: str, source: SourceConfig) -> Iterator[Finding]:
    plugin = registry.plugin(source.kind)
    try:
        if plugin.grants is not None:
            yield from _identities(place, plugin, source)
        elif plugin.role is not None and (text := plugin.role(source, "meterbook-agent", "meterbook")):
            yield from _access(place, source, text)
        else:
            yield from _collections(place, plugin, source)
    except (ValueError, OSError, SourceError) as error:
        yield failure("sources", f"{place}: {error}", "mend that where the source is, or its entry")


def _identities(place: str, plugin: Plugin, source: SourceConfig) -> Iterator[Finding]:
    # Loaded here: an agent has boto3 only where a source needs it.
    from collector.account.identity import identity

    assert plugin.grants is not None
    for account in dict.fromkeys(account for account, _ in plugin.grants(source)):
        if account.endpoint is not None:
            yield ok("sources", f"{place}: {account.endpoint} is not AWS's own: identities are not asked there")
            continue
        try:
            yield ok("sources", f"{place}: AWS knows this agent as {identity(account, PATIENCE_S)}")
        except SourceError as error:
            advice = "see 'meterbook agent policy aws' for what is to be granted, and where credentials are looked for"
            yield failure("sources", f"{place}: {error}", advice)


def _access(place: str, source: SourceConfig, text: str) -> Iterator[Finding]:
    from collector.cluster.access import lacking
    from collector.cluster.config import ClusterConfig
    from collector.cluster.roles import granted

    config = _part(source, ClusterConfig) or ClusterConfig()
    bounded = config.model_copy(update={"timeout_s": min(config.timeout_s, PATIENCE_S)})
    permissions = granted(text)
    refused = list(lacking(bounded, permissions))
    for each in refused:
        advice = "apply what 'meterbook agent role' prints"
        yield failure("permissions", f"{place}: {each}", advice)
    if not refused:
        yield ok("permissions", f"{place}: the cluster grants all {len(set(permissions))} permissions")


def _part(model: BaseModel, kind: type[Part]) -> Part | None:
    """The part of a configuration that is of a kind."""
    for value in model.__dict__.values():
        if isinstance(value, kind):
            return value
        if isinstance(value, BaseModel) and (found := _part(value, kind)) is not None:
            return found
    return None


def _collections(place: str, plugin: Plugin, source: SourceConfig) -> Iterator[Finding]:
    found = plugin.build(source)
    try:
        current = list(found.current())
        if not current:
            yield warning(
                "sources", f"{place}: there is nothing to read just now", "see whether it names what is there"
            )
        for each in current[:_SOURCES_MAX]:
            yield _collected(place, each, source)
        if len(current) > _SOURCES_MAX:
            yield ok("sources", f"{place}: {len(current) - _SOURCES_MAX} more sources were not read")
        for each in current:
            each.close()
    finally:
        found.close()


def _collected(place: str, collector: Collector, source: SourceConfig) -> Finding:
    end_us = now_us()
    start_us = end_us - round(interval_s_of(collector, source) * SECOND_US)
    last = collector.collect(Window(start_us, end_us), {}).coverage[-1]
    told = f"{place}: {collector.source}: {last.status}{': ' if last.reason else ''}{last.reason}"
    if last.status == "complete":
        return ok("sources", told)
    advice = "mend that where the source is, or its entry"
    return (warning if last.status == "partial" else failure)("sources", told, advice)
