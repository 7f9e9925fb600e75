"""The signer: the book's secret keys, fit to what the book says of them.

The keys are in a file, the book says which of them sign (see ``succession``). A new key is in the file before the book names
it, so a crash in between leaves a key too many, which the next rotation takes up, and never one too few. Where
several replicas share a book, an operator puts the new key behind the old one into the file of each, and then rotates: every
replica reads its file again when the book names another key.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable

from ledger.journal.errors import Overtaken
from ledger.journal.journal import Journal
from ledger.journal.record import Kind
from ledger.proof.errors import KeyRefused
from ledger.proof.fitting import fits, wrong_key, wrong_origin
from ledger.proof.keyfile import KeyFile
from ledger.proof.succession import KEY_KINDS, KEYS_CHAIN, Succession, made, rotated, succession
from meterbook.ledger.v1 import journal_pb2
from meterbook.proof.errors import Malformed
from meterbook.proof.keys import Rotation, sign_rotation
from meterbook.proof.note import SigningKey, VerifierKey
from meterbook.wire.instants import DAY_US, SECOND_US, now_us

OVERLAP_S = DAY_US // SECOND_US

logger = logging.getLogger(__name__)


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
            raise wrong_origin(str(origin), self._succession)

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
            held = tuple(self._secrets[key.hint] for key in signing if key.hint in self._secrets)
            if signing and not held:
                raise self._wrong_key(self._succession)
            return held

    def rotate(self, author: str, overlap_s: int = 0) -> Succession:
        """Hand over to a new key, or to one that stands in the file and that the book does not name yet.

        Both sign for ``overlap_s`` seconds, for 0 a day. Raises KeyRefused where the file cannot be written.
        """
        with self._lock:
            self._refresh()
            old = self._secrets.get(self._succession.newest.hint)
            if old is None:
                raise self._wrong_key(self._succession)
            new = self._prepared() or self._generated(old)
            verifier = VerifierKey(new.verifier.name, new.verifier.public_key, self._journal.log.end)
            statement = sign_rotation(Rotation(self._succession.origin, verifier), old)
            until_us = self._clock() + (overlap_s or OVERLAP_S) * SECOND_US
            self._write(rotated(verifier, statement, until_us, author))
            self._refresh()
            return self._succession

    def _prepared(self) -> SigningKey | None:
        """A key that somebody put into the file and that the book does not name yet."""
        named = {key.hint for key in self._succession.keys}
        for key in self._key_file.read():
            if key.verifier.hint not in named:
                if key.verifier.name != self._succession.origin:
                    raise KeyRefused(f"key_file {self._key_file.path}: the key {key.verifier.hint} is of another book")
                return key
        return None

    def _generated(self, old: SigningKey) -> SigningKey:
        new = SigningKey.generate(self._succession.origin)
        self._key_file.write([old, new])
        return new

    def _begin(self, origin: str | None, replaces_lost_key: bool) -> None:
        while True:
            found = self._read()
            held = self._key_file.read()
            if found is not None and fits(found, held):
                break
            if found is not None and not replaces_lost_key:
                raise self._wrong_key(found)
            try:
                self._make(origin or (found.origin if found else None), held)
            except Overtaken:
                # Another replica named its key first; it must be in our file too.
                continue
        self._succession, self._secrets = found, {key.verifier.hint: key for key in held}

    def _make(self, origin: str | None, held: tuple[SigningKey, ...]) -> None:
        """Name the key of the file, or a new one where it has none that fits."""
        key = held[-1] if held and origin in (None, held[-1].verifier.name) else None
        if key is None:
            try:
                key = SigningKey.generate(origin or f"meterbook/{secrets.token_hex(8)}")
            except Malformed as error:
                raise KeyRefused(f"proof.origin {origin!r}: {error}") from error
            self._key_file.write([key])
        verifier = VerifierKey(key.verifier.name, key.verifier.public_key, self._journal.log.end)
        self._write(made(verifier.name, verifier))

    def _write(self, act: journal_pb2.ActRecord) -> None:
        """Write an act, provided that the book names no other key than when it was read. Raises Overtaken."""
        head = self._journal.log.head(KEYS_CHAIN)
        if head.position != self._position:
            raise Overtaken(f"{KEYS_CHAIN}: the keys were changed just now; look at them again")
        self._journal.extend(Kind.ACT, KEYS_CHAIN, head, act.SerializeToString())

    def _read(self) -> Succession | None:
        """What the book says now."""
        position = self._journal.log.head(KEYS_CHAIN).position
        found = succession(self._journal.view(position).acts(kinds=KEY_KINDS).to_pylist()) if position else None
        self._position = position
        return found

    def _refresh(self) -> None:
        """Read the book and the file again if the book names another key."""
        if self._journal.log.head(KEYS_CHAIN).position == self._position:
            return
        found = self._read()
        assert found is not None, "a chain with a head has records"
        self._succession, self._secrets = found, {key.verifier.hint: key for key in self._key_file.read()}
        if found.newest.hint not in self._secrets:
            logger.error("%s", self._wrong_key(found))

    def _wrong_key(self, found: Succession) -> KeyRefused:
        return wrong_key(self._key_file.path, found, self._key_file.read())
