"""Checkpoints are those of c2sp.org/tlog-checkpoint; that of a large public log is read here."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace

import pytest

from meterbook.proof.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from meterbook.proof.errors import Malformed, ProofError, Refuted, UnknownSigner
from meterbook.proof.merkle import EMPTY_ROOT
from meterbook.proof.note import VerifierKey, sign_note
from tests.proof.signing import ORIGIN, key

#: The checksum database of Go modules, as it stood in January 2023, signed by itself and by a witness.
SUM_KEY = VerifierKey.parse("sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8")
SUM_CHECKPOINT = """\
go.sum database tree
15067302
gJyioq6dwR9n+NjEWORfYmH+ubeYm3kH42BBQ0bTpYI=

— sum.golang.org Az3grp1rvWOs5NKlr/xR4GLN/CDyzzakmt1o61uSxYKpK1SerqOP2ClbX/peKUZjYnyomH5Xz7GZG3TpB7OeKn4E2ww=
— test.example.com qTGhC/xIPQ0AXKHK6Y+9ypRfuvMZWPjRXM8NiOg5M1WREn07VQXyuIXM3NRNav3ieVFLUqDRK77PWDmL6w8w84UqeAw=
"""
CHECKPOINT = Checkpoint(ORIGIN, 3, bytes(range(32)))
ROOT = b64encode(bytes(range(32))).decode()


def test_the_checkpoint_of_a_public_log_is_read() -> None:
    signed = open_checkpoint(SUM_CHECKPOINT, [SUM_KEY], "go.sum database tree")
    root = bytes.fromhex("809ca2a2ae9dc11f67f8d8c458e45f6261feb9b7989b7907e360414346d3a582")
    assert signed.checkpoint == Checkpoint("go.sum database tree", 15_067_302, root)
    assert signed.signers == (SUM_KEY,)


def test_the_form_is_three_lines() -> None:
    assert str(CHECKPOINT) == f"{ORIGIN}\n3\n{ROOT}\n"
    assert Checkpoint.parse(str(CHECKPOINT)) == CHECKPOINT


def test_extension_lines_are_kept() -> None:
    extended = replace(CHECKPOINT, extensions=("one", "two 2"))
    note = sign_checkpoint(extended, [key(1)])
    assert open_checkpoint(note, [key(1).verifier], ORIGIN).checkpoint == extended


def test_old_and_new_key_sign_together() -> None:
    note = sign_checkpoint(CHECKPOINT, [key(1), key(2)])
    for number in (1, 2):
        signed = open_checkpoint(note, [key(number).verifier], ORIGIN)
        assert signed.signers == (key(number).verifier,)
    with pytest.raises(UnknownSigner):
        open_checkpoint(note, [key(3).verifier], ORIGIN)


def test_no_changed_byte_is_accepted() -> None:
    data = sign_checkpoint(CHECKPOINT, [key(1)]).encode()
    for at in range(len(data)):
        changed = (data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]).decode("utf-8", "surrogateescape")
        with pytest.raises(ProofError):
            open_checkpoint(changed, [key(1).verifier], ORIGIN)


def test_that_of_another_ledger_is_refused() -> None:
    with pytest.raises(Refuted, match=r"the checkpoint is of 'ledger.example/book', not of 'ledger.example/other'"):
        open_checkpoint(sign_checkpoint(CHECKPOINT, [key(1)]), [key(1).verifier], "ledger.example/other")


def test_a_key_signs_from_its_size_on() -> None:
    note = sign_checkpoint(CHECKPOINT, [key(1)])
    for from_size in (0, 3):
        open_checkpoint(note, [replace(key(1).verifier, from_size=from_size)], ORIGIN)
    late = replace(key(1).verifier, from_size=4)
    with pytest.raises(Refuted, match="signs from 4 records on; the checkpoint is of 3"):
        open_checkpoint(note, [late], ORIGIN)
    both = sign_checkpoint(CHECKPOINT, [key(1), key(2)])
    assert open_checkpoint(both, [late, key(2).verifier], ORIGIN).signers == (key(2).verifier,)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"{ORIGIN}\n3\n", "three lines or more"),
        (f"{ORIGIN}\n3\n{ROOT}", "three lines or more"),
        (f"\n3\n{ROOT}\n", "is not one line of a checkpoint"),
        (f"{ORIGIN}\n3\n{ROOT}\n\nextension\n", "is not one line of a checkpoint"),
        (f"{ORIGIN}\n03\n{ROOT}\n", "the size, is '03'"),
        (f"{ORIGIN}\n-3\n{ROOT}\n", "the size, is '-3'"),
        (f"{ORIGIN}\n+3\n{ROOT}\n", "the size"),
        (f"{ORIGIN}\n\u0663\n{ROOT}\n", "the size"),
        (f"{ORIGIN}\n\n{ROOT}\n", "the size"),
        (f"{ORIGIN}\n{1 << 63}\n{ROOT}\n", "the size"),
        (f"{ORIGIN}\n{'9' * 10_000}\n{ROOT}\n", "the size"),
        (f"{ORIGIN}\n3\n{ROOT[:-4]}\n", "the root, has 30 bytes"),
        (f"{ORIGIN}\n3\n{ROOT[:-1]}\n", "the root, is not base64"),
        (f"{ORIGIN}\n3\n{ROOT[:-2]}9=\n", "the root, is not base64"),
        (f"{ORIGIN}\n0\n{ROOT}\n", "not that of an empty tree"),
    ],
)
def test_what_is_no_checkpoint_says_why(text: str, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        Checkpoint.parse(text)
    if text.endswith("\n"):
        with pytest.raises(Malformed, match=reason):
            open_checkpoint(sign_note(text, [key(1)]), [key(1).verifier], ORIGIN)


def test_an_empty_ledger_has_a_checkpoint() -> None:
    empty = Checkpoint(ORIGIN, 0, EMPTY_ROOT)
    assert Checkpoint.parse(str(empty)) == empty


def test_the_largest_size_is_read() -> None:
    assert Checkpoint.parse(f"{ORIGIN}\n{(1 << 63) - 1}\n{ROOT}\n").size == (1 << 63) - 1


@pytest.mark.parametrize(
    "change", [{"origin": ""}, {"origin": "a\nb"}, {"size": -1}, {"root": bytes(31)}, {"extensions": ("",)}]
)
def test_a_checkpoint_that_could_not_be_read_is_not_made(change: dict[str, object]) -> None:
    with pytest.raises(Malformed):
        replace(CHECKPOINT, **change)  # type: ignore[arg-type]
