"""What the comments of a page declare: the type of each family, and in OpenMetrics its unit and the end of the page.

Other comments are nobody's business. A declaration that cannot be read fails the page, because without it a counter would
pass for a gauge.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from collector.exposition.heads import unquoted
from collector.exposition.page import Format

KINDS = frozenset(
    {"counter", "gauge", "histogram", "summary", "untyped", "unknown", "info", "stateset", "gaugehistogram"}
)

_DECLARATION = re.compile(r'#[ \t]+(TYPE|UNIT)[ \t]+("(?:[^"\\]|\\.)*+"|[^\s"]+)[ \t]+(\S+)[ \t]*')
_WORDS = {"text": re.compile(r"#[ \t]+TYPE\b"), "openmetrics": re.compile(r"#[ \t]+(?:TYPE|UNIT|EOF)\b")}


@dataclass(frozen=True)
class Family:
    """What a page declares of a metric: one of KINDS, and a unit (OpenMetrics only) or the empty text."""

    kind: str
    unit: str = ""


class NoDeclaration(ValueError):
    """A comment that begins as a declaration and is none; the argument is its index among the comments."""

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.index = index


def declared(comments: Iterable[str], kind: Format) -> Mapping[str, Family]:
    """The families by the name under which they are declared. Raises NoDeclaration."""
    kinds: dict[str, str] = {}
    units: dict[str, str] = {}
    word = _WORDS[kind]
    for index, line in enumerate(comment.lstrip(" \t") for comment in comments):
        if not word.match(line):
            continue
        found = _DECLARATION.fullmatch(line)
        if found is None or (found[1] == "TYPE" and found[3] not in KINDS):
            raise NoDeclaration(index)
        name = unquoted(found[2]) if found[2].startswith('"') else found[2]
        (units if found[1] == "UNIT" else kinds)[name] = found[3]
    return {name: Family(kind, units.get(name, "")) for name, kind in kinds.items()}
