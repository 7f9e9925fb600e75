"""The client's own count: what was made for each tenant, and which values each scrape was served.

The ledger is held to it. Events count once each, however often their lines were written. Of a counter the ledger can know
what was served, so its increase is the value served last less the one served first, instance by instance.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Mapping
from decimal import Decimal
from http.server import BaseHTTPRequestHandler

from tests.fakes.http_target import page

#: (meter, tenant) -> quantity
Quantities = Mapping[tuple[str, str], Decimal]

TENANTS = ("acme", "globex", "initech")
EVENT_TYPE = "usage.made"
METRIC = "work_total"
EVENTS, VALUES, WORK = "events", "values", "work"


class Tally:
    """Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: Counter[str] = Counter()
        self._values: defaultdict[str, Decimal] = defaultdict(Decimal)
        self._work: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._first: dict[str, Counter[str]] = {}
        self._last: dict[str, Counter[str]] = {}
        self.duplicates = 0
        self.scrapes = 0

    @property
    def events(self) -> int:
        """How many there are, duplicates left out."""
        return self._events.total()

    def event(self, tenant: str, value: Decimal) -> None:
        """An event was made, and its line written."""
        with self._lock:
            self._events[tenant] += 1
            self._values[tenant] += value

    def duplicate(self) -> None:
        """The line of an event that was counted was written again."""
        with self._lock:
            self.duplicates += 1

    def work(self, instance: str, tenant: str, amount: int) -> None:
        """A counter of a target goes up."""
        with self._lock:
            self._work[instance][tenant] += amount

    def serve(self, instance: str, handler: BaseHTTPRequestHandler) -> None:
        """Answer a scrape of a target, and keep in mind what it was told. Raises OSError where nobody hears it."""
        with self._lock:
            values = self._work[instance].copy()
        lines = [f'{METRIC}{{tenant="{tenant}"}} {value}\n' for tenant, value in sorted(values.items())]
        page("".join([f"# TYPE {METRIC} counter\n", *lines]).encode())(handler)
        with self._lock:
            self.scrapes += 1
            self._first.setdefault(instance, values)
            self._last[instance] = values

    def expected(self) -> Quantities:
        """What the ledger has to say."""
        with self._lock:
            found: dict[tuple[str, str], Decimal] = {}
            for tenant in self._events:
                found[EVENTS, tenant] = Decimal(self._events[tenant])
                found[VALUES, tenant] = self._values[tenant]
            for instance, last in self._last.items():
                for tenant, value in (last - self._first[instance]).items():
                    found[WORK, tenant] = found.get((WORK, tenant), Decimal()) + value
            return found


def differences(ours: Quantities, theirs: Quantities) -> list[str]:
    """A sentence for each quantity in which the two differ; a quantity that is not there is not zero."""
    return [
        f"{meter} of {tenant}: the client counted {ours.get((meter, tenant), 'nothing')}, "
        f"the ledger says {theirs.get((meter, tenant), 'nothing')}"
        for meter, tenant in sorted(ours.keys() | theirs.keys())
        if ours.get((meter, tenant)) != theirs.get((meter, tenant))
    ]
