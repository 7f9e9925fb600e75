"""Registers of HyperLogLog: how texts become few small numbers that say how many different ones there are.

A text is hashed; the first bits of the hash choose a register, and its rank is the place of the first 1 among the others. A register
keeps the greatest rank that it met, so that it does not matter how often or in which order texts come, nor in how many parts
(Flajolet, Fusy, Gandouet, Meunier: HyperLogLog, 2007; with a hash of 64 bits: Heule, Nunkesser, Hall: HyperLogLog in Practice, 2013).

The hash is the first eight bytes of MD5 of the text in UTF-8, big-endian: the tables have a faster one, but it may become another one
with any version of theirs, and what is in the book must mean the same for ever.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from ledger.journal.reader import Reader

#: Bits that choose a register, and how many registers there are.
CHOOSING_BITS = 14
REGISTERS = 1 << CHOOSING_BITS
#: The greatest rank, of a hash in which no other bit is 1; the least is 1.
RANK_MAX = 64 - CHOOSING_BITS + 1

_OTHERS = f"hashed & {(1 << (64 - CHOOSING_BITS)) - 1}"
#: Register and rank of a column ``hashed``, as :func:`hashed` gives it.
REGISTER = f"(hashed >> {64 - CHOOSING_BITS})::BIGINT"
RANK = f"CASE WHEN {_OTHERS} = 0 THEN {RANK_MAX} ELSE {RANK_MAX} - length(bin({_OTHERS})) END"


def hashed(text: str) -> str:
    """The hash of an expression of SQL that is a text."""
    return f"('0x' || left(md5({text}), 16))::UBIGINT"


def registers_of(reader: Reader, texts: Sequence[str]) -> pa.Table:
    """Register and rank of each of some texts, in their order."""
    given = pa.table({"place": pa.array(range(len(texts)), pa.int64()), "text": pa.array(texts, pa.utf8())})
    return reader.query(
        f"SELECT {REGISTER} AS register, {RANK} AS rank FROM (SELECT place, {hashed('text')} AS hashed FROM given) ORDER BY place",  # noqa: S608
        given={"given": given},
    )
