"""Whose a resource was when a charge's period began, by the series of an inventory.

A series is given to a tenant, and given anew when its tags change, each time with the instant since when. Of all series that bear the name of a resource
the one counts that was given last until then; before the first one that first one counts, since a provider charges for a resource before
anybody has seen it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from ledger.costing.columns import member, pointer
from ledger.journal.view import View


def owners(view: View, metric: str, attributes: Sequence[str], names: pa.Array, at_us: np.ndarray) -> list[str | None]:
    """The tenant of each resource (its name, null where there is none) at an instant; None where the inventory does not know it."""
    pointers = [pointer(each) for each in attributes]
    told = " UNION ALL ".join(
        f"SELECT coalesce({member('attributes', place)}, {member('labels', place)}) AS name,"  # noqa: S608
        " epoch_us(since) AS since_us, tenant, position, series_id FROM given"
        for place in range(3, 3 + len(pointers))
    )
    found = view.tables.query(
        "WITH given AS (SELECT * FROM series WHERE metric = $2 AND position <= $1),"  # noqa: S608
        f" told AS (SELECT name, since_us, arg_max(tenant, (position, series_id, tenant)) AS tenant FROM ({told})"
        "  SEMI JOIN wanted USING (name) GROUP BY name, since_us),"
        " latest AS (SELECT wanted.place, told.tenant FROM wanted ASOF JOIN told"
        "  ON wanted.name = told.name AND wanted.at_us >= told.since_us),"
        " first AS (SELECT name, arg_min(tenant, since_us) AS tenant FROM told GROUP BY name)"
        " SELECT wanted.place, coalesce(latest.tenant, first.tenant) AS tenant FROM wanted"
        " LEFT JOIN latest USING (place) LEFT JOIN first ON wanted.name = first.name ORDER BY wanted.place",
        [view.position, metric, *pointers],
        {"wanted": pa.table({"place": np.arange(len(at_us)), "name": names, "at_us": at_us})},
    )
    tenants: list[str | None] = found["tenant"].to_pylist()
    return tenants
