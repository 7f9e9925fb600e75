"""Signed notes (c2sp.org/signed-note): a text, an empty line, and signatures by named Ed25519 keys.

::

    any text, which ends with a line break

    — example.com/ledger Uw2QOkn8srV1yJGh2VYRlL1Tnagv...

A note may carry signatures by several keys, so one key can hand over to the next. Who reads it ignores the keys that it
does not know and needs one that it knows. Keys are texts too: ``NAME+ID+BASE64`` to verify and, as in Go's
golang.org/x/mod/sumdb/note, ``PRIVATE+KEY+NAME+ID+BASE64`` to sign.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from .encoding import from_base64, to_base64
from .errors import Malformed, Refuted, UnknownSigner

#: A reader must take 16 signatures or more, of nearly 5 kB each; Go's takes 100.
SIGNATURES_MAX = 100
NOTE_BYTES_MAX = 1 << 20

#: The type byte of Ed25519 signatures over the text.
_ED25519 = b"\x01"
_KEY_BYTES = 32
_ID_BYTES = 4
_DASH = "\N{EM DASH} "
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


@dataclass(frozen=True)
class VerifierKey:
    """Who may sign: a key's name and public half. ``str()`` gives the text form (section "Verifier keys").

    ``from_size`` is the size of the tree from which on the key signs checkpoints; it is not part of the text form, but
    comes from the statement that handed over to the key (see ``keys``). Raises :class:`Malformed` for a bad name.
    """

    name: str
    public_key: bytes
    from_size: int = 0

    def __post_init__(self) -> None:
        _check_name(self.name)
        if len(self.public_key) != _KEY_BYTES:
            raise Malformed(f"key {self.name!r}: an Ed25519 key has {_KEY_BYTES} bytes, not {len(self.public_key)}")

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """A key from its text form. Raises :class:`Malformed`."""
        name, key_id, public_key = _key_parts(text, "the verifier key")
        key = cls(name, public_key)
        if key_id != key.id:
            raise Malformed(f"the verifier key {name!r} has the ID {key_id!r} where {key.id} belongs to it")
        return key

    @property
    def id(self) -> str:
        """The key ID as 8 hexadecimal digits: SHA-256(name, line break, type, public key)[:4]."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.public_key).digest()[:_ID_BYTES].hex()

    @property
    def hint(self) -> str:
        """Name and ID, by which people and signature lines tell keys apart."""
        return f"{self.name}+{self.id}"

    def __str__(self) -> str:
        return f"{self.hint}+{to_base64(_ED25519 + self.public_key)}"

    def signed(self, text: str, signature: bytes) -> bool:
        """Whether this key made the signature over the text."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, text.encode())
        except InvalidSignature:
            return False
        return True


class SigningKey:
    """A secret key. Only :meth:`secret_text` tells it."""

    def __init__(self, name: str, private_key: Ed25519PrivateKey) -> None:
        self._private_key = private_key
        self.verifier = VerifierKey(name, private_key.public_key().public_bytes_raw())

    @classmethod
    def generate(cls, name: str) -> SigningKey:
        """A new key. Raises :class:`Malformed` for a name with a space or a plus."""
        return cls(name, Ed25519PrivateKey.generate())

    @classmethod
    def parse(cls, text: str) -> SigningKey:
        """A key from what :meth:`secret_text` wrote. Raises :class:`Malformed`, which tells nothing of the key."""
        marker, _, rest = text.partition("PRIVATE+KEY+")
        if marker or not rest:
            raise Malformed("the signing key does not begin with PRIVATE+KEY+")
        name, key_id, seed = _key_parts(rest, "the signing key")
        try:
            key = cls(name, Ed25519PrivateKey.from_private_bytes(seed))
        except Malformed:
            raise Malformed("the signing key has a name that no key may have") from None
        if key_id != key.verifier.id:
            raise Malformed("the signing key has an ID that does not belong to it")
        return key

    def secret_text(self) -> str:
        """The key as a text. It is a secret: keep it in a file that only its owner can read."""
        return f"PRIVATE+KEY+{self.verifier.hint}+{to_base64(_ED25519 + self._private_key.private_bytes_raw())}"

    def signature(self, text: str) -> Signature:
        """This key's signature over a text."""
        return Signature(self.verifier.name, self.verifier.id, self._private_key.sign(text.encode()))

    def __repr__(self) -> str:
        return f"SigningKey({self.verifier.hint})"


@dataclass(frozen=True)
class Signature:
    """One signature line: who says to have signed, and the bytes; ``id`` is 8 hexadecimal digits."""

    name: str
    id: str
    signature: bytes


