"""What rules that go by usage made of the keys of charges before, for whoever asks about the same month again.

A month's bill is made anew several times a day, and mostly a day of it differs; and the same month is asked about in several ways. The
shares of a key depend on nothing but what the rule's method says, which hours the key has, what the drivers read of its charges, and what was
used in those hours. So they are kept, and are found anew only of keys that nobody has asked about, of those in whose hours usage was booked
since, and of those whose hours are not settled yet: what is not booked may change with every sample.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ledger.costing.division import Division
from ledger.costing.register import Register
from ledger.costing.shares import Shares, joined
from ledger.costing.using import Keys
from ledger.directory.allocation import Allocation
from ledger.metering.booking import meter_versions, unbooked_from

_NAME = "shares of keys"
#: Bytes of shares that are kept, of all rules together; and of one rule, if it is asked about several months.
_BYTES_MAX, _TOGETHER_MAX = 256 << 20, 128 << 20
_NOWHERE = -1
_NEVER_US = np.iinfo(np.int64).max


@dataclass(frozen=True)
class _Known:
    """The shares of keys as the book stood at a position: ``keys`` has a row for each, whose place is the key of its ``shares``."""

    position: int
    keys: pa.Table
    shares: Shares
    targets: Sequence[str]
    reasons: Sequence[str]

    @property
    def nbytes(self) -> int:
        """What it takes of memory, about."""
        texts = sum(len(each) for each in (*self.targets, *self.reasons))
        return int(self.keys.nbytes) + sum(column.nbytes for column in self.shares.columns) + texts


_NO_KEYS = pa.table({"start_us": pa.array([], pa.int64()), "end_us": pa.array([], pa.int64())})
_NO_HOURS = pa.table({"hour_us": pa.array([], pa.int64())})
_NOTHING = _Known(0, _NO_KEYS, joined([]), (), ())


def shares_by_key(division: Division, spec: Allocation, keys: Keys, find: Callable[[Division, Keys], Shares]) -> Shares:
    """The shares of each key, by key: those that are known, and for the others what ``find`` gives for them."""
    view, versions = division.view, [each for name in _meters(spec) for each in meter_versions(division.catalog, name)]
    said = spec.model_dump_json(include={str(spec.method), "of"})
    depends_on = said, tuple((each.name, each.meter.model_dump_json(), each.start_us, each.end_us) for each in versions)
    known: _Known | None = view.remembered.kept(_NAME, depends_on)
    if known is not None and known.position > view.position:
        # What the book said before is asked about once.
        return find(division, keys)
    known = known or _NOTHING
    live = [(each, unbooked_from(view, each)) for each in versions]
    settled_us = min((at for each, at in live if at is not None and at < each.end_us), default=_NEVER_US)
    booked = view.hours_booked(_meters(spec), known.position) if len(known.keys) else _NO_HOURS

    def is_settled(table: pa.Table) -> np.ndarray:
        """Whether usage in the hours of keys is settled, and was not booked since."""
        start_us, end_us, hours = (
            column.to_numpy() for column in (table["start_us"], table["end_us"], booked["hour_us"])
        )
        is_same = np.searchsorted(hours, start_us) == np.searchsorted(hours, end_us)
        found: np.ndarray = is_same & (end_us <= settled_us)
        return found

    wanted = _table(keys)
    at, stays = _places(known.keys, wanted), is_settled(known.keys)
    met = np.flatnonzero(at != _NOWHERE)
    at[met[~stays[at[met]]]] = _NOWHERE
    missing, alone = np.flatnonzero(at == _NOWHERE), replace(division, problems={})
    pieces = [_told(division, known, at)]
    if len(missing):
        found = find(alone, keys.chosen(missing))
        pieces.append(replace(found, key=missing[found.key]))
    division.problems.update(alone.problems)
    shares = joined(pieces)
    shares = shares.chosen(np.argsort(shares.key, kind="stable"))
    # What is wrong with usage has to be told again to whoever asks again.
    if len(missing) and not alone.problems:
        stays[at[at != _NOWHERE]] = False
        kept = _kept(division, wanted, shares, wanted["end_us"].to_numpy() <= settled_us)
        both = _both(kept, known, stays) if kept.nbytes + known.nbytes <= _TOGETHER_MAX else kept
        if len(both.keys):
            view.remembered.keep(_NAME, depends_on, both, size=both.nbytes, most=_BYTES_MAX)
    return shares


def _meters(spec: Allocation) -> list[str]:
    """The meters that a rule goes by."""
    drivers = [driver for _, driver, _ in spec.drivers()]
    capacities = [driver.capacity.meter for driver in drivers if driver.capacity and driver.capacity.meter]
    return sorted({*capacities, *(name for driver in drivers for name in driver.meter)})


def _kept(division: Division, wanted: pa.Table, shares: Shares, some: np.ndarray) -> _Known:
    """The shares of some of the keys, to be kept."""
    place = np.cumsum(some) - 1
    held = shares.chosen(np.flatnonzero(some[shares.key]))
    targets, reasons = Register[str](), Register[str]()
    held = replace(
        held,
        key=place[held.key],
        target=_renumbered(targets, division.targets.things, held.target),
        reason=_renumbered(reasons, division.reasons.things, held.reason),
    )
    return _Known(division.view.position, wanted.filter(pa.array(some)), held, targets.things, reasons.things)


def _both(first: _Known, other: _Known, some: np.ndarray) -> _Known:
    """What is known, with what is known of some of the other keys."""
    place = len(first.keys) + np.cumsum(some) - 1
    held = other.shares.chosen(np.flatnonzero(some[other.shares.key]))
    targets, reasons = Register(*first.targets), Register(*first.reasons)
    more = replace(
        held,
        key=place[held.key],
        target=_renumbered(targets, other.targets, held.target),
        reason=_renumbered(reasons, other.reasons, held.reason),
    )
    keys = (
        pa.concat_tables([first.keys, other.keys.filter(pa.array(some))]).combine_chunks()
        if len(other.keys)
        else first.keys
    )
    return replace(
        first, keys=keys, shares=joined([first.shares, more]), targets=targets.things, reasons=reasons.things
    )


def _table(keys: Keys) -> pa.Table:
    columns = {"start_us": pa.array(keys.start_us), "end_us": pa.array(keys.end_us)}
    for place, text in enumerate(keys.texts):
        # Nothing is equal to what is missing, but for the question whether it is.
        columns |= {f"where_{place}": pc.fill_null(text, ""), f"is_{place}": pc.is_valid(text)}
    return pa.table(columns)


def _places(known: pa.Table, wanted: pa.Table) -> np.ndarray:
    """Where each of the keys stands among the known ones; NOWHERE for those that do not."""
    if not len(known):
        return np.full(len(wanted), _NOWHERE)
    names = wanted.column_names
    numbered = known.append_column("place", pa.array(np.arange(known.num_rows)))
    asked = wanted.append_column("row", pa.array(np.arange(wanted.num_rows)))
    both = asked.join(numbered, names, join_type="inner", use_threads=False)
    at = np.full(wanted.num_rows, _NOWHERE)
    at[both["row"].to_numpy()] = both["place"].to_numpy()
    return at


def _told(division: Division, known: _Known, at: np.ndarray) -> Shares:
    """The known shares of keys that stand at these places, in the numbers of this division."""
    asked = np.flatnonzero(at != _NOWHERE)
    key = np.full(len(known.keys), _NOWHERE)
    key[at[asked]] = asked
    shares = known.shares.chosen(np.flatnonzero(key[known.shares.key] != _NOWHERE))
    return replace(
        shares,
        key=key[shares.key],
        target=_renumbered(division.targets, known.targets, shares.target),
        reason=_renumbered(division.reasons, known.reasons, shares.reason),
    )


def _renumbered(register: Register[str], things: Sequence[str], numbers: np.ndarray) -> np.ndarray:
    now = np.zeros(len(things), np.int64)
    used = np.unique(numbers)
    now[used] = register.numbers(things[number] for number in used.tolist())
    found: np.ndarray = now[numbers]
    return found
