"""Rows of an export: charges as columns become one row for each of those who bear a part of it.

Costs and quantities are cut into portions; all else a row has as its charge has it, unit prices among them (FOCUS 1.3, "Data Generator-Calculated Split Cost
Allocation Handling"). A tenant is the allocated resource. What stays in the pools ``shared`` and ``idle``, and what is nobody's, is the unallocated portion of
the charge, and has no allocated resource; a column of the ledger's own tells which of them it is. A charge that no rule took is no allocated one at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ledger.costing import focuscolumns as focus
from ledger.costing.allocating import Allocated
from ledger.costing.bills import Bill
from ledger.costing.portions import portions
from ledger.costing.ratios import Ratios, rule_name
from ledger.costing.taking import NOBODY
from ledger.costing.targets import is_own
from ledger.directory.catalog import Catalog
from ledger.directory.tenant import Tenant

#: Rows of one batch, but for a charge that more than so many bear.
ROWS_MAX = 16_384
#: The key of the one tag that an allocated resource has; its prefix says whose scheme it is of (FOCUS 1.3, "Allocated Tags").
_TENANT_TAG = "meterbook/tenant"


@dataclass(frozen=True)
class Bearers:
    """What is told of whoever bears something, by the number of its target: null where it is none of a tenant, but for its name."""

    name: pa.Array
    resource: pa.Array
    title: pa.Array
    tags: pa.Array

    @classmethod
    def of(cls, allocated: Allocated, catalog: Catalog, at_us: int) -> Bearers:
        """The bearers of an allocation, with the titles that tenants had at an instant."""
        resources = [None if is_own(target) else target for target in allocated.targets]
        titles = [None if name is None else _title(catalog, name, at_us) for name in resources]
        tags = [None if name is None else json.dumps({_TENANT_TAG: name}, ensure_ascii=False) for name in resources]
        return cls(*(pa.array(texts, pa.utf8()) for texts in (list(allocated.targets), resources, titles, tags)))


def batches(
    charges: Mapping[str, pa.Array], schema: pa.Schema, bill: Bill, bearers: Bearers, found: Ratios, method: pa.Array
) -> Iterator[pa.RecordBatch]:
    """The rows of some charges of a bill, in order; ``charges`` are their columns, and ``method`` the rule that took each, null for none."""
    counts = np.diff(found.starts)[found.code]
    ends = np.cumsum(counts)
    low = 0
    while low < len(counts):
        before = int(ends[low]) - int(counts[low])
        high = max(low + 1, int(np.searchsorted(ends, before + ROWS_MAX, "right")))
        some = {name: column.slice(low, high - low) for name, column in charges.items()}
        yield _batch(some, schema, bill, bearers, found, method.slice(low, high - low), found.code[low:high])
        low = high


def method_of(allocated: Allocated, rows: np.ndarray) -> pa.Array:
    """The version of a rule that took each charge; null where none did."""
    taken = allocated.stages[0].rule[rows]
    names = pa.array([rule_name(rule) for rule in allocated.rules], pa.utf8())
    return names.take(pa.array(taken, mask=taken == NOBODY))


def _batch(
    charges: Mapping[str, pa.Array],
    schema: pa.Schema,
    bill: Bill,
    bearers: Bearers,
    found: Ratios,
    method: pa.Array,
    code: np.ndarray,
) -> pa.RecordBatch:
    counts = np.diff(found.starts)[code]
    starts = np.append(0, np.cumsum(counts))
    row = pa.array(np.repeat(np.arange(len(code)), counts))
    at = np.arange(starts[-1]) + np.repeat(found.starts[code] - starts[:-1], counts)
    ratio, target = found.ratio.take(pa.array(at)), pa.array(found.target[at])
    is_taken = method.is_valid().to_numpy(zero_copy_only=False)[np.asarray(row)]
    columns = {
        focus.ALLOCATED_METHOD_ID: method.take(row),
        focus.ALLOCATED_METHOD_DETAILS: found.details.take(pa.array(at, mask=~is_taken)),
        focus.ALLOCATED_RESOURCE_ID: bearers.resource.take(target),
        focus.ALLOCATED_RESOURCE_NAME: bearers.title.take(target),
        focus.ALLOCATED_TAGS: bearers.tags.take(target),
        focus.BEARER: bearers.name.take(target),
        focus.SHARE: ratio,
        focus.SOURCE: pa.repeat(pa.scalar(bill.source, pa.utf8()), len(row)),
        focus.BILL: pa.repeat(pa.scalar(bill.version, pa.utf8()), len(row)),
        focus.LINE: charges[focus.LINE].take(row),
    }
    # Most charges cost the same in all four ways, and have no quantities of most kinds.
    cut: list[tuple[pa.Array, pa.Array]] = []
    for name in schema.names:
        if name in focus.DIVIDED:
            amounts = charges[name]
            known = next((parts for held, parts in cut if held.equals(amounts)), None)
            columns[name] = portions(amounts, starts, ratio) if known is None else known
            cut.append((amounts, columns[name]))
        elif name not in columns:
            columns[name] = charges[name].take(row)
    return pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)


def _title(catalog: Catalog, name: str, at_us: int) -> str:
    found = catalog.get("tenant", name, at_us)
    spec = None if found is None else found.spec
    return spec.title if isinstance(spec, Tenant) and spec.title is not None else name
