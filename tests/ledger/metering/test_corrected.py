"""Whatever operators reassign and amend, and whenever: the book says what a plain reference says that knew all of it from the start."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from ledger.directory.meter import Meter
from ledger.directory.standing import catalog_of
from ledger.metering.answer import usage
from ledger.metering.booking import Booker
from ledger.metering.usage import Usage
from ledger.query.amending import Amender
from ledger.query.questions import BadQuestion
from meterbook.ledger.v1 import admin_pb2
from meterbook.wire import instants
from meterbook.wire.instants import DAY_US
from tests.fakes.journal import MemoryJournal, memory_journal
from tests.ledger.metering.histories import (
    BASE,
    END,
    MADE,
    METERS,
    MOMENTS,
    Batch,
    Booking,
    Player,
    Step,
    answered,
    histories,
    summed,
)
from tests.ledger.metering.readings import Accepted
from tests.ledger.metering.reference import measured

pytestmark = pytest.mark.slow

#: Long enough for quarters, and for a clock that goes on with every batch.
LONG_AGO, LATER = BASE - 100 * DAY_US, END + 20 * DAY_US
TENANTS = "---\n".join(f"kind: tenant\nname: {name}\nspec: {{}}\n" for name in ("acme", "blue", "green"))
MAKING = st.lists(st.sampled_from(sorted(MADE)), min_size=2, max_size=2, unique=True)
#: Conditions as the reference has them: a name and the values that it may have.
FILTERS: list[dict[str, list[str]]] = [{}, {"pod": ["p"]}, {"code": ["200"]}, {"shop": ["x", "y"]}, {"size": ["s"]}]

#: Why an amendment may be refused here: all others would be a mistake.
REFUSALS = ("there is no event", "nothing would change", "give at least one of")


@dataclass(frozen=True)
class Reassigning:
    """A version of a reassignment; ``until`` None for no end."""

    name: str
    to: str
    of: str
    names: dict[str, list[str]]
    source: str
    since: int
    until: int | None

    @property
    def manifest(self) -> str:
        spec: dict[str, Any] = {"to": self.to, "from": self.of, "filter": self.names, "reason": "so it is"}
        if self.source:
            spec["source"] = self.source
        if self.until is not None:
            spec["until"] = instants.text(self.until)
        since = f"effective_from: {instants.text(self.since)}\n" if self.since else ""
        return f"kind: reassignment\nname: {self.name}\n{since}spec: {json.dumps(spec)}\n"

    def holds(self, tenant: str, source: str, names: dict[str, str], at: int) -> bool:
        return (
            self.since <= at
            and (self.until is None or at < self.until)
            and self.of in ("", tenant)
            and self.source in ("", source)
            and all(names.get(name) in values for name, values in self.names.items())
        )


@dataclass(frozen=True)
class Amending:
    """What is asked of the event of an id."""

    ident: str
    value: Decimal | None = None
    tenant: str = ""
    time: int | None = None
    properties: dict[str, str] = field(default_factory=dict)
    void: bool = False

    @property
    def request(self) -> admin_pb2.AmendEventRequest:
        return admin_pb2.AmendEventRequest(
            source="shop",
            id=self.ident,
            value="" if self.value is None else f"{self.value:f}",
            tenant=self.tenant,
            time="" if self.time is None else instants.text(self.time),
            properties=self.properties,
            void=self.void,
            reason="so it is",
            author="ada",
        )


@st.composite
def reassignings(draw: st.DrawFn) -> Reassigning:
    to, of = draw(st.permutations(["acme", "blue", "green", "@shared", ""]).filter(lambda each: each[0]))[:2]
    since, until = draw(st.just(0) | MOMENTS), draw(st.none() | MOMENTS)
    names, source = draw(st.sampled_from(FILTERS)), draw(st.sampled_from(["", "", "kube/a"]))
    if not (of or names or source):
        of = "acme" if to != "acme" else "blue"
    return Reassigning(draw(st.sampled_from("xyz")), to, of, names, source, since, until and max(until, since))


@st.composite
def amendings(draw: st.DrawFn) -> Amending:
    ident = draw(st.sampled_from("abcdef"))
    if draw(st.integers(0, 4)) == 0:
        return Amending(ident, void=True)
    return Amending(
        ident,
        draw(st.none() | st.integers(-9, 9).map(Decimal)),
        draw(st.sampled_from(["", "acme", "blue", "@shared"])),
        draw(st.none() | MOMENTS),
        draw(st.sampled_from([{}, {}, {"shop": "x"}, {"size": "s", "weight": "3"}])),
    )


Corrected = Step | Reassigning | Amending


@st.composite
def corrected(draw: st.DrawFn) -> list[Corrected]:
    """A history with corrections anywhere in it."""
    steps: list[Corrected] = [*draw(histories(booked=False))]
    acts = st.one_of(reassignings(), amendings(), st.builds(Booking, st.just(None)))
    for act in draw(st.lists(acts, min_size=1, max_size=6)):
        steps.insert(draw(st.integers(0, len(steps))), act)
    return steps


@dataclass
class Corrector:
    """Plays histories with corrections, and keeps what the reference needs to know."""

    player: Player
    reassignings: list[Reassigning] = field(default_factory=list)
    amendings: list[Amending] = field(default_factory=list)
    versions: dict[str, int] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)

    def play(self, step: Corrected) -> None:
        if isinstance(step, Reassigning):
            # Recorded again it is the last word, behind all others.
            self.reassignings = [each for each in self.reassignings if each.name != step.name] + [step]
            self.versions[step.name] = self.versions.get(step.name, 0) + 1
            self.player.journal.define(step.manifest, self.versions)
        elif isinstance(step, Amending):
            try:
                if not Amender(self.player.journal).amend(step.request).repeated_before:  # type: ignore[arg-type]
                    self.amendings.append(step)
            except BadQuestion as error:
                self.refused.append(str(error))
        else:
            self.player.play(step)

    @property
    def rows(self) -> Accepted:
        """What agents should have sent, had they known."""
        accepted = self.player.accepted
        events: dict[tuple[str, str], dict[str, Any]] = {}
        for row in accepted.events:
            events.setdefault((row["source"], row["id"]), {**row, "void": False})
        for each in self.amendings:
            row = events["shop", each.ident]
            row["void"] = each.void
            row["value"] = row["value"] if each.value is None else each.value
            row["tenant"] = each.tenant or row["tenant"]
            row["time"] = row["time"] if each.time is None else each.time
            row["properties"] = json.dumps(json.loads(row["properties"]) | each.properties)
        kept = [row for row in events.values() if not row["void"]]
        for row in kept:
            row["tenant"] = self.owner(row["tenant"], row["origin"], json.loads(row["properties"]), row["time"])
        ids = {row["series_id"] for row in accepted.series}
        series = [new for number in sorted(ids) for new in self._rewritten(number)]
        return replace(accepted, events=kept, series=series)

    def owner(self, tenant: str, source: str, names: dict[str, str], at: int) -> str:
        for each in reversed(self.reassignings):
            if each.holds(tenant, source, names, at):
                return each.to
        return tenant

    def _rewritten(self, number: int) -> list[dict[str, Any]]:
        """Definitions of a series at every moment at which anything may change, each with whose it is from then on."""
        rows = [row for row in self.player.accepted.series if row["series_id"] == number]
        told = {row["since"]: row["tenant"] for row in rows}
        names = json.loads(rows[0]["attributes"]) | json.loads(rows[0]["labels"])
        # The reading of a counter tells of the time before it.
        late = 1 if rows[0]["kind"] == "counter" else 0
        ends = [each.until for each in self.reassignings if each.until is not None]
        moments = {-1, *told, *(at + late for at in [*ends, *(each.since for each in self.reassignings)])}
        found = []
        for at in sorted(moments):
            tenant = told[max((since for since in told if since <= at), default=min(told))]
            owner = self.owner(tenant, rows[0]["source"], names, max(at - late, -1))
            found.append({**rows[0], "tenant": owner, "since": at})
        return found


def answer(journal: MemoryJournal, position: int = 0) -> list[Usage]:
    view = journal.view(position)
    return usage(view, catalog_of(view), LONG_AGO, LATER, window="own")


def differing(rows: list[Usage], wanted: dict[tuple[Any, ...], Any]) -> dict[tuple[Any, ...], Any]:
    """Cells in which an answer is not what is wanted: what it is, and what was wanted."""
    found = answered(rows)
    pairs = {cell: (found.get(cell), wanted.get(cell)) for cell in found.keys() | wanted.keys()}
    return {cell: pair for cell, pair in pairs.items() if pair[0] != pair[1]}


def check(history: list[Corrected], meters: dict[str, str]) -> None:
    with memory_journal() as journal:
        corrector = Corrector(Player(journal, meters))
        journal.define(TENANTS)
        earlier: list[tuple[int, list[Usage]]] = []
        for step in history:
            if isinstance(step, Reassigning | Amending):
                earlier.append((len(journal.records), answer(journal)))
            corrector.play(step)
        assert all(any(each in said for each in REFUSALS) for said in corrector.refused), corrector.refused
        view = journal.view()
        expected = {}
        for name in meters:
            spec = catalog_of(view).versions("meter", name)[-1].spec
            assert isinstance(spec, Meter)
            expected[name] = measured(corrector.rows, spec, view.time_us)
        # Each cell by itself: windows are those of the meter.
        wanted = summed(expected, -(1 << 62), 1 << 62, 1)
        assert differing(answer(journal), wanted) == {}
        booker = Booker(journal)  # type: ignore[arg-type]
        booker.book()
        assert differing(answer(journal), wanted) == {}
        assert booker.book()[1] == 0
        for position, rows in earlier:
            assert answer(journal, position) == rows


@settings(max_examples=15)
@given(corrected())
def test_corrections_at_any_moment_give_what_was_meant_from_the_start(history: list[Corrected]) -> None:
    note(repr(history))
    check(history, METERS)


@settings(max_examples=15)
@given(corrected(), MAKING)
def test_so_they_do_of_every_aggregation(history: list[Corrected], making: list[str]) -> None:
    note(repr(history))
    check(history, {name: MADE[name] for name in making})


@settings(max_examples=8)
@given(corrected(), st.randoms(use_true_random=False))
def test_it_does_not_matter_whether_reassignments_or_usage_come_first(history: list[Corrected], random: Any) -> None:
    batches = [step for step in history if isinstance(step, Batch)]
    # Amendments need the event, and the clock goes on with batches: so only when it was reassigned changes.
    acts = [step for step in history if isinstance(step, Reassigning)]
    mixed: list[Corrected] = [*batches]
    place = 0
    for act in acts:
        place = random.randint(place, len(mixed))
        mixed.insert(place, act)
        place += 1
    answers = []
    for steps in ([*acts, *batches], [*batches, *acts], mixed):
        with memory_journal() as journal:
            corrector = Corrector(Player(journal))
            journal.define(TENANTS)
            for step in steps:
                corrector.play(step)
                if random.random() < 0.3:
                    corrector.player.booker.book()
            answers.append(answered(answer(journal)))
    assert answers[0] == answers[1] == answers[2]


@settings(max_examples=10)
@given(histories(booked=False), reassignings(), st.booleans())
def test_what_one_loses_another_gets_and_nobody_else_notices(
    history: list[Step], reassigning: Reassigning, is_booked: bool
) -> None:
    with memory_journal() as journal:
        # Additive ones: of those the parts of all tenants are the whole.
        corrector = Corrector(Player(journal, {name: METERS[name] for name in sorted(METERS)}))
        for step in history:
            corrector.play(step)
        if is_booked:
            corrector.player.booker.book()
        before = answer(journal)
        corrector.play(reassigning)
        after = answer(journal)

    def whole(rows: list[Usage]) -> dict[tuple[Any, ...], Decimal]:
        sums: dict[tuple[Any, ...], Decimal] = {}
        for row in rows:
            cell = (row.meter, row.dimensions, row.window_us)
            sums[cell] = sums.get(cell, Decimal(0)) + row.quantity
        return {cell: total for cell, total in sums.items() if total}

    def others(rows: list[Usage]) -> list[Usage]:
        involved = {reassigning.to, reassigning.of}
        return [row for row in rows if reassigning.of and row.tenant not in involved]

    assert whole(before) == whole(after)
    assert others(before) == others(after)
