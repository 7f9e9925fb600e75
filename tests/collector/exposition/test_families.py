"""What a sample is, by its name and the families of its page."""

from __future__ import annotations

import pytest

from collector.exposition.declarations import Family
from collector.exposition.families import Part, Role, part_of

TEXT = {
    "jobs_total": Family("counter"),
    "jobs_created": Family("gauge"),
    "ticks": Family("counter"),
    "ticks_created": Family("gauge"),
    "lat": Family("histogram"),
    "lat_created": Family("gauge"),
    "size": Family("summary"),
    "depth": Family("gauge"),
    "depth_created": Family("gauge"),
    "old": Family("untyped"),
}
OPENMETRICS = {
    "jobs": Family("counter"),
    "lat_seconds": Family("histogram", "seconds"),
    "size": Family("summary", "bytes"),
    "age_seconds": Family("gaugehistogram", "seconds"),
    "build": Family("info"),
    "leader": Family("stateset"),
    "depth": Family("gauge"),
    "odd": Family("unknown"),
}


@pytest.mark.parametrize(
    ("families", "name", "part"),
    [
        (TEXT, "jobs_total", Part(Role.COUNTER, "jobs")),
        (TEXT, "jobs_created", Part(Role.CREATED, "jobs")),
        (TEXT, "ticks", Part(Role.COUNTER, "ticks")),
        (TEXT, "ticks_created", Part(Role.CREATED, "ticks")),
        (TEXT, "lat_sum", Part(Role.COUNTER, "lat")),
        (TEXT, "lat_count", Part(Role.COUNTER, "lat")),
        (TEXT, "lat_bucket", Part(Role.DROPPED)),
        (TEXT, "lat_created", Part(Role.CREATED, "lat")),
        (TEXT, "size", Part(Role.DROPPED)),
        (TEXT, "size_bucket", Part(Role.GAUGE, "size_bucket")),
        (TEXT, "depth", Part(Role.GAUGE, "depth")),
        (TEXT, "depth_created", Part(Role.GAUGE, "depth_created")),
        (TEXT, "depth_sum", Part(Role.GAUGE, "depth_sum")),
        (TEXT, "old", Part(Role.GAUGE, "old")),
        (TEXT, "stranger", Part(Role.GAUGE, "stranger")),
        (TEXT, "stranger_total", Part(Role.GAUGE, "stranger_total")),
        (OPENMETRICS, "jobs_total", Part(Role.COUNTER, "jobs")),
        (OPENMETRICS, "jobs_created", Part(Role.CREATED, "jobs")),
        (OPENMETRICS, "lat_seconds_sum", Part(Role.COUNTER, "lat_seconds", "seconds")),
        (OPENMETRICS, "lat_seconds_count", Part(Role.COUNTER, "lat_seconds")),
        (OPENMETRICS, "size_sum", Part(Role.COUNTER, "size", "bytes")),
        (OPENMETRICS, "size_created", Part(Role.CREATED, "size")),
        (OPENMETRICS, "age_seconds_gsum", Part(Role.GAUGE, "age_seconds", "seconds")),
        (OPENMETRICS, "age_seconds_gcount", Part(Role.GAUGE, "age_seconds")),
        (OPENMETRICS, "age_seconds_sum", Part(Role.GAUGE, "age_seconds", "seconds")),
        (OPENMETRICS, "age_seconds_count", Part(Role.GAUGE, "age_seconds")),
        (OPENMETRICS, "age_seconds_bucket", Part(Role.DROPPED)),
        (OPENMETRICS, "build_info", Part(Role.GAUGE, "build_info")),
        (OPENMETRICS, "leader", Part(Role.GAUGE, "leader")),
        (OPENMETRICS, "odd", Part(Role.GAUGE, "odd")),
    ],
)
def test_parts(families: dict[str, Family], name: str, part: Part) -> None:
    assert part_of(name, families) == part
