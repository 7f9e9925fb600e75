"""``python -m meterbook.proof check FILE --key KEY``: checks a proof file and says, line by line, what holds.

It needs nothing of Meterbook but this folder, no network and no ledger. Every answer is a sentence and an exit code:
0 where all holds, 1 where something does not or cannot be read, 2 where the command itself is not understood.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from .bundle import BUNDLE_BYTES_MAX, check_bundle, parse_path
from .errors import Malformed, ProofError
from .keys import follow
from .note import VerifierKey

_ROTATIONS = "the statements by which the ledger's keys were handed over, oldest first"
_EPILOG = "Get the verifier key, and the older checkpoint, from somebody else than who gave you the proof."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the answer is its exit code."""
    options = _parser().parse_args(arguments)
    try:
        _check(options)
    except ProofError as error:
        _say(sys.stderr, f"FAILED: {error}")
        return 1
    _say(sys.stdout, "All of this holds.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m meterbook.proof", description="Check proofs of a Meterbook ledger."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    check = commands.add_parser("check", help="check a proof file", epilog=_EPILOG)
    check.add_argument("file", type=Path, help="what `meterbook proof AGENT SEQUENCE` wrote")
    check.add_argument("--key", required=True, action="append", metavar="KEY", help="a verifier key; may be repeated")
    check.add_argument("--origin", help="the ledger's origin; else the name of the first key")
    check.add_argument("--rotations", type=Path, nargs="+", default=[], metavar="FILE", help=_ROTATIONS)
    check.add_argument("--older", type=Path, metavar="FILE", help="a checkpoint that you have kept from before")
    check.add_argument("--consistency", type=Path, metavar="FILE", help="the path from it to the proof's checkpoint")
    return parser


def _check(options: argparse.Namespace) -> None:
    known = [VerifierKey.parse(text) for text in options.key]
    origin = known[0].name if options.origin is None else options.origin
    keys = follow(known, [_text(path) for path in options.rotations], origin)
    for key in keys[len(known) :]:
        _say(sys.stdout, f"ok: the known keys hand over to {key.hint} from {key.from_size} records on")
    if options.consistency and not options.older:
        raise Malformed("--consistency leads on from an older checkpoint: name it with --older")
    check_bundle(
        _text(options.file),
        keys,
        origin,
        _text(options.older) if options.older else None,
        parse_path(_text(options.consistency)) if options.consistency else (),
        report=lambda sentence: _say(sys.stdout, f"ok: {sentence}"),
    )


def _text(path: Path) -> str:
    """What a file says. Raises :class:`Malformed`."""
    try:
        with path.open("rb") as file:
            data = file.read(BUNDLE_BYTES_MAX + 1)
    except OSError as error:
        raise Malformed(f"{path} cannot be read: {error.strerror}") from None
    if len(data) > BUNDLE_BYTES_MAX:
        raise Malformed(f"{path} has more than {BUNDLE_BYTES_MAX} bytes: it is no proof")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed(f"{path} is not UTF-8 text") from None


def _say(stream: TextIO, sentence: str) -> None:
    """Print a line. What came from a file may hold escape sequences for a terminal: they are shown, not obeyed."""
    shown = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in sentence)
    encoding = stream.encoding or "ascii"
    stream.write(shown.encode(encoding, "backslashreplace").decode(encoding) + "\n")
