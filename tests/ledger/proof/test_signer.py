"""The book's keys: made once, kept strictly, handed over, followed, and never silently replaced."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest

from ledger.journal.errors import LogUnavailable, StoreDamaged
from ledger.journal.record import Kind
from ledger.proof import signer as signer_module
from ledger.proof.checkpoints import KEPT_S
from ledger.proof.errors import KeyRefused
from ledger.proof.keyfile import KeyFile
from ledger.proof.signer import Signer
from ledger.proof.succession import KEYS_CHAIN, made, rotated
from meterbook.proof.keys import Rotation, follow, sign_rotation
from meterbook.proof.note import SigningKey
from tests.ledger.batches import append, extend, minute, opened
from tests.ledger.proof.books import ORIGIN, Clock, Signing, signed_book, signing


def signers(book: Signing) -> list[str]:
    return [key.verifier.hint for key in book.signer.signing_keys(book.journal.log.end)]


def test_a_new_book_gets_a_key_and_names_it(tmp_path: Path) -> None:
    with signed_book(tmp_path / "store") as book:
        path = book.key_file.path
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert book.journal.log.head(KEYS_CHAIN).position == book.journal.log.end == 1
        found = book.signer.succession()
        assert (found.origin, len(found.keys), found.statements) == (ORIGIN, 1, ())
        assert book.read(book.checkpoints.newest().note).size == 1
        secret = path.read_text()
    with signed_book(tmp_path / "store") as book:
        assert book.signer.succession() == found and book.journal.log.end == 1
        assert path.read_text() == secret


def test_the_origin_is_given_once(tmp_path: Path) -> None:
    with opened(tmp_path / "store") as journal:
        first = signing(journal, tmp_path / "store", origin=None).signer.origin
        assert first.startswith("meterbook/") and len(first) == len("meterbook/") + 16
        assert signing(journal, tmp_path / "store", origin=None).signer.origin == first
        with pytest.raises(KeyRefused, match=rf"the book is called '{first}' since it was made"):
            signing(journal, tmp_path / "store", origin="another.example/book")
    with opened(tmp_path / "other") as journal, pytest.raises(KeyRefused, match="must not be empty nor have a space"):
        signing(journal, tmp_path / "other", origin="a b")


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o664, 0o666])
def test_a_key_that_others_can_get_at_is_refused(tmp_path: Path, mode: int) -> None:
    with signed_book(tmp_path / "store") as book:
        path = book.key_file.path
    path.chmod(mode)
    with opened(tmp_path / "store") as journal, pytest.raises(KeyRefused, match=f"has the mode {mode:04o}"):
        signing(journal, tmp_path / "store")


@pytest.mark.parametrize("content", ["", "x", "PRIVATE+KEY+a+b+c", "\x00\xff"])
def test_a_file_that_holds_something_else_is_refused_and_never_shown(tmp_path: Path, content: str) -> None:
    with signed_book(tmp_path / "store") as book:
        path = book.key_file.path
    secret = path.read_text()
    path.write_text(content or secret.replace("example", "wrong"))
    with opened(tmp_path / "store") as journal, pytest.raises(KeyRefused) as caught:
        signing(journal, tmp_path / "store")
    *_, hidden = secret.strip().split("+", 4)
    assert str(path) in str(caught.value) and hidden not in str(caught.value)


def test_a_lost_key_is_said_and_replaced_only_on_request(tmp_path: Path) -> None:
    with signed_book(tmp_path / "store") as book:
        old = book.signer.succession()
    shutil.rmtree(book.key_file.path.parent)
    with opened(tmp_path / "store") as journal:
        with pytest.raises(KeyRefused, match=rf"the book is signed by {ORIGIN}\+\w+, and the file holds nothing"):
            signing(journal, tmp_path / "store")
        assert not book.key_file.path.exists()
        found = Signer(journal, book.key_file, replaces_lost_key=True).succession()
        assert found.origin == ORIGIN and found.newest != old.newest and found.statements == ()
        again = Signer(journal, book.key_file, replaces_lost_key=True).succession()
        assert again == found, "it is not lost any more"


def test_rotation_both_sign_then_the_old_one_retires(tmp_path: Path) -> None:
    clock = Clock()
    with signed_book(tmp_path / "store", clock) as book:
        append(book.journal, *map(minute, range(1, 4)))
        old = book.signer.succession().newest
        before = book.checkpoints.newest().note
        found = book.signer.rotate("ada", 60)
        assert found.newest.from_size == 4 and book.journal.log.end == 5
        assert signers(book) == [found.newest.hint, old.hint]
        clock.now_s += 1
        assert len(book.checkpoints.newest().verifier_keys) == 2
        assert follow([old], found.statements, ORIGIN) == found.keys
        clock.now_s += KEPT_S + 1
        assert signers(book) == [found.newest.hint]
        assert book.checkpoints.newest().verifier_keys == (str(found.newest),)
        assert book.read(before).size == 4, "what the old key signed stays good"
        (act,) = [row for row in book.journal.view().acts().to_pylist() if row["kind"] == "keys.rotated"]
        assert (act["author"], act["name"]) == ("ada", found.newest.hint)
        third = book.signer.rotate("ada", 60)
        assert follow([old], third.statements, ORIGIN) == third.keys
        secrets = book.key_file.read()
        assert [key.verifier.hint for key in secrets] == [found.newest.hint, third.newest.hint]
    with signed_book(tmp_path / "store", clock) as book:
        assert book.signer.succession() == third


def test_a_crash_between_the_file_and_the_book_leaves_a_key_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with signed_book(tmp_path / "store") as book:
        with monkeypatch.context() as patch:

            def fail(*_: object) -> None:
                raise LogUnavailable("disk full")

            patch.setattr(book.journal, "extend", fail)
            with pytest.raises(LogUnavailable):
                book.signer.rotate("ada")
        assert len(book.key_file.read()) == 2 and len(book.keys) == 1
    with signed_book(tmp_path / "store") as book:
        prepared = book.key_file.read()[1].verifier.hint
        assert len(signers(book)) == 1
        assert book.signer.rotate("ada").newest.hint == prepared
        assert len(book.key_file.read()) == 2


def test_a_key_that_an_operator_put_there_is_taken_up(tmp_path: Path) -> None:
    with signed_book(tmp_path / "store") as book:
        (old,) = book.key_file.read()
        book.key_file.write([old, SigningKey.generate("other/book")])
        with pytest.raises(KeyRefused, match="is of another book"):
            book.signer.rotate("ada")
        new = SigningKey.generate(ORIGIN)
        book.key_file.write([old, new])
        assert book.signer.rotate("ada").newest.hint == new.verifier.hint


def test_another_replica_follows_and_says_where_its_file_does_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    with signed_book(tmp_path / "store", clock) as book:
        elsewhere = KeyFile(tmp_path / "replica" / "signing.key")
        elsewhere.write(book.key_file.read())
        replica = Signer(book.journal, elsewhere, clock=clock.us)
        found = book.signer.rotate("ada", 60)
        assert [key.verifier.hint for key in replica.signing_keys(9)] == [found.keys[0].hint], "the old one for a while"
        assert f"the book is signed by {found.newest.hint}" in caplog.text
        clock.now_s += 61
        with pytest.raises(KeyRefused, match="put that key there"):
            replica.signing_keys(9)
        with pytest.raises(KeyRefused, match="put that key there"):
            replica.rotate("bob")
        elsewhere.write(book.key_file.read())
        assert Signer(book.journal, elsewhere).succession() == found


def test_a_directory_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with signed_book(tmp_path / "store") as book:

        def fail(directory: Path) -> None:
            raise OSError(30, "Read-only file system")

        monkeypatch.setattr("ledger.proof.keyfile.sync_directory", fail)
        with pytest.raises(KeyRefused, match="cannot be written"):
            book.signer.rotate("ada")
        assert len(book.keys) == 1
        assert not list(book.key_file.path.parent.glob("*.new"))


def test_a_book_that_names_a_key_which_nobody_handed_over_to_is_damaged(tmp_path: Path) -> None:
    with signed_book(tmp_path / "store") as book:
        forged = SigningKey.generate(ORIGIN)
        statement = sign_rotation(Rotation(ORIGIN, forged.verifier), forged)
        extend(book.journal, Kind.ACT, KEYS_CHAIN, rotated(forged.verifier, statement, 0, "eve").SerializeToString())
        with pytest.raises(StoreDamaged, match=r"keys.rotated does not hold"):
            book.signer.succession()


def test_two_replicas_that_begin_at_once_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path / "store") as journal:
        key_file = KeyFile(tmp_path / "signing.key")
        real = Signer._write

        def overtaken(self: Signer, act: object) -> None:
            monkeypatch.setattr(signer_module.Signer, "_write", real)
            (key,) = self._key_file.read()
            act = made(key.verifier.name, key.verifier)
            extend(journal, Kind.ACT, KEYS_CHAIN, act.SerializeToString())
            real(self, act)

        monkeypatch.setattr(signer_module.Signer, "_write", overtaken)
        assert len(Signer(journal, key_file).succession().keys) == 1
        assert journal.log.end == 1
