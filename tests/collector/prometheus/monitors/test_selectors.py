"""Selectors select by labels as they are; durations and sizes are those of Prometheus."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from collector.prometheus.monitors.durations import bytes_of, seconds
from collector.prometheus.monitors.selectors import LabelSelector

LABELS = {"app.kubernetes.io/name": "web", "tier": "front"}


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ({}, True),
        ({"matchLabels": {"tier": "front"}}, True),
        ({"match_labels": {"tier": "front"}}, True),
        ({"matchLabels": {"tier": "back"}}, False),
        ({"matchLabels": {"tier": "front", "app.kubernetes.io/name": "web"}}, True),
        ({"matchLabels": {"tier": "front", "other": ""}}, False),
        # Names are those of the object and not those of Prometheus' labels; values are no regular expressions.
        ({"matchLabels": {"app_kubernetes_io_name": "web"}}, False),
        ({"matchLabels": {"tier": "fr.nt"}}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["back", "front"]}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["back"]}]}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["front"]}]}, False),
        ({"matchExpressions": [{"key": "none", "operator": "NotIn", "values": ["front"]}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "none", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, False),
        ({"matchExpressions": [{"key": "none", "operator": "DoesNotExist"}]}, True),
        ({"matchLabels": {"tier": "front"}, "matchExpressions": [{"key": "none", "operator": "Exists"}]}, False),
    ],
)
def test_selectors(selector: dict[str, Any], matches: bool) -> None:
    assert LabelSelector.model_validate(selector).matches(LABELS) is matches


@pytest.mark.parametrize(
    "expression",
    [
        {"key": "a", "operator": "In"},
        {"key": "a", "operator": "NotIn", "values": []},
        {"key": "a", "operator": "Exists", "values": ["b"]},
        {"key": "a", "operator": "Gt", "values": ["1"]},
        {"operator": "Exists"},
    ],
)
def test_what_is_no_selector(expression: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        LabelSelector.model_validate({"matchExpressions": [expression]})


@pytest.mark.parametrize(
    ("text", "expected"),
    [("30s", 30), ("1m30s", 90), ("500ms", 0.5), ("1h", 3600), ("1d", 86_400), ("1w2d", 777_600), ("0", 0), ("0s", 0)],
)
def test_durations(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "30", "1.5m", "s", "30s1m", "-1s", "1 s", "1s ", "30sec"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration, such as 30s"):
        seconds(text)


@given(st.integers(0, 400), st.integers(0, 59), st.integers(1, 59))
def test_durations_of_several_units_add_up(hours: int, minutes: int, count: int) -> None:
    assert seconds(f"{hours}h{minutes}m{count}s") == hours * 3600 + minutes * 60 + count


@pytest.mark.parametrize(
    ("text", "expected"),
    [("512B", 512), ("1KB", 1024), ("1KiB", 1024), ("10MB", 10 << 20), ("1.5GB", 3 << 29), (".5KB", 512), ("0", 0)],
)
def test_sizes(text: str, expected: int) -> None:
    assert bytes_of(text) == expected


@pytest.mark.parametrize("text", ["", "10", "10 MB", "MB", "10mb", "-1B"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="is no size, such as 10MB"):
        bytes_of(text)
