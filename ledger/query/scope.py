"""What a caller sees who may see only some tenants, where an answer is not about tenants alone.

A number of one's own rests on what agents read, and that can tell of others: a batch holds the samples of many tenants and its hash is
over all of them, an agent may be named for somebody, a series that was reassigned has the labels and the source of whose it
was. So what is shown is what agents told for the tenant itself; the rest is left out, and the numbers stay whole.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from ledger.journal.amendment import Amendment
from ledger.journal.view import View
from ledger.metering.reassigning import reassignments_of
from ledger.metering.tracing import Trace, TracedPart


def sources_of(view: View, tenants: Collection[str]) -> set[str]:
    """The sources that the tenants have series or events from."""
    marks = ", ".join("?" * len(tenants))
    found = view.tables.query(
        f"SELECT source FROM series WHERE position <= ? AND tenant IN ({marks})"  # noqa: S608 - marks, not values
        f" UNION SELECT origin FROM events WHERE position <= ? AND tenant IN ({marks})",
        [view.position, *tenants, view.position, *tenants],
    )
    return set(found["source"].to_pylist())


def own_parts(view: View, tenant: str, found: Trace) -> list[TracedPart]:
    """The parts of a trace, with labels, resources and sources only where agents told of them for this tenant."""
    meter = found.version.meter
    sources = sources_of(view, [tenant])
    if meter.source.metric is not None and meter.per is None and meter.aggregation != "unique":
        # Each resource is a series; its number is a hash that tells whether one has guessed what it is of.
        labels = _labels_of(view, meter.source.metric, tenant)
        parts = [
            replace(part, resource="", labels=part.labels if part.labels in labels else "") for part in found.parts
        ]
    else:
        is_own = _is_all_own(view, tenant, found)
        parts = [replace(part, resource=part.resource if is_own else "", labels="") for part in found.parts]
    return [replace(part, source=part.source if part.source in sources else "") for part in parts]


def _labels_of(view: View, metric: str, tenant: str) -> set[str]:
    rows = view.series(metric)
    pairs = zip(rows["labels"].to_pylist(), rows["tenant"].to_pylist(), strict=True)
    return {labels for labels, owner in pairs if owner == tenant}


def _is_all_own(view: View, tenant: str, found: Trace) -> bool:
    """Whether nothing in the window may have come to the tenant from others, by a reassignment or an amendment."""
    standing = reassignments_of(view).within(found.start_us, found.end_us).standing
    came = (Amendment.of(row["document"]).before.tenant for row in found.amendments)
    return all(each.rule.to != tenant for each in standing) and all(owner == tenant for owner in came)
