"""Proofs of real books, checked by the stand-alone library, and by a copy of it that knows nothing else."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import meterbook.proof.bundle as library
from ledger.journal.materialiser import Materialiser
from ledger.journal.record import Kind
from ledger.proof.checkpoints import FRESH_S, KEPT_S
from ledger.proof.errors import NoSuchProof, TablesDiffer
from meterbook.proof.bundle import check_bundle, path_text
from meterbook.proof.errors import ProofError, Refuted
from meterbook.proof.keys import follow
from meterbook.proof.merkle import verify_consistency
from meterbook.proof.note import VerifierKey
from tests.ledger.batches import EPOCH, Sender, append, extend, minute, opened
from tests.ledger.proof.books import ORIGIN, Signing, signed_book, signing


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Signing]:
    """Three agents, some records of other kinds, more than one tile of leaves."""
    with signed_book(tmp_path / "store") as found:
        senders = [Sender(f"agent-{number}") for number in range(3)]
        for number in range(90):
            for sender in senders:
                append(found.journal, minute(sender.sequence + 1), sender=sender)
            if number % 30 == 0:
                extend(found.journal, Kind.ACT, "acts", b"")
        yield found


def key_text(book: Signing) -> str:
    return str(book.signer.succession().newest)


def test_every_batch_is_proved_at_its_position(book: Signing) -> None:
    rows = book.journal.view().tables.query("SELECT agent, sequence, hash, position FROM batches").to_pylist()
    assert len(rows) == 270
    for row in random.Random(3).sample(rows, 25):
        text, position, signed = book.proofs.inclusion(row["agent"], 0, row["sequence"])
        checked = check_bundle(text, book.keys, ORIGIN)
        assert (checked.position, position) == (row["position"], row["position"])
        assert (checked.facts.batch_hash().hex(), checked.checkpoint.size) == (row["hash"], signed.size)


def test_as_of_and_after_compaction(book: Signing) -> None:
    kept = book.proofs.checkpoint(100).note
    older, position, _ = book.proofs.inclusion("agent-1", EPOCH, 20, as_of=100)
    assert check_bundle(older, book.keys, ORIGIN).checkpoint.size == 100
    assert book.read(kept).root == check_bundle(older, book.keys, ORIGIN).checkpoint.root
    book.settle()
    with book.journal.tables.alone(30.0) as is_alone:
        assert is_alone
        book.journal.tables.compact(0)
    assert book.proofs.inclusion("agent-1", EPOCH, 20, as_of=100)[0] == older
    newer, again, signed = book.proofs.inclusion("agent-1", EPOCH, 20)
    assert again == position
    path, _ = book.proofs.consistency(100, signed.size)
    check_bundle(newer, book.keys, ORIGIN, kept, path)


def test_what_is_not_there(book: Signing) -> None:
    end = book.journal.log.end
    for agent, epoch, sequence, as_of in (
        ("nobody", 0, 1, 0),
        ("agent-1", 0, 91, 0),
        ("agent-1", 5, 1, 0),
        ("agent-1", 0, 90, 100),
        ("agent-1", 0, 1, end + 1),
        ("agent-1", 0, 1, -1),
    ):
        with pytest.raises(NoSuchProof):
            book.proofs.inclusion(agent, epoch, sequence, as_of)
    for old, new in ((-1, 0), (end + 1, 0), (5, 4), (0, end + 1)):
        with pytest.raises(NoSuchProof):
            book.proofs.consistency(old, new)


def check(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The checker, copied alone, in a process that cannot see the rest of the project."""
    if not (folder / "proof").exists():
        shutil.copytree(Path(library.__file__).parent, folder / "proof")
    command = [sys.executable, "-I", "proof", "check", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)


def test_the_stand_alone_checker_believes_it_and_nothing_tampered_with(book: Signing, tmp_path: Path) -> None:
    kept = book.proofs.checkpoint(77).note
    text, position, signed = book.proofs.inclusion("agent-2", 0, 50)
    path, _ = book.proofs.consistency(77, signed.size)
    file, older, consistency = tmp_path / "batch", tmp_path / "kept", tmp_path / "path"
    older.write_text(kept)
    consistency.write_text(path_text(path))
    file.write_text(text)
    options = ("--key", key_text(book), "--older", str(older), "--consistency", str(consistency))
    said = check(tmp_path, str(file), *options)
    assert said.returncode == 0, said.stderr
    assert f"at position {position}" in said.stdout and "nothing in it was changed" in said.stdout
    for line in range(3, len(text.split("\n")) - 2):
        lines = text.split("\n")
        if len(lines[line]) > 10:
            lines[line] = ("B" if lines[line][0] != "B" else "C") + lines[line][1:]
            with pytest.raises(ProofError):
                check_bundle("\n".join(lines), book.keys, ORIGIN, kept, path)
    file.write_text(text.replace("index ", "index 1"))
    failed = check(tmp_path, str(file), *options)
    assert failed.returncode == 1 and "FAILED" in failed.stderr


