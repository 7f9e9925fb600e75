"""YAML read as text: every scalar stays what was typed.

The usual loaders decide that ``0.1`` is a binary float, ``1e3`` a number, ``no`` a boolean and ``2026-01-31`` a
date, and by then the price that somebody typed is gone. This one builds mappings, lists, text and null (an
unquoted ``null``, ``~`` or nothing) out of the parser's events, and leaves it to each field to read its text.

It also keeps the line of every field, and refuses what could make a document mean something else than it seems
to: a key given twice (YAML loaders keep the last one in silence), tags, and aliases, by which a small file can
unfold into one that fills the memory. Nesting is bounded. Faults are collected, and the structure is read on to
the end; only text that is not YAML at all ends the reading of a file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from ledger.schema.spec import Path

DEPTH_MAX = 32

#: Reads events in C where the library was built with it: five to ten times as fast.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_TAGS = frozenset({None, "!", *(f"tag:yaml.org,2002:{name}" for name in ("str", "map", "seq"))})


class NotYaml(ValueError):
    """The text cannot be read any further; ``line`` (from 1) is where."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"this is not YAML: {reason}")
        self.line = line


@dataclass
class Tree:
    """One document: ``value`` of dicts, lists, text and None; the line of every path; structural faults."""

    value: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    faults: list[tuple[Path, int, str]] = field(default_factory=list)


def read(text: str) -> Iterator[Tree]:
    """The documents of a file, in order. Raises NotYaml where the text cannot be read; what came before counts."""
    events = yaml.parse(text, Loader=_Loader)
    try:
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                yield _Builder(events).build()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise NotYaml(mark.line + 1 if mark else 1, error.problem or error.context or "cannot be parsed") from None
    except yaml.YAMLError as error:
        raise NotYaml(1, str(error).splitlines()[0]) from None


class _Builder:
    """Builds one tree out of the events between a document's start and its end."""

    def __init__(self, events: Iterator[yaml.Event]) -> None:
        self._events = events
        self._tree = Tree()

    def build(self) -> Tree:
        event = next(self._events)
        self._tree.lines[()] = _line(event)
        self._tree.value = self._node(event, ())
        return self._tree

    def _node(self, event: yaml.Event, path: Path) -> Any:
        line = _line(event)
        if len(path) > DEPTH_MAX:
            raise NotYaml(line, f"it is nested more than {DEPTH_MAX} deep")
        if isinstance(event, yaml.AliasEvent):
            self._fault(path, line, f"the alias *{event.anchor} is not supported: write the value out")
            return None
        tag = getattr(event, "tag", None)
        if tag not in _TAGS:
            self._fault(path, line, f"the tag {tag} is not supported: write plain text")
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(path)
        assert isinstance(event, yaml.ScalarEvent)
        plain = event.implicit[0] and not event.style
        return None if plain and event.value in _NULLS else event.value

    def _sequence(self, path: Path) -> list[Any]:
        values: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            here = (*path, len(values))
            self._tree.lines[here] = _line(event)
            values.append(self._node(event, here))
        return values

    def _mapping(self, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            line = _line(event)
            if not isinstance(event, yaml.ScalarEvent):
                self._fault(path, line, "a key must be plain text")
                self._node(event, (*path, "?"))
                self._node(next(self._events), (*path, "?"))
                continue
            here = (*path, event.value)
            if event.value in values:
                first = self._tree.lines[here]
                self._fault(path, line, f"the key {event.value!r} is given twice, first in line {first}")
                # The second value is read only to get past it, so its lines must not replace the first one's.
                self._node(next(self._events), (*path, "?"))
                continue
            self._tree.lines[here] = line
            values[event.value] = self._node(next(self._events), here)
        return values

    def _fault(self, path: Path, line: int, message: str) -> None:
        self._tree.faults.append((path, line, message))


def _line(event: yaml.Event) -> int:
    """The line, from 1, on which an event begins."""
    return event.start_mark.line + 1 if event.start_mark else 1
