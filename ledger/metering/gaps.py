"""What was missing of the hour that was closed last: by source, and by meter over the sources behind it.

This is how much was expected to be observed and was not, as the book says at the time of asking, whoever is to blame: an agent that is gone,
one whose spool waits for the ledger, a source that fails. What comes later fills it, and by then another hour is the last.

Whoever fell silent long ago is not held against the hour any more. Metering goes on to expect it; but nobody learns anything by being told
every day of an agent that is not to come back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ledger.directory.catalog import Catalog
from ledger.directory.meter import Meter
from ledger.journal.view import View
from ledger.metering.booking import meter_versions
from ledger.metering.observation import Observation
from ledger.metering.sources import sources_behind
from meterbook.wire.instants import DAY_US, HOUR_US

#: For how long a source that is silent is told of.
SILENCE_US_MAX = 7 * DAY_US


@dataclass(frozen=True)
class Gaps:
    """Microseconds of [start_us, end_us): what each source lacks, where it does, and what each meter's sources lack and should have."""

    start_us: int
    end_us: int
    sources: Mapping[str, int]
    meters: Mapping[str, tuple[int, int]]


def gaps(view: View, catalog: Catalog, now_us: int, lateness_us: int) -> Gaps:
    """The gaps of the last full hour that ended ``lateness_us`` before ``now_us`` or earlier."""
    end_us = (now_us - lateness_us) // HOUR_US * HOUR_US
    start_us = end_us - HOUR_US
    observation = Observation(view, start_us, end_us, now_us)
    looked_at = {}
    for source in observation.sources:
        watermark_us = observation.accounts.watermark(source)
        if watermark_us is not None and watermark_us > now_us - SILENCE_US_MAX:
            observed_us, expected_us = observation.between(source, start_us, end_us)
            looked_at[source] = expected_us - observed_us, expected_us
    meters = {}
    for name in catalog.names("meter"):
        if (meter := _holding(catalog, name, start_us)) is not None:
            behind = [looked_at[source] for source in sources_behind(view, meter, end_us) if source in looked_at]
            meters[name] = sum(missing for missing, _ in behind), sum(expected for _, expected in behind)
    missing = {source: missing_us for source, (missing_us, _) in looked_at.items() if missing_us}
    return Gaps(start_us, end_us, missing, meters)


def _holding(catalog: Catalog, name: str, time_us: int) -> Meter | None:
    """The meter as it holds at a time."""
    versions = meter_versions(catalog, name)
    return next((each.meter for each in versions if each.start_us <= time_us < each.end_us), None)
