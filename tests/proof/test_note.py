"""Signed notes are read and written as Go's golang.org/x/mod/sumdb/note does; its test vectors are used here."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbook.proof.errors import Malformed, ProofError, Refuted, UnknownSigner
from meterbook.proof.note import NOTE_BYTES_MAX, Note, Signature, SigningKey, VerifierKey, open_note, sign_note
from tests.proof.signing import key

PETER_TEXT = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_SECRET = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
PETER = VerifierKey.parse(PETER_TEXT)
ENOCH = VerifierKey.parse("EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop")
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
BY_PETER = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
BY_ENOCH = "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"
NOTE = f"{TEXT}\n{BY_PETER}"


def test_signing_gives_the_published_note() -> None:
    assert sign_note(TEXT, [SigningKey.parse(PETER_SECRET)]) == NOTE


def test_the_example_of_the_specification() -> None:
    known = VerifierKey.parse("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")
    note = (
        "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZ"
        "XsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
    )
    assert open_note(note, [known]).text == "This is an example message.\n"


@pytest.mark.parametrize(
    ("known", "signers"),
    [((PETER,), (PETER,)), ((ENOCH,), (ENOCH,)), ((ENOCH, PETER), (PETER, ENOCH)), ((PETER, PETER), (PETER,))],
)
def test_signatures_by_unknown_keys_are_ignored(
    known: tuple[VerifierKey, ...], signers: tuple[VerifierKey, ...]
) -> None:
    opened = open_note(NOTE + BY_ENOCH, known)
    assert (opened.text, opened.signers) == (TEXT, signers)


def test_a_note_that_no_known_key_has_signed_is_not_believed() -> None:
    with pytest.raises(
        UnknownSigner, match=r"signed by PeterNeumann\+c74f20a3; the known keys are EnochRoot\+af0cfe78$"
    ):
        open_note(NOTE, [ENOCH])
    with pytest.raises(UnknownSigner, match="the known keys are none"):
        open_note(NOTE, [])


def test_a_key_of_the_same_name_and_another_id_is_another_key() -> None:
    with pytest.raises(UnknownSigner):
        open_note(NOTE, [VerifierKey("PeterNeumann", ENOCH.public_key)])


def test_a_false_signature_by_a_known_key_is_refused_beside_a_true_one() -> None:
    false = BY_PETER[:60] + "ABCD" + BY_PETER[60:]
    for note in (f"{TEXT}\n{false}", f"{TEXT}\n{false}{BY_ENOCH}", f"{NOTE}{false}"):
        with pytest.raises(Refuted, match=r"the signature by PeterNeumann\+c74f20a3 is not over this text"):
            open_note(note, [PETER, ENOCH])
    assert open_note(f"{TEXT}\n{false}{BY_ENOCH}", [ENOCH]).signers == (ENOCH,)


def test_no_changed_byte_is_accepted() -> None:
    data = NOTE.encode()
    for at in range(len(data)):
        changed = (data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]).decode("utf-8", "surrogateescape")
        with pytest.raises(ProofError):
            open_note(changed, [PETER])


def test_no_part_of_a_note_is_accepted() -> None:
    for end in range(len(NOTE)):
        with pytest.raises(Malformed):
            open_note(NOTE[:end], [PETER])


@pytest.mark.parametrize(
    ("note", "reason"),
    [
        (TEXT, "no empty line"),
        (f"{TEXT}\n", "does not end with a signature line"),
        (NOTE[:-1], "does not end with a signature line"),
        (f"\x01{NOTE}", r"line 1 has the control character U\+0001"),
        (NOTE.replace("\n", "\r\n"), r"line 1 has the control character U\+000D"),
        (f"\udcff{NOTE}", "UTF-8"),
        (f"{TEXT}\n— Bad Name {BY_PETER.split()[-1]}\n", "base64"),
        (f"{TEXT}\n— Bad+Name {BY_PETER.split()[-1]}\n", "must not be empty nor have a space or a plus"),
        (f"{NOTE}Unexpected line.\n", "is not a dash, a name and base64"),
        (f"{TEXT}\n— PeterNeumann\n", "is not a dash, a name and base64"),
        (f"{TEXT}\n— PeterNeumann x08gow==\n", "too short"),
        (f"{TEXT}\n{BY_PETER * 101}", "101 signatures, more than 100"),
        ("x" * NOTE_BYTES_MAX + "\n\n" + BY_PETER, "longer than 1048576 characters"),
    ],
)
def test_what_is_no_note_says_why(note: str, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        open_note(note, [PETER])


def test_a_note_may_carry_a_hundred_signatures() -> None:
    assert open_note(f"{TEXT}\n{BY_PETER * 100}", [PETER]).signers == (PETER,)


def test_base64_has_one_form() -> None:
    """Unused bits at the end would let a changed file pass."""
    with pytest.raises(Malformed, match="RFC 4648"):
        open_note(NOTE.replace("AM=\n", "AN=\n"), [ENOCH])


def test_the_last_empty_line_divides_text_and_signatures() -> None:
    text = f"first\n\n{BY_PETER}\nlast\n"
    assert open_note(sign_note(text, [key(1)]), [key(1).verifier]).text == text


@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters=[chr(c) for c in range(32)])).map(
        lambda s: s + "\n"
    ),
    st.lists(st.integers(1, 9), min_size=1, max_size=4, unique=True),
)
def test_what_is_signed_is_read_again(text: str, numbers: list[int]) -> None:
    note = sign_note(text, [key(number) for number in numbers])
    assert str(Note.parse(note)) == note
    verifiers = tuple(key(number).verifier for number in numbers)
    assert open_note(note, verifiers).text == text
    assert open_note(note, verifiers).signers == verifiers


@pytest.mark.parametrize("text", ["", "no line break", "a tab\t\n", "\udc80\n"])
def test_a_text_that_no_note_can_have_is_not_signed(text: str) -> None:
    with pytest.raises(Malformed):
        str(Note(text, (Signature("name", "00000000", bytes(64)),)))


def test_a_note_without_signatures_is_not_made() -> None:
    with pytest.raises(Malformed, match="1 to 100 signatures, not 0"):
        sign_note(TEXT, [])


def mangled(text: str) -> list[str]:
    """Every part of a text, and the text with every byte changed."""
    parts = {text[i:j] for i in range(len(text) + 1) for j in range(i + 1, len(text) + 1)} - {text}
    return [*parts, "", *(text[:i] + chr(ord(text[i]) + 1) + text[i + 1 :] for i in range(len(text)))]


def test_a_verifier_key_is_read_whole_or_not_at_all() -> None:
    assert str(PETER) == PETER_TEXT
    assert (PETER.name, PETER.id, len(PETER.public_key)) == ("PeterNeumann", "c74f20a3", 32)
    for text in mangled(PETER_TEXT):
        with pytest.raises(Malformed):
            VerifierKey.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        PETER_TEXT.replace("c74f20a3", "C74F20A3"),
        PETER_TEXT + "\n",
        "Peter Neumann" + PETER_TEXT[12:],
    ],
)
def test_a_key_of_another_kind_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        VerifierKey.parse(text)


def test_a_signing_key_is_read_whole_or_not_at_all() -> None:
    secret = SigningKey.parse(PETER_SECRET)
    assert secret.secret_text() == PETER_SECRET
    assert secret.verifier == PETER
    for text in mangled(PETER_SECRET):
        with pytest.raises(Malformed):
            SigningKey.parse(text)


def test_a_secret_is_never_told() -> None:
    secret = SigningKey.parse(PETER_SECRET)
    told = [repr(secret), str(secret), f"{secret}", repr([secret])]
    for text in (*mangled(PETER_SECRET), PETER_SECRET.replace("PeterNeumann", "Peter Neumann"), f"{PETER_SECRET}\n"):
        with pytest.raises(Malformed) as refused:
            SigningKey.parse(text)
        told.append(str(refused.value))
        assert refused.value.__cause__ is None
    seed = PETER_SECRET.rpartition("+")[2]
    assert "SigningKey(PeterNeumann+c74f20a3)" in told
    for sentence in told:
        assert not any(seed[at : at + 6] in sentence for at in range(len(seed) - 5))


def test_a_generated_key_signs() -> None:
    made = SigningKey.generate("ledger.example/book")
    assert made.secret_text() != SigningKey.generate("ledger.example/book").secret_text()
    again = SigningKey.parse(made.secret_text())
    assert open_note(sign_note(TEXT, [again]), [VerifierKey.parse(str(made.verifier))]).text == TEXT


@pytest.mark.parametrize("name", ["", "two words", "a+b", "a\u00a0b", "a\u2003b", "a\x7f\n", "a\x01"])
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(Malformed):
        SigningKey.generate(name)


def test_a_public_key_of_another_length_is_refused() -> None:
    with pytest.raises(Malformed, match="32 bytes, not 31"):
        VerifierKey("name", bytes(31))
