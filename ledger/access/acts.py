"""Acts: what was done about access, and where that is kept.

A credential is never changed or removed: it is issued, rotated, revoked, and each of these is a record of the journal. So who
could do what at any time can be read from the book, and another replica knows it as soon as it has read on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

#: Kinds of acts about access. Others do not concern this package.
ActKind = Literal["access.issued", "access.enrolled", "access.rotated", "access.revoked"]


@dataclass(frozen=True)
class Act:
    """One act. ``name`` is the id of the credential, ``position`` its place in the journal (0 before it is written).

    Documents, all times in microseconds since the Unix epoch, 0 for never:

    ``access.issued``    kind, name, role, tenants, sources, secret_hash, created_us, expires_us
    ``access.enrolled``  invitation (its id), secret_hash, created_us
    ``access.rotated``   secret_hash, rotated_us, old_until_us
    ``access.revoked``   revoked_us
    """

    kind: str
    name: str
    document: str
    author: str
    position: int = 0

    @property
    def details(self) -> Mapping[str, Any]:
        """What the document says."""
        found = json.loads(self.document)
        assert isinstance(found, dict)
        return found


def act(kind: ActKind, name: str, author: str, /, **details: object) -> Act:
    """An act with its document as canonical JSON."""
    document = json.dumps(details, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return Act(kind, name, document, author)


class ActBook(Protocol):
    """Where acts are kept. Both methods block, and raise JournalError where the journal cannot be used just now."""

    def acts(self, after: int) -> list[Act]:
        """The acts of positions after ``after``, in their order."""
        ...

    def write(self, act: Act) -> int:
        """Keep an act; gives its position once it is durable."""
        ...
