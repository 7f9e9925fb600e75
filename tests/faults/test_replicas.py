"""Some histories of the shared log in each run of the tests; and that they find what they are there to find."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from ledger.journal.errors import LogUnavailable, StoreDamaged
from ledger.journal.fence import Admitted, admit
from ledger.journal.frames import Announced
from ledger.journal.record import Draft, Head
from ledger.journal.segment import Group
from ledger.journal.shared import commit as committing
from ledger.journal.shared import log as logs
from ledger.journal.shared import reader as readers
from ledger.journal.shared.commit import Committed, Offer, OutcomeUnknown
from ledger.journal.shared.connection import GroupRow
from ledger.journal.shared.database import Database
from ledger.journal.shared.groups import group_of, packed
from ledger.journal.shared.log import SharedLog
from ledger.journal.shared.objects import Objects
from tests.fakes.postgres import FakeConnection, FakePostgres, Session
from tests.faults import replicas
from tests.faults.history import Failed, run
from tests.faults.replicas import Replicas

SEEDS = 60
#: By this many histories every planted bug must be found.
SEEDS_MAX = 600


@pytest.mark.parametrize("first", range(0, SEEDS, 20))
def test_histories(first: int) -> None:
    for seed in range(first, first + 20):
        run(seed, Replicas)


def test_a_history_can_be_played_again() -> None:
    """Step by step, or a bug that was found would not be found where it was."""
    for seed in range(20):
        told: list[list[str]] = [[], []]
        for lines in told:
            Replicas(Random(seed), lines).play()
        assert told[0] == told[1]


def when_unknown(patches: pytest.MonkeyPatch, then: Callable[[Database, Offer, OutcomeUnknown], Committed]) -> None:
    """Do something else where the outcome of a commit is not known."""

    def settled(database: Database, offer: Offer, *_: object) -> Committed:
        try:
            return database.run(lambda connection: committing.commit(connection, offer))
        except OutcomeUnknown as error:
            return then(database, offer, error)

    patches.setattr(logs, "settled", settled)


def taking_an_unknown_commit_for_done(patches: pytest.MonkeyPatch) -> None:
    when_unknown(patches, lambda _, __, error: error.committed)


def taking_an_unknown_commit_for_failed(patches: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Committed:
        raise LogUnavailable("the connection broke")

    when_unknown(patches, fail)


def committing_again_without_looking_for_the_first_try(patches: pytest.MonkeyPatch) -> None:
    def again(database: Database, offer: Offer, _: OutcomeUnknown) -> Committed:
        try:
            return database.run_anew(lambda connection: committing.commit(connection, offer))
        except OutcomeUnknown as error:
            raise LogUnavailable("could not be found out") from error

    when_unknown(patches, again)


def without_the_fence(patches: pytest.MonkeyPatch) -> None:
    def let_in(offered: Sequence[Draft], heads: dict[str, Head], position: int) -> Admitted:
        moved = {
            draft.chain: Head(draft.sequence, draft.hash, position + number) for number, draft in enumerate(offered)
        }
        return Admitted(list(offered), moved, [position + number for number in range(len(offered))])

    patches.setattr(committing, "admit", let_in)


def without_the_lock(patches: pytest.MonkeyPatch) -> None:
    """Without ``FOR UPDATE``; keys would still be unique, if the server saw both commits."""

    def take(server: FakePostgres, session: Session, _: object) -> None:
        server.holder = session

    patches.setattr(FakePostgres, "take", take)


def without_reserving_names(patches: pytest.MonkeyPatch) -> None:
    patches.setattr(Objects, "is_conditional", property(lambda _: False, lambda *_: None), raising=False)


def taking_a_conflict_for_a_taken_name(patches: pytest.MonkeyPatch) -> None:
    put = Objects.put

    def looking(of: Objects, name: str, body: bytes) -> str:
        try:
            return put(of, name, body)
        except LogUnavailable as error:
            if "ConditionalRequestConflict" in str(error) and of.get(name) == body:
                return ""
            raise

    patches.setattr(Objects, "put", looking)


def acknowledging_before_the_commit(patches: pytest.MonkeyPatch) -> None:
    commit = SharedLog._commit

    def acknowledged(log: SharedLog, offer: Offer) -> Any:
        heads = {draft.chain: log.head(draft.chain) for draft in offer.drafts}
        outcomes = admit(offer.drafts, heads, log.end + 1).outcomes
        with suppress(LogUnavailable):
            commit(log, offer)
        return outcomes

    patches.setattr(SharedLog, "_commit", acknowledged)


def writing_objects_after_the_commit(patches: pytest.MonkeyPatch) -> None:
    bodies: dict[str, bytes] = {}
    commit = SharedLog._commit

    def put(log: SharedLog, drafts: Sequence[Draft]) -> Offer:
        offer, bodies["body"] = packed(drafts, machine=log._machine)
        bodies[offer.object] = bodies["body"]
        return offer

    def late(log: SharedLog, offer: Offer) -> Any:
        outcomes = commit(log, offer)
        log._objects.put(offer.object, bodies[offer.object])
        return outcomes

    patches.setattr(SharedLog, "_put", put)
    patches.setattr(SharedLog, "_commit", late)


def tidying_up_when_a_commit_could_not_be_found_out(patches: pytest.MonkeyPatch) -> None:
    commit = SharedLog._commit

    def tidy(log: SharedLog, offer: Offer) -> Any:
        try:
            return commit(log, offer)
        except LogUnavailable:
            log._objects.delete([offer.object])
            raise

    patches.setattr(committing, "_PATIENCE_S", 0.0)
    patches.setattr(SharedLog, "_commit", tidy)


def keeping_what_was_offered_for_what_was_let_in(patches: pytest.MonkeyPatch) -> None:
    patches.setattr(committing, "_kept", lambda admitted, _: list(range(len(admitted.outcomes))))


def remembering_a_group_that_may_not_be_there(patches: pytest.MonkeyPatch) -> None:
    """What is in memory is read before what is stored."""
    committers: list[SharedLog] = []
    commit, row = SharedLog._commit, committing._row

    def known(log: SharedLog, offer: Offer) -> Any:
        committers.append(log)
        try:
            return commit(log, offer)
        finally:
            committers.pop()

    def remembered(offer: Offer, kept: list[int], group: Group) -> GroupRow:
        committers[-1]._tail.add(group)
        return row(offer, kept, group)

    patches.setattr(SharedLog, "_commit", known)
    patches.setattr(committing, "_row", remembered)


def reading_without_checksums(patches: pytest.MonkeyPatch) -> None:
    def complete(found: Announced, rest: bytes, _: int) -> Draft:
        name = rest[: found.chain_bytes].decode(errors="replace") or "?"
        return Draft(found.kind, name, found.sequence, found.previous, found.hash, rest[found.chain_bytes :])

    patches.setattr(Announced, "complete", complete)


def reading_over_what_is_lost(patches: pytest.MonkeyPatch) -> None:
    def lenient(row: GroupRow, body: bytes, frontier: Any) -> Any:
        try:
            return group_of(row, body, frontier)
        except StoreDamaged:
            return Group((), committing.edge_of(row.edge, ""), 0)

    patches.setattr(readers, "group_of", lenient)


def deleting_objects_that_were_begun_just_now(patches: pytest.MonkeyPatch) -> None:
    patches.setattr(replicas, "ORPHAN_AGE", timedelta())


def deleting_without_asking_what_is_in_the_log(patches: pytest.MonkeyPatch) -> None:
    patches.setattr(FakeConnection, "taken_up", lambda *_: set())


def committing_whatever_was_begun_long_ago(patches: pytest.MonkeyPatch) -> None:
    patches.setattr(committing, "OBJECT_AGE_MAX_S", 1 << 40)


BUGS: list[Callable[[pytest.MonkeyPatch], None]] = [
    taking_an_unknown_commit_for_done,
    taking_an_unknown_commit_for_failed,
    committing_again_without_looking_for_the_first_try,
    without_the_fence,
    without_the_lock,
    without_reserving_names,
    taking_a_conflict_for_a_taken_name,
    acknowledging_before_the_commit,
    writing_objects_after_the_commit,
    tidying_up_when_a_commit_could_not_be_found_out,
    keeping_what_was_offered_for_what_was_let_in,
    remembering_a_group_that_may_not_be_there,
    reading_without_checksums,
    reading_over_what_is_lost,
    deleting_objects_that_were_begun_just_now,
    deleting_without_asking_what_is_in_the_log,
    committing_whatever_was_begun_long_ago,
]


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found(bug: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    bug(monkeypatch)
    with pytest.raises(Failed, match="BROKEN"):
        any(run(seed, Replicas) for seed in range(SEEDS_MAX))  # type: ignore[func-returns-value]
