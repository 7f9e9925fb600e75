"""The caller: who makes a request, as far as that decides what may be answered. A value without any secret."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ledger.access.grants import ALL, NOTHING, Patterns

#: What a caller is: a token's role, or the kind of a credential that has none.
Role = Literal["admin", "operator", "viewer", "agent", "enrol", "anonymous"]

TOKEN_ROLES: tuple[Role, ...] = ("admin", "operator", "viewer")


@dataclass(frozen=True)
class Caller:
    """Who is calling.

    ``tenants`` are the names that a viewer sees, or the patterns that an agent may write for; ``sources`` are patterns
    and only agents have them. ``credential_id`` is public, and empty for a caller without a credential.
    """

    role: Role
    name: str
    tenants: Patterns = NOTHING
    sources: Patterns = NOTHING
    credential_id: str = ""

    def __str__(self) -> str:
        return f"{self.role} {self.name} ({self.credential_id})" if self.credential_id else self.name


#: Whoever calls without a credential, where the configuration lets them.
ANONYMOUS = Caller("anonymous", "anonymous", ALL, ALL)
