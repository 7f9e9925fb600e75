"""The file of the ledger's secret keys: one line for each, oldest first, in the form of ``meterbook.proof.note``.

While one key hands over to the next the file holds both. It is replaced whole, by renaming, so a crash leaves the file of
before or the new one. Nobody but its owner may read it; its owner's group may, since that is how orchestrators mount secrets.

Kubernetes lets the group of a pod (``fsGroup``) write everything on a volume, whenever it puts the group there. That is taken back where the
file is the ledger's own: a key that somebody of the group put in place of it is not the one that the book names, and is refused for
that. What others may read is refused, since nobody knows who has.
"""

from __future__ import annotations

import logging
import os
import secrets
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ledger.journal.disk import sync_directory
from ledger.proof.errors import KeyRefused
from meterbook.proof.errors import Malformed
from meterbook.proof.note import SigningKey

_BYTES_MAX = 1 << 16
_MODE = 0o600
#: What the group of a volume is given beyond reading, and what nobody may be given.
_OF_GROUP = stat.S_IWGRP | stat.S_IXGRP
_FORBIDDEN = _OF_GROUP | stat.S_IRWXO

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class KeyFile:
    """Where the keys are or will be. Methods raise KeyRefused."""

    path: Path

    def read(self) -> tuple[SigningKey, ...]:
        """The keys, oldest first; none where there is no file."""
        try:
            with self.path.open("rb") as file:
                mode = self._mended(file.fileno())
                text = file.read(_BYTES_MAX).decode("utf-8", "replace")
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise self._refused(f"cannot be read ({error.strerror})", "make it readable to the ledger alone") from error
        if mode & _FORBIDDEN:
            raise self._refused(
                f"has the mode {mode:04o}, by which others can get at it",
                f"chmod 600 {self.path}, or mount its Secret with defaultMode: 0440",
            )
        try:
            return tuple(SigningKey.parse(line.strip()) for line in text.splitlines() if line.strip())
        except Malformed as error:
            raise self._refused(
                f"holds no signing keys, one a line: {error}", "put the book's key file back"
            ) from error

    def _mended(self, descriptor: int) -> int:
        """The mode of the open file, after taking from the group of a volume what it was given with all that lies there."""
        status = os.fstat(descriptor)
        mode = stat.S_IMODE(status.st_mode)
        if not mode & _OF_GROUP or mode & stat.S_IRWXO or status.st_uid != os.geteuid():
            return mode
        try:
            os.fchmod(descriptor, _MODE)
        except OSError:
            # Of a file system that takes no changes.
            return mode
        logger.warning(
            "key_file %s had the mode %04o, by which its group could write it: it is %04o now", self.path, mode, _MODE
        )
        return _MODE

    def create(self, key: SigningKey) -> None:
        """Make a file with one key, where there is none; it is durable when this returns."""
        self._put([key], lambda fresh: os.link(fresh, self.path))

    def write(self, keys: Sequence[SigningKey]) -> None:
        """Replace the file; it is durable when this returns."""
        self._put(keys, lambda fresh: fresh.replace(self.path))

    def _put(self, keys: Sequence[SigningKey], place: Callable[[Path], object]) -> None:
        fresh = self.path.with_name(f"{self.path.name}.{secrets.token_hex(4)}.new")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
            try:
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    file.write("".join(f"{key.secret_text()}\n" for key in keys))
                    file.flush()
                    os.fsync(file.fileno())
                place(fresh)
            finally:
                fresh.unlink(missing_ok=True)
            sync_directory(self.path.parent)
            sync_directory(self.path.parent.parent)
        except FileExistsError as error:
            raise self._refused("is there already", "name another file, or move that one away") from error
        except OSError as error:
            raise self._refused(
                f"cannot be written ({error.strerror})",
                "let the ledger write there, or put the old and the new key into it, a line each",
            ) from error

    def _refused(self, what: str, advice: str) -> KeyRefused:
        return KeyRefused(f"key_file {self.path}: {what}; {advice}")
