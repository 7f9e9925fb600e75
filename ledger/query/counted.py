"""Usage by tenant and feature: which meter is summed over which time for whom, worked out once for as long as rights stand."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache

from ledger.billing.entitlement import Right, Rights
from ledger.directory.catalog import Catalog
from ledger.directory.feature import Feature
from ledger.journal.quantity import PLACES
from ledger.journal.view import View
from ledger.metering.tally import Span, Tally
from ledger.schema.decimals import exact

#: Quantities by tenant and feature; what was not used is left out.
Used = Mapping[tuple[str, str], Decimal]
_DIMENSIONS_KEPT = 65_536


class Counted:
    """Counts the usage that rights ask for. Not safe for threads."""

    def __init__(self, tallies: Mapping[tuple[str, bool], Tally]) -> None:
        self._tallies = dict(tallies)
        self._spans: dict[str, tuple[Span, ...]] = {}
        self._wanting: dict[str, dict[Span, list[Feature]]] = {}
        self._by_dimensions: set[str] = set()
        self.has_thresholds = False

    def of(self, rights: Mapping[str, Rights], catalog: Catalog) -> Counted:
        """One that counts for other rights, and knows what this one found in the book."""
        made = Counted(self._tallies)
        known = frozenset(catalog.names("meter"))
        wanting: dict[str, dict[Span, list[Feature]]] = defaultdict(lambda: defaultdict(list))
        for tenant, held in sorted(rights.items()):
            for right in held.by_name.values():
                if (span := _span(tenant, right)) is not None and right.feature.meter in known:
                    wanting[right.feature.meter][span].append(right.feature)
                    made.has_thresholds |= bool(right.feature.thresholds)
                    if right.feature.where:
                        made._by_dimensions.add(right.feature.meter)
        made._wanting = {meter: dict(each) for meter, each in wanting.items()}
        # The same tuple where nothing has changed: by it a tally knows that what it has found still holds.
        for meter, spans in made._wanting.items():
            standing = self._spans.get(meter)
            made._spans[meter] = standing if standing == tuple(spans) else tuple(spans)
        return made

    def used(self, view: View, catalog: Catalog) -> Used:
        """What was used as of a view."""
        found: dict[tuple[str, str], Decimal] = {}
        for meter, spans in self._spans.items():
            by_dimensions = meter in self._by_dimensions
            tally = self._tallies.setdefault((meter, by_dimensions), Tally(meter, by_dimensions=by_dimensions))
            wanting = self._wanting[meter]
            with exact():
                for span, parts in tally.sums(view, catalog, spans).items():
                    for feature in wanting[span]:
                        nano = sum(part for told, part in parts.items() if _is_wanted(told, feature))
                        if nano:
                            found[span.tenant, feature.name] = Decimal(nano).scaleb(-PLACES)
        return found


def _span(tenant: str, right: Right) -> Span | None:
    if right.denial or right.period is None:
        return None
    return Span(tenant, right.period.start_us, right.period.end_us)


def _is_wanted(told: str, feature: Feature) -> bool:
    if not feature.where:
        return True
    dimensions = _dimensions(told)
    return all(dimensions.get(name) in values for name, values in feature.where.items())


@lru_cache(_DIMENSIONS_KEPT)
def _dimensions(told: str) -> Mapping[str, str]:
    found: Mapping[str, str] = json.loads(told)
    return found
