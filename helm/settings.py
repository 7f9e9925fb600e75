"""What can be set in a chart: the settings of its values.yaml, each with its default and the comment that explains it.

A setting is what has a comment beginning with ``# --`` directly above it; below it nothing else needs one. The names in between,
such as ``ledger.tls``, only hold others.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CHARTS = {name: Path(__file__).parent / name for name in ("agent", "ledger")}

_KEY = re.compile(r"^( *)([A-Za-z_][A-Za-z0-9_]*):")
_COMMENT = re.compile(r"^ *# -- (.*)$")


@dataclass(frozen=True)
class Setting:
    """One thing that can be set; ``path`` is as in ``--set``."""

    path: str
    default: Any
    text: str


def values(chart: Path) -> dict[str, Any]:
    """The defaults of a chart."""
    found: dict[str, Any] = yaml.safe_load((chart / "values.yaml").read_text(encoding="utf-8"))
    return found


def settings(chart: Path) -> list[Setting]:
    """In the order in which they stand. Raises ValueError for a comment that stands above nothing."""
    defaults = values(chart)
    found: list[Setting] = []
    above: list[tuple[int, str]] = []
    text: str | None = None
    for number, line in enumerate((chart / "values.yaml").read_text(encoding="utf-8").splitlines(), start=1):
        if comment := _COMMENT.match(line):
            text = comment[1]
        elif key := _KEY.match(line):
            indent = len(key[1])
            above = [each for each in above if each[0] < indent] + [(indent, key[2])]
            if text is not None:
                path = ".".join(name for _, name in above)
                found.append(Setting(path, _at(defaults, path), text))
            text = None
        elif text is not None:
            raise ValueError(f"{chart.name}/values.yaml:{number}: the comment above explains no setting")
    return found


def leaves(tree: dict[str, Any], place: str = "") -> list[str]:
    """The paths of all values that hold no others; an empty mapping is one."""
    found = []
    for name, value in tree.items():
        path = f"{place}.{name}" if place else name
        found += leaves(value, path) if isinstance(value, dict) and value else [path]
    return found


def _at(tree: dict[str, Any], path: str) -> Any:
    found: Any = tree
    for name in path.split("."):
        found = found[name]
    return found
