"""Usage as a file for other programs (CSV, Parquet or Arrow, by the file's name), and as a picture in the terminal."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import click

from ledger.cli.console import shown
from meterbook.ledger.v1 import query_pb2

SUFFIXES = (".csv", ".parquet", ".arrow")
#: More lines than that cannot be told apart.
_LINES_MAX = 12
_PLOT_WIDTH_MAX, _PLOT_HEIGHT = 160, 20
_WHEN = "Y-m-d H:M"


def write(response: query_pb2.UsageResponse, path: Path) -> None:
    """Write the rows to a file, whole or not at all. Raises ClickException where that cannot be done."""
    # They take half a second to load, and other commands do not need them.
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    rows = response.rows
    amount, share = pa.decimal128(38, 9), pa.decimal128(38, 4)
    table = pa.table(
        {
            "meter": pa.array([row.meter for row in rows], pa.utf8()),
            "tenant": pa.array([row.tenant for row in rows], pa.utf8()),
            "dimensions": pa.array(
                [json.dumps(dict(row.dimensions), sort_keys=True, ensure_ascii=False) for row in rows], pa.utf8()
            ),
            "window": pa.array([_moment(row.window) for row in rows], pa.timestamp("us", tz="UTC")),
            "quantity": pa.array([Decimal(row.quantity) for row in rows], amount),
            "unit": pa.array([row.unit for row in rows], pa.utf8()),
            "estimated": pa.array([Decimal(row.estimated) for row in rows], amount),
            "coverage": pa.array([Decimal(row.coverage) if row.coverage else None for row in rows], share),
        }
    ).replace_schema_metadata({"as_of": str(response.as_of)})
    fresh = path.with_name(f".{path.name}.fresh")
    try:
        if path.suffix == ".csv":
            pa.csv.write_csv(table, fresh)
        elif path.suffix == ".parquet":
            pa.parquet.write_table(table, fresh)
        else:
            with pa.OSFile(str(fresh), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
                writer.write_table(table)
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        # What Arrow says names the file that nobody asked for.
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise click.ClickException(f"{path} cannot be written: {reason}") from error
    click.echo(f"{table.num_rows} rows in {path}, as of position {response.as_of}")


def plot(rows: Sequence[query_pb2.UsageRow]) -> None:
    """Draw quantities over time, a line for each meter, tenant and dimensions. Raises ClickException where there is nothing to draw."""
    import plotext

    lines: dict[str, list[query_pb2.UsageRow]] = defaultdict(list)
    for row in rows:
        if row.window:
            dimensions = "".join(f" {name}={value}" for name, value in sorted(row.dimensions.items()))
            lines[shown(f"{row.meter} {row.tenant}{dimensions} ({row.unit})")].append(row)
    if not lines:
        raise click.ClickException("there is nothing to draw: ask for windows, such as --window day")
    if len(lines) > _LINES_MAX:
        raise click.ClickException(
            f"{len(lines)} lines are more than the {_LINES_MAX} that can be told apart: choose with --meter and --tenant"
        )
    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plot_size(min(plotext.terminal_width() or _PLOT_WIDTH_MAX, _PLOT_WIDTH_MAX), _PLOT_HEIGHT)
    plotext.date_form(_WHEN)
    for name, told in lines.items():
        when = [f"{datetime.fromisoformat(row.window):%Y-%m-%d %H:%M}" for row in told]
        plotext.plot(when, [float(row.quantity) for row in told], label=name)
    click.echo(plotext.uncolorize(plotext.build()))


def _moment(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
