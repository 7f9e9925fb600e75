"""A lake tells DuckDB everything and everybody else nothing that is secret."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ledger.journal.lake import EmbeddedLake, Keys, SharedLake, from_json
from ledger.journal.place import Bucket

SECRETS = ("the-password", "the-secret-key", "the-token")
SERVER = {"host": "db.example", "dbname": "o'book", "user": "meterbook", "password": "the-password"}


def shared(keys: Keys | None = None) -> SharedLake:
    found = keys or Keys("the-id", "the-secret-key", "the-token")
    return SharedLake(Bucket("lake", "one", "http://s3.example:8333", "eu-1"), SERVER, "tables", lambda: found)


def test_secrets_are_only_where_they_must_be() -> None:
    lake = shared()
    for shown in (repr(lake), str(lake), lake.attach(), repr(lake.keys()), *lake.settings()):
        assert not any(secret in shown for secret in SECRETS)
    told = " ".join(lake.secrets())
    assert all(secret in told for secret in SECRETS)
    assert lake.hidden(f"what the-secret-key said: {told}").count("***") == 4
    assert not any(secret in lake.hidden(told) for secret in SECRETS)


def test_a_child_is_told_the_same_lake() -> None:
    lake = shared()
    again = from_json(lake.to_json())
    assert again == lake
    assert again.secrets() == lake.secrets()
    assert from_json(EmbeddedLake(Path("/a place")).to_json()) == EmbeddedLake(Path("/a place"))


@pytest.mark.parametrize(
    ("endpoint", "said", "unsaid"),
    [
        ("http://127.0.0.1:1", "ENDPOINT '127.0.0.1:1', USE_SSL 'false', URL_STYLE 'path'", "http:"),
        ("https://s3.example/", "ENDPOINT 's3.example', USE_SSL 'true', URL_STYLE 'path'", "https:"),
        (None, "REGION 'eu-1'", "ENDPOINT"),
    ],
)
def test_the_endpoint(endpoint: str | None, said: str, unsaid: str) -> None:
    lake = shared()
    secret = replace(lake, bucket=replace(lake.bucket, endpoint=endpoint)).secrets()[0]
    assert said in secret
    assert unsaid not in secret


def test_the_address_of_the_server_wins_over_what_is_usual() -> None:
    lake = replace(shared(), server={"host": "db", "connect_timeout": "60", "sslmode": "verify-full"})
    assert "connect_timeout=''60''" in lake.attach()
    assert "sslmode=''verify-full''" in lake.attach()
    assert "PASSWORD" not in lake.secrets()[1]
