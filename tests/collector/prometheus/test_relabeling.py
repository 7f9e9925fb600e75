"""Relabelling does what Prometheus' does; cases follow its relabel_test.go and documentation."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from collector.prometheus.relabeling import Relabeling, RelabelRule


def relabeled(labels: dict[str, str], *rules: dict[str, Any]) -> dict[str, str] | None:
    return Relabeling([RelabelRule.model_validate(rule) for rule in rules]).apply(labels)


ABC = {"a": "foo", "b": "bar", "c": "baz"}


@pytest.mark.parametrize(
    ("labels", "rules", "expected"),
    [
        (
            ABC,
            [{"source_labels": ["a"], "regex": "f(.*)", "target_label": "d", "replacement": "ch${1}-ch${1}"}],
            ABC | {"d": "choo-choo"},
        ),
        (
            ABC,
            [
                {"source_labels": ["a", "b"], "regex": "f(.*);(.*)r", "target_label": "a", "replacement": "b${1}${2}m"},
                {
                    "source_labels": ["c", "a"],
                    "regex": "(b).*b(.*)ba(.*)",
                    "target_label": "d",
                    "replacement": "$1$2$2$3",
                },
            ],
            {"a": "boobam", "b": "bar", "c": "baz", "d": "boooom"},
        ),
        ({"a": "foo"}, [{"source_labels": ["a"], "regex": ".*o.*", "action": "drop"}], None),
        ({"a": "foo"}, [{"source_labels": ["a"], "regex": "no", "action": "drop"}], {"a": "foo"}),
        ({"a": "foo"}, [{"source_labels": ["a"], "regex": "o", "action": "keep"}], None),
        ({"a": "foo"}, [{"source_labels": ["a"], "regex": "f.o", "action": "keep"}], {"a": "foo"}),
        ({"a": "foo"}, [{"source_labels": ["missing"], "regex": "", "action": "keep"}], {"a": "foo"}),
        (
            {"a": "boo"},
            [{"source_labels": ["a"], "regex": "f", "target_label": "b", "replacement": "bar"}],
            {"a": "boo"},
        ),
        ({"a": "foo"}, [{"source_labels": ["a"], "regex": "(f).*", "target_label": "a", "replacement": "$2"}], {}),
        ({"a": "foo"}, [{"target_label": "b", "replacement": "bar"}], {"a": "foo", "b": "bar"}),
        (
            {"a": "foo"},
            [{"source_labels": ["a"], "regex": "(f)(.*)", "target_label": "${2}_x", "replacement": "$$1"}],
            {"a": "foo", "oo_x": "$1"},
        ),
        ({"a": "f-o"}, [{"source_labels": ["a"], "target_label": "$1"}], {"a": "f-o"}),
        (
            {"a": "x", "b1": "y", "b2": "z"},
            [{"regex": "(b.*)", "replacement": "bar_$1", "action": "labelmap"}],
            {"a": "x", "b1": "y", "b2": "z", "bar_b1": "y", "bar_b2": "z"},
        ),
        ({"a": "x", "b1": "y"}, [{"regex": "b.*", "action": "labeldrop"}], {"a": "x"}),
        ({"a": "x", "b1": "y"}, [{"regex": "b.*", "action": "labelkeep"}], {"b1": "y"}),
        (
            {"a": "FoO"},
            [{"source_labels": ["a"], "target_label": "b", "action": "lowercase"}],
            {"a": "FoO", "b": "foo"},
        ),
        (
            {"a": "FoO"},
            [{"source_labels": ["a"], "target_label": "b", "action": "uppercase"}],
            {"a": "FoO", "b": "FOO"},
        ),
        (
            {"a": "x", "b": "x"},
            [{"source_labels": ["a"], "target_label": "b", "action": "keepequal"}],
            {"a": "x", "b": "x"},
        ),
        ({"a": "x", "b": "y"}, [{"source_labels": ["a"], "target_label": "b", "action": "keepequal"}], None),
        ({"a": "x", "b": "x"}, [{"source_labels": ["a"], "target_label": "b", "action": "dropequal"}], None),
        ({"a": "line\nfeed"}, [{"source_labels": ["a"], "regex": "line.feed", "action": "drop"}], None),
    ],
)
def test_actions(labels: dict[str, str], rules: list[dict[str, Any]], expected: dict[str, str] | None) -> None:
    assert relabeled(labels, *rules) == expected


def test_shards_agree_with_those_of_prometheus() -> None:
    """The case of relabel_test.go: the last eight bytes of the MD5 of baz, big-endian, by 1000 leave 976."""
    assert relabeled(
        {"c": "baz"}, {"source_labels": ["c"], "target_label": "d", "modulus": 1000, "action": "hashmod"}
    ) == {"c": "baz", "d": "976"}
    both = {"source_labels": ["a", "b"], "separator": "|", "target_label": "d", "modulus": 7, "action": "hashmod"}
    expected = int.from_bytes(hashlib.md5(b"x|y").digest()[8:], "big") % 7
    assert relabeled({"a": "x", "b": "y"}, both) == {"a": "x", "b": "y", "d": str(expected)}


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({"regex": "("}, "is not a regular expression"),
        ({"source_labels": ["a"]}, "action replace needs target_label"),
        ({"action": "hashmod", "target_label": "a"}, "needs a modulus"),
        ({"action": "lowercase"}, "action lowercase needs target_label"),
        ({"target_label": "a-b"}, "is no label name"),
        ({"action": "shout", "target_label": "a"}, "Input should be"),
        ({"target_label": "a", "colour": "blue"}, "Extra inputs are not permitted"),
    ],
)
def test_what_is_no_rule(rule: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        RelabelRule.model_validate(rule)


TEXTS = st.text(alphabet="ab$1{};.", max_size=5)
RULES = st.fixed_dictionaries(
    {"source_labels": st.lists(st.sampled_from("abc"), max_size=2), "target_label": st.sampled_from(["a", "b", "d"])},
    optional={
        "replacement": TEXTS,
        "regex": st.sampled_from(["(.*)", "(a?)(.*)", "b+", ""]),
        "action": st.sampled_from(["replace", "keep", "drop", "keepequal"]),
    },
)


@given(labels=st.dictionaries(st.sampled_from("abc"), TEXTS), rules=st.lists(RULES, max_size=4))
def test_any_rules_leave_labels_or_nothing(labels: dict[str, str], rules: list[dict[str, Any]]) -> None:
    left = relabeled(labels, *rules)
    assert left is None or all(left.values())
    assert relabeled(labels, *rules) == left


def test_no_expression_takes_for_ever() -> None:
    rule = {"source_labels": ["a"], "regex": "(a*)*b", "target_label": "d", "replacement": "$1"}
    assert relabeled({"a": "a" * 3_000}, rule) == {"a": "a" * 3_000}


@pytest.mark.parametrize("regex", ["(?=a)", "(a)\\1", "(", "a{1000}{1000}{1000}", "[b-a]", "\ud800"])
def test_what_is_no_expression(regex: str) -> None:
    with pytest.raises(ValidationError, match="is not a regular expression"):
        RelabelRule.model_validate({"regex": regex})
