"""The file of the ledger's secret keys: one line for each, oldest first, in the form of ``meterbook.proof.note``.

While one key hands over to the next the file holds both. It is replaced whole, by renaming, so a crash leaves the file of
before or the new one. Nobody but its owner may read it; its owner's group may, since that is how orchestrators mount secrets.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ledger.journal.disk import sync_directory
from ledger.proof.errors import KeyRefused
from meterbook.proof.errors import Malformed
from meterbook.proof.note import SigningKey

_BYTES_MAX = 1 << 16
_FORBIDDEN = stat.S_IWGRP | stat.S_IXGRP | stat.S_IRWXO


@dataclass(frozen=True)
class KeyFile:
    """Where the keys are or will be. Methods raise KeyRefused."""

    path: Path

    def read(self) -> tuple[SigningKey, ...]:
        """The keys, oldest first; none where there is no file."""
        try:
            with self.path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                text = file.read(_BYTES_MAX).decode("utf-8", "replace")
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise self._refused(f"cannot be read ({error.strerror})", "make it readable to the ledger alone") from error
        if mode & _FORBIDDEN:
            raise self._refused(
                f"has the mode {stat.S_IMODE(mode):04o}, by which others can get at it", f"chmod 600 {self.path}"
            )
        try:
            return tuple(SigningKey.parse(line.strip()) for line in text.splitlines() if line.strip())
        except Malformed as error:
            raise self._refused(
                f"holds no signing keys, one a line: {error}", "put the book's key file back"
            ) from error

    def write(self, keys: Sequence[SigningKey]) -> None:
        """Replace the file; it is durable when this returns."""
        fresh = self.path.with_name(f"{self.path.name}.{secrets.token_hex(4)}.new")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    file.write("".join(f"{key.secret_text()}\n" for key in keys))
                    file.flush()
                    os.fsync(file.fileno())
                fresh.replace(self.path)
            except BaseException:
                fresh.unlink(missing_ok=True)
                raise
            sync_directory(self.path.parent)
            sync_directory(self.path.parent.parent)
        except OSError as error:
            raise self._refused(
                f"cannot be written ({error.strerror})",
                "let the ledger write there, or put the old and the new key into it, a line each",
            ) from error

    def _refused(self, what: str, advice: str) -> KeyRefused:
        return KeyRefused(f"key_file {self.path}: {what}; {advice}")
