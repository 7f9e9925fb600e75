"""Who holds one key of a ledger is led to its newest by what the keys before it have signed, and by nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from meterbook.proof.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from meterbook.proof.errors import Malformed, ProofError, Refuted, UnknownSigner
from meterbook.proof.keys import Rotation, follow, sign_rotation
from meterbook.proof.note import VerifierKey, sign_note
from tests.proof.signing import ORIGIN, key


def verifier(number: int, from_size: int = 0) -> VerifierKey:
    return replace(key(number).verifier, from_size=from_size)


def statement(old: int, new: int, origin: str = ORIGIN) -> str:
    """Key ``old`` hands over to key ``new``, which signs from 100 * ``new`` records on."""
    return sign_rotation(Rotation(origin, verifier(new, 100 * new)), key(old))


THREE = [statement(1, 2), statement(2, 3), statement(3, 4)]


def test_the_form_of_a_statement() -> None:
    text = str(Rotation(ORIGIN, verifier(2, 200)))
    assert text == f"meterbook key rotation v1\n{ORIGIN}\n{key(2).verifier}\n200\n"
    assert Rotation.parse(text) == Rotation(ORIGIN, verifier(2, 200))


def test_an_old_key_leads_to_the_newest() -> None:
    assert follow([verifier(1)], THREE, ORIGIN) == (verifier(1), verifier(2, 200), verifier(3, 300), verifier(4, 400))


def test_no_statement_changes_nothing() -> None:
    assert follow([verifier(1)], [], ORIGIN) == (verifier(1),)


@pytest.mark.parametrize(
    ("held", "learnt"), [(2, (verifier(3, 300), verifier(4, 400))), (3, (verifier(4, 400),)), (4, ())]
)
def test_statements_from_before_ones_key_are_passed_over(held: int, learnt: tuple[VerifierKey, ...]) -> None:
    assert follow([verifier(held)], THREE, ORIGIN) == (verifier(held), *learnt)


def test_following_again_changes_nothing() -> None:
    keys = follow([verifier(1)], THREE, ORIGIN)
    assert follow(keys, THREE, ORIGIN) == keys


def test_a_stranger_is_led_nowhere() -> None:
    with pytest.raises(UnknownSigner, match="no statement is signed by, or names, a known key"):
        follow([verifier(9)], THREE, ORIGIN)


@pytest.mark.parametrize("statements", [[THREE[0], THREE[2]], [THREE[0], statement(9, 8), THREE[1]]])
def test_a_missing_step_is_refused(statements: list[str]) -> None:
    with pytest.raises(UnknownSigner, match="statement 2 does not follow from those before it"):
        follow([verifier(1)], statements, ORIGIN)


def test_a_new_key_cannot_bring_itself() -> None:
    with pytest.raises(UnknownSigner):
        follow([verifier(1)], [statement(2, 2)], ORIGIN)


def test_a_statement_for_another_ledger_is_refused() -> None:
    with pytest.raises(Refuted, match=r"statement 1 is of 'ledger.example/other', not of"):
        follow([verifier(1)], [statement(1, 2, "ledger.example/other")], ORIGIN)


def test_no_changed_byte_is_accepted() -> None:
    data = statement(1, 2).encode()
    for at in range(len(data)):
        changed = (data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]).decode("utf-8", "surrogateescape")
        with pytest.raises(ProofError):
            follow([verifier(1)], [changed], ORIGIN)


def test_a_new_key_signs_from_its_size_on() -> None:
    keys = follow([verifier(1)], THREE, ORIGIN)

    def signers(size: int, number: int) -> tuple[VerifierKey, ...]:
        note = sign_checkpoint(Checkpoint(ORIGIN, size, bytes(range(32))), [key(number)])
        return open_checkpoint(note, keys, ORIGIN).signers

    assert signers(300, 3) == (verifier(3, 300),)
    assert signers(5000, 1) == (verifier(1),)
    with pytest.raises(Refuted, match="signs from 300 records on"):
        signers(299, 3)


@pytest.mark.parametrize(
    "text",
    [
        f"meterbook key rotation v2\n{ORIGIN}\n{key(2).verifier}\n200\n",
        f"meterbook key rotation v1\n\n{key(2).verifier}\n200\n",
        f"meterbook key rotation v1\n{ORIGIN}\n{key(2).verifier}\n-1\n",
        f"meterbook key rotation v1\n{ORIGIN}\n{key(2).verifier}\n{1 << 63}\n",
        f"meterbook key rotation v1\n{ORIGIN}\n{str(key(2).verifier)[:-1]}\n200\n",
        f"meterbook key rotation v1\n{ORIGIN}\n{key(2).verifier}\n200\nmore\n",
        str(Checkpoint(ORIGIN, 3, bytes(32))),
    ],
)
def test_what_is_no_statement_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        follow([verifier(1)], [sign_note(text, [key(1)])], ORIGIN)


def test_a_statement_is_no_checkpoint() -> None:
    with pytest.raises(Malformed):
        open_checkpoint(statement(1, 2), [verifier(1)], ORIGIN)
    with pytest.raises(Malformed):
        open_checkpoint(statement(1, 2), [verifier(1)], "meterbook key rotation v1")


@pytest.mark.parametrize(("origin", "from_size"), [("", 0), ("a\nb", 0), (ORIGIN, -1)])
def test_a_statement_that_could_not_be_read_is_not_made(origin: str, from_size: int) -> None:
    with pytest.raises(Malformed):
        Rotation(origin, verifier(2, from_size))
