"""What plans that nobody applied yet would change, as the wire gives it: for whom, and what past usage would have come to.

A manifest is held to all that applying it would be held to, and refused with the same faults; then it is compared, and never written.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from ledger.billing.simulating import DIMENSIONS, Compared, Dimension, compared
from ledger.directory.applying import Application, plan_changes
from ledger.directory.candidates import applied, throughout
from ledger.directory.catalog import Catalog
from ledger.directory.documents import Document
from ledger.directory.manifest import parse_manifests
from ledger.directory.meter import Meter
from ledger.directory.plan import Plan
from ledger.journal.journal import Journal
from ledger.query.applying import refused
from ledger.query.planchange import plan_change
from ledger.query.questions import BadQuestion, Book, suggestion
from ledger.query.rerating import Rerating, TriedPieces
from meterbook.ledger.v1 import admin_pb2, planning_pb2
from meterbook.wire import instants

_NAMED_DEFAULT, _NAMED_MAX = 100, 10_000
_ROWS_DEFAULT, _ROWS_MAX = 1_000, 100_000
_PROBLEMS_MAX = 50


def answer_diff(journal: Journal, request: planning_pb2.DiffRequest) -> planning_pb2.DiffResponse:
    """What becomes of every document, and whom its plans reach. Raises BadQuestion, JournalError."""
    limit = _limit(request.limit, _NAMED_DEFAULT, _NAMED_MAX)
    book = Book.at(journal, request.as_of)
    documents, found = _checked(book, request.manifests)
    after = applied(book.catalog, found.versions)
    problems: list[str] = []
    plans = [
        plan_change(book, after, document, change, limit, problems)
        for document, change in zip(documents, found.changes, strict=True)
        if document.kind == "plan"
    ]
    return planning_pb2.DiffResponse(
        as_of=book.view.position,
        changes=[admin_pb2.Change(**vars(each)) for each in found.changes],
        plans=plans,
        problems=_first(problems),
        notes=[] if plans else ["there is no plan in these files"],
    )


def answer_simulate(journal: Journal, request: planning_pb2.SimulateRequest) -> planning_pb2.SimulateResponse:
    """Both sides of every billing period that begins in the period asked for. Raises BadQuestion, JournalError."""
    limit = _limit(request.limit, _ROWS_DEFAULT, _ROWS_MAX)
    by = _dimensions(request.by)
    book = Book.at(journal, request.as_of)
    documents, _ = _checked(book, request.manifests)
    plans, notes = _candidates(documents)
    replaced = _replaced(book.catalog, plans, request.plans)
    changed = {*plans, *replaced}
    if not changed:
        raise BadQuestion(
            "manifests: there is no plan to rate by; give a file with one, or replace one plan by another"
        )
    tenants = book.tenants(request.tenants)
    # What the book has is measured as the book has it: another definition of it would change the side of today, too.
    new = {
        each.name: each.spec
        for each in documents
        if isinstance(each.spec, Meter) and not book.catalog.versions("meter", each.name)
    }
    then = throughout(book.catalog, plans, replaced)
    rerating = Rerating(book, then, changed, TriedPieces(book, tenants, new))
    rerating.rate(request.period, tenants)
    rows = compared(rerating.pairs, by)
    problems, told = _told(book, rerating, new, request.tenants, request.period)
    return planning_pb2.SimulateResponse(
        as_of=book.view.position,
        rows=[_row(each) for each in rows[:limit]],
        rows_total=len(rows),
        totals=[_row(each) for each in sorted(compared(rerating.pairs, ()), key=lambda each: each.currency)],
        rated=len(rerating.pairs),
        problems=_first([*problems, *rerating.problems]),
        notes=[*notes, *told],
    )


def _checked(book: Book, manifests: Iterable[admin_pb2.Manifest]) -> tuple[Sequence[Document], Application]:
    """The documents, and what applying them would do. Raises BadQuestion with every fault, each with its place."""
    manifest = parse_manifests((each.name, each.text) for each in manifests)
    if manifest.faults:
        raise refused(manifest.faults)
    found = plan_changes(book.catalog, manifest.documents)
    if found.faults:
        raise refused(found.faults)
    return manifest.documents, found


def _candidates(documents: Sequence[Document]) -> tuple[dict[str, Plan], list[str]]:
    """The plan of each name that is rated by, and what of the documents takes no part."""
    dated: dict[str, list[Document]] = {}
    for each in documents:
        if each.kind == "plan":
            dated.setdefault(each.name, []).append(each)
    plans: dict[str, Plan] = {}
    notes = []
    for name, found in dated.items():
        newest = max(found, key=lambda each: each.effective_from_us)
        assert isinstance(newest.spec, Plan)
        plans[name] = newest.spec
        if len(found) > 1:
            since = instants.text(newest.effective_from_us)
            notes.append(f"plan {name!r} has {len(found)} dates in these files; all is rated as it is from {since} on")
    others = sorted({each.kind for each in documents} - {"plan", "meter"})
    notes += [f"each {kind} in these files has no part in it: the book's hold" for kind in others]
    return plans, notes


def _replaced(
    catalog: Catalog, plans: Mapping[str, Plan], asked: Iterable[planning_pb2.PlanReplacement]
) -> dict[str, str]:
    """By which other plan each is rated. Raises BadQuestion."""
    known = sorted({*catalog.names("plan"), *plans})
    found: dict[str, str] = {}
    for each in asked:
        for name in (each.plan, each.other):
            if name not in known:
                raise BadQuestion(f"plans: there is no plan {name!r}; {suggestion(name, known)}")
        if found.setdefault(each.plan, each.other) != each.other:
            raise BadQuestion(
                f"plans: {each.plan!r} is to be rated as {found[each.plan]!r} and as {each.other!r}: name one"
            )
        one, two = (plans.get(name) or catalog.versions("plan", name)[-1].spec for name in (each.plan, each.other))
        assert isinstance(one, Plan) and isinstance(two, Plan)
        if (one.interval, one.anchor) != (two.interval, two.anchor):
            raise BadQuestion(
                f"plans: {each.plan!r} is billed by the {one.interval} from the {one.anchor}, {each.other!r} by the {two.interval} from the "
                f"{two.anchor}: billing periods that differ cannot be set side by side"
            )
    return found


def _told(
    book: Book, rerating: Rerating, new: Collection[str], asked: Collection[str], period: str
) -> tuple[list[str], list[str]]:
    """What makes the numbers less than the truth, and what is to be known of them."""
    problems, notes = [], []
    for meter, plan in sorted(rerating.meters.items()):
        if meter in rerating.used:
            continue
        if meter in new:
            problems.append(
                f"meter {meter!r} of plan {plan!r} is not in the book, and measures nothing of {period}: what goes by it is rated as if nobody used it"
            )
        elif not _was_ever_booked(book, meter):
            problems.append(
                f"meter {meter!r} of plan {plan!r} was never booked: what goes by it is rated as if nobody used it"
            )
        else:
            notes.append(f"nobody used anything of meter {meter!r} of plan {plan!r} in {period}")
    notes += [
        f"meter {meter!r} is not in the book: it was measured as these files define it"
        for meter in sorted(rerating.used.intersection(new))
    ]
    who = "none of these tenants" if asked else "nobody"
    notes += [
        f"{who} has a billing period on plan {plan!r} that begins in {period}: it changes nothing there"
        for plan in sorted(set(rerating.changed) - rerating.subscribed)
    ]
    rated = {each.now.tenant for each in rerating.pairs}
    left = rerating.unchanged - rated
    if asked:
        notes += [f"tenant {each!r} is on no plan that changes" for each in sorted(left)]
        absent = sorted(set(asked) - rated - left - rerating.failed)
        notes += [f"tenant {each!r} has no billing period that begins in {period}" for each in absent]
    elif left:
        notes.append(f"{len(left)} tenants are on plans that do not change, and are left out")
    open_ended = sum(1 for end_us in rerating.ends_us if end_us > book.view.time_us)
    if open_ended:
        notes.append(
            f"{open_ended} billing periods are not over at {instants.text(book.view.time_us)}: their usage is what there is so far"
        )
    return problems, notes


def _was_ever_booked(book: Book, meter: str) -> bool:
    sql = "SELECT 1 FROM entries WHERE meter = ? AND position <= ? LIMIT 1"
    return bool(book.view.tables.query(sql, [meter, book.view.position]).num_rows)


def _row(each: Compared) -> planning_pb2.SimulatedRow:
    # Money keeps the digits of its currency: 12.50 and not 12.5.
    numbers = {"now": each.now, "then": each.then, "difference": each.difference, "percent": each.percent}
    told = {name: "" if number is None else str(number) for name, number in numbers.items()}
    return planning_pb2.SimulatedRow(
        group={str(name): value for name, value in each.group.items()}, currency=each.currency, **told
    )


def _dimensions(asked: Iterable[str]) -> tuple[Dimension, ...]:
    by = tuple(dict.fromkeys(asked)) or ("tenant",)
    unknown = [name for name in by if name not in DIMENSIONS]
    if unknown:
        raise BadQuestion(f"by: {unknown[0]!r} is not one of {', '.join(DIMENSIONS)}")
    return by  # type: ignore[return-value]


def _limit(asked: int, default: int, most: int) -> int:
    limit = asked or default
    if not 0 < limit <= most:
        raise BadQuestion(f"limit: {limit} is not between 1 and {most}")
    return limit


def _first(sentences: Sequence[str]) -> list[str]:
    left = len(sentences) - _PROBLEMS_MAX
    return [*sentences[:_PROBLEMS_MAX], *([f"and {left} more"] if left > 0 else [])]
