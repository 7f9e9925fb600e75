"""Ratios: of single charges, what part of each is whose in the end, whatever it costs, and by which rules it came there.

Many charges have the same keys in all stages, and so the same ratios; these are worked out once. A share is a number of parts of 10^12, and a ratio
is the product of the shares on the way, one for each pool. It has 36 digits after the point, enough for the exact product of three shares. Of a longer way it is
rounded, by largest remainder. So the ratios of each charge add up to exactly 1.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ledger.costing.allocating import ABSENT, Allocated, Stage
from ledger.costing.explaining import pool_of
from ledger.costing.portions import RATIO, RATIO_DIGITS, decimals
from ledger.costing.profiles import numbered
from ledger.costing.register import ranks
from ledger.costing.shares import WHOLE, WHOLE_DIGITS, one_more
from ledger.costing.taking import NOBODY, Rule
from ledger.directory.catalog import Catalog
from ledger.directory.meter import Meter

_EXACT_DEPTH = RATIO_DIGITS // WHOLE_DIGITS
_ONE = 10**RATIO_DIGITS


@dataclass(frozen=True)
class Ratios:
    """What of some charges is whose: ``code`` is along the charges, the other columns are along the bearers of each code.

    ``starts`` has where the bearers of each code begin, and the end behind; they come by name. ``target`` is the number of each bearer,
    ``ratio`` (type RATIO) its part, never 0, and ``details`` a JSON object that tells by which ways it came there (FOCUS 1.3, "Allocated Method Details").
    """

    code: np.ndarray
    starts: np.ndarray
    target: np.ndarray
    ratio: pa.Array
    details: pa.Array


@dataclass(frozen=True)
class _Ways:
    """Ways by which parts go from charges to bearers: rows of equal length, by code and then by the name of the bearer."""

    code: np.ndarray
    stage: np.ndarray
    target: np.ndarray
    reason: np.ndarray
    part: np.ndarray
    number: np.ndarray


def ratios(allocated: Allocated, catalog: Catalog, rows: np.ndarray) -> Ratios:
    """What of some charges is whose; ``rows`` are their places among the profiles, and the catalog has the units of meters."""
    columns = [column[rows] for stage in allocated.stages for column in (stage.key, stage.rule)]
    code, first = numbered(columns, len(rows))
    places = rows[first]
    ways = _ordered(allocated, _ways(allocated, places))
    details = _details(allocated, catalog, ways, places)
    _, starts = np.unique(ways.code * len(allocated.targets) + ways.target, return_index=True)
    starts = np.sort(starts)
    bearer_of = ways.code[starts]
    offsets = pa.array(np.append(starts, len(ways.code)).astype(np.int32))
    elements = pc.binary_join(pa.ListArray.from_arrays(offsets, details), ",")
    return Ratios(
        code,
        np.searchsorted(bearer_of, np.arange(len(places) + 1)),
        ways.target[starts],
        decimals(np.add.reduceat(ways.number, starts) if len(starts) else ways.number, RATIO),
        pc.binary_join_element_wise('{"Elements":[', elements, "]}", ""),
    )


def ways_of(allocated: Allocated, rows: np.ndarray) -> np.ndarray:
    """By how many ways at most parts go from each of some charges, which are at these places among the profiles."""
    found = np.zeros(len(rows), np.int64)
    for stage in allocated.stages:
        come = np.flatnonzero(stage.key[rows] != ABSENT)
        key = stage.key[rows[come]]
        starts = np.searchsorted(stage.shares.key, np.stack([key, key + 1]))
        found[come] += starts[1] - starts[0]
    return found


def rule_name(rule: Rule) -> str:
    """What a version of a rule is called outside of the ledger."""
    return f"{rule.name}@{rule.version}"


def _ways(allocated: Allocated, places: np.ndarray) -> _Ways:
    """Where parts of the charges at these places end; numbers add up to _ONE for each."""
    coming: dict[int | None, tuple[np.ndarray, int]] = {None: (np.full(len(places), 1, object), 0)}
    pieces: list[tuple[np.ndarray, ...]] = []
    depths: list[int] = []
    for place, stage in enumerate(allocated.stages):
        here = np.flatnonzero(stage.key[places] != ABSENT)
        if not len(here):
            continue
        numbers, depth = coming[stage.pool]
        key = stage.key[places[here]]
        row, at = _spread(stage, key)
        products = numbers[here][row] * stage.shares.share[at].astype(object)
        target = stage.shares.target[at]
        goes_on = np.isin(target, list(stage.passes_on))
        stays = np.flatnonzero(~goes_on & (products != 0))
        code = here[row[stays]]
        ends = (stage.shares.reason[at[stays]], stage.shares.part[at[stays]], products[stays])
        pieces.append((code, np.full(len(stays), place), target[stays], *ends))
        depths.append(depth + 1)
        for each in sorted(stage.passes_on):
            some = np.flatnonzero(target == each)
            coming[each] = _added(coming.get(each), here[row[some]], products[some], depth + 1, len(places))
    code, stages, target, reason, part = (np.concatenate([piece[column] for piece in pieces]) for column in range(5))
    return _Ways(code, stages, target, reason, part, _scaled(code, [piece[5] for piece in pieces], depths, len(places)))


def _spread(stage: Stage, key: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The shares of each key: the place of the key, and that of the share, in order."""
    starts = np.searchsorted(stage.shares.key, np.stack([key, key + 1]))
    counts = starts[1] - starts[0]
    row = np.repeat(np.arange(len(key)), counts)
    return row, starts[0][row] + np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)


