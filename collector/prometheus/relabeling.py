"""Relabelling: rules that keep, drop and rewrite label sets, as Prometheus has them.

They are applied to targets as they are discovered and to series as they are exposed, in order; a set of labels that a rule drops is
gone. Keys and meaning are those of ``relabel_config`` in the Prometheus documentation ("Configuration", section
``<relabel_config>``). Regular expressions match the whole value and are RE2's, as Prometheus': whoever may write a monitor writes rules, and no
expression may keep an agent busy for ever.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import re2
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from collector.exposition.heads import NAME

Labels = dict[str, str]

_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_REFERENCE = re.compile(r"\$(?:\$|(?P<plain>\w+)|\{(?P<braced>\w+)\})", re.ASCII)
_WHOLE_NAME = re.compile(NAME)

Action = Literal[
    "replace",
    "keep",
    "drop",
    "keepequal",
    "dropequal",
    "hashmod",
    "labelmap",
    "labeldrop",
    "labelkeep",
    "lowercase",
    "uppercase",
]
_NEEDS_TARGET = frozenset({"replace", "hashmod", "lowercase", "uppercase", "keepequal", "dropequal"})


class RelabelRule(BaseModel):
    """One rule. A missing label is the same as an empty one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source_labels: tuple[str, ...] = Field(default=(), description="Labels whose values, joined, are looked at.")
    separator: str = Field(default=";", description="Text between the joined values.")
    regex: str = Field(default="(.*)", description="Regular expression that the whole joined value matches.")
    modulus: int = Field(default=0, ge=0, description="Divisor of the hash of the joined value; for hashmod.")
    target_label: str = Field(default="", description="Label that is written, or compared.")
    replacement: str = Field(default="$1", description="Text to write; $1, ${1} and ${name} stand for groups.")
    action: Action = Field(default="replace", description="What is done.")

    @field_validator("regex")
    @classmethod
    def _is_pattern(cls, regex: str) -> str:
        _compiled(regex)
        return regex

    @model_validator(mode="after")
    def _fits_together(self) -> RelabelRule:
        if self.action in _NEEDS_TARGET and not self.target_label:
            raise ValueError(f"action {self.action} needs target_label")
        if self.action == "hashmod" and self.modulus == 0:
            raise ValueError("action hashmod needs a modulus of 1 or more")
        literal = self.action != "replace" or "$" not in self.target_label
        if self.target_label and literal and not _LABEL_NAME.fullmatch(self.target_label):
            raise ValueError(f"target_label {self.target_label!r} is no label name: use letters, digits and _")
        return self


class Relabeling:
    """Rules made ready. Safe for threads."""

    def __init__(self, rules: Sequence[RelabelRule]) -> None:
        self._steps = [_step(rule) for rule in rules]

    def __bool__(self) -> bool:
        return bool(self._steps)

    def apply(self, labels: Mapping[str, str]) -> Labels | None:
        """The labels after all rules, without empty ones; None where a rule drops them."""
        left = dict(labels)
        for step in self._steps:
            after = step(left)
            if after is None:
                return None
            left = after
        return {name: value for name, value in left.items() if value}


def _compiled(regex: str) -> Any:
    """Raises ValueError for what is no expression, or takes too much memory."""
    options = re2.Options()
    options.dot_nl, options.log_errors = True, False
    try:
        return re2.compile(regex, options)
    except (re2.error, UnicodeError) as error:
        said = error.args[0] if error.args else ""
        reason = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(error)
        raise ValueError(f"{regex[:200]!r} is not a regular expression: {reason[:200]}") from None


_Step = Callable[[Labels], Labels | None]


def _step(rule: RelabelRule) -> _Step:
    pattern = _compiled(rule.regex)

    def joined(labels: Labels) -> str:
        return rule.separator.join(labels.get(name, "") for name in rule.source_labels)

    def written(labels: Labels, name: str, value: str) -> Labels:
        return {**labels, name: value} if value else {key: old for key, old in labels.items() if key != name}

    def replace(labels: Labels) -> Labels:
        found = pattern.fullmatch(joined(labels))
        if found is None:
            return labels
        target = _expanded(rule.target_label, found)
        return written(labels, target, _expanded(rule.replacement, found)) if _LABEL_NAME.fullmatch(target) else labels

    def labelmap(labels: Labels) -> Labels:
        mapped = dict(labels)
        for name, value in labels.items():
            found = pattern.fullmatch(name)
            if found is not None:
                mapped[_expanded(rule.replacement, found)] = value
        return mapped

    steps: dict[str, _Step] = {
        "replace": replace,
        "keep": lambda labels: labels if pattern.fullmatch(joined(labels)) else None,
        "drop": lambda labels: None if pattern.fullmatch(joined(labels)) else labels,
        "keepequal": lambda labels: labels if joined(labels) == labels.get(rule.target_label, "") else None,
        "dropequal": lambda labels: None if joined(labels) == labels.get(rule.target_label, "") else labels,
        "hashmod": lambda labels: written(labels, rule.target_label, str(_hash(joined(labels)) % rule.modulus)),
        "labelmap": labelmap,
        "labeldrop": lambda labels: {name: value for name, value in labels.items() if not pattern.fullmatch(name)},
        "labelkeep": lambda labels: {name: value for name, value in labels.items() if pattern.fullmatch(name)},
        "lowercase": lambda labels: written(labels, rule.target_label, joined(labels).lower()),
        "uppercase": lambda labels: written(labels, rule.target_label, joined(labels).upper()),
    }
    return steps[rule.action]


def _expanded(template: str, found: Any) -> str:
    """The template with groups filled in, as Go's ``Regexp.Expand`` does: an unknown group is empty, ``$$`` a dollar."""

    def group(reference: re.Match[str]) -> str:
        if reference[0] == "$$":
            return "$"
        name = reference["plain"] or reference["braced"]
        if name.isdecimal():
            return (found[int(name)] or "") if int(name) <= found.re.groups else ""
        return (found[name] or "") if name in found.re.groupindex else ""

    return _REFERENCE.sub(group, template)


def _hash(value: str) -> int:
    """The last eight bytes of the MD5, as Prometheus takes them: agents that shard by it must agree with its own."""
    return int.from_bytes(hashlib.md5(value.encode(), usedforsecurity=False).digest()[8:], "big")


def is_metric_name(name: str) -> bool:
    """Whether relabelling has left a name that a metric can have."""
    return _WHOLE_NAME.fullmatch(name) is not None
