"""Manifests: whose they are, and what they may name."""

from __future__ import annotations

import json

import pytest

from collector.datastore.bills.manifests import Manifest, month_of, read_manifest, start_us
from collector.datastore.bills.refused import Refused
from meterbook.wire import instants

FOLDER = "costs/focus/"


@pytest.mark.parametrize(
    ("key", "month"),
    [
        ("costs/focus/metadata/BILLING_PERIOD=2026-05/focus-Manifest.json", "2026-05"),
        ("costs/focus/metadata/billing_period=2026-05/focus-Manifest.json", "2026-05"),
        ("costs/focus/metadata/BILLING_PERIOD=2026-05/Manifest.json", "2026-05"),
        ("costs/focus/metadata/BILLING_PERIOD=2026-05/2026-06-01T00:00:00.000Z-1/focus-Manifest.json", None),
        ("costs/focus/metadata/BILLING_PERIOD=2026-13/focus-Manifest.json", None),
        ("costs/focus/metadata/BILLING_PERIOD=0000-01/focus-Manifest.json", None),
        ("costs/focus/metadata/BILLING_PERIOD=1969-12/focus-Manifest.json", None),
        ("costs/focus/metadata/BILLING_PERIOD=1970-01/focus-Manifest.json", "1970-01"),
        ("costs/focus/metadata/date=2026-05-01/focus-Manifest.json", None),
        ("costs/focus/data/BILLING_PERIOD=2026-05/focus-00001.csv.gz", None),
        ("costs/other/metadata/BILLING_PERIOD=2026-05/focus-Manifest.json", None),
    ],
)
def test_only_the_latest_manifest_of_a_period_counts(key: str, month: str | None) -> None:
    assert month_of(key, FOLDER) == month


def test_a_period_begins_in_utc() -> None:
    assert instants.text(start_us("2026-05")) == "2026-05-01T00:00:00Z"


def said(**members: object) -> bytes:
    return json.dumps(members).encode()


@pytest.mark.parametrize(
    "entry",
    [
        "s3://usage/costs/focus/data/1.parquet",
        "costs/focus/data/1.parquet",
        {"s3Uri": "s3://usage/costs/focus/data/1.parquet"},
        {"key": "costs/focus/data/1.parquet"},
    ],
)
def test_files_are_named_by_url_or_key(entry: object) -> None:
    found = read_manifest(said(executionId="e", dataFiles=[entry]), "usage", FOLDER, 10)
    assert found == Manifest("e", ("costs/focus/data/1.parquet",))


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (b"<html>", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "no list dataFiles"),
        (said(executionId="e"), "no list dataFiles"),
        (said(dataFiles=[1]), "no URL"),
        (said(dataFiles=["s3://other/costs/focus/data/1"]), "not below s3://usage/costs/focus/"),
        (said(dataFiles=["s3://usage/costs/other/1"]), "not below"),
        (said(dataFiles=["s3://usage/costs/focus/"]), "not below"),
        (said(dataFiles=["costs/focus/1", "s3://usage/costs/focus/1"]), "twice"),
        (said(dataFiles=[f"costs/focus/{number}" for number in range(11)]), "11 files"),
        (said(dataFiles=[], executionId=7), "executionId"),
    ],
)
def test_what_a_manifest_must_not_say(document: bytes, told: str) -> None:
    with pytest.raises(Refused, match=told):
        read_manifest(document, "usage", FOLDER, 10)
