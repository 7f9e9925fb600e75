"""The same increase per tenant and hour as other engines compute it, of the same Parquet files; each in a process of its own.

They do less: what crosses an hour is not divided, nothing is said of coverage, and sums are floats.

    python -m bench._peerincrease polars|chdb FILES_GLOB SERIES.parquet
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

_HOUR_US = 3_600_000_000
_CHDB = """
SELECT tenant, hour, sum(added) AS quantity FROM (
  SELECT series_id, toStartOfHour(time) AS hour, value, any(value) OVER earlier AS before, count() OVER earlier AS has,
    if(has = 0, 0, if(value < before, value, value - before)) AS added
  FROM file('{files}', Parquet) WINDOW earlier AS (PARTITION BY series_id ORDER BY time ROWS BETWEEN 1 PRECEDING AND 1 PRECEDING)) AS told
JOIN file('{series}', Parquet) AS defined USING (series_id) GROUP BY tenant, hour
"""


def polars(files: str, series: str) -> tuple[int, float]:
    """Rows, and the sum of all."""
    import polars as pl

    found = (
        pl.scan_parquet(files)
        .select("series_id", "time", "value")
        .sort("series_id", "time")
        .with_columns(before=pl.col("value").shift(1).over("series_id"))
        .with_columns(
            added=pl.when(pl.col("value") < pl.col("before"))
            .then("value")
            .otherwise(pl.col("value") - pl.col("before"))
        )
        .join(pl.scan_parquet(series), on="series_id")
        .group_by("tenant", pl.col("time").dt.truncate("1h"))
        .agg(pl.col("added").sum())
        .collect(engine="streaming")
    )
    return found.height, float(found["added"].sum())


def chdb(files: str, series: str) -> tuple[int, float]:
    """Rows, and the sum of all."""
    import chdb as engine

    found = engine.query(_CHDB.format(files=files, series=series), "CSV").bytes().decode().splitlines()
    return len(found), sum(float(line.rsplit(",", 1)[1]) for line in found)


def main() -> None:
    """Print seconds, peak memory in MiB, rows and sum as JSON."""
    engine, files, series = sys.argv[1:]
    began_s = time.perf_counter()
    rows, total = {"polars": polars, "chdb": chdb}[engine](files, series)
    took_s = time.perf_counter() - began_s
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": round(took_s, 2), "mib": round(peak_mib), "rows": rows, "sum": total}))


if __name__ == "__main__":
    assert Path(sys.argv[3]).exists()
    main()
