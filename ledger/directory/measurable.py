"""Features against the meters that measure them: whether what a plan limits can be counted as it says.

A feature that looks at a dimension which no usage has would never be used up, and one that counts by the hour what is measured by the month would
count nothing in most hours. Both are found when a plan is applied, at the field that is wrong. So is a limit that a subscription gives to what its
plans do not measure, which would grant nothing.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence

from ledger.directory.catalog import Catalog
from ledger.directory.documents import Document, Fault
from ledger.directory.feature import Feature
from ledger.directory.meter import Meter
from ledger.directory.plan import Plan
from ledger.directory.subscription import Subscription
from ledger.schema.calendar import UNITS
from ledger.schema.spec import Path


def feature_faults(after: Catalog, documents: Sequence[Document]) -> Iterator[Fault]:
    """What speaks against the features of plans and subscriptions, as a catalog is."""
    for document in documents:
        if isinstance(document.spec, Plan):
            for place, feature in enumerate(document.spec.features):
                versions = after.versions("meter", feature.meter) if feature.meter is not None else ()
                if versions and isinstance(meter := versions[-1].spec, Meter):
                    for path, message in _unfit(feature, meter):
                        yield document.fault(("spec", "features", place, *path), message)
        if isinstance(document.spec, Subscription):
            known = sorted(_limited(after, document.spec))
            for place, override in enumerate(document.spec.features):
                if override.limit is not None and override.name not in known:
                    plans = " or ".join(repr(each) for each in _plans(document.spec))
                    yield document.fault(
                        ("spec", "features", place, "name"),
                        f"plan {plans} measures no feature {override.name!r} that could have a limit; {_hint(override.name, known)}",
                    )


def _unfit(feature: Feature, meter: Meter) -> Iterator[tuple[Path, str]]:
    for name in feature.where:
        if name not in meter.group_by:
            yield (
                ("where", name),
                f"meter {feature.meter!r} has no dimension {name!r}; {_hint(name, meter.group_by)}",
            )
    if feature.per != "cycle" and UNITS.index(feature.per) < UNITS.index(meter.window.unit):
        yield (
            ("per",),
            f"meter {feature.meter!r} has windows of a {meter.window.unit}: usage cannot be counted by the {feature.per}",
        )


def _plans(subscription: Subscription) -> tuple[str, ...]:
    return tuple(dict.fromkeys((subscription.plan, *(move.plan for move in subscription.moves))))


def _limited(after: Catalog, subscription: Subscription) -> set[str]:
    """Features with a meter of every plan of a subscription, whenever it holds."""
    specs = (version.spec for name in _plans(subscription) for version in after.versions("plan", name))
    return {
        feature.name
        for spec in specs
        if isinstance(spec, Plan)
        for feature in spec.features
        if feature.meter is not None
    }


def _hint(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known) or 'none'}"
