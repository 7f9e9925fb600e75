"""Many columns of texts as one JSON object a row, with its names sorted and what is null left out.

Bills repeat themselves: most columns hold few different texts, and neighbours hold the same ones together. Columns of few texts that stand side by
side are put together once for each combination that occurs, and rows take theirs; only the others are put together row by row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collector.datastore.cloudevents import json_text
from collector.datastore.layouts import Places

#: Texts of a column that are few, as a part of its rows, and combinations of several columns that are.
_FEW, _FEW_TOGETHER = 16, 4
_CODES_MAX = 1 << 62
_ESCAPED = np.array([byte < ord(" ") or byte in b'"\\' for byte in range(256)])
_CONTROL = np.array([byte < ord(" ") for byte in range(256)])


def together(columns: Mapping[str, pa.Array], count: int) -> pa.Array:
    """One object for each of ``count`` rows, of all columns (utf8) that have something there."""
    pieces: list[pa.Array] = []
    for run in _runs(columns, count):
        pieces += run.pieces(count)
    if not pieces:
        return pa.repeat(pa.scalar("{}", pa.utf8()), count)
    held = pieces[0] if len(pieces) == 1 else pc.binary_join_element_wise(*pieces, "")
    # A member begins with the comma that the first one has not.
    return pc.binary_join_element_wise("{", pc.binary_replace_slice(held, 0, 1, ""), "}", "")


def quoted(column: pa.Array) -> pa.Array:
    """Texts as JSON has them; null where they are."""
    data = column.buffers()[2]
    held = np.empty(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)
    if _CONTROL[held].any():
        return pa.array([None if text is None else json_text(text) for text in column.to_pylist()], pa.utf8())
    if _ESCAPED[held].any():
        column = pc.replace_substring(pc.replace_substring(column, "\\", "\\\\"), '"', '\\"')
    return pc.binary_join_element_wise('"', column, '"', "")


def _runs(columns: Mapping[str, pa.Array], count: int) -> Iterator[_Run]:
    """Columns in the order of their names, those of few texts together with their neighbours of that kind."""
    run = _Run()
    for name in sorted(columns):
        coded = columns[name].dictionary_encode()
        if len(coded.dictionary) * _FEW > count:
            yield run
            yield _Run(plain=_members(name, columns[name]))
            run = _Run()
            continue
        if not run.has_room(len(coded.dictionary)):
            yield run
            run = _Run()
        run.add(_members(name, coded.dictionary), coded.indices)
    yield run


def _members(name: str, column: pa.Array) -> pa.Array:
    """A member of each object, with a comma before it; empty where there is none."""
    member = pc.binary_join_element_wise(f",{json_text(name)}:", quoted(column), "")
    return pc.fill_null(member, "") if member.null_count else member


@dataclass
class _Run:
    """Columns side by side: one as it is, or any number by the codes of their few members."""

    plain: pa.Array | None = None
    _members: list[pa.Array] = field(default_factory=list)
    _codes: list[Places] = field(default_factory=list)
    _size: int = 1

    def has_room(self, members: int) -> bool:
        """Whether the combinations with one column more still have numbers."""
        return self._size * (members + 1) < _CODES_MAX

    def add(self, members: pa.Array, indices: pa.Array) -> None:
        """One column more, of which there are these members, and nothing where the index is null."""
        self._codes.append(np.asarray(indices.fill_null(len(members)), np.int64))
        self._members.append(pa.concat_arrays([members, pa.array([""], pa.utf8())]))
        self._size *= len(members) + 1

    def pieces(self, count: int) -> list[pa.Array]:
        """What is to be joined, in this order."""
        if self.plain is not None:
            return [self.plain]
        if not self._codes:
            return []
        code = np.zeros(count, np.int64)
        for members, codes in zip(self._members, self._codes, strict=True):
            code *= len(members)
            code += codes
        _, first, which = np.unique(code, return_index=True, return_inverse=True)
        if len(first) * _FEW_TOGETHER > count and len(self._codes) > 1:
            return [members.take(pa.array(codes)) for members, codes in zip(self._members, self._codes, strict=True)]
        chosen = [
            members.take(pa.array(codes[first])) for members, codes in zip(self._members, self._codes, strict=True)
        ]
        said = chosen[0] if len(chosen) == 1 else pc.binary_join_element_wise(*chosen, "")
        return [said.take(pa.array(which))]
