"""A viewer sees its own tenants: the book of the other tests, asked by somebody who may not see all of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import grpc
import pytest

from ledger.query.questions import BadQuestion, Book
from ledger.query.scope import sources_of
from meterbook.ledger.v1 import access_pb2, query_pb2
from meterbook.ledger.v1.access_pb2_grpc import AccessStub
from tests.ledger.books import ODD, filled
from tests.ledger.guarded import bearer, code
from tests.ledger.running import Running, run_cli, serving


class Viewer:
    """Somebody with a token for some tenants."""

    def __init__(self, running: Running, *tenants: str) -> None:
        self.running = running
        request = access_pb2.IssueTokenRequest(name="vi", role="viewer", tenants=tenants)
        self.token = AccessStub(running.channel).IssueToken(request).token

    def usage(self, **asked: Any) -> query_pb2.UsageResponse:
        return self.running.query.Usage(query_pb2.UsageRequest(**asked), metadata=bearer(self.token))

    def coverage(self, **asked: Any) -> query_pb2.CoverageResponse:
        return self.running.query.Coverage(query_pb2.CoverageRequest(**asked), metadata=bearer(self.token))

    def cli(self, *arguments: str) -> Any:
        with patch.dict("os.environ", {"METERBOOK_TOKEN": self.token}):
            return run_cli(*arguments, "--ledger", self.running.address)

    def told(self, *arguments: str) -> str:
        """What is said of a command that is refused."""
        result = self.cli(*arguments)
        assert (result.exit_code, result.stdout) == (1, "")
        return str(result.stderr)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("shared")
    with serving(folder / "store") as running:
        filled(running, folder)
        yield running


@pytest.fixture(scope="module")
def acme(shared: Running) -> Viewer:
    return Viewer(shared, "acme")


@pytest.fixture(scope="module")
def odd(shared: Running) -> Viewer:
    return Viewer(shared, ODD)


@pytest.mark.slow
def test_usage_is_what_an_operator_sees_of_these_tenants(shared: Running, acme: Viewer, odd: Viewer) -> None:
    for window in ("total", "hour", "day"):
        whole = shared.query.Usage(query_pb2.UsageRequest(window=window)).rows
        assert {row.tenant for row in whole} == {"acme", ODD, "@shared", "@unassigned"}
        for viewer, tenant in ((acme, "acme"), (odd, ODD)):
            expected = [row for row in whole if row.tenant == tenant]
            assert expected
            assert list(viewer.usage(window=window).rows) == expected
            assert list(viewer.usage(window=window, tenants=[tenant]).rows) == expected


def test_no_filter_reaches_another_tenant(acme: Viewer) -> None:
    for meter in ("requests", "memory", "sales", "unpriced"):
        assert {row.tenant for row in acme.usage(meters=[meter], window="hour").rows} <= {"acme"}
    assert list(acme.usage(meters=["memory"]).rows) == []
    for tenants in ([ODD], ["acme", ODD], ["@shared"], ["nobody"]):
        with pytest.raises(grpc.RpcError) as error:
            acme.usage(tenants=tenants)
        assert code(error) == "PERMISSION_DENIED"


def test_a_refusal_does_not_tell_whether_the_other_exists(acme: Viewer) -> None:
    real = acme.told("usage", "--tenant", "@shared").replace("@shared", "?")
    unreal = acme.told("usage", "--tenant", "nobody").replace("nobody", "?")
    assert real == unreal
    said = acme.told("usage", "--meter", "request")
    assert "there is no meter 'request'" in said and "requests" not in said


def test_a_tenant_that_nobody_heard_of_has_no_usage(shared: Running) -> None:
    unheard = Viewer(shared, "unheard")
    assert list(unheard.usage().rows) == []
    assert list(unheard.coverage().rows) == []


def test_invoices_of_its_own_only(acme: Viewer) -> None:
    own = acme.cli("invoice", "draft", "acme", "--at", "2026-03-10", "--json")
    assert own.exit_code == 0 and json.loads(own.stdout)["invoices"][0]["tenant"] == "acme"
    assert "has nothing to do with tenant" in acme.told("invoice", "draft", ODD, "--at", "2026-03-10", "--json")


def test_coverage_of_the_sources_that_its_usage_comes_from(shared: Running, acme: Viewer, odd: Viewer) -> None:
    whole = {row.source: row for row in shared.query.Coverage(query_pb2.CoverageRequest()).rows}
    assert set(whole) == {"prometheus/shop", "prometheus/two"}
    (row,) = acme.coverage().rows
    assert (row.source, row.coverage) == ("prometheus/shop", whole["prometheus/shop"].coverage)
    assert [gap.status for gap in row.gaps] == [gap.status for gap in whole["prometheus/shop"].gaps]
    assert any(gap.reason for gap in whole["prometheus/shop"].gaps) and not any(gap.reason for gap in row.gaps)
    assert [row.source for row in odd.coverage().rows] == ["prometheus/two"]
    said = [acme.told("coverage", "--source", each) for each in ("prometheus/two", "prometheus/xxx")]
    assert said[0].replace("two", "?") == said[1].replace("xxx", "?")


@pytest.mark.parametrize(
    "command",
    [
        ["cost"], ["margin"], ["agents"], ["dead-letters"], ["definitions"], ["verify"], ["book"], ["cost", "--json"],
        ["cost", "--tenant", "acme"], ["margin", "--tenant", "acme"], ["definitions", "--kind", "tenant", "--json"],
        ["dead-letters", "--json"], ["verify", "--json"], ["access", "list"], ["access", "revoke", "x"],
        ["access", "issue-token", "me", "--role", "admin"],
    ],
)  # fmt: skip
def test_everything_else_is_closed(acme: Viewer, command: list[str]) -> None:
    said = acme.told(*command)
    assert said.startswith("Error: viewer vi (") and "may not call" in said and ODD not in said


def test_a_scope_without_tenants_is_not_everything(shared: Running) -> None:
    journal = shared.process._journal
    book = Book.at(journal, 0)
    with pytest.raises(BadQuestion):
        book.tenants([], frozenset())
    with pytest.raises(BadQuestion):
        book.tenants(["acme"], frozenset({"other"}))
    assert sources_of(book.view, ["acme"]) == {"prometheus/shop", "logfile"}
    assert sources_of(book.view, ["@unassigned"]) == {"logfile"}
    assert sources_of(book.view, ["nobody"]) == set()
