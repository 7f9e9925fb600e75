"""A source that shows whatever the test wants, as a kind of collector like any other.

``plugin`` makes sources from configuration: each collection gives one sample per series at the end of the window.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

import pyarrow as pa
from pydantic import Field, SecretStr

from collector.base import Fixed, Plugin, SourceConfig
from collector.definitions import Known
from collector.readings import Checkpoint, Coverage, Readings, Window, sample_table
from meterbook.wire.sections import EVENTS
from meterbook.wire.series import Series, canonical_json


def counter(name: str, *, source: str = "fake/one", **labels: str) -> Series:
    """A counter with labels."""
    return Series(source, name, "counter", "", canonical_json(labels), "{}", 0)


def complete(source: str, window: Window) -> Coverage:
    """All of the window was seen."""
    return Coverage(source, window.start_us, window.end_us, "complete")


def readings(
    window: Window,
    samples: dict[Series, float] | None = None,
    *,
    events: pa.Table | None = None,
    checkpoint: Checkpoint | None = None,
    more: bool = False,
) -> Readings:
    """Readings of a complete window with samples at its end."""
    found = samples or {}
    by_id = {series.series_id: series for series in found}
    table = sample_table(list(by_id), [window.end_us] * len(by_id), found.values())
    return Readings(
        (complete("fake/one", window),),
        Known.by(found),
        samples=table,
        events=EVENTS.empty_table() if events is None else events,
        checkpoint={} if checkpoint is None else checkpoint,
        more=more,
    )


def events(rows: Sequence[dict[str, object]], *, time_us: int = 0) -> pa.Table:
    """Events without tenants; what a row leaves out has a default."""
    base: dict[str, object] = {
        "origin": "fake/one",
        "source": "fake/one",
        "type": "call",
        "subject": "",
        "tenant": "",
        "properties": "{}",
    }
    columns: dict[str, list[object]] = {name: [] for name in EVENTS.names}
    for number, row in enumerate(rows):
        full = base | {"id": f"event-{number}", "value": Decimal(1), "time": time_us} | row
        for name, values in columns.items():
            values.append(full[name])
    arrays = [
        pa.array(values, pa.int64()).cast(field.type) if field.name == "time" else pa.array(values, field.type)
        for field, values in zip(EVENTS, columns.values(), strict=True)
    ]
    return pa.table(arrays, schema=EVENTS)


class ScriptedCollector:
    """Answers each collection with a function of the test's."""

    def __init__(
        self,
        answer: Callable[[Window, Checkpoint], Readings],
        *,
        source: str = "fake/one",
        catches_up: bool = False,
    ) -> None:
        self.source = source
        self.catches_up = catches_up
        self.windows: list[Window] = []
        self.is_closed = False
        self.lease: str | None = None
        self.answer = answer
        #: What it says when the source is gone, made of the time.
        self.last_word: Callable[[int], Readings | None] = lambda _: None

    def collect(self, window: Window, checkpoint: Checkpoint) -> Readings:
        self.windows.append(window)
        return self.answer(window, checkpoint)

    def end(self, time_us: int, checkpoint: Checkpoint) -> Readings | None:
        assert not self.is_closed
        return self.last_word(time_us)

    def close(self) -> None:
        self.is_closed = True


class FakeConfig(SourceConfig):
    """A source by name, with as many series as asked for."""

    name: str = Field(default="one", description="The source is called fake/NAME.")
    series_count: int = Field(default=3, ge=0, description="How many series it shows.")
    password: SecretStr | None = Field(default=None, description="Something that must never be seen.")
    headers: dict[str, int] = Field(default={}, description="Something nested.")


def _build(config: FakeConfig) -> Fixed:
    source = f"fake/{config.name}"
    shown = [counter("calls_total", source=source, team=f"team-{number}") for number in range(config.series_count)]

    def answer(window: Window, checkpoint: Checkpoint) -> Readings:
        count = int(checkpoint.get("count", 0)) + 1
        by_id = {series.series_id: series for series in shown}
        table = sample_table(list(by_id), [window.end_us] * len(by_id), [float(count)] * len(by_id))
        return Readings((complete(source, window),), Known.by(shown), samples=table, checkpoint={"count": count})

    return Fixed(ScriptedCollector(answer, source=source))


plugin = Plugin("fake", FakeConfig, _build)
