"""The form of a credential, and that its secret shows nowhere."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.access.credentials import NoCredential, hash_of, is_id, make, parse, remake, same_hash

KINDS = ("enrol", "agent", "token")


@pytest.mark.parametrize("kind", KINDS)
def test_a_credential_is_read_as_it_was_made(kind: str) -> None:
    made = make(kind)  # type: ignore[arg-type]
    assert made.text.startswith(f"mb_{kind}_{made.id}_")
    assert parse(made.text) == made
    assert is_id(made.id)
    assert len({make("token").secret for _ in range(50)}) == 50


def test_only_a_hash_of_the_secret_is_kept() -> None:
    made = make("token")
    assert made.secret_hash == hash_of(made.secret) == hashlib.sha256(made.secret.encode()).hexdigest()
    assert same_hash(made.secret_hash, parse(made.text).secret_hash)
    assert not same_hash(made.secret_hash, remake("token", made.id).secret_hash)


def test_the_secret_has_256_bits() -> None:
    assert 62 ** len(make("agent").secret) > 2**256


def test_no_text_of_a_credential_shows_its_secret() -> None:
    made = make("token")
    assert made.secret not in f"{made} {made!r}"
    with pytest.raises(NoCredential) as refused:
        parse(made.text + "!")
    assert made.secret not in str(refused.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("mb_token", "mb_root"),
        lambda text: text.upper(),
        lambda text: text + "\n",
        lambda text: " " + text,
        lambda text: text[:-1],
        lambda text: text + "x" * 30,
        lambda text: text.replace("_", "-"),
        lambda _: "",
        lambda _: "mb_token__",
    ],
)
def test_what_is_nearly_a_credential_is_none(change) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(NoCredential, match="of the form"):
        parse(change(make("token").text))


@given(st.text(max_size=300))
def test_garbage_is_no_credential(text: str) -> None:
    with pytest.raises(NoCredential):
        parse(text)
