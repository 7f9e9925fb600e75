"""What the project depends on: each licence is known and allows what we do, each file is known by its hash."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.tidy import licences

ROOT = Path(__file__).parents[2]

#: What may ship: licences that ask for no more than to be named, and two that ask for changes of their own files to be published, which
#: we use as they come. Those of development may be any.
ALLOWED = {
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "ISC",
    "LGPL-3.0-only",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "PSF-2.0",
    "Zlib",
}


def test_the_list_is_that_of_the_lock_file() -> None:
    assert licences.LIST.read_text(encoding="utf-8") == licences.written(), "run 'make licences'"


def test_each_locked_package_stands_in_the_list_once() -> None:
    rows = re.findall(
        r"^\| ([a-z0-9][a-z0-9._-]*) \| (\S+) \|", licences.LIST.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert sorted(rows) == sorted([("package", "version")] * 2 + licences.locked())


def test_what_ships_may_be_shipped() -> None:
    ships = licences.shipped()
    assert {"duckdb", "grpcio", "psycopg-binary", "structlog"} <= ships and not {"pytest", "pymerkle", "moto"} & ships
    offenders = [
        f"{name}: {licences.licence(name)}"
        for name in sorted(ships & {name for name, _ in licences.locked()})
        if not set(re.split(r" (?:AND|OR) |[()]+", licences.licence(name))) - {""} <= ALLOWED
    ]
    assert not offenders, offenders


def test_a_licence_that_nobody_knows_is_not_guessed() -> None:
    with pytest.raises(LookupError, match="is not installed"):
        licences.licence("there-is-no-such-package")


@pytest.mark.parametrize("lock", sorted(each.name for each in ROOT.glob("requirements*.lock")))
def test_each_locked_file_is_known_by_its_hash(lock: str) -> None:
    blocks = re.split(r"^(?=[a-z0-9])", (ROOT / lock).read_text(encoding="utf-8"), flags=re.MULTILINE)
    offenders = [each.partition("\n")[0] for each in blocks if each.strip() and "--hash=sha256:" not in each]
    assert not offenders


def test_the_network_is_asked_only_by_whoever_wants_that() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in ("check", "test", "slow"):
        (needs,) = re.findall(rf"^{target}: (.*?)##", makefile, re.MULTILINE)
        assert not {"audit", "sbom", "lock"} & set(needs.split())
    assert not re.search(r"make (audit|lock)", (ROOT / ".ci" / "run").read_text(encoding="utf-8"))
