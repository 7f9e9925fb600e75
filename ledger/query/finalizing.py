"""Finalizing: drafts become invoices, each once, numbered without gaps.

A record follows the last invoice of its series, having read it: of two who finalize at the same time one is overtaken, reads the book again, and finds what
the other one did. So the number of an invoice is its place in its chain, and nobody hands numbers out.

Many invoices are made of one reading of the book, one for each tenant at most, because the credits of a tenant are drawn by all of its subscriptions; the
next ones are made of a book that has those in it. What is in the book when a run is killed is final, and the next run goes on behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, field
from uuid import uuid4

from ledger.billing.closes import OBSTACLES_MAX
from ledger.billing.cycles import Account, Cycle, NoPrice
from ledger.billing.drafting import remembers
from ledger.billing.invoice import Invoice
from ledger.billing.terms import accounts
from ledger.directory.tenant import Tenant
from ledger.journal.errors import Overtaken
from ledger.journal.journal import Journal
from ledger.journal.overtaken import TRIES, until_first
from ledger.journal.record import Head, Kind, follow, invoices_chain
from ledger.metering.booking import Booker
from ledger.metering.gate import Obstacle
from ledger.query.desks import UNDRAFTABLE, Desks, Past, said
from ledger.query.drafts import all_drafted, record_of
from ledger.query.dues import Job, Key, check, wanted
from ledger.query.gates import Gates
from ledger.query.invoices import head_of, head_of_row, identity
from ledger.query.periods import obstacle_of
from ledger.query.questions import BadQuestion, Book
from meterbook.ledger.v1 import invoicing_pb2, journal_pb2
from meterbook.wire import instants

FINALIZED, ALREADY, REFUSED, NOTHING = "finalized", "already", "refused", "nothing"
_TEXT_LENGTH_MAX = 1_000
#: Invoices that are on their way to the log at once.
_AHEAD_MAX = 200


@dataclass
class _Progress:
    """How far a run is: the drafts of which was told, and the subscriptions whose later ones wait for one that was refused."""

    told: set[Key] = field(default_factory=set)
    stopped: set[tuple[str, str]] = field(default_factory=set)

    def refused(self, job: Job) -> None:
        """What comes after a billing period waits for it."""
        self.told.add(job.key)
        self.stopped.add(job.key[:2])


@dataclass(frozen=True)
class _Signed:
    """Who finalizes."""

    author: str
    caller: str
    reason: str
    is_forced: bool


class Finalizer:
    """Finalizes drafts of a journal. ``lateness_us`` is allowed where a meter itself says nothing."""

    def __init__(
        self, journal: Journal, booker: Booker, lateness_us: int, clock_us: Callable[[], int] = instants.now_us
    ) -> None:
        self._journal, self._booker = journal, booker
        self._lateness_us, self._clock_us = lateness_us, clock_us

    def finalize(self, request: invoicing_pb2.FinalizeRequest, caller: str) -> Iterator[invoicing_pb2.FinalizeResponse]:
        """What becomes of each draft, as it becomes so. Raises BadQuestion, JournalError."""
        signed = _signed(request.author, caller, request.reason, is_forced=request.force)
        check(request)
        until_first(lambda: self._booker.book_closed(self._clock_us(), self._lateness_us))
        progress, tries, past = _Progress(), TRIES, Past(set(request.tenants))
        while True:
            book = Book.at(self._journal, 0)
            gates = Gates(book, self._clock_us(), self._lateness_us)
            tenants = book.tenants(request.tenants) or set(book.catalog.names("tenant"))
            desks = Desks(book, book.tenants(request.tenants), past=past)
            round_ = _Round(self._journal, book, desks, gates, signed, self._clock_us)
            jobs = [job for tenant in sorted(tenants) if (job := self._next(request, book, tenant, progress, round_))]
            try:
                yield from round_.write(jobs, progress)
            except Overtaken:
                tries -= 1
                if not tries:
                    raise
            yield from round_.answers
            if not jobs:
                return

    def correct(self, request: invoicing_pb2.CorrectRequest, caller: str) -> invoicing_pb2.CorrectResponse:
        """What a subscription's invoices should have been besides what they are. Raises BadQuestion, JournalError."""
        signed = _signed(request.author, caller, request.reason, is_forced=False)
        if not request.reason.strip():
            raise BadQuestion("reason: say why the invoices are corrected before the next one")
        until_first(lambda: self._booker.book_closed(self._clock_us(), self._lateness_us))

        def once() -> invoicing_pb2.CorrectResponse:
            book = Book.at(self._journal, 0)
            book.tenants([request.tenant])
            desks = Desks(book, {request.tenant})
            account = _account(book, request.tenant, request.subscription)
            try:
                made = desks.desk(account).corrections()
            except UNDRAFTABLE as error:
                raise BadQuestion(f"subscription: {request.subscription!r} cannot be charged: {said(error)}") from error
            if made is None:
                return invoicing_pb2.CorrectResponse(outcome=NOTHING)
            round_ = _Round(self._journal, book, desks, Gates(book, 0, 0), signed, self._clock_us)
            return invoicing_pb2.CorrectResponse(outcome=FINALIZED, invoice=round_.one(made))

        return until_first(once)

    def _next(
        self,
        request: invoicing_pb2.FinalizeRequest,
        book: Book,
        tenant: str,
        progress: _Progress,
        round_: _Round,
    ) -> Job | None:
        """The next draft of a tenant that is to be finalized, after what is not has been told of."""
        for account in sorted(accounts(book.catalog, tenant), key=lambda each: each.bounds[0]):
            for job in wanted(request, account, self._clock_us()):
                if job.key[:2] in progress.stopped:
                    break
                if job.key in progress.told:
                    continue
                if round_.is_done(job, is_asked=bool(request.at)):
                    progress.told.add(job.key)
                elif round_.is_ready(job):
                    return job
                else:
                    progress.refused(job)
        return None


