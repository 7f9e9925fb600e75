"""``meterbook proof``, ``checkpoint``, ``keys`` and ``verify`` as a person uses them."""

from __future__ import annotations

import json
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from meterbook.proof.checkpoint import open_checkpoint
from meterbook.proof.note import SigningKey, VerifierKey
from tests.ledger.batches import minute
from tests.ledger.running import Running, run_cli, serving


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A ledger that holds six batches of one agent; positions 2 to 7."""
    with serving(tmp_path_factory.mktemp("proof") / "store") as running:
        for number in range(1, 7):
            running.send(minute(number))
        yield running


def key(book: Running) -> str:
    return str(book.json("keys", "list")["keys"][0]["verifier_key"])


def test_prove_keep_and_check(book: Running, tmp_path: Path) -> None:
    kept, proof, path = tmp_path / "kept", tmp_path / "batch.proof", tmp_path / "path"
    book.cli("checkpoint", "--as-of", "4", "-o", str(kept))
    text = book.cli("proof", "shop-agent", "3", "-o", str(proof), "--older", str(kept), "--consistency", str(path))
    assert text == f"batch 3 of shop-agent stands at position 4 of 7: {proof}\n"
    options = ["--key", key(book), "--older", str(kept), "--consistency", str(path)]
    checked = run_cli("proof", "check", str(proof), *options)
    assert checked.exit_code == 0 and "All of this holds." in checked.stdout
    proof.write_text(proof.read_text().replace("index 3", "index 4"))
    failed = run_cli("proof", "check", str(proof), *options)
    assert failed.exit_code == 1 and failed.stderr.startswith("FAILED: ")


def test_what_is_printed_can_be_piped(book: Running) -> None:
    note = book.cli("checkpoint", "--as-of", "7")
    known = VerifierKey.parse(key(book))
    assert open_checkpoint(note, [known], known.name).checkpoint.size == 7
    text = book.cli("proof", "shop-agent", "3")
    assert text == book.cli("proof", "make", "shop-agent", "3", "--epoch", "1769851800000000")
    assert text.startswith("c2sp.org/tlog-proof@v1\n")


def test_what_is_not_there_is_said(book: Running, tmp_path: Path) -> None:
    assert book.error("proof", "shop-agent", "7") == (
        "sequence: batch 7 of agent 'shop-agent' in any epoch is not in the book at position 7"
    )
    assert "position 8 is not in the book, which ends at 7" in book.error("checkpoint", "--as-of", "8")
    assert "cannot be written" in book.error("checkpoint", "-o", str(tmp_path / "none" / "x"))
    (tmp_path / "junk").write_text("junk")
    arguments = ["proof", "shop-agent", "3", "--older", str(tmp_path / "junk"), "--consistency", str(tmp_path / "p")]
    assert "--older" in book.error(*arguments)
    assert "give both" in book.cli(*arguments[:-2], code=2)


def test_verify_a_part_and_against_a_checkpoint(book: Running, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    book.cli("checkpoint", "--as-of", "4", "-o", str(kept))
    assert book.cli("verify", "--from", "3", "--to", "5").startswith("the book holds: positions 3 to 5, 3 batches, ")
    text = book.cli("verify", "--against", str(kept), "--key", key(book))
    assert text.endswith("\nit goes on from the checkpoint of 4 records\n")
    assert book.json("verify", "--against", str(kept))["against_size"] == 4
    assert "is no part of the book, which ends at 7" in book.error("verify", "--from", "9")
    assert "leave from_position out" in book.error("verify", "--from", "2", "--against", str(kept))
    stranger = SigningKey.generate("somebody/else").verifier
    assert "signed by" in book.error("verify", "--against", str(kept), "--key", str(stranger))
    assert "name that with --against" in book.cli("verify", "--key", str(stranger), code=2)


def test_verify_files_that_a_ledger_has_open(book: Running, tmp_path: Path) -> None:
    store = book.process._journal.store.root
    kept = tmp_path / "kept"
    book.cli("checkpoint", "--as-of", "4", "-o", str(kept))
    options = ["--offline", str(store), "--against", str(kept), "--key", key(book)]
    text = run_cli("verify", *options)
    assert text.exit_code == 0
    assert text.stdout.startswith("the log holds: 7 positions, 6 batches, root ")
    assert "give one with verifier_keys (--key)" in run_cli("verify", *options[:-2]).stderr
    assert run_cli("verify", *options, "--from", "2").exit_code == 2
    copy = tmp_path / "copy"
    shutil.copytree(store / "log", copy / "log")
    assert "is not a store" in run_cli("verify", "--offline", str(copy)).stderr
    shutil.copy(store / "FORMAT", copy / "FORMAT")
    (segment,) = (copy / "log").iterdir()
    data = segment.read_bytes()
    segment.write_bytes(data[: len(data) // 2] + b"?" + data[len(data) // 2 + 1 :])
    found = run_cli("verify", "--offline", str(copy), "--json")
    assert found.exit_code == 1
    verdict = json.loads(found.stdout)
    assert not verdict["holds"] and "is damaged" in verdict["faults"][0]


def test_keys_are_listed_and_rotated(tmp_path: Path) -> None:
    with serving(tmp_path / "store", proof={"origin": "ledger.example/book"}) as book:
        assert book.json("keys", "list")["origin"] == "ledger.example/book"
        text = book.cli("keys", "rotate", "--overlap", "1h")
        assert len(text.splitlines()) == 3 and text.count("ledger.example/book+") == 2
        first, second = book.json("keys", "list")["keys"]
        assert first["is_signing"] and first["until"] and second["is_signing"] and not second["until"]
        assert book.cli("checkpoint").count("\n— ledger.example/book ") == 2
        (book.process._signer._key_file.path).chmod(0o644)
        assert "chmod 600" in book.error("keys", "rotate")


def test_a_key_is_made_that_a_ledger_signs_with(tmp_path: Path) -> None:
    file = tmp_path / "signing.key"
    made = run_cli("keys", "generate", str(file), "--origin", "ledger.example/acme")
    assert made.exit_code == 0 and stat.S_IMODE(file.stat().st_mode) == 0o600
    known = VerifierKey.parse(made.stdout.strip())
    assert known.name == "ledger.example/acme"
    with serving(tmp_path / "store", proof={"key_file": str(file)}) as book:
        assert key(book) == str(known)
        assert open_checkpoint(book.cli("checkpoint"), [known], known.name).checkpoint.size == 1
    # What a volume's group was given with all that lies there keeps no ledger from starting again.
    file.chmod(0o660)
    with serving(tmp_path / "store", proof={"key_file": str(file)}) as book:
        assert key(book) == str(known) and stat.S_IMODE(file.stat().st_mode) == 0o600


def test_no_key_is_written_over_or_made_without_a_name(tmp_path: Path) -> None:
    file = tmp_path / "signing.key"
    first = run_cli("keys", "generate", str(file))
    assert first.stdout.startswith("meterbook/") and first.exit_code == 0
    secret = file.read_bytes()
    again = run_cli("keys", "generate", str(file))
    assert again.exit_code == 1 and again.stderr.startswith(f"Error: key_file {file}: is there already; ")
    assert file.read_bytes() == secret
    nameless = run_cli("keys", "generate", str(tmp_path / "other"), "--origin", "a b")
    assert nameless.exit_code == 1 and nameless.stderr.startswith("Error: --origin 'a b': ")
    assert not (tmp_path / "other").exists()
