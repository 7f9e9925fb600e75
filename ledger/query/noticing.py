"""Noticing: of a snapshot, write down the thresholds that were reached and that no notice tells of yet.

Two replicas may look at the same time. Each has read all notices before it writes one, and the chain of notices takes a record only
behind the last: whoever comes second reads again, and finds that there is nothing left to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future

from ledger.billing.entitlement import Right
from ledger.billing.notices import NOTICES_CHAIN, REACHED, Notice, notices
from ledger.journal.journal import Journal
from ledger.journal.overtaken import until_first
from ledger.journal.record import Head, Kind, follow
from ledger.journal.view import View
from ledger.query.allowances import Snapshot
from ledger.query.entitled import unit_of
from meterbook.wire.instants import DAY_US

#: Notices that are on their way to the disk together.
_TOGETHER = 500


class Noticer:
    """Writes notices into a journal. Not safe for threads."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        #: Ids of the notices of periods that go on, with the ends of these.
        self._known: dict[str, int] = {}
        self._read = 0
        self._seen: Snapshot | None = None

    def look(self, snapshot: Snapshot) -> int:
        """Write what is to be said of a snapshot; gives how many notices that were. Raises JournalError."""
        candidates = list(self._candidates(snapshot))
        written = until_first(lambda: self._write(candidates)) if candidates else 0
        self._seen = snapshot
        self._known = {each: end_us for each, end_us in self._known.items() if end_us > snapshot.at_us - DAY_US}
        return written

    def _candidates(self, snapshot: Snapshot) -> Iterator[Notice]:
        """Thresholds that are reached, known or not, of whoever used something since the last snapshot."""
        seen = self._seen
        for (tenant, feature), used in snapshot.used.items():
            rights = snapshot.rights[tenant]
            right = rights.by_name[feature]
            if not right.feature.thresholds or right.limit is None:
                continue
            if seen is not None and seen.rights.get(tenant) is rights and seen.used.get((tenant, feature)) == used:
                continue
            for threshold in snapshot.judged(tenant, right).reached:
                yield _notice(snapshot, tenant, right, threshold)

    def _write(self, candidates: list[Notice]) -> int:
        if self._journal.log.head(NOTICES_CHAIN).position > self._read:
            self._learn()
        fresh = [each for each in candidates if each.id not in self._known]
        if not fresh:
            return 0
        view = self._learn()
        fresh = [each for each in fresh if each.id not in self._known]
        head = self._journal.head(NOTICES_CHAIN, view)
        for place in range(0, len(fresh), _TOGETHER):
            head = self._append(head, fresh[place : place + _TOGETHER])
        return len(fresh)

    def _append(self, head: Head, fresh: list[Notice]) -> Head:
        waiting: list[tuple[Notice, Head, Future[int]]] = []
        for each in fresh:
            draft = follow(Kind.ACT, NOTICES_CHAIN, head, each.record().SerializeToString())
            head = Head(draft.sequence, draft.hash, 0)
            waiting.append((each, head, self._journal.append(draft)))
        for each, written, position in waiting:
            # Where one was overtaken, so are all that follow it.
            head = written._replace(position=position.result())
            self._known[each.id] = each.period.end_us
            self._read = head.position
        return head

    def _learn(self) -> View:
        view = self._journal.view()
        for each in notices(view.acts(self._read, (REACHED,)).to_pylist()):
            self._known[each.id] = each.period.end_us
        self._read = view.position
        return view


def _notice(snapshot: Snapshot, tenant: str, right: Right, threshold: int) -> Notice:
    assert right.limit is not None and right.period is not None and right.feature.meter is not None
    rights = snapshot.rights[tenant]
    return Notice(
        tenant=tenant,
        feature=right.feature.name,
        title=right.feature.shown,
        threshold=threshold,
        limit=right.limit,
        used=snapshot.used[tenant, right.feature.name],
        meter=right.feature.meter,
        unit=unit_of(snapshot.catalog, right.feature.meter),
        kind=right.feature.kind,
        period=right.period,
        subscription=rights.subscription,
        plan=rights.plan,
        at_position=snapshot.position,
        reached_us=snapshot.counted_us,
    )
