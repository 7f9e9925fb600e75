"""The agent's own key: made here, enrolled once with an invitation, kept in a file of its own.

The agent makes the key and sends only the hash of its secret. It writes the key down before it asks, beside its place
(``.pending``), and moves it there after the ledger has said yes; so a crash at any moment leaves either no key or one that
can be enrolled again with the same invitation, which changes nothing where it was enrolled already. Whoever reads the traffic or
the ledger's journal never sees the secret, and the invitation is worthless once used.

The files are read at every connection: a key that somebody rotates or puts there by hand needs no restart.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from agent.errors import AgentError
from agent.spool.file import sync_directory

_ALPHABET = string.ascii_letters + string.digits
# 62^43 is a little more than 2^256.
_ID_LENGTH, _SECRET_LENGTH = 16, 43
_KEY = re.compile(r"mb_agent_([A-Za-z0-9]{16})_([A-Za-z0-9]{43,64})")
_INVITATION = re.compile(r"mb_enrol_[A-Za-z0-9]{16}_[A-Za-z0-9]{43,64}")
_FILE_BYTES_MAX = 4_096


class KeyUnusable(AgentError):
    """There is no key to speak to the ledger with, and none can be had until somebody acts."""


@dataclass(frozen=True)
class Key:
    """An agent's key; ``str`` and ``repr`` do not show the secret."""

    id: str
    secret: str = field(repr=False)

    @property
    def text(self) -> str:
        """What is presented to the ledger."""
        return f"mb_agent_{self.id}_{self.secret}"

    @property
    def secret_hash(self) -> bytes:
        """What the ledger keeps of the secret."""
        return hashlib.sha256(self.secret.encode()).digest()


@dataclass(frozen=True)
class KeyFiles:
    """Where the key is or will be, and where the invitation to get one."""

    key_file: Path
    enrolment_token_file: Path | None

    def key(self) -> Key | None:
        """The key, if there is one. Raises KeyUnusable for a file that cannot be read or holds something else."""
        return _read_key(self.key_file)

    def enrol(self, ask: Callable[[str, Key], None]) -> Key:
        """Get a key: ``ask`` is given an invitation and the key, and returns once the ledger has taken it.

        Raises KeyUnusable, and what ``ask`` raises.
        """
        invitation = self._invitation()
        pending = self.key_file.with_name(f"{self.key_file.name}.pending")
        key = _read_key(pending)
        if key is None:
            key = Key(_random(_ID_LENGTH), _random(_SECRET_LENGTH))
            _write(pending, key.text)
        ask(invitation, key)
        try:
            pending.rename(self.key_file)
            sync_directory(self.key_file.parent)
        except OSError as error:
            raise KeyUnusable(
                f"ledger.key_file {self.key_file} cannot be written: {error.strerror or error}"
            ) from error
        return key

    def _invitation(self) -> str:
        if self.enrolment_token_file is None:
            raise KeyUnusable(
                f"ledger.key_file {self.key_file} does not exist: put the agent's key there, or name an invitation in "
                "ledger.enrolment_token_file"
            )
        text = _read(self.enrolment_token_file, "ledger.enrolment_token_file")
        if text is None:
            raise KeyUnusable(
                f"neither ledger.key_file {self.key_file} nor ledger.enrolment_token_file {self.enrolment_token_file} "
                "exists: have the agent invited with 'meterbook access invite-agent'"
            )
        if not _INVITATION.fullmatch(text):
            raise KeyUnusable(
                f"ledger.enrolment_token_file {self.enrolment_token_file} holds no invitation: it is one line that begins "
                "with mb_enrol_"
            )
        return text


def _read_key(path: Path) -> Key | None:
    text = _read(path, "ledger.key_file")
    if text is None:
        return None
    found = _KEY.fullmatch(text)
    if found is None:
        raise KeyUnusable(f"ledger.key_file {path} holds no agent's key: it is one line that begins with mb_agent_")
    return Key(found[1], found[2])


def _read(path: Path, field_name: str) -> str | None:
    try:
        with path.open("rb") as file:
            return file.read(_FILE_BYTES_MAX).decode("ascii", "replace").strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise KeyUnusable(f"{field_name} {path} cannot be read: {error.strerror or error}") from error


def _write(path: Path, text: str) -> None:
    """A file that is there whole or not at all, for nobody else to read."""
    fresh = path.with_name(f"{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{text}\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(path)
        sync_directory(path.parent)
    except OSError as error:
        raise KeyUnusable(f"ledger.key_file: {path} cannot be written: {error.strerror or error}") from error


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
