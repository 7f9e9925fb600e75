"""What the variables of OpenTelemetry say that cannot be meant, in sentences that name the variable.

Its library raises what names none, logs a trace of its own code and goes on otherwise, or says nothing, and which of these it does differs from
variable to variable. Those that go wrong most are looked at here before it does; of any other at least the names are told that are set.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

_SECONDS = ("OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT")
_QUEUE, _BATCH = "OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"
#: Whole numbers, and what OpenTelemetry takes where they are not given.
_WHOLE = {_QUEUE: 2048, _BATCH: 512, "OTEL_BSP_SCHEDULE_DELAY": 5000, "OTEL_BSP_EXPORT_TIMEOUT": 30000}
_COMPRESSIONS = ("OTEL_EXPORTER_OTLP_COMPRESSION", "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")


def faults() -> Iterator[str]:
    """One sentence for each variable that traces cannot be sent with."""
    for name in _SECONDS:
        value = os.environ.get(name)
        if value is not None and not _number(value) > 0:
            yield f"{name} {value!r} is not a number of seconds above 0: give one, or leave it out"
    sizes = dict(_WHOLE)
    for name in _WHOLE:
        value = os.environ.get(name, "")
        if not value:
            continue
        with suppress(ValueError):
            sizes[name] = int(value)
            if sizes[name] > 0:
                continue
        yield f"{name} {value!r} is not a whole number above 0: give one, or leave it out"
    if sizes[_BATCH] > sizes[_QUEUE] > 0:
        yield f"{_BATCH} {sizes[_BATCH]} is more than {_QUEUE} {sizes[_QUEUE]}: give both so that a batch fits into the queue"
    for name in _COMPRESSIONS:
        value = os.environ.get(name)
        if value is not None and value.lower().strip() != "gzip":
            yield f"{name} {value!r} is not gzip: give that, or leave it out for none"


def remarks() -> Iterator[str]:
    """What is asked for and not done, though traces are sent."""
    name = next(filter(os.environ.get, _PROTOCOLS), None)
    if name is not None and os.environ[name] != "grpc":
        yield f"{name} is {os.environ[name]}: traces are sent over gRPC all the same, so name a receiver's port for that"


def given() -> str:
    """The names of the variables that are set; their values may be secret."""
    return ", ".join(sorted(name for name in os.environ if name.startswith("OTEL_"))) or "none of its variables is set"


def _number(text: str) -> float:
    with suppress(ValueError):
        return float(text)
    return float("nan")
