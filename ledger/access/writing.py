"""What an agent may write: its own chain, and in it only the tenants and sources that it was granted. Operators bring bills, of any source.

The columns of a batch are checked by their distinct values. That alone would not keep tenants apart: a sample bears no tenant,
only the number of a series, and numbers can be made up. So of an agent that may not write everything two more things are
demanded: the number of a series is the one that its parts give, source included; and samples belong to series that the agent
itself has defined in this epoch. What is not granted refuses the batch whole: the chain waits, and nothing is lost.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from ledger.access.policy import STREAM, Denied, Subject, allow, brings_bills_alone, writable_tenants
from ledger.access.register import Session
from meterbook.intake.v1 import intake_pb2
from meterbook.wire.sections import Sections
from meterbook.wire.series import Series

#: Series that an agent defined in an epoch so far: columns series_id, source, tenant.
Defined = Callable[[str, int], pa.Table]

#: The sections of which a bill is made.
_BILLS = frozenset({"charges", "bills"})

_TENANTS = (("series", "tenant"), ("events", "tenant"))
_SOURCES = (
    ("series", "source"),
    ("events", "origin"),
    ("coverage", "source"),
    ("dead_letters", "source"),
    ("charges", "source"),
    ("bills", "source"),
)


class Writer:
    """One stream's leave to write. Its batches are checked one after the other."""

    def __init__(self, session: Session, defined: Defined) -> None:
        self._session, self._defined = session, defined
        self._tenants, self._sources = writable_tenants(session.caller), session.caller.sources
        self._chain = ("", 0)
        self._ids: np.ndarray | None = None

    def greet(self, hello: intake_pb2.Hello) -> None:
        """Raises Denied where the agent is another than the caller."""
        allow(self._session.caller, STREAM, Subject(agent=hello.agent))
        self._chain = (hello.agent, hello.epoch)

    @property
    def may_write_everything(self) -> bool:
        """Whether what is in a batch makes no difference."""
        return self._tenants.allows_everything and self._sources.allows_everything

    def still_stands(self) -> None:
        """Raises Denied where the caller was shut out since it came."""
        self._session.still_stands()

    def check(self, content: Sections, used_ids: np.ndarray) -> None:
        """Raises Denied naming what is not granted; JournalError where that cannot be told just now.

        ``used_ids`` are the series of the samples, each once; the samples themselves are not looked at.
        """
        if self.may_write_everything:
            return
        tables = content.tables()
        if brings_bills_alone(self._session.caller):
            other = next((name for name, table in tables.items() if table.num_rows and name not in _BILLS), None)
            other = "samples" if len(used_ids) else other
            if other is not None:
                raise Denied(f"{self._session.caller} may bring bills, and the batch has {other}: that takes an agent")
            return
        for columns, granted, what in ((_TENANTS, self._tenants, "tenant"), (_SOURCES, self._sources, "source")):
            for section, column in columns:
                refused = granted.first_refused(tables[section][column])
                if refused is not None:
                    raise Denied(
                        f"{self._session.caller} was not granted {what} {refused[:80]!r}, which {section}.{column} has: "
                        "invite the agent anew with that grant, or mend its tags"
                    )
        self._check_numbers(content.series)
        self._check_samples(content.series, used_ids)

    def _check_numbers(self, series: pa.Table) -> None:
        """Row by row, since each is a hash of its own; but every series is defined only once in an epoch."""
        columns = [series[name].to_pylist() for name in ("source", "metric", "kind", "unit", "labels", "attributes")]
        columns.append(series["start"].cast(pa.int64()).to_pylist())
        numbers = zip(series["series_id"].to_pylist(), series["identity"].to_pylist(), strict=True)
        for (series_id, identity), *parts in zip(numbers, *columns, strict=True):
            genuine = Series(*parts)
            if (genuine.series_id, genuine.identity) != (series_id, identity):
                raise Denied(
                    f"{self._session.caller} calls a series of source {genuine.source[:80]!r} {series_id}, but its parts "
                    f"give {genuine.series_id}: number series as meterbook.wire.series says"
                )

    def _check_samples(self, series: pa.Table, used: np.ndarray) -> None:
        if self._ids is None:
            self._ids = self._own(self._defined(*self._chain))
        if series.num_rows:
            self._ids = np.union1d(self._ids, series["series_id"].to_numpy())
        strange = used[~np.isin(used, self._ids)]
        if len(strange):
            raise Denied(
                f"{self._session.caller} has not defined series {strange[0]} in epoch {self._chain[1]}, which "
                "samples.series_id has: define a series before its samples"
            )

    def _own(self, defined: pa.Table) -> np.ndarray:
        """The ids of series that were defined with nothing but what is granted now."""
        if defined.num_rows == 0:
            return np.zeros(0, dtype=np.int64)
        refused = np.zeros(defined.num_rows, dtype=bool)
        for column, granted in (("tenant", self._tenants), ("source", self._sources)):
            refused |= ~np.asarray(granted.mask(defined[column]), dtype=bool)
        ids = defined["series_id"].to_numpy()
        return np.setdiff1d(ids, ids[refused])
