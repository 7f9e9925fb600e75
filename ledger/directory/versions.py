"""The rows of the directory: versions of definitions, as the journal keeps them.

A version is never changed. What holds at an instant is chosen among versions by their effective date, and what
held *as the book then stood* by their journal position; the two are independent, so a price can be corrected
for last month today, and the invoice as drafted yesterday can still be drafted again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

from pydantic import ValidationError

from ledger.directory.documents import KINDS
from ledger.schema.spec import Spec

Outcome = Literal["created", "changed", "unchanged"]


class UnreadableDefinition(ValueError):
    """A row of the book that this release cannot read: it was written by a newer one, or it is damaged."""


@dataclass(frozen=True)
class Version:
    """A version that is to be written; ``spec`` is canonical JSON, ``version`` counts from 1 within the name."""

    kind: str
    name: str
    version: int
    effective_from_us: int
    spec: str


@dataclass(frozen=True)
class DefinitionRow(Version):
    """A version that stands in the journal."""

    author: str
    position: int


@dataclass(frozen=True)
class Definition:
    """A version with its specification read."""

    kind: str
    name: str
    version: int
    effective_from_us: int
    spec: Spec
    author: str
    position: int


@dataclass(frozen=True)
class Change:
    """What became, or would become, of one document. ``version`` is the one that now holds its text."""

    kind: str
    name: str
    version: int
    outcome: Outcome


def definition_of(row: DefinitionRow) -> Definition:
    """Read a row. Raises UnreadableDefinition naming it."""
    what = f"{row.kind} {row.name!r} version {row.version} at journal position {row.position}"
    model = KINDS.get(row.kind)
    if model is None:
        raise UnreadableDefinition(f"{what}: this release knows no such kind")
    try:
        spec = model.model_validate(json.loads(row.spec))
    except (ValidationError, ValueError) as error:
        raise UnreadableDefinition(f"{what} cannot be read: {error}") from error
    return Definition(row.kind, row.name, row.version, row.effective_from_us, spec, row.author, row.position)
