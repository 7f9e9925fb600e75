"""A last look at readings before they are sealed.

A batch that the ledger refuses as malformed stands at the head of the chain for ever, and everything behind it
waits. So what a collector gave is held against the contract here, where a fault costs one collection and names
the collector, and not there, where it costs the agent. Only whole columns are looked at.
"""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pyarrow as pa

from collector.readings import Readings, Window
from meterbook.wire.sections import BILLS, CHARGES, EVENTS, SAMPLES, STATUSES


def inspect(readings: Readings, window: Window, *, catches_up: bool = False) -> None:
    """Raises ValueError, or TypeError for a checkpoint that is not JSON, naming what breaks ``collector.readings``."""
    json.dumps(dict(readings.checkpoint))
    _inspect_table("samples", readings.samples, SAMPLES)
    _inspect_table("events", readings.events, EVENTS)
    _inspect_table("charges", readings.charges, CHARGES)
    _inspect_table("bills", readings.bills, BILLS)
    ids = readings.samples["series_id"].to_numpy()
    times = readings.samples["time"].cast(pa.int64()).to_numpy()
    if np.any((ids[1:] < ids[:-1]) | ((ids[1:] == ids[:-1]) & (times[1:] < times[:-1]))):
        raise ValueError("samples are not sorted by series and time")
    _inspect_coverage(readings, window, catches_up=catches_up)


def _inspect_table(name: str, table: pa.Table, schema: pa.Schema) -> None:
    if not table.schema.equals(schema):
        raise ValueError(f"{name} have the columns {table.schema.names}, not {schema.names}, or other types")
    # Texts that are no UTF-8 among them.
    table.validate(full=True)
    for field in schema:
        if not field.nullable and table[field.name].null_count:
            raise ValueError(f"{name}: column {field.name} holds nulls")


def _inspect_coverage(readings: Readings, window: Window, *, catches_up: bool) -> None:
    records = sorted(readings.coverage, key=lambda record: record.start_us)
    for record in records:
        if record.status not in STATUSES:
            raise ValueError(f"coverage status {record.status!r} is none of {', '.join(STATUSES)}")
    if records and not any(before.end_us != after.start_us for before, after in pairwise(records)):
        first_us, last_us = records[0].start_us, records[-1].end_us
        begins = first_us == window.start_us or (catches_up and first_us < window.start_us)
        ends = last_us == window.end_us or (catches_up and readings.more and first_us < last_us < window.end_us)
        if begins and ends:
            return
    spans = ", ".join(f"{record.start_us}-{record.end_us}" for record in records) or "nothing"
    raise ValueError(f"coverage spans {spans}, not exactly {window.start_us}-{window.end_us}")
