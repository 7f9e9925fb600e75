"""What a sample is, by its name and the families of its page."""

from __future__ import annotations

import pytest

from collector.prometheus.exposition import Family
from collector.prometheus.families import Part, part_of

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
        (TEXT, "jobs_total", Part("counter", "jobs")),
        (TEXT, "jobs_created", Part("created", "jobs")),
        (TEXT, "ticks", Part("counter", "ticks")),
        (TEXT, "ticks_created", Part("created", "ticks")),
        (TEXT, "lat_sum", Part("counter", "lat")),
        (TEXT, "lat_count", Part("counter", "lat")),
        (TEXT, "lat_bucket", Part("dropped")),
        (TEXT, "lat_created", Part("created", "lat")),
        (TEXT, "size", Part("dropped")),
        (TEXT, "size_bucket", Part("gauge", "size_bucket")),
        (TEXT, "depth", Part("gauge", "depth")),
        (TEXT, "depth_created", Part("gauge", "depth_created")),
        (TEXT, "depth_sum", Part("gauge", "depth_sum")),
        (TEXT, "old", Part("gauge", "old")),
        (TEXT, "stranger", Part("gauge", "stranger")),
        (TEXT, "stranger_total", Part("gauge", "stranger_total")),
        (OPENMETRICS, "jobs_total", Part("counter", "jobs")),
        (OPENMETRICS, "jobs_created", Part("created", "jobs")),
        (OPENMETRICS, "lat_seconds_sum", Part("counter", "lat_seconds", "seconds")),
        (OPENMETRICS, "lat_seconds_count", Part("counter", "lat_seconds")),
        (OPENMETRICS, "size_sum", Part("counter", "size", "bytes")),
        (OPENMETRICS, "size_created", Part("created", "size")),
        (OPENMETRICS, "age_seconds_gsum", Part("gauge", "age_seconds", "seconds")),
        (OPENMETRICS, "age_seconds_gcount", Part("gauge", "age_seconds")),
        (OPENMETRICS, "age_seconds_bucket", Part("dropped")),
        (OPENMETRICS, "build_info", Part("gauge", "build_info")),
        (OPENMETRICS, "leader", Part("gauge", "leader")),
        (OPENMETRICS, "odd", Part("gauge", "odd")),
    ],
)
def test_parts(families: dict[str, Family], name: str, part: Part) -> None:
    assert part_of(name, families) == part
