"""The role that is printed is what is needed: nothing is missing in it, and nothing in it is unused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.collector.prometheus.monitors.watching import config_of, coverage, documents, sources, until
from tests.fakes.kubernetes_api import FakeKubernetesApi


def single(granted: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [
        (group, resource, verb)
        for document in granted
        for rule in document.get("rules", ())
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    ]


CONFIGURATIONS: list[dict[str, Any]] = [
    {},
    {"monitors": ["PodMonitor"]},
    {"monitors": ["ServiceMonitor"]},
    {"namespace_selector": {}},
    {"namespaces": ["shop"]},
]


@pytest.mark.parametrize("settings", CONFIGURATIONS)
def test_nothing_is_missing_in_the_role(settings: dict[str, Any], api: FakeKubernetesApi) -> None:
    api.grant(documents(**settings))
    with sources(api, **settings) as found:
        until(lambda: coverage(found) == ("complete", ""))
        until(
            lambda: all(
                api.watching(f"{plural}.{group}" if group else plural)
                for group, plural, _ in single(documents(**settings))
            )
        )
        asked = {request.path.rpartition("/")[2] for request in api.requests}
        assert asked == {resource for _, resource, _ in single(documents(**settings))}


@pytest.mark.parametrize(
    ("settings", "left_out"), [(each, one) for each in CONFIGURATIONS[:4] for one in single(documents(**each))]
)
def test_nothing_in_the_role_is_unused(
    settings: dict[str, Any], left_out: tuple[str, str, str], api: FakeKubernetesApi
) -> None:
    api.allow(
        [
            {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
            for group, resource, verb in single(documents(**settings))
            if (group, resource, verb) != left_out
        ]
    )
    group, resource, verb = left_out
    named = f'our role lacks {verb} on {resource}{f".{group}" if group else ""} (apiGroups: ["{group}"])'
    with sources(api, **settings) as found:
        until(lambda: named in coverage(found)[1])
        assert coverage(found)[0] == "failed"


def test_namespaces_and_their_labels_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="namespaces and namespace_selector exclude each other"):
        config_of(None, namespaces=["shop"], namespace_selector={})
