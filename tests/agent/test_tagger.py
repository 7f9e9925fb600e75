"""Whose a series or an event is, and that the fast way says the same as the plain one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.rules import TENANT, Rule, TagsConfig, ready
from agent.tagger import Tagger
from collector.readings import Readings, Window, sample_table
from meterbook.wire.series import UNASSIGNED, Series, canonical_json
from tests.fakes.source import complete, counter, events, readings

WINDOW = Window(1_000_000, 2_000_000)


def rules(*documents: dict[str, Any]) -> tuple[Rule, ...]:
    return ready(TagsConfig.model_validate({"rules": documents}))


def tenant(series: Series, *documents: dict[str, Any]) -> str:
    return Tagger(rules(*documents)).tenant_of(series)


SERIES = Series(
    "kubelet/node-1",
    "cpu_seconds_total",
    "counter",
    "s",
    canonical_json({"namespace": "team-blue", "pod": "web-0", "empty": "", "odd": "a b"}),
    canonical_json({"zone": "eu/1", "tag": "@shared"}),
)

SERIES_CASES = [
    # rules                                                                                 tenant
    ([], UNASSIGNED),
    ([{"from": "label:namespace"}], "team-blue"),
    ([{"from": "label:none"}], UNASSIGNED),
    ([{"from": "label:none"}, {"from": "label:pod"}], "web-0"),
    ([{"from": "label:empty"}, {"from": "label:pod"}], "web-0"),
    ([{"from": "attribute:zone"}], "eu/1"),
    ([{"from": "source", "match": "kubelet/(.*)"}], "node-1"),
    ([{"from": "metric"}], "cpu_seconds_total"),
    ([{"from": "origin", "match": "kubelet/(.*)"}], "node-1"),
    ([{"from": "label:namespace", "match": "team-(.*)"}], "blue"),
    ([{"from": "label:namespace", "match": "(team)-(?P<tenant>.*)"}], "blue"),
    ([{"from": "label:namespace", "match": "team-.*"}], "team-blue"),
    ([{"from": "label:namespace", "match": "team"}], UNASSIGNED),
    ([{"from": "label:namespace", "match": "team-(x)?.*"}, {"tenant": "last"}], "last"),
    ([{"from": "label:namespace", "match": "team-.*", "tenant": "@shared"}], "@shared"),
    ([{"from": "label:empty", "tenant": "@shared"}], UNASSIGNED),
    ([{"tenant": "@shared"}], "@shared"),
    ([{"tenant": "a", "when": {"metric": "mem.*"}}, {"tenant": "b", "when": {"metric": "cpu.*"}}], "b"),
    ([{"tenant": "a", "when": {"source": "kubelet/.*", "metric": "mem.*"}}], UNASSIGNED),
    ([{"tenant": "a", "when": {"type": ".*"}}], UNASSIGNED),
    ([{"from": "subject"}, {"from": "property:x"}, {"from": "type"}], UNASSIGNED),
    # A bad name ends the search: no later rule is reached.
    ([{"from": "label:odd"}, {"tenant": "later"}], UNASSIGNED),
    ([{"from": "attribute:tag"}, {"tenant": "later"}], UNASSIGNED),
]


@pytest.mark.parametrize(("documents", "expected"), SERIES_CASES)
def test_the_tenant_of_a_series(documents: list[dict[str, Any]], expected: str) -> None:
    assert tenant(SERIES, *documents) == expected


EVENT = {
    "source": "gateway",
    "type": "call.v1",
    "subject": "acme",
    "properties": canonical_json({"key": 'a"b', "plan": "gold", "x": "y,"}),
}

EVENT_CASES = [
    ([], UNASSIGNED),
    ([{"from": "subject"}], "acme"),
    ([{"from": "type", "match": r"(\w+)\..*"}], "call"),
    ([{"from": "source"}], "gateway"),
    ([{"from": "origin"}], "fake/one"),
    ([{"from": "property:plan"}], "gold"),
    ([{"from": "property:key"}], UNASSIGNED),
    ([{"from": "property:key", "match": 'a"(.*)'}], "b"),
    ([{"from": "property:none"}, {"from": "subject"}], "acme"),
    ([{"from": "label:subject"}, {"from": "metric"}, {"from": "attribute:x"}], UNASSIGNED),
    ([{"from": "subject", "when": {"metric": ".*"}}], UNASSIGNED),
    ([{"from": "subject", "when": {"type": "call.*", "source": "gate.*"}}], "acme"),
    ([{"from": "subject", "when": {"type": "other"}}, {"tenant": "@shared"}], "@shared"),
]


@pytest.mark.parametrize(("documents", "expected"), EVENT_CASES)
def test_the_tenant_of_an_event(documents: list[dict[str, Any]], expected: str) -> None:
    tagged = Tagger(rules(*documents)).tag(readings(WINDOW, events=events([EVENT])), WINDOW)
    assert tagged.events["tenant"].to_pylist() == [expected]
    assert tagged.events_unassigned == (expected == UNASSIGNED)


NAMES = st.sampled_from(["a", "b", 'q"', "back\\slash", "ü", ":", "n.me", "a b", "{", "\n"])
VALUES = st.one_of(st.sampled_from(["", "a", ",", '","a":"', "x,", "\\", '"', "@shared", "team"]), st.text(max_size=6))
PLACES = st.sampled_from(["source", "subject", "type"]) | NAMES.map(lambda name: f"property:{name}")
PATTERNS = st.sampled_from([None, ".*", "(?s)(.).*", "team", "a?(b)?.*"])
DOCUMENTS = st.lists(
    st.fixed_dictionaries(
        {"from": PLACES, "match": PATTERNS},
        optional={"tenant": st.sampled_from(["x", "@shared"]), "when": st.just({"type": "a"})},
    ),
    max_size=4,
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "source": VALUES,
            "subject": VALUES,
            "type": VALUES,
            "properties": st.dictionaries(NAMES, VALUES, max_size=4).map(canonical_json),
        }
    ),
    max_size=8,
)


def plainly(row: dict[str, str], found: tuple[Rule, ...]) -> str:
    """The tenant of one event, told row by row with a JSON parser."""
    for rule in found:
        if rule.when_type is not None and not rule.when_type.fullmatch(row["type"]):
            continue
        assert rule.place is not None
        place, name = rule.place
        value = json.loads(row["properties"]).get(name) if place == "property" else row[place]
        told = None if value is None else rule.tenant_from(value)
        if told is not None:
            return told
    return UNASSIGNED


@given(ROWS, DOCUMENTS)
def test_whole_columns_say_the_same_as_single_rows(rows: list[dict[str, Any]], documents: list[dict[str, Any]]) -> None:
    found = rules(*documents)
    tagged = Tagger(found).tag(readings(WINDOW, events=events(rows)), WINDOW)
    expected = [plainly(row, found) for row in rows]
    assert tagged.events["tenant"].to_pylist() == expected
    assert tagged.events_unassigned == expected.count(UNASSIGNED)
    assert all(name.startswith("@") or TENANT.fullmatch(name) for name in expected)


def test_a_property_name_that_could_be_mistaken_is_refused() -> None:
    with pytest.raises(ValueError, match="is not a place"):
        rules({"from": "property:,"})


def test_definitions_follow_the_samples() -> None:
    one, two = counter("calls_total", team="blue"), counter("calls_total", team="red")
    tagger = Tagger(rules({"from": "label:team"}))
    first = tagger.tag(readings(WINDOW, {one: 1.0, two: 1.0}), WINDOW).series
    assert sorted(first["tenant"].to_pylist()) == ["blue", "red"]
    assert first["series_id"].to_pylist() == sorted([one.series_id, two.series_id])
    later = Window(2_000_000, 3_000_000)
    assert tagger.tag(readings(later, {one: 2.0, two: 2.0}), later).series is first
    only = tagger.tag(readings(later, {two: 3.0}), later).series
    assert only["tenant"].to_pylist() == ["red"]
    assert only["identity"].to_pylist() == [two.identity]
    back = tagger.tag(readings(later, {one: 3.0, two: 3.0}), later).series
    assert sorted(back["tenant"].to_pylist()) == ["blue", "red"]


def test_a_series_is_known_since_its_window_or_its_first_sample() -> None:
    late = counter("calls_total", team="late")
    table = sample_table([late.series_id] * 2, [1_500_000, 250_000], [2.0, 1.0])
    found = Readings((complete("fake/one", WINDOW),), {late.series_id: late}, table)
    (row,) = Tagger(()).tag(found, WINDOW).series.to_pylist()
    assert row["since"].timestamp() == 0.25
    (row,) = Tagger(()).tag(readings(WINDOW, {late: 1.0}), WINDOW).series.to_pylist()
    assert row["since"].timestamp() == 1.0
    assert row["start"].timestamp() == 0.0


def test_a_sample_without_a_series_is_an_error() -> None:
    found = Readings((complete("fake/one", WINDOW),), {}, sample_table([7], [1_500_000], [1.0]))
    with pytest.raises(ValueError, match=r"samples of 1 series that are not defined, such as 7"):
        Tagger(()).tag(found, WINDOW)
