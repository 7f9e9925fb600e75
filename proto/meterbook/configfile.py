"""A configuration's file: YAML, read in one way by agent and ledger, whose every fault is one sentence with its place.

A process reads its file again while it runs, so nothing that a file may hold is allowed to end it: PyYAML raises more than its own
errors for what looks like a date or a number and is none, and for what is nested beyond reason.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

#: Values, each alias counted as what it stands for.
_VALUES_MAX = 1_000_000


class FileError(ValueError):
    """The file is no configuration: one sentence, with the path and the place in it."""


class _Loader(yaml.SafeLoader):
    """YAML in which a key given twice is a fault: the last one would silently win."""

    def get_single_node(self) -> yaml.Node | None:
        root: yaml.Node | None = super().get_single_node()
        if root is not None and _values(root, {}) > _VALUES_MAX:
            raise yaml.MarkedYAMLError(
                problem=f"its aliases stand for more than {_VALUES_MAX:,} values", problem_mark=root.start_mark
            )
        return root

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.MarkedYAMLError(
                        problem=f"the key {key.value!r} is given twice", problem_mark=key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            # A 13th month, "!!int abc", "!!float" of nothing: only the value says what is wrong.
            raise yaml.MarkedYAMLError(
                problem=f"{node.value!r} is not what it looks like ({error}): put it into quotes",
                problem_mark=node.start_mark,
            ) from error


def _values(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values a node has when it is written out: a few lines of aliases can stand for more than any memory holds."""
    if id(node) in known:
        return known[id(node)]
    # One that is part of itself is as many as can be.
    known[id(node)] = _VALUES_MAX + 1
    below: list[Any] = [] if isinstance(node, yaml.ScalarNode) else node.value
    if isinstance(node, yaml.MappingNode):
        below = [each for pair in node.value for each in pair]
    known[id(node)] = 1 + sum(_values(each, known) for each in below)
    return known[id(node)]


def read(path: Path) -> Any:
    """What the file holds; None if nothing. Raises FileError."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise FileError(f"{path}: is not UTF-8 text at byte {error.start}") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise FileError(f"{path}: {place}{error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise FileError(f"{path}: is not YAML: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise FileError(f"{path}: is nested too deeply to be a configuration") from error