@dataclass(frozen=True)
class Note:
    """A note of which nothing is verified yet: see :func:`open_note`. ``str()`` gives its text form."""

    text: str
    signatures: tuple[Signature, ...]

    def __post_init__(self) -> None:
        if not self.text.endswith("\n"):
            raise Malformed("the text of a note must end with a line break")
        _check_characters(self.text)
        if not 1 <= len(self.signatures) <= SIGNATURES_MAX:
            raise Malformed(f"a note has 1 to {SIGNATURES_MAX} signatures, not {len(self.signatures)}")

    @classmethod
    def parse(cls, note: str) -> Note:
        """A note from its text form. Raises :class:`Malformed`."""
        if len(note) > NOTE_BYTES_MAX:
            raise Malformed(f"the note is longer than {NOTE_BYTES_MAX} characters")
        _check_characters(note)
        text, blank, signatures = note.rpartition("\n\n")
        if not blank:
            raise Malformed("the note has no empty line between its text and its signatures")
        if not signatures.endswith("\n"):
            raise Malformed("the note does not end with a signature line and a line break")
        lines = signatures.removesuffix("\n").split("\n")
        if len(lines) > SIGNATURES_MAX:
            raise Malformed(f"the note has {len(lines)} signatures, more than {SIGNATURES_MAX}")
        return cls(text + "\n", tuple(_signature(line) for line in lines))

    def __str__(self) -> str:
        lines = [
            f"{_DASH}{item.name} {to_base64(bytes.fromhex(item.id) + item.signature)}\n" for item in self.signatures
        ]
        return f"{self.text}\n{''.join(lines)}"


@dataclass(frozen=True)
class OpenedNote:
    """The text of a note and the known keys that have signed it; there is one at least."""

    text: str
    signers: tuple[VerifierKey, ...]


def sign_note(text: str, keys: Iterable[SigningKey]) -> str:
    """The note that says ``text``, signed by each key. Raises :class:`Malformed` for a text that no note can have."""
    return str(Note(text, tuple(key.signature(text) for key in keys)))


def open_note(note: str, keys: Sequence[VerifierKey]) -> OpenedNote:
    """The text of a note that at least one of ``keys`` has signed; signatures by others are ignored.

    Raises :class:`Malformed`, :class:`UnknownSigner` where none of ``keys`` has signed, and :class:`Refuted` where a
    signature names one of them and is not by it.
    """
    parsed = Note.parse(note)
    signers: dict[VerifierKey, None] = {}
    for item in parsed.signatures:
        for key in keys:
            if (key.name, key.id) == (item.name, item.id):
                if not key.signed(parsed.text, item.signature):
                    raise Refuted(f"the signature by {key.hint} is not over this text")
                signers[key] = None
    if not signers:
        found = ", ".join(f"{item.name}+{item.id}" for item in parsed.signatures[:5])
        known = ", ".join(key.hint for key in keys) or "none"
        raise UnknownSigner(f"signed by {found}; the known keys are {known}")
    return OpenedNote(parsed.text, tuple(signers))


def _check_name(name: str) -> None:
    if not name or "+" in name or any(letter.isspace() for letter in name):
        raise Malformed(f"the name of a key, {name!r}, must not be empty nor have a space or a plus in it")
    _check_characters(name)


def _check_characters(text: str) -> None:
    if found := _CONTROL.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise Malformed(f"line {line} has the control character U+{ord(found.group()):04X}")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Malformed("the text cannot be written as UTF-8") from None


def _key_parts(text: str, what: str) -> tuple[str, str, bytes]:
    """Name, ID and raw key of a text form. Its errors tell nothing of the text: it may be a secret."""
    name, _, rest = text.partition("+")
    key_id, plus, encoded = rest.partition("+")
    if not name or not plus:
        raise Malformed(f"{what} is not of the form NAME+ID+BASE64")
    raw = from_base64(encoded, f"the last part of {what}")
    if raw[:1] != _ED25519:
        raise Malformed(f"{what} is not an Ed25519 key")
    if len(raw) != 1 + _KEY_BYTES:
        raise Malformed(f"{what} is not {_KEY_BYTES} bytes long")
    return name, key_id, raw[1:]


def _signature(line: str) -> Signature:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space:
        raise Malformed(f"the signature line {line[:80]!r} is not a dash, a name and base64")
    _check_name(name)
    raw = from_base64(encoded, f"the signature by {name!r}")
    if len(raw) <= _ID_BYTES:
        raise Malformed(f"the signature by {name!r} is too short")
    return Signature(name, raw[:_ID_BYTES].hex(), raw[_ID_BYTES:])
