"""Keys for tests: always the same, and not secret."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from meterbook.proof.note import SigningKey

ORIGIN = "ledger.example/book"


def key(number: int, name: str = ORIGIN) -> SigningKey:
    """The n-th key of a name."""
    return SigningKey(name, Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32))
