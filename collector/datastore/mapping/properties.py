"""Columns of properties as one column of canonical JSON: what ``canonical_json`` makes of each record's, for all at once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collector.datastore.cloudevents import json_text
from collector.datastore.mapping.cells import Certain, Rows, TextCells, empty, matches
from collector.datastore.mapping.shapes import Leaf

#: As the JSON encoder writes them; any other control character is left to it.
_ESCAPES = (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t"))
_TO_ESCAPE = r'["\\\x00-\x1f]'
#: The same for each byte.
_IS_ESCAPED = np.array([byte < ord(" ") or byte in b'"\\' for byte in range(256)])
_CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f]"


def repeated(text: str, count: int) -> pa.Array:
    """A column that holds the same text everywhere."""
    return pa.repeat(pa.scalar(text, pa.utf8()), count)


def canonical(members: Mapping[str, Leaf | str], count: int) -> Certain:
    """Canonical JSON of ``count`` records with these members, and of which it is certain. What holds nothing is left out."""
    sure = np.ones(count, bool)
    pieces: list[pa.Array | str] = ["{"]
    optional: list[pa.Array] = []
    for name in sorted(members):
        said = f"{json.dumps(name, ensure_ascii=False)}:"
        column = _column(members[name], count, sure)
        if column is None:
            continue
        if isinstance(column, str):
            pieces.append(f"{said}{column},")
        elif column.null_count:
            optional.append(pc.binary_join_element_wise(said, column, ",", ""))
            pieces.append(optional[-1])
        else:
            pieces += [said, column, ","]
    if len(pieces) == 1:
        return repeated("{}", count), sure
    if not optional:
        return _joined([*pieces[:-1], str(pieces[-1]).removesuffix(",") + "}"], count), sure
    # Which member is the last one differs from record to record.
    joined = pc.binary_join_element_wise(*pieces, "", null_handling="replace", null_replacement="")
    return pc.binary_join_element_wise(pc.utf8_rtrim(joined, ","), "}", ""), sure


def _column(member: Leaf | str, count: int, sure: Rows) -> pa.Array | str | None:
    """A member as JSON text of a text: a column, the same for all, or None where it is nothing. Takes from ``sure`` what is not."""
    match member:
        case None:
            return None
        case str():
            return json.dumps(member, ensure_ascii=False)
        case bool():
            return f'"{json.dumps(member)}"'
        case dict() | list():
            pieces = list(_pieces(member))
            for cells in (piece for piece in pieces if isinstance(piece, TextCells)):
                sure &= cells.texts()[1] & ~matches(cells.column, _TO_ESCAPE) & ~empty(cells.column)
            inner = [
                json.dumps(each, ensure_ascii=False)[1:-1] if isinstance(each, str) else each.column for each in pieces
            ]
            return _joined(['"', *inner, '"'], count)
        case _:
            texts, certain = member.texts()
            sure &= certain
            return pc.binary_join_element_wise('"', _escaped(texts, sure), '"', "")


def _pieces(member: Any) -> Sequence[str | TextCells]:
    """The JSON text of an object or list whose leaves are columns, piece by piece, as ``json_text`` has it."""
    match member:
        case dict():
            pieces: list[str | TextCells] = ["{"]
            for place, name in enumerate(sorted(member)):
                pieces += ["," * (place > 0) + json.dumps(name, ensure_ascii=False) + ":", *_pieces(member[name])]
            return [*pieces, "}"]
        case list():
            pieces = ["["]
            for place, each in enumerate(member):
                pieces += ["," * (place > 0), *_pieces(each)]
            return [*pieces, "]"]
        case TextCells(is_number=False):
            return ['"', member, '"']
        case TextCells():
            return [member]
        case _:
            return [json_text(member)]


def _escaped(texts: pa.Array, sure: Rows) -> pa.Array:
    data = texts.buffers()[2]
    if data is None or not _IS_ESCAPED[np.frombuffer(data, np.uint8)].any():
        return texts
    sure &= ~matches(texts, _CONTROL)
    for plain, escaped in _ESCAPES:
        texts = pc.replace_substring(texts, plain, escaped)
    return texts


def _joined(pieces: Sequence[pa.Array | str], count: int) -> pa.Array:
    told: list[pa.Array | str] = []
    for piece in pieces:
        if isinstance(piece, str) and told and isinstance(told[-1], str):
            told[-1] += piece
        else:
            told.append(piece)
    if len(told) == 1 and isinstance(told[0], str):
        return repeated(told[0], count)
    return pc.binary_join_element_wise(*told, "")
