"""The kind ``kinesis``: one source for the stream, and one for each shard."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from collector.account.config import AccountConfig
from collector.account.permissions import Grant
from collector.base import Plugin
from collector.datastore.eventcolumns import EventReader
from collector.datastore.kinesis.collector import MakeReader
from collector.datastore.kinesis.config import KinesisConfig
from collector.datastore.kinesis.permissions import grants
from collector.datastore.kinesis.sources import KinesisSources
from collector.datastore.layouts import Places
from collector.datastore.mapping.events import EventMap
from collector.datastore.mapping.reader import MappedReader, form_of
from collector.datastore.records import RecordReader


def reader_of(config: KinesisConfig) -> MakeReader:
    """What reads the lines of a shard, as the configuration declares them."""

    def made(source: str, names: Callable[[Places], pa.Array]) -> RecordReader:
        if config.mapping is None:
            return EventReader(source, config.value_field)
        return MappedReader(source, EventMap(config.mapping), form_of(config.mapping), names)

    return made


def _build(config: KinesisConfig) -> KinesisSources:
    return KinesisSources(config, reader_of(config))


def _granted(config: KinesisConfig) -> list[tuple[AccountConfig, tuple[Grant, ...]]]:
    return [(config.account, grants(config))]


plugin = Plugin(kind="kinesis", config=KinesisConfig, build=_build, in_bulk=True, grants=_granted)
