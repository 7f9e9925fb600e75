"""What a sample is, by the type its family declares.

===============================  ==============================================================================
declared                         becomes
===============================  ==============================================================================
counter                          a counter
gauge, untyped, unknown,         gauges; an unknown one may well count, but a fall would then be read as usage
info, stateset, undeclared
histogram, summary               ``_sum`` and ``_count`` are counters; buckets and quantiles are left out
gauge histogram                  ``_gsum`` and ``_gcount`` are gauges, in protobuf ``_sum`` and ``_count``; buckets are left out
``_created`` of a counter,       no series, but the start time of theirs; in the text format these are declared
histogram or summary             gauges of their own, so this is looked at first
===============================  ==============================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from collector.exposition.declarations import Family

_ACCUMULATING = ("counter", "histogram", "summary")


class Role(IntEnum):
    """What a sample is to a meter. A number, since columns hold it."""

    GAUGE = 0
    COUNTER = 1
    CREATED = 2
    DROPPED = 3


@dataclass(frozen=True)
class Part:
    """What one sample name is. ``base`` joins the samples of a family with their created time."""

    role: Role
    base: str = ""
    unit: str = ""


def part_of(name: str, families: Mapping[str, Family]) -> Part:
    """The part that samples called ``name`` play on a page with these families."""
    declared = families.get(name)
    if name.endswith("_created") and (declared is None or declared.kind in ("gauge", "unknown", "untyped")):
        base = name.removesuffix("_created")
        if _kind(base, families) in _ACCUMULATING or _kind(f"{base}_total", families) == "counter":
            return Part(Role.CREATED, base)
    family = families.get(name)
    if family is not None:
        if family.kind == "counter":
            return Part(Role.COUNTER, name.removesuffix("_total"), family.unit)
        if family.kind in ("histogram", "summary", "gaugehistogram"):
            return Part(Role.DROPPED)
        return Part(Role.GAUGE, name, family.unit)
    base, _, suffix = name.rpartition("_")
    family = families.get(base)
    return _suffixed(base, suffix, family) if family is not None else Part(Role.GAUGE, name)


def _suffixed(base: str, suffix: str, family: Family) -> Part:
    # A count has no unit, whatever the family measures.
    unit = "" if suffix in ("count", "gcount") else family.unit
    match family.kind, suffix:
        case "counter", "total":
            return Part(Role.COUNTER, base, unit)
        case (("histogram" | "summary"), ("sum" | "count")):
            return Part(Role.COUNTER, base, unit)
        case (("histogram" | "gaugehistogram"), "bucket"):
            return Part(Role.DROPPED)
        case "gaugehistogram", ("gsum" | "gcount" | "sum" | "count"):
            return Part(Role.GAUGE, base, unit)
        case _:
            return Part(Role.GAUGE, f"{base}_{suffix}")


def _kind(name: str, families: Mapping[str, Family]) -> str:
    family = families.get(name)
    return family.kind if family is not None else ""
