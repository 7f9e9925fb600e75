"""A credential as text: ``mb_<kind>_<id>_<secret>``, and the only thing that is kept of it, a SHA-256.

The id is public: it finds the credential, stands in lists and logs, and is what is revoked. The secret is 256 random bits,
so that its plain hash is enough: nobody can try them all, and nothing has to be slow on purpose. A prefix that is always the
same lets scanners find a credential that was left somewhere. ``repr`` and ``str`` of the parts never show the secret.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["enrol", "agent", "token"]

#: Longer text is refused unread.
CREDENTIAL_LENGTH_MAX = 128

_ALPHABET = string.ascii_letters + string.digits
_ID_LENGTH = 16
# 62^43 is a little more than 2^256.
_SECRET_LENGTH = 43
_ID = re.compile(r"[A-Za-z0-9]{16}\Z")
_KINDS: dict[str, Kind] = {"enrol": "enrol", "agent": "agent", "token": "token"}
_FORM = re.compile(r"mb_(enrol|agent|token)_([A-Za-z0-9]{16})_([A-Za-z0-9]{43,64})\Z")


class NoCredential(ValueError):
    """The text is not a credential. The message does not repeat it."""


@dataclass(frozen=True)
class Presented:
    """A credential that somebody shows."""

    kind: Kind
    id: str
    secret: str = field(repr=False)

    @property
    def secret_hash(self) -> str:
        """What is kept of the secret."""
        return hash_of(self.secret)

    @property
    def text(self) -> str:
        """The credential itself, for whom it was made."""
        return f"mb_{self.kind}_{self.id}_{self.secret}"


def make(kind: Kind) -> Presented:
    """A new credential with an id of its own."""
    return remake(kind, _random(_ID_LENGTH))


def remake(kind: Kind, credential_id: str) -> Presented:
    """A new secret for an id."""
    return Presented(kind, credential_id, _random(_SECRET_LENGTH))


def parse(text: str) -> Presented:
    """The parts of a credential. Raises NoCredential."""
    found = _FORM.match(text) if len(text) <= CREDENTIAL_LENGTH_MAX else None
    if found is None:
        raise NoCredential("this is not a credential of the form mb_<kind>_<id>_<secret>")
    return Presented(_KINDS[found[1]], found[2], found[3])


def is_id(text: str) -> bool:
    """Whether the text can be the id of a credential."""
    return _ID.match(text) is not None


def hash_of(secret: str) -> str:
    """SHA-256 of a secret, hexadecimal."""
    return hashlib.sha256(secret.encode()).hexdigest()


def same_hash(one: str, other: str) -> bool:
    """Whether two hashes are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(one, other)


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
