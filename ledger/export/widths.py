"""How wide the halves behind the decimal mark are in each column, so that marks stand above one another.

Digits of a table all have one width; so the longest text is the widest, and whoever sets the table measures that one alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ledger.export.sheet import Sheet
from ledger.export.wording import Figure

#: The columns that hold figures.
COLUMNS = ("quantity", "unit_price", "amount")


def widths_of(sheet: Sheet) -> Mapping[str, Mapping[str, str]]:
    """By column, and by what a row is, the longest text behind the mark; "" where none has one."""
    longest = {column: {"line": "", "piece": ""} for column in COLUMNS}
    for column, kind, figure in _figures(sheet):
        if len(figure.fraction) > len(longest[column][kind]):
            longest[column][kind] = figure.fraction
    return longest


def _figures(sheet: Sheet) -> Iterator[tuple[str, str, Figure]]:
    for section in sheet.sections:
        yield "amount", "line", section.sum
        for group in section.groups:
            if group.subtotal is not None:
                yield "amount", "line", group.subtotal
            for row in group.rows:
                for column in COLUMNS:
                    figure: Figure | None = getattr(row, column)
                    if figure is not None:
                        yield column, "line" if row.kind == "line" else "piece", figure
