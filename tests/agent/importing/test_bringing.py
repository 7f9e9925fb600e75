"""Bills that are files, brought to a ledger: once, whole or not at all, and in place of those that they make anew."""

from __future__ import annotations

import os
from collections.abc import Iterator
from decimal import Decimal
from itertools import count, islice
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import agent.importing.batches
import agent.sendwindow
from agent.importing.address import connection
from agent.importing.bringing import bring
from agent.importing.errors import ImportFault
from agent.importing.sending import Ledger, Making
from agent.importing.wanted import Wanted
from meterbook.asking import Asker
from tests.agent.importing.delivered import APRIL, ROW, billed, brought, row, rows, seen, standing, written
from tests.collector.datastore.bills.rows_of_bills import focus_csv, focus_rows
from tests.ledger.guarded import Guarded, guarded
from tests.ledger.running import Running, run_cli, serving

NOW_US = 1_790_000_000_000_000
#: Each test, and each history, has bills of its own.
NUMBERS = count(1_000)


class Killed(Exception):
    """The process is gone, in the middle of it."""


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with mock.patch.dict(os.environ), serving(tmp_path_factory.mktemp("book") / "store") as running:
        os.environ.pop("METERBOOK_TOKEN", None)
        yield running


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch) -> str:
    """The bill of whatever a test brings: nobody else has its billing account."""
    number = str(next(NUMBERS))
    monkeypatch.setitem(ROW, "BillingAccountId", number)
    return f"import/{number}"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of few rows, which go as soon as they are made."""
    monkeypatch.setattr(agent.importing.batches, "_ROWS_MAX", 10)
    monkeypatch.setattr(agent.sendwindow, "_READ_AHEAD", 1)


def reached(ledger: Running) -> Ledger:
    return Ledger(connection(Asker(ledger.address)), "")


def outcomes(ledger: Running, *arguments: str | Path) -> list[tuple[str, str]]:
    return [(each["period"], each["outcome"]) for each in brought(ledger, *arguments)]


def chains(ledger: Running) -> set[tuple[str, int, int]]:
    """Every chain, its epoch, and how far it goes."""
    return {(each["agent"], each["epoch"], each["sequence"]) for each in ledger.json("agents")["rows"]}


def positions(ledger: Running) -> int:
    return int(ledger.json("charges")["as_of"])


def test_what_comes_in_is_what_the_file_says(ledger: Running, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(focus_csv(300))
    table = focus_rows(300)
    brought(ledger, tmp_path / "a.csv")
    sources = [f"--source=import/{each}" for each in sorted({row["BillingAccountId"] for row in table})]
    answer = ledger.json("charges", *sources, "--by", "ServiceName", "--by", "BillingAccountId")
    told = {
        (each["group"]["ServiceName"], each["group"]["BillingAccountId"]): Decimal(each["billed_cost"])
        for each in answer["rows"]
    }
    for service, payer in told:
        mine = [each for each in table if (each["ServiceName"], each["BillingAccountId"]) == (service, payer)]
        assert told[service, payer] == billed(mine)
    assert sum(told.values()) == billed(table)
    assert ledger.json("reconcile", "--period", "2026-05")["problems"] == []
    assert ledger.cli("verify").startswith("the book holds")


def test_a_bill_of_many_digits_stands(ledger: Running, tmp_path: Path, account: str) -> None:
    costs = ["12345678901234.123456789012345678", "-0.000000000000000001"]
    brought(ledger, written(tmp_path / "a.csv", [row(BilledCost=cost) for cost in costs]))
    assert standing(ledger, account) == {"2026-03": (2, Decimal("12345678901234.123456789012345677"))}
    printed = ledger.cli("charges", "import", str(written(tmp_path / "b.csv", rows(1))))
    assert "in place of 2 charges that added up to 12,345,678,901,234.123456789012345677" in printed


def test_a_file_that_comes_twice_gives_nothing_new_and_is_named(ledger: Running, tmp_path: Path, account: str) -> None:
    first = written(tmp_path / "a.csv", rows(20))
    assert outcomes(ledger, first) == [("2026-03", "new")]
    before, position = standing(ledger, account), positions(ledger)
    again = written(tmp_path / "copy.parquet", rows(20))
    printed = ledger.cli("charges", "import", str(again))
    assert (
        printed.strip()
        == f"2026-03  {account}: 20 charges, 190.2 USD: nothing new: what {again} says is in the book already"
    )
    assert (standing(ledger, account), positions(ledger)) == (before, position)
    # Of a folder, only what is new comes in.
    written(tmp_path / "april.csv", rows(2, **APRIL))
    assert outcomes(ledger, first, tmp_path / "april.csv") == [("2026-03", "known"), ("2026-04", "new")]


def test_a_refreshed_file_takes_the_place_of_the_former_as_a_whole(
    ledger: Running, tmp_path: Path, account: str
) -> None:
    path = written(tmp_path / "a.csv", [*rows(20), *rows(3, **APRIL)])
    brought(ledger, path)
    position = positions(ledger)
    written(path, [*rows(12, BilledCost="7"), *rows(3, **APRIL)])
    printed = ledger.cli("charges", "import", str(path)).splitlines()
    assert "came in, in place of 20 charges that added up to 190.2" in printed[0]
    assert "nothing new" in printed[1]
    assert standing(ledger, account) == {"2026-03": (12, Decimal(84)), "2026-04": (3, Decimal("3.03"))}
    then = ledger.json("charges", "--as-of", str(position), "--source", account)
    assert Decimal(then["totals"][0]["billed_cost"]) == Decimal("193.23")


def test_an_old_file_does_not_bring_the_old_bill_back_unless_that_is_meant(
    ledger: Running, tmp_path: Path, account: str
) -> None:
    old, new = written(tmp_path / "old.csv", rows(5)), written(tmp_path / "new.csv", rows(4))
    brought(ledger, old), brought(ledger, new)
    assert outcomes(ledger, old) == [("2026-03", "overtaken")]
    assert "was overtaken on" in ledger.cli("charges", "import", str(old))
    assert standing(ledger, account)["2026-03"][0] == 4
    assert outcomes(ledger, old, "--again") == [("2026-03", "replaces")]
    assert standing(ledger, account)["2026-03"][0] == 5
    assert outcomes(ledger, old) == outcomes(ledger, old, "--again") == [("2026-03", "known")]
    assert outcomes(ledger, new) == [("2026-03", "overtaken")]


def test_of_two_versions_the_one_that_was_issued_later_stands(ledger: Running, tmp_path: Path, account: str) -> None:
    new, old = written(tmp_path / "new.csv", rows(5)), written(tmp_path / "old.csv", rows(4))
    brought(ledger, new, "--issued", "2026-04-03")
    told = ledger.error("charges", "import", str(old), "--issued", "2026-04-02T12:00:00Z")
    assert told.startswith(
        f"the bill {account} of 2026-03 came in and does not stand: another version was issued after"
    )
    assert standing(ledger, account)["2026-03"][0] == 5
    for wrong in ("soon", "1969-12-31", "0001-01-01", "9999-12-31T23:59:59.5Z"):
        assert run_cli("charges", "import", str(old), "--issued", wrong).exit_code == 2


def test_bills_of_several_accounts_are_added_up_and_made_anew_apart(
    ledger: Running, tmp_path: Path, account: str
) -> None:
    other = f"{account.removeprefix('import/')}-2"
    one, two = written(tmp_path / "1.csv", rows(5)), written(tmp_path / "2.csv", rows(4, BillingAccountId=other))
    brought(ledger, one), brought(ledger, two)
    written(two, rows(3, BillingAccountId=other))
    brought(ledger, two)
    assert standing(ledger, account)["2026-03"][0] == 5
    assert standing(ledger, f"{account}-2")["2026-03"][0] == 3
    assert outcomes(ledger, one, two, "--source", f"{account}/all") == [("2026-03", "new")]
    assert standing(ledger, f"{account}/all")["2026-03"] == (8, billed([*rows(5), *rows(3)]))


def test_an_estimate_is_no_bill_until_it_is_brought_as_one(ledger: Running, tmp_path: Path, account: str) -> None:
    path = written(tmp_path / "a.csv", rows(5))
    brought(ledger, path, "--nature", "estimate")
    assert ledger.json("charges", "--source", account)["rows"] == []
    assert Decimal(
        ledger.json("charges", "--source", account, "--nature", "estimate")["totals"][0]["billed_cost"]
    ) == billed(rows(5))
    assert outcomes(ledger, path) == [("2026-03", "replaces")]
    assert Decimal(ledger.json("charges", "--source", account)["totals"][0]["billed_cost"]) == billed(rows(5))


def test_where_one_file_is_wrong_nothing_comes_in(ledger: Running, tmp_path: Path, account: str) -> None:
    good, bad = (
        written(tmp_path / "a.csv", rows(5)),
        written(tmp_path / "b.csv", [*rows(4, **APRIL), row(BilledCost="")]),
    )
    position = positions(ledger)
    assert ledger.error("charges", "import", str(good), str(bad)).startswith(f"{bad}: line 6: BilledCost is null")
    assert (standing(ledger, account), positions(ledger)) == ({}, position)


@pytest.mark.usefixtures("small")
def test_a_file_that_changes_meanwhile_never_stands(ledger: Running, tmp_path: Path, account: str) -> None:
    path = written(tmp_path / "a.csv", rows(35))
    found, book = seen(path), reached(ledger)
    written(path, rows(36))
    with pytest.raises(ImportFault, match=r"a\.csv: the file was changed while it was read"):
        bring(book, found, NOW_US)
    assert standing(ledger, account) == {}
    bring(book, seen(path), NOW_US)
    assert standing(ledger, account)["2026-03"][0] == 36
    book.close()


@pytest.mark.usefixtures("small")
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kills=st.lists(st.integers(0, 7), max_size=2))
def test_whoever_is_killed_leaves_no_half_bill_and_goes_on(ledger: Running, tmp_path: Path, kills: list[int]) -> None:
    source = f"bill-{next(NUMBERS)}"
    path = written(tmp_path / f"{source}.csv", rows(55, SkuId=source))
    wanted = Wanted(source)
    for batches in kills:
        with pytest.raises(Killed):
            bring(_dies_after(reached(ledger), batches), seen(path, wanted=wanted), NOW_US)
        assert standing(ledger, source) == {}
    book = reached(ledger)
    (bill,) = bring(book, seen(path, wanted=wanted), NOW_US)
    assert bill.outcome == "new"
    assert standing(ledger, source)["2026-03"] == (55, billed(rows(55)))
    (bill,) = bring(book, seen(path, wanted=wanted), NOW_US)
    assert bill.outcome == "known"
    book.close()


def _dies_after(book: Ledger, batches: int) -> Ledger:
    """A ledger that is reached by a process that is killed once so many batches are made, and some of them sent."""
    whole = book.bring

    def bring_some(name: str, make: Making, is_there: object) -> None:
        def until(chain: object) -> Iterator[object]:
            for number, batch in enumerate(make(chain)):  # type: ignore[arg-type]
                if number == min(batches, 5):
                    raise Killed
                yield batch

        whole(name, until, lambda: False)  # type: ignore[arg-type]

    book.bring = bring_some  # type: ignore[method-assign]
    return book


def _ends_after(book: Ledger, batches: int) -> Ledger:
    """A ledger to which so many batches of a chain come, and no more."""
    whole = book.bring
    book.bring = lambda name, make, is_there: whole(name, lambda chain: islice(make(chain), batches), is_there)  # type: ignore[method-assign]
    return book


@pytest.mark.usefixtures("small")
def test_no_line_is_in_the_book_twice(ledger: Running, tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", rows(55))
    before = chains(ledger)
    with pytest.raises(ImportFault, match="does not stand: 0 of its 55 charges are in the book"):
        bring(_ends_after(reached(ledger), 5), seen(path), NOW_US)
    (begun,) = chains(ledger) - before
    assert begun[2] == 5
    brought(ledger, path)
    # Six batches of charges, and the one that closes the bill.
    assert chains(ledger) - before == {(*begun[:2], 7)}


@pytest.mark.usefixtures("small")
def test_a_chain_of_that_name_that_holds_something_else_is_left_alone(
    ledger: Running, tmp_path: Path, account: str
) -> None:
    path = written(tmp_path / "a.csv", rows(55))
    with pytest.raises(ImportFault, match="does not stand"):
        bring(_ends_after(reached(ledger), 4), seen(path), NOW_US)
    before = chains(ledger)
    with mock.patch.object(agent.importing.batches, "_ROWS_MAX", 7):
        brought(ledger, path)
    assert standing(ledger, account)["2026-03"] == (55, billed(rows(55)))
    assert [epoch for _, epoch, _ in chains(ledger) - before] == [2]


def test_two_who_bring_the_same_at_once_bring_it_once(ledger: Running, tmp_path: Path, account: str) -> None:
    found = seen(written(tmp_path / "a.csv", rows(5)))
    first, second = reached(ledger), reached(ledger)
    bring(first, found, NOW_US)
    before = chains(ledger)
    # The other one has asked before, and was told that there is nothing yet.
    with mock.patch.object(second, "bills", side_effect=[(), first.bills(account), first.bills(account)]):
        bring(second, found, NOW_US + 1)
    assert (len(first.bills(account)), chains(ledger)) == (1, before)
    first.close()
    second.close()


def test_no_ledger_is_told_so(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", rows(5))
    result = run_cli("charges", "import", str(path), "--ledger", "127.0.0.1:1")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: no ledger answers at 127.0.0.1:1: start one, or name another with --ledger")


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Guarded]:
    with guarded(tmp_path / "ledger") as found:
        yield found


def test_operators_bring_bills_and_others_do_not(closed: Guarded, tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", rows(5))
    for role, token in (("viewer", closed.token("viewer", "acme")), ("agent", closed.agent("edge")), ("nobody", "")):
        result = closed.cli(token, "charges", "import", str(path))
        assert (result.exit_code, result.stdout) == (1, ""), role
        assert "may not call Bills" in result.stderr or "answers only who is known" in result.stderr
    for role in ("operator", "admin"):
        written(path, rows(6 if role == "admin" else 5))
        result = closed.cli(closed.token(role), "charges", "import", str(path))
        assert (result.exit_code, result.stderr) == (0, "")
    bills = closed.cli(closed.token("operator"), "bills", "--json")
    assert bills.stdout.count('"stands"') == 1


def test_a_token_does_not_travel_in_plain_text(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", rows(1))
    with mock.patch.dict(os.environ, {"METERBOOK_TOKEN": "secret"}):
        result = run_cli("charges", "import", str(path), "--ledger", "ledger.example.com:9460")
    assert "would travel to ledger.example.com:9460 in plain text" in result.stderr
    assert "secret" not in result.stderr
    for wrong in (["--ca-file", str(tmp_path / "no")], ["--cert-file", "a"], ["--cert-file", "a", "--key-file", "b"]):
        assert run_cli("charges", "import", str(path), *wrong).exit_code == 1
    assert "is not host:port" in run_cli("charges", "import", str(path), "--ledger", "here").stderr
