"""How a ledger changes its key: the old key signs a statement that names the new one.

::

    meterbook key rotation v1
    example.com/ledger                              the origin
    example.com/ledger+530d903a+AekyeRrm56hAp...    the new verifier key
    20852163                                        it signs checkpoints of this many records or more

    — example.com/ledger Az3grlgtzPICa5OS8npVmf1Myq...    a signature by the old key

Who holds an old key follows the statements to the newest. A statement adds a key and takes none away: both sign for a
while, and checkpoints signed by the old key alone stay good.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from .encoding import NUMBER_MAX, from_decimal
from .errors import Malformed, Refuted, UnknownSigner
from .note import Note, SigningKey, VerifierKey, open_note, sign_note

_TITLE = "meterbook key rotation v1"


@dataclass(frozen=True)
class Rotation:
    """What a statement says: from ``key.from_size`` records on, ``key`` signs too. ``str()`` gives its text."""

    origin: str
    key: VerifierKey

    def __post_init__(self) -> None:
        if not self.origin or "\n" in self.origin:
            raise Malformed(f"the origin {self.origin!r} must be one line that is not empty")
        if not 0 <= self.key.from_size <= NUMBER_MAX:
            raise Malformed(f"a key signs from 0 to {NUMBER_MAX} records on, not from {self.key.from_size}")

    @classmethod
    def parse(cls, text: str) -> Rotation:
        """A rotation from its text, without signatures. Raises :class:`Malformed`."""
        lines = text.split("\n")
        if len(lines) != 5 or lines[0] != _TITLE or lines[4]:
            raise Malformed(f"a key rotation is {_TITLE!r} and three lines: origin, verifier key, size")
        from_size = from_decimal(lines[3], "line 4 of the key rotation, the size,")
        return cls(lines[1], replace(VerifierKey.parse(lines[2]), from_size=from_size))

    def __str__(self) -> str:
        return f"{_TITLE}\n{self.origin}\n{self.key}\n{self.key.from_size}\n"


def sign_rotation(rotation: Rotation, old_key: SigningKey) -> str:
    """The statement by which ``old_key`` hands over to ``rotation.key``."""
    return sign_note(str(rotation), [old_key])


def follow(known: Sequence[VerifierKey], statements: Iterable[str], origin: str) -> tuple[VerifierKey, ...]:
    """The keys to which these statements, oldest first, lead from the known ones; the known ones come first.

    Statements from before the known keys are passed over: they add nothing. From the first that a known key has signed,
    or that names a known key, each must be signed by a key known by then.

    Raises :class:`Malformed`, :class:`Refuted` for a false signature or another origin, and :class:`UnknownSigner`
    where a statement does not follow from those before it, or none has to do with a known key.
    """
    keys = list(known)
    place = 0
    connected = False
    for place, statement in enumerate(statements, start=1):
        rotation = Rotation.parse(Note.parse(statement).text)
        if rotation.origin != origin:
            raise Refuted(f"statement {place} is of {rotation.origin!r}, not of {origin!r}")
        is_known = rotation.key.hint in {key.hint for key in keys}
        try:
            open_note(statement, keys)
        except UnknownSigner as error:
            if connected and not is_known:
                raise UnknownSigner(f"statement {place} does not follow from those before it: {error}") from None
            connected = connected or is_known
            continue
        connected = True
        if not is_known:
            keys.append(rotation.key)
    if place and not connected:
        raise UnknownSigner(f"no statement is signed by, or names, a known key: {', '.join(key.hint for key in known)}")
    return tuple(keys)
