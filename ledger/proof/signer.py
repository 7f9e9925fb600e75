"""The signer: the book's secret keys, fit to what the book says of them.

The keys are in a file, the book says which of them sign (see ``succession``). A new key is in the file before the book names
it, so a crash in between leaves a key too many, which the next rotation takes up, and never one too few. Where
several replicas share a book, an operator puts the new key behind the old one into the file of each, and then rotates: every
replica reads its file again when the book names another key.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable

from ledger.journal.errors import Overtaken
from ledger.journal.journal import Journal
from ledger.journal.record import Kind
from ledger.proof.errors import KeyRefused
from ledger.proof.keyfile import KeyFile
from ledger.proof.succession import KEYS_CHAIN, Succession, made, rotated, succession
from meterbook.ledger.v1 import journal_pb2
from meterbook.proof.errors import Malformed
from meterbook.proof.keys import Rotation, sign_rotation
from meterbook.proof.note import SigningKey, VerifierKey
from meterbook.wire.instants import DAY_US, SECOND_US, now_us

OVERLAP_S = DAY_US // SECOND_US


class Signer:
    """The keys of one book. Safe to use from several threads; methods block, and raise JournalError."""

    def __init__(
        self,
        journal: Journal,
        key_file: KeyFile,
        origin: str | None = None,
        *,
        replaces_lost_key: bool = False,
        clock: Callable[[], int] = now_us,
    ) -> None:
        """Reads the keys; a book that names none yet gets one. Raises KeyRefused where the file does not have the book's.

        ``replaces_lost_key``: where it does not, name a new one all the same. Nobody who knew the old key will follow.
        """
        self._journal, self._key_file, self._clock = journal, key_file, clock
        self._lock = threading.Lock()
        self._position = -1
        with self._lock:
            self._begin(origin, replaces_lost_key)
        if origin not in (None, self._succession.origin):
            raise KeyRefused(
                f"proof.origin {origin!r}: the book is called {self._succession.origin!r} since it was made; leave the "
                "setting out, or give that name"
            )

    @property
    def origin(self) -> str:
        """The name under which the book signs."""
        return self._succession.origin

    def succession(self) -> Succession:
        """The keys as the book names them now."""
        with self._lock:
            self._refresh()
            return self._succession

    def signing_keys(self, size: int) -> tuple[SigningKey, ...]:
        """The keys that sign a tree of this size now, the newest first; none for a tree older than they are."""
        with self._lock:
            self._refresh()
            signing = self._succession.signing(size, self._clock())
            return tuple(self._secrets[key.hint] for key in signing if key.hint in self._secrets)

    def rotate(self, author: str, overlap_s: int = 0) -> Succession:
        """Hand over to a new key, or to one that stands in the file and that the book does not name yet.

        Both sign for ``overlap_s`` seconds, for 0 a day. Raises KeyRefused where the file cannot be written.
        """
        with self._lock:
            self._refresh()
            old = self._secrets[self._succession.newest.hint]
            named = {key.hint for key in self._succession.keys}
            prepared = [key for key in self._key_file.read() if key.verifier.hint not in named]
            new = prepared[-1] if prepared else SigningKey.generate(self._succession.origin)
            if new.verifier.name != self._succession.origin:
                raise KeyRefused(f"key_file {self._key_file.path}: the key {new.verifier.hint} is of another book")
            if not prepared:
                self._key_file.write([old, new])
            head = self._journal.log.head(KEYS_CHAIN)
            if head.position != self._position:
                raise Overtaken(f"{KEYS_CHAIN}: the keys were changed just now; look again before rotating")
            verifier = VerifierKey(new.verifier.name, new.verifier.public_key, self._journal.log.end)
            statement = sign_rotation(Rotation(self._succession.origin, verifier), old)
            until_us = self._clock() + (overlap_s or OVERLAP_S) * SECOND_US
            act = rotated(verifier, statement, until_us, author)
            self._journal.extend(Kind.ACT, KEYS_CHAIN, head, act.SerializeToString())
            self._refresh()
            return self._succession

    def _begin(self, origin: str | None, replaces_lost_key: bool) -> None:
        while True:
            try:
                found = self._read()
                if found is None or replaces_lost_key:
                    keys = self._key_file.read()
                    if found is None or found.newest.hint not in {key.verifier.hint for key in keys}:
                        self._make(origin or (found.origin if found else None), keys)
                self._refresh()
                return
            except Overtaken:
                # Another replica named its key first; it must be in our file too.
                continue

    def _make(self, origin: str | None, keys: tuple[SigningKey, ...]) -> None:
        key = keys[-1] if keys else None
        if key is None or (origin and key.verifier.name != origin):
            try:
                key = SigningKey.generate(origin or f"meterbook/{secrets.token_hex(8)}")
            except Malformed as error:
                raise KeyRefused(f"proof.origin {origin!r}: {error}") from error
            self._key_file.write([key])
        verifier = VerifierKey(key.verifier.name, key.verifier.public_key, self._journal.log.end)
        self._extend(made(verifier.name, verifier))

    def _extend(self, act: journal_pb2.ActRecord) -> None:
        head = self._journal.log.head(KEYS_CHAIN)
        if head.position != max(self._position, 0):
            raise Overtaken(f"{KEYS_CHAIN}: the keys were changed just now; look again")
        self._journal.extend(Kind.ACT, KEYS_CHAIN, head, act.SerializeToString())

    def _read(self) -> Succession | None:
        """What the book says now."""
        self._position = self._journal.log.head(KEYS_CHAIN).position
        return succession(self._journal.view(self._position).acts().to_pylist()) if self._position else None

    def _refresh(self) -> None:
        """Read the book and the file again if the book names another key."""
        before = self._position
        if self._journal.log.head(KEYS_CHAIN).position == before and hasattr(self, "_secrets"):
            return
        try:
            found = self._read()
            assert found is not None, "a chain with a head has records"
            held = {key.verifier.hint: key for key in self._key_file.read()}
            if found.newest.hint not in held:
                raise KeyRefused(
                    f"key_file {self._key_file.path}: the book is signed by {found.newest.hint}, and the file holds "
                    f"{', '.join(held) or 'nothing'}; put that key there (proof.replace_lost_key makes a new one)"
                )
        except BaseException:
            self._position = before
            raise
        self._succession, self._secrets = found, held
