"""Lines of JSON objects as fields: one at a time, and in columns where lines have the same layout (``layouts``)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from collector.datastore.cloudevents import document_on
from collector.datastore.layouts import Group, Hole, Layouts, Places
from collector.datastore.mapping.cells import PLAIN_NUMBER, TextCells, matches
from collector.datastore.mapping.shapes import Shape

#: A number of JSON (RFC 8259, section 6), with an exponent that decimals can have.
_NUMBER = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]{1,6})?$"


class JsonLines:
    """Reads lines of one source; what it learns of their layouts it keeps from block to block."""

    def __init__(self) -> None:
        self._layouts = Layouts()

    def record(self, line: bytes) -> dict[str, Any]:
        """The object on a line. Raises BadEvent."""
        return document_on(line)

    def shapes(self, block: bytes, starts: Places, ends: Places) -> Iterator[Shape]:
        """The lines of a block in shapes; those that are in none are to be read one by one."""
        groups, _ = self._layouts.split(block, starts, ends)
        for group in groups:
            shape = _shape(group)
            if shape is not None:
                yield shape


def _shape(group: Group) -> Shape | None:
    document = group.layout.document
    holes = list(_holes(document))
    # A hole that a second member of the same name hides may hold anything, and nobody would see it.
    if not isinstance(document, dict) or len(holes) < len(group.columns):
        return None
    cells, sure = list[TextCells](), np.ones(len(group.rows), bool)
    are_texts = {hole.number: hole.is_text for hole in holes}
    for number, column in enumerate(group.columns):
        plain = None if are_texts[number] else matches(column, PLAIN_NUMBER)
        cells.append(TextCells(column, is_number=plain is not None, plain=plain))
        if plain is not None and not plain.all():
            sure &= plain | matches(column, _NUMBER)
    return Shape(_filled(document, cells), group.rows, sure)


def _holes(document: Any) -> Iterator[Hole]:
    match document:
        case Hole():
            yield document
        case dict():
            for member in document.values():
                yield from _holes(member)
        case list():
            for member in document:
                yield from _holes(member)


def _filled(document: Any, cells: list[TextCells]) -> Any:
    match document:
        case Hole(number):
            return cells[number]
        case dict():
            return {name: _filled(member, cells) for name, member in document.items()}
        case list():
            return [_filled(member, cells) for member in document]
        case _:
            return document
