"""Where a book is kept is one setting; what is wrong with it is said by name, and no secret is ever shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.journal.place import Bucket, FilePlace, Server, SharedPlace, address, parse


@pytest.mark.parametrize(
    ("text", "path"),
    [("file:/a/b", "/a/b"), ("file:a", "a"), ("file:./a", "./a"), ("file:///a", "/a"), ("file:/a%20b", "/a b")],
)
def test_a_directory(text: str, path: str) -> None:
    assert parse(text) == FilePlace(Path(path))


def test_a_shared_place() -> None:
    found = parse(
        "s3://books/eu/one?endpoint=http://127.0.0.1:8333&region=us-east-1&durable=yes"
        "  +  postgres://me:pa%2Fss@db:5433/meter?sslmode=require&schema=books"
    )
    bucket = Bucket("books", "eu/one", "http://127.0.0.1:8333", "us-east-1", is_durable=True)
    assert found == SharedPlace(bucket, Server("postgresql://me:pa%2Fss@db:5433/meter?sslmode=require", "books"))
    assert str(found) == "s3://books/eu/one at http://127.0.0.1:8333 + postgresql://db:5433/meter"
    assert "pa%2Fss" not in repr(found)
    assert bucket.key("log/x") == "eu/one/log/x"


def test_the_shortest_shared_place() -> None:
    found = parse("s3://books + postgresql://h1,h2/meter")
    assert found == SharedPlace(Bucket("books"), Server("postgresql://h1,h2/meter", "meterbook"))
    assert str(found) == "s3://books + postgresql://h1,h2/meter"
    assert isinstance(found, SharedPlace)
    assert found.bucket.key("log/x") == "log/x"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "neither file:PATH"),
        ("/var/lib", "'/var/lib' is neither"),
        ("file:", "'file:' is neither"),
        ("file://host/a", "is neither"),
        ("s3://books/a", "is neither"),
        ("postgresql://u:secret@h/d", "'postgresql://...@h/d' is neither"),
        ("postgresql://u:secret@h/d + s3://books", "is neither"),
        ("s3://books + mysql://u:secret@h/d?password=secret", "mysql://...@h/d' is neither"),
        ("s3://key:secret@books + postgresql://h/d", "s3: credentials do not stand in the address"),
        ("s3://Books + postgresql://h/d", "s3: 'Books' is not the name of a bucket"),
        ("s3://books/a b + postgresql://h/d", "s3: prefix 'a b' has characters"),
        ("s3://books?region=a_b + postgresql://h/d", "s3: region 'a_b' is not a region"),
        ("s3://books?zone=a + postgresql://h/d", "s3: zone is no option; there are endpoint, region, durable"),
        ("s3://books?durable=1 + postgresql://h/d", "s3: durable '1' is not yes or no"),
        ("s3://books?endpoint=host:1 + postgresql://h/d", "s3: endpoint is not http://HOST:PORT"),
        ("s3://books?endpoint=http://a:secret@h + postgresql://h/d", "s3: credentials do not stand in the endpoint"),
        ("s3://books + postgresql://u:secret@h", "postgresql: the address names no database"),
        ("s3://books + postgresql://u:secret@h/d?schema=A-B", "postgresql: schema 'A-B' is not a name"),
    ],
)
def test_what_is_no_place(text: str, message: str) -> None:
    with pytest.raises(ValueError) as refused:
        parse(text)
    assert message in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("file:/a%20b/c", "file:/a%20b/c"),
        ("s3://books + postgresql://h1,h2/meter", "s3://books/? + postgresql://h1,h2/meter?schema=meterbook"),
        (
            "s3://books/one?endpoint=http://h:83&durable=yes + postgres://me:s@db/meter?sslmode=require&password=s&sslpassword=s&schema=books",
            "s3://books/one?endpoint=http%3A%2F%2Fh%3A83&durable=yes + postgresql://me@db/meter?sslmode=require&schema=books",
        ),
    ],
)
def test_the_address_of_a_place_is_the_setting_without_a_password(text: str, told: str) -> None:
    assert address(parse(text)) == told
    assert address(parse(told)) == told
    assert str(parse(told)) == str(parse(text))


def test_the_address_of_a_directory_holds_wherever_it_is_read() -> None:
    assert parse(address(parse("file:a"))) == FilePlace(Path("a").absolute())
