"""Whether the keys of a file are those of a book: asked when a ledger starts, and by ``doctor`` before it does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ledger.journal.place import Place
from ledger.journal.reading import reading
from ledger.proof.errors import KeyRefused
from ledger.proof.succession import KEY_KINDS, Succession, succession
from meterbook.proof.note import SigningKey


def named_by(place: Place) -> Succession | None:
    """The keys that a book names as far as its tables have it, found by reading alone; None where it names none yet.

    Raises StoreRefused, LogUnavailable, TablesUnavailable.
    """
    with reading(place) as view:
        return succession(view.acts(kinds=KEY_KINDS).to_pylist())


def fits(found: Succession, held: Sequence[SigningKey]) -> bool:
    """Whether what signs the book is among the keys of a file."""
    return found.newest.hint in {key.verifier.hint for key in held}


def wrong_key(path: Path, found: Succession, held: Sequence[SigningKey]) -> KeyRefused:
    """The keys of this file do not have the one that signs the book."""
    hints = ", ".join(key.verifier.hint for key in held)
    return KeyRefused(
        f"key_file {path}: the book is signed by {found.newest.hint}, and the file holds "
        f"{hints or 'nothing'}; put that key there, or have a new one made with proof.replace_lost_key"
    )


def wrong_origin(origin: str, found: Succession) -> KeyRefused:
    """The book has another name than the configuration gives it."""
    return KeyRefused(
        f"proof.origin {origin!r}: the book is called {found.origin!r} since it was made; leave the "
        "setting out, or give that name"
    )
