"""When the windows of a meter are closed: when nothing that belongs to them is waited for any more.

Every source has a *watermark*: the end of its last coverage record, wherever gaps lie before it. An agent sends in order, so what it
has told nothing of when it tells of a later time it will not tell of; a gap is a gap, and whoever fills it later, such as another
agent, makes a correction. A source is accounted for up to its watermark whether what it says is good or bad: that something
failed is an account, too.

A window is closed when every source behind the meter has its watermark at the window's end or beyond, or when the *allowed lateness*
has passed since that end, whichever comes first. Of the sources

* one that has *ended*, since its agent goes on and tells of it no more, is not waited for;
* one whose watermark lies further back than the allowed lateness has fallen silent, or is catching up, and has had its time: it is
  not waited for either, until it is back;
* one that is never accounted for, such as a program that sends events itself, has no watermark: with it, lateness alone decides,
  and so it does where nobody is left to be waited for.

To close early is never wrong, only less often right at first: what comes later is booked as a difference.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.directory.meter import Meter
from ledger.journal.view import View
from ledger.metering.observation import Accounts
from ledger.metering.sources import sources_behind
from meterbook.wire.instants import SECOND_US


@dataclass(frozen=True)
class Awaited:
    """A source that is waited for; ``watermark_us`` is None where it is never accounted for."""

    source: str
    watermark_us: int | None


@dataclass(frozen=True)
class Closing:
    """Windows of a meter that end by ``until_us`` are closed. ``awaited`` are the sources that are waited for, the latest first."""

    until_us: int
    awaited: tuple[Awaited, ...]


def closing(view: View, meter: Meter, now_us: int, lateness_us: int) -> Closing:
    """How far the windows of a meter are closed at ``now_us``; ``lateness_us`` is allowed where the meter itself says nothing."""
    given_up_us = now_us - allowed_us(meter, lateness_us)
    accounts, awaited = Accounts(view, now_us), []
    for source in sorted(sources_behind(view, meter, now_us)):
        watermark_us = accounts.watermark(source)
        if watermark_us is None or (watermark_us > given_up_us and accounts.state(source) != "ended"):
            awaited.append(Awaited(source, watermark_us))
    marks = [given_up_us if each.watermark_us is None else each.watermark_us for each in awaited]
    until_us = min([now_us, *marks]) if marks else given_up_us
    return Closing(until_us, tuple(sorted(awaited, key=lambda each: (each.watermark_us or 0, each.source))))


def allowed_us(meter: Meter, lateness_us: int) -> int:
    """How long a window of the meter waits after its end at the most, in microseconds."""
    return lateness_us if meter.lateness_s is None else meter.lateness_s * SECOND_US
