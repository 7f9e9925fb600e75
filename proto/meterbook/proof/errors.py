"""What can be wrong with a proof, named for what its reader does next.

::

    ProofError
     +- Malformed        it is not in the format it should be in: get it again, or correct it
     +- UnknownSigner    nobody we know has signed it: get the key, or the statement that hands over to it
     +- Refuted          it is well-formed and does not hold: do not believe it, and ask why it was made

All are ``ValueError``. Their messages are one sentence; none contains a secret.
"""

from __future__ import annotations


class ProofError(ValueError):
    """A proof, or a part of one, cannot be accepted."""


class Malformed(ProofError):
    """A text or a value is not in the format that it should be in. The message says where and how."""


class UnknownSigner(ProofError):
    """A well-formed note without a signature by a known key: what it says must be ignored."""


class Refuted(ProofError):
    """A signature, a path or a hash does not fit what it should prove."""