def _added(
    held: tuple[np.ndarray, int] | None, at: np.ndarray, numbers: np.ndarray, depth: int, count: int
) -> tuple[np.ndarray, int]:
    """What comes into a pool, with more of it: of numbers that are products of so many shares."""
    before, held_depth = held if held is not None else (np.full(count, 0, object), depth)
    deep = max(depth, held_depth)
    found = before * WHOLE ** (deep - held_depth)
    np.add.at(found, at, numbers * WHOLE ** (deep - depth))
    return found, deep


def _scaled(code: np.ndarray, pieces: Sequence[np.ndarray], depths: Sequence[int], count: int) -> np.ndarray:
    """Products of so many shares as parts of _ONE."""
    deepest = max(_EXACT_DEPTH, *depths)
    exact = np.concatenate([piece * WHOLE ** (deepest - depth) for piece, depth in zip(pieces, depths, strict=True)])
    unit = WHOLE ** (deepest - _EXACT_DEPTH)
    if unit == 1:
        return exact
    order = np.argsort(code, kind="stable")
    whole = exact[order] // unit
    left = np.full(count, _ONE, object)
    np.add.at(left, code[order], -whole)
    one_more(whole, exact[order] - whole * unit, code[order], left.astype(np.int64))
    found = np.empty_like(exact)
    found[order] = whole
    return found


def _ordered(allocated: Allocated, ways: _Ways) -> _Ways:
    """By code, then by the name of the bearer, then as they come."""
    order = np.lexsort((ways.stage, ranks(allocated.targets)[ways.target], ways.code))
    order = order[ways.number[order] != 0]
    return _Ways(*(getattr(ways, name)[order] for name in ("code", "stage", "target", "reason", "part", "number")))


def _details(allocated: Allocated, catalog: Catalog, ways: _Ways, places: np.ndarray) -> pa.Array:
    """Each way as a JSON object."""
    rule = np.full(len(ways.code), NOBODY, np.int64)
    for number, stage in enumerate(allocated.stages):
        some = np.flatnonzero(ways.stage == number)
        rule[some] = stage.rule[places[ways.code[some]]]
    kind, first = numbered([ways.stage, rule, ways.reason, ways.part], len(rule))
    ends = []
    for at in first.tolist():
        told = {"x_Pool": pool_of(allocated, int(ways.stage[at])), "x_Reason": allocated.reasons[int(ways.reason[at])]}
        if rule[at] != NOBODY:
            by = allocated.rules[int(rule[at])]
            told = {**_used(catalog, by, int(ways.part[at])), "x_Rule": rule_name(by), **told}
        ends.append("".join(f",{json.dumps(name)}:{json.dumps(text)}" for name, text in told.items() if text) + "}")
    return pc.binary_join_element_wise(
        '{"AllocatedRatio":', _plain(decimals(ways.number, RATIO)), pa.array(ends, pa.utf8()).take(pa.array(kind)), ""
    )


def _used(catalog: Catalog, rule: Rule, part: int) -> dict[str, str]:
    """By which usage a rule divides in one of its parts; nothing for one that goes by none."""
    drivers = rule.spec.drivers()
    if not drivers:
        return {}
    name, driver, _ = drivers[part]
    versions = catalog.versions("meter", driver.meter[0])
    spec = versions[-1].spec if versions else None
    return {
        "UsageUnit": spec.unit if isinstance(spec, Meter) else "",
        "x_Part": name,
        "x_Meters": ", ".join(driver.meter),
    }


def _plain(ratio: pa.Array) -> pa.Array:
    """Ratios as numbers of JSON (RFC 8259, section 6), those that are not written with an exponent without zeros at their end."""
    text = ratio.cast(pa.utf8())
    short = pc.replace_substring_regex(text, r"\.?0+$", "")
    return pc.if_else(pc.match_substring(text, "E"), text, short)
