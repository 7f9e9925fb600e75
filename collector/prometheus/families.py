"""What a sample is, by the type its family declares.

===============================  ==============================================================================
declared                         becomes
===============================  ==============================================================================
counter                          a counter
gauge, untyped, unknown,         gauges; an unknown one may well count, but a fall would then be read as usage
info, stateset, undeclared
histogram, summary               ``_sum`` and ``_count`` are counters; buckets and quantiles are left out
gauge histogram                  ``_gsum`` and ``_gcount`` are gauges; buckets are left out
``_created`` of a counter,       no series, but the start time of theirs; in the text format these are declared
histogram or summary             gauges of their own, so this is looked at first
===============================  ==============================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from collector.prometheus.exposition import Family

_ACCUMULATING = ("counter", "histogram", "summary")


@dataclass(frozen=True)
class Part:
    """What one sample name is. ``base`` joins the samples of a family with their created time."""

    role: Literal["counter", "gauge", "created", "dropped"]
    base: str = ""
    unit: str = ""


def part_of(name: str, families: Mapping[str, Family]) -> Part:
    """The part that samples called ``name`` play on a page with these families."""
    if name.endswith("_created"):
        base = name.removesuffix("_created")
        if _kind(base, families) in _ACCUMULATING or _kind(f"{base}_total", families) == "counter":
            return Part("created", base)
    family = families.get(name)
    if family is not None:
        if family.kind == "counter":
            return Part("counter", name.removesuffix("_total"), family.unit)
        if family.kind in ("histogram", "summary", "gaugehistogram"):
            return Part("dropped")
        return Part("gauge", name, family.unit)
    base, _, suffix = name.rpartition("_")
    family = families.get(base)
    return _suffixed(base, suffix, family) if family is not None else Part("gauge", name)


def _suffixed(base: str, suffix: str, family: Family) -> Part:
    # A count has no unit, whatever the family measures.
    unit = "" if suffix in ("count", "gcount") else family.unit
    match family.kind, suffix:
        case "counter", "total":
            return Part("counter", base, unit)
        case (("histogram" | "summary"), ("sum" | "count")):
            return Part("counter", base, unit)
        case (("histogram" | "gaugehistogram"), "bucket"):
            return Part("dropped")
        case "gaugehistogram", ("gsum" | "gcount"):
            return Part("gauge", base, unit)
        case _:
            return Part("gauge", f"{base}_{suffix}")


def _kind(name: str, families: Mapping[str, Family]) -> str:
    family = families.get(name)
    return family.kind if family is not None else ""
