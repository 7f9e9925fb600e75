"""The sources behind a meter: whose word its windows wait for, and on whose watch the usage of each tenant stands.

Behind a meter of a metric are the sources of the series that it reads, behind one of events those that told of events that its filter
lets through. Both change all the time, so both are asked about a time: a source that told of something that long ago only
would be asked for its word for ever.

A quantity says nothing of a window in which nothing came. So a tenant's sources in a period are not taken from its quantities: they
are those that told of something of the tenant in the period or on the day before, and, of an agent that has fallen silent, those
that did so on its last day; after three months of silence nobody goes on to expect them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from ledger.directory.meter import Meter
from ledger.journal import samples
from ledger.journal.view import View
from ledger.metering.events import tellers
from ledger.metering.observation import Accounts
from ledger.metering.subjects import EVER, read_by
from meterbook.wire.instants import DAY_US, EARLIEST_US

#: For how long whoever told of something is still asked for it.
LATELY_US = DAY_US
_SILENCE_US_MAX = 92 * DAY_US


def sources_behind(view: View, meter: Meter, now_us: int) -> frozenset[str]:
    """The sources of the series that a meter reads, or of the events that it counts and that came about lately."""
    if meter.source.metric is not None:
        return frozenset(read_by(view, meter).sources)
    return frozenset(origin for origin, _, _ in _events(view, meter, now_us - LATELY_US, now_us + LATELY_US))


def tenants_behind(
    view: View, meter: Meter, accounts: Accounts, start_us: int, end_us: int
) -> Mapping[str, frozenset[str]]:
    """The sources that the usage of each tenant in [start, end) stands on, silent ones included, by tenant."""
    told = _series if meter.source.metric is not None else _events
    since = {source: _since(accounts, source, start_us) for source in accounts.sources}
    found: dict[str, set[str]] = {}
    for source, tenant, last_us in told(view, meter, max(min([start_us, *since.values()]), EARLIEST_US), end_us):
        if last_us >= since.get(source, start_us):
            found.setdefault(tenant, set()).add(source)
    return {tenant: frozenset(found[tenant]) for tenant in sorted(found)}


def _since(accounts: Accounts, source: str, start_us: int) -> int:
    """How far back whoever told of something on behalf of a tenant is still expected to watch in a period."""
    watermark_us = accounts.watermark(source)
    assert watermark_us is not None
    if accounts.state(source) == "ended":
        return start_us
    return max(min(start_us, watermark_us) - LATELY_US, start_us - _SILENCE_US_MAX)


def _series(view: View, meter: Meter, start_us: int, end_us: int) -> Iterator[tuple[str, str, int]]:
    """(source, tenant, last time in the range) of every assignment that had samples, or whose series had, while it was in force."""
    chosen = read_by(view, meter)
    last = samples.last(view, chosen.ids, start_us, end_us)
    codes = np.searchsorted(chosen.ids, last["series_id"].to_numpy())
    for code, last_us in zip(codes.tolist(), last["last_us"].to_pylist(), strict=True):
        history = chosen.history(code)
        ends = [since_us for since_us, _ in history[1:]] + [end_us]
        for number, ((since_us, key), until_us) in enumerate(zip(history, ends, strict=True)):
            # What is older than the first assignment belongs to the first.
            begin_us = since_us if number else EVER
            if begin_us < end_us and until_us > start_us and begin_us <= last_us:
                yield chosen.sources[code], key.tenant, min(last_us, until_us - 1)


def _events(view: View, meter: Meter, start_us: int, end_us: int) -> Iterator[tuple[str, str, int]]:
    """(origin, tenant, end of a day that lies in the range or meets it) of the events that the filter lets through."""
    for origin, tenant, day_us in sorted(tellers(view, meter, start_us, end_us)):
        yield origin, tenant, min(day_us + DAY_US, end_us) - 1
