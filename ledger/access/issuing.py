"""Issuing: the acts that change who holds what.

Each call checks what is asked, writes one act and reads on in the book, past that act: what it then answers is what stands,
whatever others wrote at the same time. A secret exists only in the answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from ledger.access import credentials
from ledger.access.acts import Act, ActBook, act
from ledger.access.caller import TOKEN_ROLES, Caller
from ledger.access.credentials import Kind, Presented, same_hash
from ledger.access.grants import Patterns
from ledger.access.policy import IMPORT_PREFIX, Denied
from ledger.access.register import Register
from ledger.access.standing import Credential
from meterbook.wire.instants import SECOND_US, now_us

INVITATION_S = 3_600
_LIFETIME_S_MAX = 10 * 365 * 86_400
_NAMES_MAX, _NAME_LENGTH_MAX = 1_000, 200
_AGENT = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}\Z")


class BadRequest(ValueError):
    """What is asked makes no sense; the message names the field, the value and what is allowed."""


class Issuer:
    """Issues, enrols, rotates and revokes. Methods block, and raise BadRequest, Denied or JournalError."""

    def __init__(self, book: ActBook, register: Register, clock_us: Callable[[], int] = now_us) -> None:
        self._book, self._register, self._clock_us = book, register, clock_us

    def issue_token(
        self, by: Caller, name: str, role: str, tenants: Sequence[str], expires_s: int
    ) -> tuple[Credential, Presented]:
        """A token for a person or a program; ``expires_s`` seconds from now, 0 for never."""
        if role not in TOKEN_ROLES:
            raise BadRequest(f"role: {role[:80]!r} is not one of {', '.join(TOKEN_ROLES)}")
        if role == "viewer":
            _names("tenants", tenants)
            if any("*" in each for each in tenants):
                raise BadRequest("tenants: a viewer's tenants are names, not patterns")
        elif tenants:
            raise BadRequest(f"tenants: the role {role} sees every tenant; leave them out, or say viewer")
        return self._issue(by, "token", _name(name), role, tenants, (), expires_s)

    def invite_agent(
        self, by: Caller, agent: str, tenants: Sequence[str], sources: Sequence[str], expires_s: int
    ) -> tuple[Credential, Presented]:
        """A one-time invitation; good for ``expires_s`` seconds, 0 for an hour."""
        if not _AGENT.match(agent):
            raise BadRequest(
                f"agent: {agent[:80]!r} is not a name of 1 to 63 lower-case letters, digits, dots and hyphens"
            )
        if agent.startswith(IMPORT_PREFIX):
            raise BadRequest(
                f"agent: {agent!r} begins with {IMPORT_PREFIX}, as chains of operators do: take another name"
            )
        _names("tenants", tenants)
        _names("sources", sources)
        return self._issue(by, "enrol", agent, "", tenants, sources, expires_s or INVITATION_S)

    def enrol(self, by: Caller, key_id: str, secret_hash: bytes) -> Credential:
        """The key that an agent made, by the invitation it calls with. Repeating it with the same key changes nothing."""
        if not credentials.is_id(key_id):
            raise BadRequest("key_id: it is 16 ASCII letters and digits")
        if len(secret_hash) != 32:
            raise BadRequest(f"secret_hash: a SHA-256 has 32 bytes, not {len(secret_hash)}")
        invitation = self._register.standing.credentials[by.credential_id]
        if not invitation.used_by and key_id not in self._register.standing.credentials:
            self._keep(
                act(
                    "access.enrolled",
                    key_id,
                    str(by),
                    invitation=by.credential_id,
                    secret_hash=secret_hash.hex(),
                    created_us=self._clock_us(),
                )
            )
        standing = self._register.standing.credentials
        key = standing.get(key_id)
        if (
            key is None
            or standing[by.credential_id].used_by != key_id
            or not same_hash(key.secret_hash, secret_hash.hex())
        ):
            raise Denied(f"invitation {by.credential_id} for agent {by.name} was used already: get another one")
        return key

    def rotate(self, by: Caller, credential_id: str, overlap_s: int) -> tuple[Credential, Presented]:
        """A new secret; the old one lives for ``overlap_s`` seconds more."""
        found = self._existing(credential_id)
        if found.kind == "enrol":
            raise BadRequest(f"id: {found.id} is an invitation, which is used once; invite anew")
        if not 0 <= overlap_s <= _LIFETIME_S_MAX:
            raise BadRequest(f"overlap_s: {overlap_s} is not between 0 and {_LIFETIME_S_MAX}")
        if found.state(self._clock_us()) != "valid":
            raise BadRequest(f"id: {found.id} is {found.state(self._clock_us())}; issue another credential")
        presented, now = credentials.remake(found.kind, found.id), self._clock_us()
        self._keep(
            act(
                "access.rotated",
                found.id,
                str(by),
                secret_hash=presented.secret_hash,
                rotated_us=now,
                old_until_us=now + overlap_s * SECOND_US,
            )
        )
        return self._existing(found.id), presented

    def revoke(self, by: Caller, credential_id: str) -> Credential:
        """End a credential; ending it again changes nothing."""
        found = self._existing(credential_id)
        if not found.revoked_us:
            self._keep(act("access.revoked", found.id, str(by), revoked_us=self._clock_us()))
        return self._existing(credential_id)

    def all(self) -> list[Credential]:
        """Every credential, oldest first."""
        self._register.refresh()
        return sorted(self._register.standing.credentials.values(), key=lambda each: (each.created_us, each.id))

    def _issue(
        self,
        by: Caller,
        kind: Kind,
        name: str,
        role: str,
        tenants: Sequence[str],
        sources: Sequence[str],
        expires_s: int,
    ) -> tuple[Credential, Presented]:
        if not 0 <= expires_s <= _LIFETIME_S_MAX:
            raise BadRequest(f"expires_s: {expires_s} is not between 0 and {_LIFETIME_S_MAX}")
        presented, now = credentials.make(kind), self._clock_us()
        self._keep(
            act(
                "access.issued",
                presented.id,
                str(by),
                kind=kind,
                name=name,
                role=role,
                tenants=Patterns.of(tenants).patterns,
                sources=Patterns.of(sources).patterns,
                secret_hash=presented.secret_hash,
                created_us=now,
                expires_us=now + expires_s * SECOND_US if expires_s else 0,
            )
        )
        return self._existing(presented.id), presented

    def _keep(self, what: Act) -> None:
        self._book.write(what)
        self._register.refresh()

    def _existing(self, credential_id: str) -> Credential:
        found = self._register.standing.credentials.get(credential_id)
        if found is None:
            self._register.refresh()
            found = self._register.standing.credentials.get(credential_id)
        if found is None:
            raise BadRequest(f"id: there is no credential {credential_id[:80]!r}; 'meterbook access list' names them")
        return found


def _name(name: str) -> str:
    if not name or len(name) > _NAME_LENGTH_MAX or not name.isprintable():
        raise BadRequest(f"name: {name[:80]!r} is not 1 to {_NAME_LENGTH_MAX} printable characters")
    return name


def _names(field: str, names: Sequence[str]) -> None:
    if not names:
        raise BadRequest(f"{field}: name at least one")
    if len(names) > _NAMES_MAX:
        raise BadRequest(f"{field}: {len(names)} are more than {_NAMES_MAX}; use a pattern such as 'shop-*'")
    for each in names:
        if not each or len(each) > _NAME_LENGTH_MAX or "*" in each[:-1]:
            raise BadRequest(f"{field}: {each[:80]!r} is neither a name nor a beginning with one '*' behind it")
