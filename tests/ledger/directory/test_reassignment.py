"""Reassignments as documents: what makes sense is taken, each version in the place of the one before, and the rest is refused."""

from __future__ import annotations

import pytest

from ledger.directory.applying import Application, plan_changes
from ledger.directory.catalog import Catalog
from ledger.directory.documents import Document
from ledger.directory.manifest import parse_manifests
from ledger.directory.reassignment import Reassignment
from ledger.directory.versions import DefinitionRow
from ledger.schema.spec import canonical

TENANTS = "kind: tenant\nname: acme\nspec: {}\n---\nkind: tenant\nname: blue\nspec: {}\n"
MARCH, APRIL = "2026-03-01", "2026-04-01"


def reassignment(spec: str, since: str = MARCH, name: str = "r") -> str:
    return f"kind: reassignment\nname: {name}\neffective_from: {since}\nspec: {{{spec}, reason: tags}}\n"


def documents(*texts: str) -> tuple[Document, ...]:
    manifest = parse_manifests([("a.yaml", "---\n".join(texts))])
    assert manifest.faults == ()
    return manifest.documents


def refused(text: str) -> str:
    return "\n".join(map(str, parse_manifests([("a.yaml", text)]).faults))


def applied(catalog: Catalog, *texts: str) -> tuple[Catalog, Application]:
    found = plan_changes(catalog, documents(*texts))
    rows = [
        DefinitionRow(each.kind, each.name, each.version, each.effective_from_us, spec, "ada", 1)
        for each in catalog
        for spec in [canonical(each.spec)]
    ]
    rows += [
        DefinitionRow(each.kind, each.name, each.version, each.effective_from_us, each.spec, "ada", 1)
        for each in found.versions
    ]
    return Catalog.of(rows), found


CATALOG = applied(Catalog.of([]), TENANTS)[0]


def outcome(catalog: Catalog, text: str) -> tuple[Catalog, tuple[int, str]]:
    catalog, found = applied(catalog, text)
    (change,) = found.changes
    return catalog, (change.version, change.outcome)


def test_a_tenant_that_is_not_defined_is_refused_with_its_field() -> None:
    _, found = applied(CATALOG, reassignment("from: typo, to: bleu"))
    assert [str(fault) for fault in found.faults] == [
        "a.yaml:4: spec.to: there is no tenant 'bleu'; did you mean 'blue'?"
    ]


@pytest.mark.parametrize("to", ["blue", "'@shared'", "'@unassigned'"])
def test_usage_of_a_tenant_that_nobody_defined_may_be_given_away(to: str) -> None:
    _, found = applied(CATALOG, reassignment(f"from: typo, to: {to}"))
    assert not found.faults and [change.outcome for change in found.changes] == ["created"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (reassignment("from: blue, to: blue"), "'from' and 'to' are both 'blue', which would change nothing"),
        (reassignment("to: blue"), "everything of everybody would match"),
        (reassignment("from: acme, to: '@unresolved'"), "spec.to"),
        (reassignment("from: acme, to: blue, untill: 2026-04-01"), "spec.untill"),
        (reassignment("from: acme, to: blue").replace(", reason: tags", ""), "spec.reason"),
        (reassignment("from: acme, to: blue").replace("tags", "''"), "spec.reason"),
        (reassignment("from: acme, to: blue, filter: {code: []}"), "spec.filter.code"),
    ],
)
def test_what_makes_no_sense_is_refused(text: str, message: str) -> None:
    assert message in refused(text)


def test_an_end_before_the_beginning_is_refused_and_one_at_the_beginning_takes_it_back() -> None:
    _, found = applied(CATALOG, reassignment(f"from: acme, to: blue, until: {MARCH}", APRIL))
    assert [fault.field for fault in found.faults] == ["spec.until"]
    assert "is before effective_from" in found.faults[0].message
    assert not applied(CATALOG, reassignment(f"from: acme, to: blue, until: {APRIL}", APRIL))[1].faults


def test_the_newest_version_is_the_only_one_whatever_its_date() -> None:
    one, other = reassignment("from: acme, to: blue"), reassignment("from: acme, to: blue", APRIL)
    catalog, first = outcome(CATALOG, one)
    assert (first, outcome(catalog, one)[1]) == ((1, "created"), (1, "unchanged"))
    catalog, second = outcome(catalog, other)
    assert (second, outcome(catalog, other)[1]) == ((2, "changed"), (2, "unchanged"))
    # The first text again is a change, since the second stands in its place.
    assert outcome(catalog, one)[1] == (3, "changed")


def test_two_of_one_name_at_once_are_refused() -> None:
    _, found = applied(CATALOG, reassignment("from: acme, to: blue"), reassignment("from: acme, to: blue", APRIL))
    assert [str(fault) for fault in found.faults] == [
        "a.yaml:7: name: reassignment 'r' is defined twice, first at a.yaml:1"
    ]


def test_what_is_written_is_what_is_read() -> None:
    text = "to: blue, from: acme, source: [kube/a], filter: {pod: p}, any: [{x: y}], until: 2026-04-01"
    (document,) = documents(reassignment(text))
    assert isinstance(document.spec, Reassignment)
    assert Reassignment.model_validate_json(canonical(document.spec)) == document.spec
    assert '"from":"acme"' in canonical(document.spec)


def test_it_matches_by_tenant_source_and_names() -> None:
    (document,) = documents(reassignment("to: blue, from: acme, source: {begins: kube/}, filter: {pod: p}"))
    assert isinstance(rule := document.spec, Reassignment)
    assert rule.matches("acme", "kube/a", {"pod": "p"}) and rule.names == {"pod"}
    assert not rule.matches("blue", "kube/a", {"pod": "p"})
    assert not rule.matches("acme", "prometheus/a", {"pod": "p"})
    assert not rule.matches("acme", "kube/a", {"pod": "q"}) and not rule.matches("acme", "kube/a", {})
