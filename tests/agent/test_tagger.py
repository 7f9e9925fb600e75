"""Whose a series or an event is, and that the fast way says the same as the plain one."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.rules import TENANT, Rule, TagsConfig, ready
from agent.tagged import TaggedSeries
from agent.tagger import Tagger
from collector.definitions import Known
from collector.readings import Readings, Window, sample_table
from meterbook.wire.series import UNASSIGNED, Series, canonical_json
from tests.fakes.source import complete, counter, events, readings

WINDOW = Window(1_000_000, 2_000_000)


def rules(*documents: dict[str, Any]) -> tuple[Rule, ...]:
    return ready(TagsConfig.model_validate({"rules": documents}))


def table(series: TaggedSeries) -> pa.Table:
    """The definitions of all the series."""
    return series.defined(np.ones(len(series.ids), np.bool_))


def tenant(series: Series, *documents: dict[str, Any]) -> str:
    found = replace(readings(WINDOW, {series: 1.0}), series=Known.by([series], {series.series_id: TAGS}))
    (row,) = table(Tagger(rules(*documents)).tag(found, WINDOW).series).to_pylist()
    return str(row["tenant"])


TAGS = canonical_json({"pod.label.team": "red", "namespace.annotation.owner": "blue"})
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
    ([{"from": "tag:pod.label.team"}], "red"),
    ([{"from": "tag:team"}, {"from": "tag:namespace.annotation.owner"}], "blue"),
    ([{"from": "source", "match": "kubelet/(.*)"}], "node-1"),
    ([{"from": "metric"}], "cpu_seconds_total"),
    ([{"from": "origin", "match": "kubelet/(.*)"}], "node-1"),
    ([{"from": "label:namespace", "match": "team-(.*)"}], "blue"),
    ([{"from": "label:namespace", "match": "(team)-(?P<tenant>.*)"}], "blue"),
    ([{"from": "label:namespace", "match": "team-.*"}], "team-blue"),
    ([{"from": "label:namespace", "match": "team"}], UNASSIGNED),
    ([{"from": "label:namespace", "match": "team-(x)?.*"}, {"tenant": "last"}], "last"),
    ([{"from": "label:namespace", "match": "team-.*", "tenant": "@shared"}], "@shared"),
    ([{"from": "label:namespace", "table": {"team-blue": "acme", "team-red": "globex"}}], "acme"),
    ([{"from": "label:namespace", "match": "team-(.*)", "table": {"blue": "@shared"}}], "@shared"),
    ([{"from": "label:namespace", "table": {"blue": "acme"}}, {"tenant": "last"}], "last"),
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
    assert sorted(table(first)["tenant"].to_pylist()) == ["blue", "red"]
    assert first.ids.tolist() == table(first)["series_id"].to_pylist() == sorted([one.series_id, two.series_id])
    later = Window(2_000_000, 3_000_000)
    again = readings(later, {one: 2.0, two: 2.0})
    second = tagger.tag(again, later).series
    assert (second.fresh, table(second)) == (None, table(first))
    assert tagger.tag(again, later).series is second
    only = tagger.tag(readings(later, {two: 3.0}), later).series
    assert table(only)["tenant"].to_pylist() == ["red"]
    assert table(only)["identity"].to_pylist() == [two.identity]
    back = tagger.tag(readings(later, {one: 3.0, two: 3.0}), later).series
    assert sorted(table(back)["tenant"].to_pylist()) == ["blue", "red"]
    assert back.fresh is not None
    assert back.fresh["tenant"].to_pylist() == ["blue"]


def test_a_resource_that_is_marked_otherwise_changes_hands() -> None:
    one, two = counter("calls_total", n="1"), counter("calls_total", n="2")
    tagger = Tagger(rules({"from": "tag:team"}))

    def tagged(tags: dict[Series, str], *retagged: Series) -> list[str]:
        marks = {series.series_id: canonical_json({"team": team}) for series, team in tags.items()}
        ids = np.array(sorted(series.series_id for series in retagged), np.int64)
        found = replace(readings(WINDOW, {one: 1.0, two: 1.0}), series=Known.by([one, two], marks), retagged=ids)
        rows = {row["series_id"]: row["tenant"] for row in table(tagger.tag(found, WINDOW).series).to_pylist()}
        return [rows[one.series_id], rows[two.series_id]]

    assert tagged({one: "red"}) == ["red", UNASSIGNED]
    assert tagged({one: "red", two: "blue"}) == ["red", UNASSIGNED]  # nobody said that it changed
    assert tagged({one: "red", two: "blue"}, two) == ["red", "blue"]
    assert tagged({one: "green", two: "blue"}, one, two) == ["green", "blue"]


def test_a_series_is_known_since_its_window_or_its_first_sample() -> None:
    late = counter("calls_total", team="late")
    samples = sample_table([late.series_id] * 2, [1_500_000, 250_000], [2.0, 1.0])
    found = Readings((complete("fake/one", WINDOW),), Known.by([late]), samples=samples)
    (row,) = table(Tagger(()).tag(found, WINDOW).series).to_pylist()
    assert row["since"].timestamp() == 0.25
    (row,) = table(Tagger(()).tag(readings(WINDOW, {late: 1.0}), WINDOW).series).to_pylist()
    assert row["since"].timestamp() == 1.0
    assert row["start"].timestamp() == 0.0


def test_a_sample_without_a_series_is_an_error() -> None:
    found = Readings((complete("fake/one", WINDOW),), samples=sample_table([7], [1_500_000], [1.0]))
    with pytest.raises(LookupError, match=r"samples of 1 series that are not defined, such as 7"):
        Tagger(()).tag(found, WINDOW)
