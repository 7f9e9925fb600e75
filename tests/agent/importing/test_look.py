"""What is in files, and every way in which they are wrong, told with file, line, column and what the row calls itself."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from agent.importing.errors import ImportFault
from agent.importing.look import BILLS_MAX
from agent.importing.rows import Key
from agent.importing.wanted import Wanted
from meterbook.wire import instants
from tests.agent.importing.delivered import APRIL, ROW, billed, refused, row, rows, seen, text_of, written
from tests.collector.datastore.bills.rows_of_bills import CUR, focus_rows
from tests.fakes.aws.exports import csv_gz, parquet, table_of
from tests.ledger.running import run_cli

#: Columns that FOCUS 1.0 has not, and 1.2 has.
LATER = {
    "BillingAccountType", "CapacityReservationId", "CapacityReservationStatus", "CommitmentDiscountQuantity", "CommitmentDiscountUnit",
    "InvoiceId", "PricingCurrency", "PricingCurrencyContractedUnitPrice", "PricingCurrencyEffectiveCost",
    "PricingCurrencyListUnitPrice", "ServiceSubcategory", "SkuMeter", "SkuPriceDetails", "SubAccountType",
}  # fmt: skip
MARCH_US, APRIL_US = (instants.parse(f"2026-0{month}-01T00:00:00Z") for month in (3, 4))


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.parquet", "a"])
def test_the_same_rows_are_the_same_bill_in_every_form(tmp_path: Path, name: str) -> None:
    first = seen(written(tmp_path / "first.csv", rows(20)))
    again = seen(written(tmp_path / name, rows(20)))
    (key,) = first.bills
    assert again.parts(key) == first.parts(key)
    assert (again.bills[key].charges, again.bills[key].billed) == (20, billed(rows(20)))


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_the_rows_of_several_accounts_are_one_bill_in_every_form(tmp_path: Path, name: str) -> None:
    table = [row(BillingAccountId=str(number % 2), BilledCost=str(number)) for number in range(12)]
    wanted = Wanted("all")
    # The Parquet is read three rows at a time.
    first, again = (
        seen(written(tmp_path / "a.parquet", table), wanted=wanted),
        seen(written(tmp_path / name, table), wanted=wanted),
    )
    (key,) = first.bills
    assert again.parts(key) == first.parts(key)


def test_sums_keep_every_digit(tmp_path: Path) -> None:
    costs = ["12345678901234.123456789012345678", "-0.000000000000000001", "98765432109876"]
    path = written(tmp_path / "a.csv", [row(BilledCost=cost) for cost in costs])
    (bill,) = seen(path).bills.values()
    assert bill.billed.as_tuple() == Decimal("111111111011110.123456789012345677").as_tuple()
    printed, told = (run_cli("charges", "import", "--dry-run", str(path), *more).stdout for more in ((), ("--json",)))
    assert "3 charges, 111,111,111,011,110.123456789012345677 USD" in printed
    assert json.loads(told)["bills"][0]["billed"] == {"USD": "111111111011110.123456789012345677"}


@pytest.mark.parametrize("column", ["BilledCost", "ListCost"])
def test_a_bill_that_would_be_too_large_keeps_the_others_out(tmp_path: Path, column: str) -> None:
    large = [row(**{column: ("-" if number % 2 else "") + "99999999999999"}) for number in range(1_001)]
    path, other = written(tmp_path / "a.csv", large), written(tmp_path / "b.csv", rows(2, BillingAccountId="2"))
    told = refused(path, other)
    assert told.startswith(
        f"{path}: {column}: the charges of the bill import/000000000001 of 2026-03 come to 100099999999998999 whatever their signs, "
        "and what can be added up ends at 100000000000000000"
    )
    assert len(seen(written(path, large[:1_000])).bills) == 1


def test_the_last_month_that_there_is(tmp_path: Path) -> None:
    times = {"BillingPeriodStart": "9999-12-01T00:00:00Z", "ChargePeriodStart": "9999-12-31T23:00:00Z"}
    (bill,) = seen(written(tmp_path / "a.csv", rows(2, **times))).bills.values()
    assert bill.month == "9999-12"
    path = written(tmp_path / "b.csv", rows(2, BillingPeriodStart="9999-12-31T23:00:00Z"))
    assert refused(path).startswith(f"{path}: line 2: BillingPeriodStart 9999-12-31T23:00:00Z begins no month")


def test_names_of_bills_are_such_that_the_book_takes(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", [*rows(2), row(BillingAccountId="a" * 4_090)])
    assert refused(path).startswith(f"{path}: line 4: BillingAccountId: the name of its bill would have 4097 bytes")
    assert len(seen(path, wanted=Wanted("all")).bills) == 1
    for source in ("price-book/cloud", " ", "a\nb", "x" * 3_000):
        result = run_cli("charges", "import", "--dry-run", str(path), "--source", source)
        assert (result.exit_code, "--source" in result.stderr) == (2, True)


def test_what_a_file_says_does_not_move_the_cursor(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", rows(1, BillingAccountId="\x1b[2Ja", **{"odd\x07": "1"}))
    printed = run_cli("charges", "import", "--dry-run", str(path)).stdout
    assert "import/\\x1b[2Ja: 1 charges" in printed and "odd\\x07" in printed and "\x1b" not in printed
    told = refused(written(path, rows(1, BilledCost="x", ResourceId="\x1b[2J\ni")))
    assert told.endswith("(ResourceId \\x1b[2J\\ni)")


def test_other_rows_are_another_bill(tmp_path: Path) -> None:
    found = [
        seen(written(tmp_path / "a.csv", table)).parts(Key("import/000000000001", MARCH_US))
        for table in (rows(5), rows(4), rows(5)[::-1], rows(5, ListCost="2.5"), rows(5, SkuId="s"), rows(5, Tags="{}"))
    ]
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("version", ["1.0", "1.2", "1.3", "1.4"])
@pytest.mark.parametrize("provider", ["aws", "azure", "gcp"])
def test_files_of_every_version_and_provider_add_up(tmp_path: Path, version: str, provider: str) -> None:
    table = focus_rows(200, version="1.2" if version < "1.2" else "1.3", provider=provider)
    gone = {"1.0": LATER, "1.4": {"ProviderName", "PublisherName"}}.get(version, set())
    path = written(tmp_path / "a.csv", [{name: each[name] for name in each.keys() - gone} for each in table])
    found = seen(path)
    accounts = {each["BillingAccountId"] for each in table}
    assert {key.source for key in found.bills} == {f"import/{account}" for account in accounts}
    assert sum(bill.billed for bill in found.bills.values()) == billed(table)
    assert found.files[0].strange == ()
    assert seen(path, wanted=Wanted("all")).bills.keys() == {Key("all", instants.parse("2026-05-01T00:00:00Z"))}


def test_cur_adds_up(tmp_path: Path) -> None:
    table = table_of([each[0] for each in CUR], list(CUR[0][0]))
    (tmp_path / "a.parquet").write_bytes(parquet(table))
    (tmp_path / "b.csv.gz").write_bytes(csv_gz(table))
    wanted = sum((Decimal(billed) for _, _, billed, *_ in CUR), Decimal(0))
    for name in ("a.parquet", "b.csv.gz"):
        found = seen(tmp_path / name)
        assert found.files[0].table == "CUR 2.0"
        (bill,) = found.bills.values()
        assert (bill.key.source, bill.billed, bill.charges) == ("import/000000000001", wanted, len(CUR))


def test_a_file_of_several_months_and_accounts_has_a_bill_of_each(tmp_path: Path) -> None:
    table = [*rows(4), *rows(3, **APRIL), *rows(2, BillingAccountId="2", **APRIL)]
    random.Random(1).shuffle(table)
    found = seen(written(tmp_path / "a.csv", table))
    assert {(key.source, key.period_us): bill.charges for key, bill in found.bills.items()} == {
        ("import/000000000001", MARCH_US): 4,
        ("import/000000000001", APRIL_US): 3,
        ("import/2", APRIL_US): 2,
    }


def test_files_of_a_folder_are_one_bill_whatever_they_are_called(tmp_path: Path) -> None:
    written(tmp_path / "one/data/a.csv", rows(4))
    written(tmp_path / "one/data/b.parquet", rows(3, SubAccountId="x"))
    (tmp_path / "one/manifest.json").write_text("{}")
    written(tmp_path / "one/.hidden/c.csv", rows(9))
    written(tmp_path / "two/z.csv.gz", rows(4))
    written(tmp_path / "two/y.csv", rows(3, SubAccountId="x"))
    first, again = seen(tmp_path / "one"), seen(tmp_path / "two")
    (key,) = first.bills
    assert first.bills[key].charges == 7
    assert again.parts(key) == first.parts(key)


def test_months_of_other_time_zones_are_months(tmp_path: Path) -> None:
    pacific = rows(2, BillingPeriodStart="2026-03-01T08:00:00Z", ChargePeriodStart="2026-04-01T06:00:00Z")
    auckland = rows(2, BillingPeriodStart="2026-02-28 11:00:00 UTC", BillingAccountId="2")
    found = seen(written(tmp_path / "a.csv", pacific), written(tmp_path / "b.csv", auckland))
    assert {key.period_us for key in found.bills} == {MARCH_US}


@pytest.mark.parametrize(
    "time", ["2026-03-01T00:00Z", "2026-03-01", "2026-03-01 00:00:00", "2026-03-01T00:00:00.0000000Z",
             "2026-03-01 00:00:00 UTC", "2026-03-01T00:00:00+00:00", "2026-03-01T00:00:00+0000", "2026-03-01T01:00:00+01:00"],
)  # fmt: skip
def test_times_are_read_in_every_form_that_providers_write(tmp_path: Path, time: str) -> None:
    assert seen(written(tmp_path / "a.csv", rows(2, BillingPeriodStart=time))).bills.keys() == {
        Key("import/000000000001", MARCH_US)
    }


def test_tables_of_google_cloud_have_lists_of_tags(tmp_path: Path) -> None:
    table = pa.table(
        {
            **{name: [told] for name, told in ROW.items() if name not in ("Tags", "BilledCost", "BillingPeriodStart")},
            "BilledCost": pa.array([Decimal("1.500000000")], pa.decimal128(38, 9)),
            "BillingPeriodStart": pa.array([datetime(2026, 3, 1, 8, tzinfo=UTC)], pa.timestamp("us", tz="UTC")),
            "Tags": [[{"key": "team", "value": "core"}, {"key": "team", "value": "shop"}]],
            "x_Credits": [[{"Name": "free", "Amount": 0.5}]],
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    as_text = row(Tags=json.dumps([{"key": "team", "value": "core"}, {"key": "team", "value": "shop"}]))
    written(tmp_path / "b.csv", [{**as_text, "x_Credits": '[{"Amount":"0.5","Name":"free"}]'}])
    (key,) = seen(tmp_path / "a.parquet").bills
    assert key == Key("import/000000000001", MARCH_US)
    assert seen(tmp_path / "b.csv").bills[key].billed == Decimal("1.5")


def test_columns_that_nobody_knows_are_named(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", [row(x_Own="1", Team="t", CostCentre="c")])
    assert seen(path).files[0].strange == ("Team", "CostCentre")
    printed = run_cli("charges", "import", "--dry-run", str(path)).stdout
    assert printed.splitlines() == [
        f"{path}: 1 rows of FOCUS; not understood, and kept as they are: Team, CostCentre",
        "2026-03  import/000000000001: 1 charges, 1.5 USD",
    ]


def test_a_dry_run_asks_no_ledger(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", [*rows(2), *rows(1, **{**APRIL, "ChargePeriodStart": "2026-03-31T08:00:00Z"})])
    told = json.loads(run_cli("charges", "import", "--dry-run", "--json", "--ledger", "127.0.0.1:1", str(path)).stdout)
    assert told["files"] == [{"file": str(path), "table": "FOCUS", "rows": 3, "not_understood": []}]
    assert [
        (bill["period"], bill["charges"], bill["billed"], bill["usage_before_period"]) for bill in told["bills"]
    ] == [
        ("2026-03", 2, {"USD": "1.02"}, 0),
        ("2026-04", 1, {"USD": "0.01"}, 1),
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"BilledCost": ""}, "BilledCost is null"),
        ({"EffectiveCost": "NULL"}, "EffectiveCost is null"),
        ({"ListCost": "1,5"}, 'ListCost: "1,5" is not a number'),
        ({"BilledCost": "100000000000000"}, 'BilledCost: "100000000000000" is beyond'),
        ({"ChargePeriodStart": "2026-02-30T00:00:00Z"}, "ChargePeriodStart: '2026-02-30T00:00:00Z' is not a time"),
        ({"ChargePeriodEnd": "03/02/2026"}, "ChargePeriodEnd: '03/02/2026' is not"),
        ({"BillingPeriodStart": ""}, "BillingPeriodStart is null"),
        ({"BillingPeriodStart": "2026-03-15"}, "BillingPeriodStart 2026-03-15T00:00:00Z begins no month"),
        ({"BillingCurrency": ""}, "BillingCurrency is null"),
        ({"BillingCurrency": "usd"}, 'BillingCurrency "usd" is no code of three capitals'),
        ({"BillingCurrency": "EUR"}, "BillingCurrency EUR: mixed currencies, the bill import/000000000001 of 2026-03 is in USD"),
        ({"Tags": "team"}, 'Tags: "team" is no JSON object'),
        ({"ChargePeriodStart": "2026-04-01T12:00:00Z"}, "ChargePeriodStart 2026-04-01T12:00:00Z: usage outside of its billing period"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.parquet"])
def test_a_row_that_is_wrong_is_named(tmp_path: Path, name: str, changes: dict[str, str], said: str) -> None:
    table = [*rows(6), row(**{"ResourceId": "i-bad", **changes}), *rows(2)]
    path = written(tmp_path / name, table)
    place = f"{path}: row 7: " if name.endswith("parquet") else f"{path}: line 8: "
    told = refused(path)
    assert told.startswith(place + said) and told.endswith("(ResourceId i-bad)")


def test_what_is_paid_in_advance_may_be_for_a_time_to_come(tmp_path: Path) -> None:
    table = rows(2, ChargeCategory="Purchase", ChargePeriodStart="2026-05-01T00:00:00Z")
    assert len(seen(written(tmp_path / "a.csv", table)).bills) == 1


def test_the_line_is_that_of_the_text(tmp_path: Path) -> None:
    table = [
        row(Tags='{"a":"two\\nlines"}', ChargeDescription="one\ntwo\n"),
        row(ChargeDescription=""),
        row(BilledCost="x"),
    ]
    table[2]["ChargeDescription"] = "bad"
    head, _, rest = text_of(table).partition(b"\n")
    (tmp_path / "a.csv").write_bytes(head + b"\r\n\r\n" + rest)
    assert refused(tmp_path / "a.csv").startswith(f'{tmp_path}/a.csv: line 7: BilledCost: "x" is not a number')


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("line_item_currency_code", "line_item_currency_code (BillingCurrency of FOCUS) is null"),
        ("line_item_unblended_cost", "line_item_unblended_cost (BilledCost of FOCUS) is null"),
        ("bill_billing_period_start_date", "bill_billing_period_start_date (BillingPeriodStart of FOCUS) is null"),
    ],
)
def test_a_row_of_cur_is_named_as_it_is_there(tmp_path: Path, column: str, said: str) -> None:
    table = [each[0] for each in CUR]
    table[7] = {**table[7], column: ""}
    path = written(tmp_path / "a.csv", table)
    assert refused(path) == f"{path}: line 9: {said} (identity_line_item_id Fee-50)"


@pytest.mark.parametrize("column", ["BilledCost", "BillingCurrency", "BillingPeriodStart", "ServiceName"])
def test_a_column_that_is_missing_is_named(tmp_path: Path, column: str) -> None:
    table = [{name: told for name, told in each.items() if name != column} for each in rows(2)]
    for name in ("a.csv", "a.parquet"):
        path = written(tmp_path / name, table)
        assert refused(path) == f"{path}: it has not the columns {column}, which every row of FOCUS has"


def _truncated(path: Path) -> None:
    path.write_bytes(gzip.compress(text_of(rows(400)))[:-300])


def _damaged(path: Path) -> None:
    written(path.with_suffix(".parquet"), rows(40)).rename(path)
    path.write_bytes(path.read_bytes()[:-200])


@pytest.mark.parametrize(
    ("make", "name", "said"),
    [
        (lambda path: path.write_bytes(b""), "a.csv", "the file is empty"),
        (lambda path: path.write_bytes(gzip.compress(b"")), "a.csv.gz", "the file is empty"),
        (lambda path: path.write_bytes(text_of(rows(1)).splitlines()[0]), "a.csv", "the file has columns and no rows"),
        (_truncated, "a.csv.gz", "it ends within its gzip data"),
        (_damaged, "a.parquet", "is no Parquet that can be read"),
        (lambda path: path.write_bytes(b"PAR1"), "a.parquet", "is no Parquet that can be read"),
        (lambda path: path.write_bytes(text_of(rows(1))), "a.parquet", "the file is called Parquet and is none"),
        (lambda path: path.write_bytes(b"a,a\n1,2\n"), "a.csv", "a"),
        (lambda path: path.write_bytes(bytes(range(256)) * 9), "a.csv", ""),
        (lambda path: path.write_bytes(text_of(rows(3)) + b"1,2\n"), "a.csv", "line 5: the row has 2 columns, and the header 14"),
        (lambda path: path.write_bytes(text_of(rows(3)) + b'"' * 3), "a.csv", "line 5: the row has"),
    ],
)  # fmt: skip
def test_a_file_that_is_none_is_named(tmp_path: Path, make: Callable[[Path], object], name: str, said: str) -> None:
    make(tmp_path / name)
    told = refused(tmp_path / name)
    assert told.startswith(f"{tmp_path / name}: ") and said in told


def test_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    assert refused(tmp_path / "no.csv") == f"{tmp_path}/no.csv: there is no such file or folder"
    (tmp_path / "folder").mkdir()
    assert refused(tmp_path / "folder").startswith(f"{tmp_path}/folder: the folder holds no file that ends in .csv")


def test_two_files_with_the_same_rows_are_told_by_name(tmp_path: Path) -> None:
    first, again = written(tmp_path / "a.csv", rows(3)), written(tmp_path / "b.parquet", rows(3))
    assert refused(first, again) == f"{again}: duplicate file: its rows of 2026-03 are those of {first}"
    assert len(seen(first, first, tmp_path / "." / "a.csv").files) == 1


def test_every_file_that_is_wrong_is_told(tmp_path: Path) -> None:
    paths = [written(tmp_path / f"{name}.csv", [row(BilledCost=name)]) for name in ("1", "x", "2", "y")]
    assert [each.split(": ")[0] for each in refused(*paths).splitlines()] == [str(paths[1]), str(paths[3])]
    many = [written(tmp_path / f"many/{number}.csv", [row(BilledCost="x")]) for number in range(25)]
    lines = refused(tmp_path / "many").splitlines()
    assert (len(many), len(lines), lines[-1]) == (25, 21, "and 5 more files are wrong")


def test_mixed_periods_are_refused_where_one_is_wanted(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", [*rows(2), *rows(1, **APRIL)])
    told = refused(path, "--period", "2026-03")
    assert told.startswith(
        f"{path}: line 4: BillingPeriodStart 2026-04-01T00:00:00Z: mixed periods, the row is of 2026-04"
    )
    for wrong in ("2026-13", "March"):
        assert run_cli("charges", "import", "--dry-run", str(path), "--period", wrong).exit_code == 2


def test_currencies_are_mixed_only_if_that_is_meant(tmp_path: Path) -> None:
    first, other = written(tmp_path / "a.csv", rows(2)), written(tmp_path / "b.csv", rows(2, BillingCurrency="EUR"))
    assert f"is in USD ({first}); --split-currencies makes a bill of each" in refused(first, other)
    split = seen(first, other, wanted=Wanted(splits_currencies=True))
    assert {key.source for key in split.bills} == {"import/000000000001/USD", "import/000000000001/EUR"}


def test_a_column_of_something_else_makes_no_thousand_bills(tmp_path: Path) -> None:
    table = [row(BillingAccountId=str(number)) for number in range(BILLS_MAX + 1)]
    with pytest.raises(ImportFault, match=f"there are {BILLS_MAX + 1} bills in these files"):
        seen(written(tmp_path / "a.csv", table))
    assert len(seen(tmp_path / "a.csv", wanted=Wanted("all")).bills) == 1
