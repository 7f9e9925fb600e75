"""Columns as texts, and as JSON: objects of texts with their names sorted, which is how the wire has them.

What is the same in two forms of a file is the same here: a map of Parquet and the JSON text of CSV give one document, a float its shortest
text, written without an exponent. A null has no text, and neither has an empty one, nor ``NULL``, which stands for it in some exports.

Tags come as objects, as lists of ``{"key": ..., "value": ...}`` (Google Cloud's export to BigQuery, "Structure of FOCUS data export"), and as
members of an object without its braces (Microsoft Cost Management, column ``Tags`` of cost details). A key that such a list has twice is kept
under another name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collector.datastore.bills.amounts import moments
from collector.datastore.bills.others import quoted
from collector.datastore.bills.refused import Refused
from collector.datastore.cloudevents import json_text, shown
from collector.datastore.mapping.cells import matches
from collector.datastore.mapping.leaves import UnreadableColumn, check_readable, is_textual, leaves_of, plain_type
from collector.datastore.mapping.texts import property_of, without_moments
from meterbook.wire import instants

_NOTHING = pa.array(["", "NULL"])


def blank(column: pa.Array) -> pa.Array:
    """A column in which what stands for nothing is null: empty texts and ``NULL``. Of another type it is as it was, without dictionaries."""
    column = plain_type(column)
    if not is_textual(column.type):
        return column
    try:
        column = column.cast(pa.utf8())
    except pa.ArrowInvalid as error:
        raise Refused(f"a text that is not UTF-8, or too many of them ({error})") from None
    nothing = pc.is_in(column, _NOTHING)
    return pc.if_else(nothing, None, column) if pc.any(nothing).as_py() else column


def texts(name: str, column: pa.Array) -> pa.Array:
    """A column of any type as texts (utf8). Raises Refused for a type of which there is none."""
    kind = column.type
    if kind == pa.utf8():
        return column
    if pa.types.is_map(kind):
        return flat(name, column)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        found = moments(name, column).cast(pa.int64()).dictionary_encode()
        told = pa.array([instants.text(each) for each in found.dictionary.to_pylist()], pa.utf8())
        return told.take(found.indices)
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _plainly(column.cast(pa.utf8()))
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind):
        return column.cast(pa.utf8())
    try:
        check_readable(name, kind)
    except UnreadableColumn as error:
        raise Refused(str(error)) from None
    return pa.array([property_of(leaf) for leaf in leaves_of(column)], pa.utf8())


def flat(name: str, column: pa.Array, *, is_strict: bool = False) -> pa.Array:
    """Documents as objects of texts, null where there is none; what is no object stays as it is. Raises Refused if ``is_strict``."""
    if pa.types.is_map(column.type) and not pa.types.is_nested(column.type.item_type):
        found = _mapped(name, column)
        if found is not None:
            return found
    if not is_textual(column.type):
        return _of_leaves(name, column, is_strict)
    coded = column.dictionary_encode()
    known: list[str] = []
    for place, text in enumerate(coded.dictionary.to_pylist()):
        document = _document(text)
        if document is None and is_strict:
            row = int(np.flatnonzero(coded.indices.fill_null(-1).to_numpy() == place)[0])
            raise Refused(f"{name}: {shown(text)} is no JSON object that can be read", row, text[:1_000])
        known.append(text if document is None else document)
    return pa.array(known, pa.utf8()).take(coded.indices)


def _plainly(column: pa.Array) -> pa.Array:
    odd = matches(column, "[eE]")
    if not odd.any():
        return column
    plain = [format(Decimal(text), "f") for text in column.filter(pa.array(odd)).to_pylist()]
    return pc.replace_with_mask(column, pa.array(odd), pa.array(plain, pa.utf8()))


def _of_leaves(name: str, column: pa.Array, is_strict: bool) -> pa.Array:
    found: list[str | None] = []
    for row, leaf in enumerate(leaves_of(column)):
        document = _object(leaf)
        if is_strict and document is None and leaf is not None:
            raise Refused(f"{name}: {shown(leaf)} is no object", row)
        found.append(property_of(leaf) if document is None else _flat(document))
    return pa.array(found, pa.utf8())


def _document(text: str) -> str | None:
    """An object of texts of what JSON says; None where that is no object, or nothing that can be written down."""
    if text.startswith('"'):
        text = f"{{{text}}}"
    try:
        document = _object(json.loads(text, parse_float=Decimal, parse_int=Decimal))
        if document is None:
            return None
        found = _flat(document)
        # JSON can have one half of a surrogate pair, which is no text.
        found.encode()
    except (ValueError, ArithmeticError, RecursionError):
        return None
    return found


def _object(leaf: Any) -> dict[str, Any] | None:
    """What stands for an object, as one; None where it is none."""
    if isinstance(leaf, dict):
        return leaf
    if not isinstance(leaf, list) or not all(
        isinstance(each, dict) and {"key", "value"} <= each.keys() for each in leaf
    ):
        return None
    found: dict[str, Any] = {}
    for each in leaf:
        key, number = str(each["key"]), 1
        while key in found:
            number += 1
            key = f"{each['key']}#{number}"
        found[key] = each["value"]
    return found


def _flat(document: Mapping[str, Any]) -> str:
    members = {name: property_of(member) or "" for name, member in document.items()}
    return json_text(without_moments(members))


def _mapped(name: str, column: pa.Array) -> pa.Array | None:
    """Objects of a map column, all at once; None where a row has a name twice."""
    column = column.take(pa.array(np.arange(len(column))))
    offsets = np.asarray(column.offsets)
    lengths = np.diff(offsets)
    begin, end = int(offsets[0]), int(offsets[-1])
    keys = plain_type(column.keys.slice(begin, end - begin)).cast(pa.utf8()).dictionary_encode()
    values = texts(name, plain_type(column.items.slice(begin, end - begin)))
    named = keys.dictionary.to_pylist()
    ranks = np.empty(len(named), np.int64)
    ranks[sorted(range(len(named)), key=named.__getitem__)] = np.arange(len(named))
    rank = ranks[np.asarray(keys.indices)]
    row = np.repeat(np.arange(len(column)), lengths)
    order = np.lexsort((rank, row))
    if np.any((np.diff(row[order]) == 0) & (np.diff(rank[order]) == 0)):
        return None
    names = pa.array([json_text(each) + ":" for each in named], pa.utf8()).take(keys.indices)
    members = pc.binary_join_element_wise(names, quoted(pc.fill_null(values, "")), "").take(pa.array(order))
    listed = pa.ListArray.from_arrays(pa.array(offsets - begin, pa.int32()), members)
    found = pc.binary_join_element_wise("{", pc.binary_join(listed, ","), "}", "")
    return pc.if_else(column.is_valid(), found, None) if column.null_count else found
