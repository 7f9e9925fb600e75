"""The register: which caller a credential stands for, kept up to date with the acts of the journal.

Finding a credential reads memory only. What is not found may be news from another replica, so whoever gets :class:`NotKnown`
calls :meth:`Register.catch_up` and tries once more; besides, the server refreshes every few seconds, which is how long a
revocation made elsewhere may take. Where the journal cannot be read, what was known last goes on to hold.

One admin token may stand in a file, for the first step and for locked-out people: whoever writes the file is trusted. Taking
the file away ends the token.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ledger.access.acts import ActBook
from ledger.access.caller import Caller
from ledger.access.credentials import NoCredential, Presented, parse, same_hash
from ledger.access.policy import Denied
from ledger.access.standing import Standing
from meterbook.wire.instants import now_us

_TOKEN_FILE_BYTES_MAX = 4_096

logger = logging.getLogger(__name__)


class NotAuthenticated(Exception):
    """Nobody can be told from what was presented; the message is one sentence without any secret."""


class NotKnown(NotAuthenticated):
    """As far as is known: it may be news."""


@dataclass(frozen=True)
class Session:
    """A caller, and whether that still stands: a stream may outlive the credential that it began with."""

    caller: Caller
    _check: Callable[[], object] = field(default=lambda: None, repr=False, compare=False)

    def still_stands(self) -> None:
        """Raises Denied once the credential is revoked, expired or rotated away."""
        try:
            self._check()
        except NotAuthenticated as error:
            raise Denied(str(error)) from None


class Register:
    """Who holds what, in memory. Safe to use from any thread."""

    def __init__(
        self, book: ActBook, admin_token_file: Path | None = None, clock_us: Callable[[], int] = now_us
    ) -> None:
        """Knows nothing before the first :meth:`refresh`."""
        self._book, self._file, self._clock_us = book, admin_token_file, clock_us
        self._standing = Standing()
        self._in_file: Presented | None = None
        self._file_stamp: tuple[int, int, int] | None = None
        self._file_trouble = "it was not read yet"
        self._read_s = float("-inf")
        self._reading = threading.Lock()
        self._closed = False

    @property
    def standing(self) -> Standing:
        """All credentials, as of the last refresh."""
        return self._standing

    @property
    def locked_out(self) -> str | None:
        """Why nobody at all can be let in, where the file of the first admin is told of and gives no token; else None."""
        if self._file is None or self._in_file is not None:
            return None
        now = self._clock_us()
        if any(each.state(now) == "valid" for each in self._standing.credentials.values()):
            # A file that has done its work may go.
            return None
        return (
            f"nobody can be let in: no credential in the book is valid, and admin_token_file {self._file} holds no token "
            f"({self._file_trouble}); write one into it, and it is read within seconds"
        )

    def session(self, text: str) -> Session:
        """The session of a credential. Raises NotAuthenticated and, where asking again later may help, NotKnown."""
        try:
            presented = parse(text)
        except NoCredential as error:
            raise NotAuthenticated(str(error)) from None
        return Session(self._caller(presented), lambda: self._caller(presented))

    def refresh(self) -> None:
        """Read what is new. Blocks; raises JournalError."""
        self.catch_up(time.monotonic())

    def catch_up(self, since_s: float) -> None:
        """See to it that a reading began after ``since_s`` (monotonic); those who wait for one share it."""
        with self._reading:
            if self._closed or self._read_s > since_s:
                return
            began_s = time.monotonic()
            self._read_file()
            self._standing = self._standing.after(self._book.acts(self._standing.position))
            self._read_s = began_s

    def close(self) -> None:
        """Read no more; waits for a reading that is under way."""
        with self._reading:
            self._closed = True

    def _caller(self, presented: Presented) -> Caller:
        in_file = self._in_file
        if in_file is not None and presented.kind == "token" and presented.id == in_file.id:
            if same_hash(in_file.secret_hash, presented.secret_hash):
                return Caller("admin", "admin token file", credential_id=in_file.id)
            raise NotKnown(_unknown(presented))
        now = self._clock_us()
        credential = self._standing.find(presented, now)
        if credential is None:
            raise NotKnown(_unknown(presented))
        state = credential.state(now)
        if state in ("revoked", "expired"):
            verb = "was revoked" if state == "revoked" else "has expired"
            raise NotAuthenticated(f"credential {credential.id} of {credential.name} {verb}: get another one")
        return credential.caller

    def _read_file(self) -> None:
        if self._file is None:
            return
        try:
            status = self._file.stat()
            stamp = (status.st_mtime_ns, status.st_ino, status.st_size)
            if stamp == self._file_stamp:
                return
            with self._file.open("rb") as file:
                content = file.read(_TOKEN_FILE_BYTES_MAX)
            presented = parse(content.decode("ascii").strip())
            if presented.kind != "token":
                raise NoCredential(f"this is the credential of an {presented.kind}, not a token")
        except (OSError, UnicodeDecodeError, NoCredential) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            self._file_trouble = "this is not text" if isinstance(error, UnicodeDecodeError) else reason or str(error)
            if self._file_stamp is not None or self._in_file is not None or self._read_s == float("-inf"):
                logger.warning(
                    "admin_token_file %s holds no token, so none is accepted from it: %s",
                    self._file,
                    self._file_trouble,
                )
            self._in_file = self._file_stamp = None
            return
        self._in_file, self._file_stamp = presented, stamp


def _unknown(presented: Presented) -> str:
    return (
        f"credential {presented.id} is not known here, or its secret is another: get one from whoever runs the ledger"
    )
