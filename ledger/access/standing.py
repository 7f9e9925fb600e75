"""Standing: who holds what, as a pure fold of the acts in the order of the journal.

The order decides where two acts contradict each other, so that all replicas come to the same result whatever they
believed when they wrote: of two agents that enrol with one invitation the first has it, and an act about a credential
that is not there, or is revoked already, changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

from ledger.access.acts import Act
from ledger.access.caller import Caller, Role
from ledger.access.credentials import Kind, Presented, same_hash
from ledger.access.grants import Patterns

State = Literal["valid", "expired", "revoked", "used"]

#: Compared with where there is no such credential, so that each attempt costs the same.
_NO_HASH = "0" * 64


@dataclass(frozen=True)
class Credential:
    """One credential, without its secret. Times are microseconds since the Unix epoch, 0 for never."""

    id: str
    kind: Kind
    name: str
    role: Role
    tenants: Patterns
    sources: Patterns
    secret_hash: str = field(repr=False)
    created_us: int
    expires_us: int = 0
    revoked_us: int = 0
    rotated_us: int = 0
    old_hash: str = field(default="", repr=False)
    old_until_us: int = 0
    #: Of an invitation: the id of the key that was enrolled with it.
    used_by: str = ""

    def state(self, now_us: int) -> State:
        """Whether it is good for anything, and if not, why."""
        if self.revoked_us:
            return "revoked"
        if self.expires_us and now_us >= self.expires_us:
            return "expired"
        return "used" if self.used_by else "valid"

    def knows(self, secret_hash: str, now_us: int) -> bool:
        """Whether a secret is this credential's: the newest one, or the one before while it lives."""
        is_newest = same_hash(self.secret_hash, secret_hash)
        is_old = same_hash(self.old_hash or _NO_HASH, secret_hash)
        return is_newest or (is_old and now_us < self.old_until_us)

    @property
    def caller(self) -> Caller:
        """Who calls with it."""
        return Caller(self.role, self.name, self.tenants, self.sources, self.id)


@dataclass(frozen=True)
class Standing:
    """All credentials by id, as they are after the act at ``position``."""

    credentials: Mapping[str, Credential] = field(default_factory=lambda: MappingProxyType({}))
    position: int = 0

    def after(self, acts: Iterable[Act]) -> Standing:
        """The standing after more acts."""
        held, position = dict(self.credentials), self.position
        for each in acts:
            changed = _changed(held, each)
            if changed is not None:
                held.update({credential.id: credential for credential in changed})
            position = max(position, each.position)
        return Standing(MappingProxyType(held), position)

    def find(self, presented: Presented, now_us: int) -> Credential | None:
        """The credential that is presented, in whatever state; None where there is none or the secret is another."""
        found = self.credentials.get(presented.id)
        if found is None or found.kind != presented.kind:
            same_hash(_NO_HASH, presented.secret_hash)
            return None
        return found if found.knows(presented.secret_hash, now_us) else None


def _changed(held: Mapping[str, Credential], act: Act) -> tuple[Credential, ...] | None:
    details, standing = act.details if act.kind.startswith("access.") else {}, held.get(act.name)
    if act.kind == "access.issued" and standing is None:
        return (_issued(act.name, details),)
    if act.kind == "access.enrolled" and standing is None:
        return _enrolled(held, act.name, details)
    if standing is None or standing.revoked_us:
        return None
    if act.kind == "access.revoked":
        return (replace(standing, revoked_us=details["revoked_us"]),)
    if act.kind == "access.rotated":
        return (
            replace(
                standing,
                secret_hash=details["secret_hash"],
                old_hash=standing.secret_hash,
                old_until_us=details["old_until_us"],
                rotated_us=details["rotated_us"],
            ),
        )
    return None


def _issued(credential_id: str, details: Mapping[str, Any]) -> Credential:
    kind: Kind = details["kind"]
    return Credential(
        credential_id,
        kind,
        details["name"],
        details["role"] if kind == "token" else kind,
        Patterns.of(details["tenants"]),
        Patterns.of(details["sources"]),
        details["secret_hash"],
        details["created_us"],
        details["expires_us"],
    )


def _enrolled(
    held: Mapping[str, Credential], credential_id: str, details: Mapping[str, Any]
) -> tuple[Credential, ...] | None:
    invitation = held.get(details["invitation"])
    if invitation is None or invitation.kind != "enrol" or invitation.state(details["created_us"]) != "valid":
        return None
    key = Credential(
        credential_id,
        "agent",
        invitation.name,
        "agent",
        invitation.tenants,
        invitation.sources,
        details["secret_hash"],
        details["created_us"],
    )
    return key, replace(invitation, used_by=credential_id)