class _Round:
    """The invoices that are made of one reading of the book, one for each tenant at most."""

    def __init__(
        self,
        journal: Journal,
        book: Book,
        desks: Desks,
        gates: Gates,
        signed: _Signed,
        clock_us: Callable[[], int],
    ) -> None:
        self._journal, self._book, self._desks, self._gates = journal, book, desks, gates
        self._signed, self._clock_us = signed, clock_us
        self._heads: dict[str, Head] = {}
        self._run = uuid4().hex
        self.answers: list[invoicing_pb2.FinalizeResponse] = []

    def is_done(self, job: Job, *, is_asked: bool) -> bool:
        """Whether a draft is an invoice already; an answer says so where somebody asked for it."""
        done = self._done(job)
        if done is not None and (is_asked or job.cycle is None):
            self._tell(job, ALREADY, invoice=done)
        return done is not None

    def is_ready(self, job: Job) -> bool:
        """Whether a draft can be finalized; where not, an answer says why."""
        account, cycle = job.account, job.cycle
        if cycle is None:
            return True
        if (before := self._missing_before(account, cycle)) is not None:
            self._tell(
                job, REFUSED, f"the billing period before it, {before.period}, is not finalized; finalize that first"
            )
            return False
        try:
            parts = account.parts(cycle)
        except NoPrice as error:
            self._tell(job, REFUSED, str(error))
            return False
        meters = frozenset[str]().union(*(part.plan.meters for part in parts if not part.free))
        obstacles = self._gates.obstacles(account.tenant, cycle.period, meters)
        if obstacles and not self._signed.is_forced:
            what = f"{len(obstacles)} obstacles are in the way; see to them, or finalize by force and say why"
            self._tell(job, REFUSED, what, obstacles=obstacles)
            return False
        return True

    def write(self, jobs: Sequence[Job], progress: _Progress) -> Iterator[invoicing_pb2.FinalizeResponse]:
        """Finalize, and tell of each once it is durable. Raises Overtaken where another run was first in a series."""
        waiting: list[tuple[Job, journal_pb2.InvoiceRecord, Future[int]]] = []
        overtaken: list[Overtaken] = []

        def settled(most: int) -> Iterator[invoicing_pb2.FinalizeResponse]:
            while len(waiting) > most:
                job, record, future = waiting.pop(0)
                try:
                    head = head_of(record, future.result())
                except Overtaken as error:
                    # Invoices of another series may stand all the same, and are told of.
                    overtaken.append(error)
                    continue
                progress.told.add(job.key)
                yield self._answer(job, FINALIZED, invoice=head)

        with closing(all_drafted(self._journal.tables, self._desks, jobs)) as drafts:
            for job, made in zip(jobs, drafts, strict=True):
                if made.record is None:
                    self._tell(job, REFUSED if made.reason else NOTHING, made.reason or "nothing is billed in advance")
                    progress.refused(job)
                    continue
                try:
                    record, future = self._append(made.record)
                except Overtaken as error:
                    overtaken.append(error)
                    continue
                waiting.append((job, record, future))
                yield from settled(_AHEAD_MAX)
        yield from settled(0)
        if overtaken:
            raise overtaken[0]

    def one(self, made: Invoice) -> invoicing_pb2.InvoiceHead:
        """Finalize one. Raises Overtaken."""
        record, future = self._append(record_of(made))
        return head_of(record, future.result())

    def _append(self, record: journal_pb2.InvoiceRecord) -> tuple[journal_pb2.InvoiceRecord, Future[int]]:
        """Number it, and send it to the log."""
        series = _series(self._book, record.tenant)
        chain = invoices_chain(series)
        head = self._heads.get(series) or self._journal.head(chain, self._book.view)
        record.MergeFrom(
            journal_pb2.InvoiceRecord(
                series=series,
                number=head.sequence + 1,
                id=identity(series, head.sequence + 1),
                author=self._signed.author,
                caller=self._signed.caller,
                finalized_us=self._clock_us(),
                run=self._run,
            )
        )
        draft = follow(Kind.INVOICE, chain, head, record.SerializeToString())
        self._heads[series] = Head(draft.sequence, draft.hash, 0)
        return record, self._journal.append(draft)

    def _done(self, job: Job) -> invoicing_pb2.InvoiceHead | None:
        basis = "opening" if job.cycle is None else "cycle"
        start_us = end_us = job.account.bounds[0]
        if job.cycle is not None:
            start_us, end_us = job.cycle.period.start_us, job.cycle.period.end_us
        for each in reversed(self._desks.past(job.account.tenant)):
            made = each.invoice
            # A cycle that was made longer since, by a plan of another length, is billed as what it is now.
            if (made.subscription, made.basis, made.billed.start_us) == (job.account.name, basis, start_us):
                return head_of_row(self._desks.row(each.id)) if made.billed.end_us >= end_us else None
        return None

    def _missing_before(self, account: Account, cycle: Cycle) -> Cycle | None:
        """The cycle before, where it had to be finalized first and was not."""
        before = account.before(cycle)
        own = [
            each.invoice.billed.start_us
            for each in self._desks.past(account.tenant)
            if each.invoice.subscription == account.name and each.invoice.basis == "cycle"
        ]
        if before is None or before.period.start_us in own:
            return None
        # Who begins to bill in the middle of a subscription may, where no cycle depends on those before it.
        return before if own or remembers(account) else None

    def _tell(
        self,
        job: Job,
        outcome: str,
        reason: str = "",
        *,
        invoice: invoicing_pb2.InvoiceHead | None = None,
        obstacles: Sequence[Obstacle] = (),
    ) -> None:
        self.answers.append(self._answer(job, outcome, reason, invoice=invoice, obstacles=obstacles))

    @staticmethod
    def _answer(
        job: Job,
        outcome: str,
        reason: str = "",
        *,
        invoice: invoicing_pb2.InvoiceHead | None = None,
        obstacles: Sequence[Obstacle] = (),
    ) -> invoicing_pb2.FinalizeResponse:
        return invoicing_pb2.FinalizeResponse(
            outcome=outcome,
            tenant=job.account.tenant,
            subscription=job.account.name,
            invoice=invoice,
            reason=reason,
            obstacles=[obstacle_of(each) for each in obstacles[:OBSTACLES_MAX]],
            obstacles_total=len(obstacles),
        )


def _account(book: Book, tenant: str, name: str) -> Account:
    known = {each.name: each for each in accounts(book.catalog, tenant)}
    if name not in known:
        raise BadQuestion(f"subscription: {tenant!r} has no subscription {name!r}; it has {', '.join(known) or 'none'}")
    return known[name]


def _series(book: Book, tenant: str) -> str:
    versions = book.catalog.versions("tenant", tenant)
    newest = versions[-1].spec if versions else None
    return newest.series if isinstance(newest, Tenant) else "INV"


def _signed(author: str, caller: str, reason: str, *, is_forced: bool) -> _Signed:
    if not author:
        raise BadQuestion("author: say who finalizes")
    for name, text in (("author", author), ("reason", reason)):
        if len(text) > _TEXT_LENGTH_MAX:
            raise BadQuestion(f"{name}: has more than {_TEXT_LENGTH_MAX} characters; say it in fewer")
    if is_forced and not reason.strip():
        raise BadQuestion("reason: say why it is finalized by force")
    return _Signed(author, caller, reason.strip(), is_forced)
