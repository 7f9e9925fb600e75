"""Which keys have signed the book, as the book itself says: acts in a chain of their own.

The first act of a book names it and its first key; each later one holds the statement by which a key handed over to the
next. So every replica, every copy and every backup knows whose signature counts, and a ledger that is started with
another key than the book's says so at once. Kinds of acts, and their documents:

``keys.made``     origin, key (a verifier key), from_size
``keys.rotated``  statement (a signed note, see ``meterbook.proof.keys``), old_until_us
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ledger.journal.errors import StoreDamaged
from meterbook.ledger.v1 import journal_pb2
from meterbook.proof.errors import ProofError
from meterbook.proof.keys import follow
from meterbook.proof.note import VerifierKey

KEYS_CHAIN = "keys"
_MADE, _ROTATED = "keys.made", "keys.rotated"
#: The acts that ``succession`` wants to see.
KEY_KINDS = (_MADE, _ROTATED)


@dataclass(frozen=True)
class Succession:
    """The keys of a book, oldest first; ``until_us`` says when each but the newest stopped or stops to sign."""

    origin: str
    keys: tuple[VerifierKey, ...]
    until_us: tuple[int, ...] = ()
    statements: tuple[str, ...] = ()

    @property
    def newest(self) -> VerifierKey:
        """The key that signs until further notice."""
        return self.keys[-1]

    def signing(self, size: int, now_us: int) -> tuple[VerifierKey, ...]:
        """The keys that sign a tree of this size now, the newest first."""
        still = [key for key, until_us in zip(self.keys, self.until_us, strict=False) if until_us > now_us]
        return tuple(key for key in (self.newest, *reversed(still)) if key.from_size <= size)


def made(origin: str, key: VerifierKey) -> journal_pb2.ActRecord:
    """The act by which a book gets its name and its first key."""
    return _act(_MADE, key, {"origin": origin, "key": str(key), "from_size": key.from_size}, "ledger")


def rotated(key: VerifierKey, statement: str, old_until_us: int, author: str) -> journal_pb2.ActRecord:
    """The act by which the key before hands over to ``key``."""
    return _act(_ROTATED, key, {"statement": statement, "old_until_us": old_until_us}, author)


def succession(acts: Iterable[Mapping[str, Any]]) -> Succession | None:
    """What the acts say; rows as ``View.acts`` gives them, of any kind. None where no key was ever named.

    Raises StoreDamaged where a statement is not by the key that it follows.
    """
    found: Succession | None = None
    for row in acts:
        if row["kind"] not in KEY_KINDS:
            continue
        try:
            found = _after(found, row["kind"], json.loads(row["document"]))
        except (ProofError, KeyError, TypeError, ValueError) as error:
            raise StoreDamaged(
                f"position {row['position']}: {row['kind']} does not hold ({error}); make the tables anew from the log, "
                "or restore the log from a backup"
            ) from error
    return found


def _after(before: Succession | None, kind: str, document: Mapping[str, Any]) -> Succession:
    if kind == _MADE:
        key = replace(VerifierKey.parse(document["key"]), from_size=int(document["from_size"]))
        return Succession(document["origin"], (key,))
    if before is None:
        raise ValueError("no key was there before")
    *known, new = follow([before.newest], [document["statement"]], before.origin)
    if not known:
        raise ValueError("it hands over to the key that it comes from")
    return Succession(
        before.origin,
        (*before.keys, new),
        (*before.until_us, int(document["old_until_us"])),
        (*before.statements, document["statement"]),
    )


def _act(kind: str, key: VerifierKey, document: Mapping[str, object], author: str) -> journal_pb2.ActRecord:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return journal_pb2.ActRecord(author=author, kind=kind, name=key.hint, document=text)
