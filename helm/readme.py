"""The README of each chart: what its author wrote, and a table of all settings, made of the comments in values.yaml.

    python -m helm.readme

writes both; a test compares them. ``README.intro.md`` is the part that is written by hand.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from helm.settings import CHARTS, settings

_DEFAULT_CHARACTERS_MAX = 120


def text(chart: Path) -> str:
    """The whole file."""
    rows = [
        f"| `{each.path}` | {_default(each.default)} | {each.text.replace('|', chr(92) + '|')} |"
        for each in settings(chart)
    ]
    intro = (chart / "README.intro.md").read_text(encoding="utf-8").rstrip()
    return "\n".join([intro, "", "## Values", "", "| value | default | |", "| --- | --- | --- |", *rows, ""])


def _default(value: Any) -> str:
    shown = json.dumps(value, ensure_ascii=False)
    return f"`{shown}`" if len(shown) <= _DEFAULT_CHARACTERS_MAX else "see values.yaml"


if __name__ == "__main__":
    for _chart in CHARTS.values():
        (_chart / "README.md").write_text(text(_chart), encoding="utf-8")
