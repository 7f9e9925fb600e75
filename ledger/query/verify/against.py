"""The older checkpoint that a book is held against: whose it is, before what it says is compared with anything."""

from __future__ import annotations

from collections.abc import Sequence

from ledger.journal.journal import Journal
from ledger.proof.succession import KEY_KINDS, succession
from ledger.query.questions import BadQuestion
from meterbook.proof.checkpoint import Checkpoint, open_checkpoint
from meterbook.proof.errors import ProofError
from meterbook.proof.keys import follow
from meterbook.proof.note import VerifierKey


def older_checkpoint(note: str, keys: Sequence[str], rotations: Sequence[str] = ()) -> Checkpoint:
    """The checkpoint that one of these keys has signed, or one that they hand over to. Raises BadQuestion."""
    try:
        known = [VerifierKey.parse(text) for text in keys]
        if not known:
            raise BadQuestion("against: no key is known that could have signed it; give one with verifier_keys (--key)")
        origin = known[0].name
        return open_checkpoint(note, follow(known, rotations, origin), origin).checkpoint
    except ProofError as error:
        raise BadQuestion(f"against: {error}") from error


def kept_checkpoint(journal: Journal, note: str, keys: Sequence[str]) -> Checkpoint:
    """The same, where without ``keys`` those count that the book names. Raises BadQuestion, JournalError."""
    found = succession(journal.view().acts(kinds=KEY_KINDS).to_pylist())
    if found is None:
        return older_checkpoint(note, keys)
    return older_checkpoint(note, keys or [str(key) for key in found.keys], found.statements)
