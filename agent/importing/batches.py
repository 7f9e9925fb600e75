"""The second reading: the chain of batches that brings some bills, and closes them at its end.

The same bills give the same chain, batch for batch, so that whoever comes back goes on behind what the ledger holds. A file that says
something else than at the first reading ends the chain before its bills are closed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pyarrow as pa

from agent.importing.digest import Digest, together
from agent.importing.errors import RowFault
from agent.importing.look import Look, SeenFile
from agent.importing.rows import Key, pieces
from agent.spool.sealing import Chain, SealedBatch, seal
from collector.readings import bill_table
from meterbook.wire.sections import CHARGES, sections

#: What chains of bills are called, and the name of their contents behind it (``ledger.access.policy`` knows it by that).
CHAIN_PREFIX = "import."
_NAME_DIGITS = 32
_ROWS_MAX = 10_000


@dataclass(frozen=True)
class Version:
    """A version of a bill that is to come: what closes it."""

    key: Key
    name: str
    nature: str
    issued_us: int
    charges: int
    billed: Decimal


def chain_name(versions: Sequence[Version]) -> str:
    """The chain of these versions."""
    told = [f"{each.key.source}\n{each.key.period_us}\n{each.name}" for each in versions]
    return CHAIN_PREFIX + together(*sorted(told))[:_NAME_DIGITS]


def batches(look: Look, versions: Sequence[Version], chain: Chain) -> Iterator[SealedBatch]:
    """The batches of these versions on a chain that has none yet. Raises RowFault where a file is not what it was."""
    names = {each.key: each.name for each in versions}
    for content in _contents(look, names):
        chain, sealed = seal(chain, sections(charges=content), 0)
        yield from sealed
    closing = [
        bill_table(
            each.key.source,
            each.key.period_us,
            each.name,
            nature=each.nature,
            issued_us=each.issued_us,
            charges=each.charges,
            billed=each.billed,
        )
        for each in versions
    ]
    yield from seal(chain, sections(bills=pa.concat_tables(closing)), 0)[1]


def _contents(look: Look, names: dict[Key, str]) -> Iterator[pa.Table]:
    """The charges of some bills, so many at a time whatever the files are cut into."""
    held = CHARGES.empty_table()
    for found in _charges(look, names):
        held = pa.concat_tables([held, found])
        while held.num_rows >= _ROWS_MAX:
            yield held.slice(0, _ROWS_MAX).combine_chunks()
            held = held.slice(_ROWS_MAX)
    if held.num_rows:
        yield held.combine_chunks()


def _charges(look: Look, names: dict[Key, str]) -> Iterator[pa.Table]:
    lines = dict.fromkeys(names, 0)
    for file in look.files:
        if not names.keys() & file.parts.keys():
            continue
        digests: dict[Key, Digest] = {}
        for piece in pieces(file.path, look.wanted):
            digests.setdefault(piece.key, Digest()).add(piece.charges)
            if piece.key in names:
                yield _numbered(piece.charges, names[piece.key], lines[piece.key])
                lines[piece.key] += piece.charges.num_rows
        _check_same(file, digests)


def _numbered(charges: pa.Table, version: str, line: int) -> pa.Table:
    count = charges.num_rows
    given = {
        "version": pa.array([version], pa.utf8()).take(pa.array(np.zeros(count, np.int64))),
        "line": pa.array(np.arange(line, line + count)),
    }
    return pa.table([given.get(name, charges[name]) for name in CHARGES.names], schema=CHARGES)


def _check_same(file: SeenFile, digests: dict[Key, Digest]) -> None:
    if {key: digest.text() for key, digest in digests.items()} != file.parts:
        raise RowFault(file.path, "the file was changed while it was read: bring it again once nobody writes to it")
