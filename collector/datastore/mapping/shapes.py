"""Many records of one shape: the same fields at the same places, each of them a column.

A shape can be asked as one record is, so that where a field stands is said in one place (``paths``): it is a record whose leaves are
columns, or literals where all records have the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from collector.datastore.layouts import Places
from collector.datastore.mapping.cells import Cells, Rows
from collector.datastore.mapping.paths import Path, look

#: A column, or what all records have there: a truth value, nothing, an object or a list of such.
Leaf = Cells | bool | None | dict[str, Any] | list[Any]


@dataclass(frozen=True)
class Shape:
    """Records at ``rows`` of a block, ascending. ``sure`` says of which it is certain that they have this shape."""

    record: Mapping[str, Any]
    rows: Places
    sure: Rows

    def look(self, path: Path) -> Leaf:
        """The field at a path; None where no record has one."""
        found: Leaf = look(self.record, path)
        return found

    @classmethod
    def of(cls, record: Mapping[str, Any], rows: Places) -> Shape:
        """A shape that all these records are certain to have."""
        return cls(record, rows, np.ones(len(rows), bool))