def test_tables_that_lie_make_no_proof(book: Signing) -> None:
    _, position, _ = book.proofs.inclusion("agent-2", 0, 50)
    for sql in (
        f"UPDATE records SET hash = repeat('0', 64) WHERE position = {position ^ 1}",
        f"UPDATE records SET hash = 'x' WHERE position = {position ^ 1}",
        f"DELETE FROM records WHERE position = {position ^ 1}",
    ):
        book.journal.tables._connection.execute(sql)
        with pytest.raises(TablesDiffer, match="meterbook verify"):
            book.proofs.inclusion("agent-2", 0, 50)
        with pytest.raises(TablesDiffer):
            book.proofs.checkpoint(77)
        with pytest.raises(TablesDiffer):
            book.proofs.consistency(77)


def test_one_signature_serves_everyone_for_a_moment(book: Signing) -> None:
    first = book.checkpoints.newest()
    append(book.journal, minute(1), sender=Sender("late"))
    assert book.checkpoints.newest() is first
    assert book.checkpoints.newest(first.size + 1).size == first.size + 1
    book.clock.now_s += 2 * FRESH_S
    second = book.checkpoints.newest()
    assert second.size == first.size + 1
    book.clock.now_s += KEPT_S / 2
    assert book.checkpoints.newest() is second, "nothing new to sign"
    book.clock.now_s += KEPT_S
    assert book.checkpoints.newest() is not second


def test_agents_share_what_is_read_and_are_shown_only_what_the_tables_have(
    book: Signing, monkeypatch: pytest.MonkeyPatch
) -> None:
    book.settle()
    asked: list[str] = []
    real = book.journal.tables.query

    def counting(sql: str, *rest: object) -> object:
        asked.append(sql)
        return real(sql, *rest)

    monkeypatch.setattr(book.journal.tables, "query", counting)
    shown = [book.witnessing.next(200, 80, position) for position in range(260, 270)]
    assert all(each is not None for each in shown)
    assert len(asked) <= 4
    settled = book.checkpoints.settled()
    assert settled is not None
    with monkeypatch.context() as patch:
        patch.setattr(Materialiser, "watermark", settled.size)
        position = append(book.journal, minute(1), sender=Sender("late"))
        assert book.witnessing.next(0, 1, position) is None
        first = book.witnessing.first(0, f"agent/late/{EPOCH}")
        assert first is not None and first[1] == settled.size and not first[0].HasField("inclusion")
    book.settle()
    found = book.witnessing.next(0, 1, position)
    assert found is not None and found[0].inclusion.position == position


def test_a_rotation_and_proofs_across_it(book: Signing) -> None:
    first_key = key_text(book)
    kept = book.proofs.checkpoint(50).note
    book.signer.rotate("ada", 1)
    book.clock.now_s += 10
    append(book.journal, minute(1), sender=Sender("late"))
    text, _, signed = book.proofs.inclusion("late", 0, 1)
    path, _ = book.proofs.consistency(50, signed.size)
    with pytest.raises(ProofError):
        check_bundle(text, [VerifierKey.parse(first_key)], ORIGIN)
    keys = follow([VerifierKey.parse(first_key)], book.signer.succession().statements, ORIGIN)
    assert check_bundle(text, keys, ORIGIN, kept, path).checkpoint.size == signed.size
    with pytest.raises(NoSuchProof, match="no key of now signs trees of 50 records"):
        book.proofs.checkpoint(50)


@pytest.mark.slow
@settings(max_examples=8)
@given(st.lists(st.lists(st.integers(0, 3), max_size=12), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_every_proof_of_any_history_holds(
    tmp_path_factory: pytest.TempPathFactory, history: list[list[int]], chance: random.Random
) -> None:
    root = tmp_path_factory.mktemp("history")
    senders = [Sender(f"agent-{number}") for number in range(3)]
    notes = []
    for life in history:
        with opened(root / "store") as journal:
            book = signing(journal, root)
            for what in life:
                if what == 3:
                    extend(journal, Kind.ACT, "acts", b"")
                else:
                    append(journal, minute(senders[what].sequence + 1), sender=senders[what])
                if chance.random() < 0.3:
                    book.clock.now_s += 1
                    notes.append(book.checkpoints.newest().note)
            notes.append(book.checkpoints.newest(journal.log.end).note)
    with opened(root / "store") as journal:
        book = signing(journal, root)
        trees = [book.read(note) for note in notes]
        for old, new in zip(trees, trees[1:] + trees[:1], strict=True):
            old, new = sorted((old, new), key=lambda each: each.size)
            path, _ = book.proofs.consistency(old.size, new.size)
            verify_consistency(old.size, old.root, new.size, new.root, path)
        for sender in senders:
            for sequence in range(1, sender.sequence + 1):
                text, position, _ = book.proofs.inclusion(sender.agent, sender.epoch, sequence)
                checked = check_bundle(text, book.keys, ORIGIN)
                assert (checked.position, checked.facts.sequence) == (position, sequence)
        forged = trees[-1].root[::-1]
        if trees[-1].size > 1:
            path, _ = book.proofs.consistency(1, trees[-1].size)
            with pytest.raises(Refuted):
                verify_consistency(1, forged, trees[-1].size, trees[-1].root, path)
