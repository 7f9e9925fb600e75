"""What all kinds of definition share: strictness, canonical text, and the names they refer to.

A definition is written by a person, checked once, and then decides money for years. So a specification refuses
keys it does not know (a misspelt optional key would otherwise be ignored in silence), is frozen, and has one
canonical JSON text in which every default is spelt out: a later release that changes a default cannot change
what an old definition meant.

Each kind says for itself which other definitions it names (:meth:`Spec.references`) and which of its fields may
not differ between dates (``settled``); the catalog checks both without knowing any kind.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

#: Where something stands in a document: keys and list indexes from the top.
Path = tuple[str | int, ...]

NAME_LENGTH_MAX = 200


@dataclass(frozen=True)
class Reference:
    """One definition naming another; ``path`` is where, ``from_moment`` since when it is needed (None: at all)."""

    kind: str
    name: str
    path: Path
    from_moment: str | None = None


class Part(BaseModel):
    """A piece of a specification: frozen, and closed to keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Spec(Part):
    """The specification of one kind of definition."""

    #: Fields that all dates of one name must agree on. Two invoices, or two hours, could not be
    #: compared or tiled if one changed on some date; correcting it for all dates is possible.
    settled: ClassVar[tuple[str, ...]] = ()
    #: Whether ``effective_from`` applies; a subscription carries its own dates instead.
    dated: ClassVar[bool] = True
    #: Whether the newest version takes the place of all others of its name, whatever their dates.
    replaces: ClassVar[bool] = False

    def references(self) -> tuple[Reference, ...]:
        """The definitions that must exist for this one to make sense."""
        return ()


def canonical(spec: Spec) -> str:
    """The JSON text by which two specifications are the same: keys sorted, decimals as text, no spaces."""
    return json.dumps(spec.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _checked_name(name: str) -> str:
    if name.startswith("@"):
        raise ValueError(f"{name!r} begins with @, which is kept for the book's own tenants such as @shared")
    if name != name.strip() or not name.isprintable():
        raise ValueError(f"{name!r} has spaces around it or characters that cannot be printed")
    return name


#: The name of a definition, or of another one that it refers to.
Name = Annotated[str, Field(min_length=1, max_length=NAME_LENGTH_MAX), AfterValidator(_checked_name)]
