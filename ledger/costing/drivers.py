"""Drivers: what tenants used in the hours of a charge's period, as columns.

Usage is what ``metering.answer`` tells: the entries that are booked, and the windows that are not yet, measured as the view shows them. It is
added up where it lies: by the hours of each period that is asked about, and by the dimensions that a charge has to have in common with it.
A window belongs to the hour in which it begins. A period that begins or ends within an hour has the whole of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pyarrow as pa

from ledger.costing.columns import pointer
from ledger.directory.catalog import Catalog
from ledger.journal.given import given
from ledger.journal.quantity import to_decimal
from ledger.journal.view import View
from ledger.metering.booking import meter_versions, unbooked_from
from ledger.metering.grid import ceil_us
from ledger.metering.measure import measure
from meterbook.wire.instants import EARLIEST_US, HOUR_US, LATEST_US
from meterbook.wire.sections import QUANTITY

_RANGES = pa.schema([("meter", pa.utf8()), ("low_us", pa.int64()), ("high_us", pa.int64())])
_MEASURED = pa.schema(
    [
        ("meter", pa.utf8()),
        ("tenant", pa.utf8()),
        ("dimensions", pa.utf8()),
        ("hour_us", pa.int64()),
        ("quantity", QUANTITY),
    ]
)


_Row = tuple[str, str, str, int, Decimal]


@dataclass(frozen=True)
class Asked:
    """For what usage is asked: rows of equal length, one per key, from 0 on. ``where`` has the texts of each dimension, null where missing."""

    start_us: np.ndarray
    end_us: np.ndarray
    where: Mapping[str, pa.Array]


def hours(start_us: np.ndarray, end_us: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The whole hours that periods lie in; of one without a length the hour that it lies in."""
    first_us = start_us // HOUR_US * HOUR_US
    return first_us, np.maximum(-(-end_us // HOUR_US) * HOUR_US, first_us + HOUR_US)


def usage_of(view: View, catalog: Catalog, meters: Sequence[str], asked: Asked) -> pa.Table:
    """What each tenant used, by key: key, tenant, quantity; in no order. Of several meters the greatest by tenant, dimensions and hour."""
    start_us, end_us = hours(asked.start_us, asked.end_us)
    low_us = max(int(start_us.min(initial=LATEST_US)), EARLIEST_US)
    high_us = min(int(end_us.max(initial=low_us)), LATEST_US)
    ranges, measured = sources(view, catalog, meters, low_us, high_us)
    names = list(asked.where)
    wanted = pa.table(
        {
            "key": np.arange(len(start_us)),
            "start_us": start_us,
            "end_us": end_us,
            **{f"where_{place}": asked.where[name] for place, name in enumerate(names)},
        }
    )
    return view.tables.query(
        _question(len(names), is_greatest=len(meters) > 1),
        [view.position, low_us, high_us, *map(pointer, names)],
        {"wanted": wanted, "ranges": ranges, "measured": measured, "periods": _different(start_us, end_us)},
    )


def _question(dimensions: int, *, is_greatest: bool) -> str:
    """The statement: parameters are the position, the range, and a JSON pointer for each dimension."""
    columns = [f"where_{place}" for place in range(dimensions)]
    read = "".join(f", json_extract_string(dimensions, ${4 + place}) AS {name}" for place, name in enumerate(columns))
    names = "".join(f", {name}" for name in columns)
    using = ", ".join(["start_us", "end_us", *columns])
    one = f"SELECT tenant, hour_us{read}, quantity FROM used"  # noqa: S608
    several = (
        f"SELECT tenant, hour_us{read}, max(quantity) AS quantity FROM"  # noqa: S608
        " (SELECT meter, tenant, dimensions, hour_us, sum(quantity) AS quantity FROM used GROUP BY ALL)"
        " GROUP BY tenant, dimensions, hour_us"
    )
    told = several if is_greatest else one
    return (
        "WITH used AS (SELECT entries.meter, tenant, dimensions, epoch_us(hour) // 3600000000 * 3600000000 AS hour_us, quantity"  # noqa: S608
        "  FROM entries JOIN ranges ON entries.meter = ranges.meter AND epoch_us(hour) >= low_us AND epoch_us(hour) < high_us"
        "  WHERE position <= $1 AND hour >= make_timestamp($2) AND hour < make_timestamp($3)"
        "  UNION ALL SELECT meter, tenant, dimensions, hour_us // 3600000000 * 3600000000, quantity FROM measured),"
        f" told AS ({told}),"
        # A charge may be of thousands of years: of its hours only those count in which something was used.
        " hours AS (SELECT start_us, end_us, hour_us FROM periods JOIN (SELECT DISTINCT hour_us FROM told)"
        "  ON hour_us >= start_us AND hour_us < end_us),"
        f" spans AS (SELECT start_us, end_us, tenant{names}, sum(quantity) AS quantity"
        "  FROM told JOIN hours USING (hour_us) GROUP BY ALL)"
        f" SELECT key, tenant, quantity::DECIMAL({QUANTITY.precision}, {QUANTITY.scale}) AS quantity"
        f" FROM spans JOIN wanted USING ({using})"
    )


def _different(start_us: np.ndarray, end_us: np.ndarray) -> pa.Table:
    """Every period once."""
    found = np.unique(np.stack([start_us, end_us], axis=1), axis=0)
    return pa.table({"start_us": found[:, 0], "end_us": found[:, 1]})


def sources(
    view: View, catalog: Catalog, meters: Sequence[str], low_us: int, high_us: int
) -> tuple[pa.Table, pa.Table]:
    """Where the entries of the meters tell what was used (meter, low_us, high_us), and what is measured where they do not
    (meter, tenant, dimensions, hour_us, quantity).
    """
    ranges: list[tuple[str, int, int]] = []
    rows: list[_Row] = []
    for name in meters:
        for meter, first_us, last_us, row in _versions(view, catalog, name, low_us, high_us):
            ranges.append((meter, first_us, last_us))
            rows += row
    return given(ranges, _RANGES), given(rows, _MEASURED)


def _versions(
    view: View, catalog: Catalog, name: str, low_us: int, high_us: int
) -> Iterator[tuple[str, int, int, list[_Row]]]:
    """By version of a meter: the range that is booked, and the rows of what comes after it."""
    for version in meter_versions(catalog, name):
        first_us, last_us = max(low_us, version.start_us), min(high_us, version.end_us)
        if first_us >= last_us:
            continue
        live_us = unbooked_from(view, version)
        live_us = last_us if live_us is None else min(max(live_us, first_us), last_us)
        from_us, until_us = ceil_us(version.windows, live_us), ceil_us(version.windows, last_us)
        measured = measure(view, version.meter, from_us, until_us) if from_us < until_us else {}
        rows = [
            (name, key.tenant, key.dimensions, at_us, to_decimal(amount.quantity))
            for (key, at_us), amount in measured.items()
        ]
        yield name, first_us, live_us, rows
