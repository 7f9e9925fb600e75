"""What is looked at on the ledger's side, in the order in which one would mend it. Beside a ledger that runs nothing is disturbed."""

from __future__ import annotations

import errno
import http.client
import socket
from collections.abc import Generator, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from ledger.access.credentials import NoCredential, parse
from ledger.journal import looking
from ledger.journal.errors import JournalError
from ledger.journal.looking import has_tables, looked
from ledger.journal.place import FilePlace
from ledger.proof.errors import KeyRefused
from ledger.proof.fitting import fits, named_by, wrong_key, wrong_origin
from ledger.proof.keyfile import KeyFile
from ledger.proof.succession import Succession
from ledger.server.config import ConfigError, LedgerConfig, load
from meterbook.doctor import certificates, machine
from meterbook.doctor.findings import PATIENCE_S, Check, Finding, failure, ok, warning
from meterbook.health import split_address
from meterbook.proof.note import SigningKey

_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - to connect to, not to listen on
_NOT_STARTED = "the ledger does not start until that is mended"
#: What reads and writes the tables: one exact build each, of one version.
_TOGETHER = ("duckdb", "duckdb-extension-ducklake", "duckdb-extension-sqlite-scanner")
_TOGETHER_SHARED = ("duckdb-extension-httpfs", "duckdb-extension-postgres-scanner")


def findings_of(path: Path | None, changes: dict[str, Any]) -> tuple[list[Finding], Sequence[tuple[str, Check]]]:
    """What is to be said of the configuration, and the checks that it makes possible."""
    try:
        config = load(path, changes)
    except ConfigError as error:
        faults = [failure("configuration", each, "mend the file or the option") for each in str(error).splitlines()]
        return faults, [("versions", machine.versions)]
    told = f"{path or 'the options'}: valid, a ledger over {config.place} on {config.listen}"
    return [ok("configuration", told)], [
        ("versions", machine.versions),
        ("versions", lambda: _libraries(config)),
        ("store", lambda: _store(config)),
        ("permissions", lambda: _secrets(config)),
        ("clock", machine.kept_clock),
        ("certificates", lambda: _certificates(config)),
        ("reachability", lambda: _doors(config)),
    ]


def _libraries(config: LedgerConfig) -> Iterator[Finding]:
    found: dict[str, str] = {}
    wanted = _TOGETHER if isinstance(config.place, FilePlace) else (*_TOGETHER, *_TOGETHER_SHARED)
    for name in wanted:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            extra = "ledger" if name in _TOGETHER else "distributed"
            yield failure("versions", f"{name} is not installed", f"install meterbook[{extra}]")
    if len(set(found.values())) > 1:
        told = ", ".join(f"{name} {each}" for name, each in found.items())
        yield failure("versions", f"of one version they should be: {told}", "install what the lock file names")
    elif len(found) == len(wanted):
        yield ok("versions", f"DuckDB {found['duckdb']} and its extensions fit together")


def _store(config: LedgerConfig) -> Iterator[Finding]:
    """The store, and whether the signing keys are those of its book."""
    is_well = True
    for each in looked(config.place, config.retention.archive):
        is_well = is_well and each.status != "failure"
        yield each
    try:
        keys = KeyFile(config.key_file).read()
    except KeyRefused as error:
        yield failure("permissions", f"proof.{error}", _NOT_STARTED)
        return
    try:
        found = named_by(config.place) if is_well and has_tables(config.place) else None
    except JournalError as error:
        advice = "see whether 'meterbook ledger serve' says more"
        yield warning("store", f"whether the signing keys are the book's could not be found out: {error}", advice)
        return
    yield _signing(config, keys, found)


def _signing(config: LedgerConfig, keys: Sequence[SigningKey], found: Succession | None) -> Finding:
    place, origin = f"proof.key_file {config.key_file}", config.proof.origin
    if found is None:
        told = f"holds {len(keys)} signing keys" if keys else "is not there yet: it is made with a new book"
        return ok("permissions", f"{place} {told}")
    if not fits(found, keys):
        if config.proof.replace_lost_key:
            told = f"{place} does not hold {found.newest.hint}, by which the book is signed: a new one takes its place"
            return warning("store", told, "leave proof.replace_lost_key out once that was done")
        return failure("store", f"proof.{wrong_key(config.key_file, found, keys)}", _NOT_STARTED)
    if origin not in (None, found.origin):
        return failure("store", str(wrong_origin(str(origin), found)), _NOT_STARTED)
    return ok("permissions", f"{place} holds {len(keys)} signing keys, and the one by which the book is signed")


def _secrets(config: LedgerConfig) -> Iterator[Finding]:
    path = config.access.admin_token_file
    if path is not None:
        readable = list(machine.readable("permissions", "access.admin_token_file", path, is_secret=True))
        yield from readable
        if readable[0].status != "failure":
            yield from _token(path)
    elif not config.allows_anonymous:
        yield ok("permissions", "there is no access.admin_token_file: those who hold tokens already go on to be let in")
    for each in config.entitlements.webhooks:
        yield from machine.readable(
            "permissions", f"secret_file of webhook {each.name}", each.secret_file, is_secret=True
        )


def _token(path: Path) -> Iterator[Finding]:
    try:
        is_token = parse(path.read_text(errors="replace").strip()).kind == "token"
    except NoCredential:
        is_token = False
    if is_token:
        yield ok("permissions", f"access.admin_token_file {path} holds an admin token")
    else:
        told = f"access.admin_token_file {path} holds no token"
        yield failure("permissions", told, "write mb_token_ID_SECRET into it, as the README shows")


def _certificates(config: LedgerConfig) -> Iterator[Finding]:
    tls = config.tls
    if tls is None:
        if config.insecure:
            yield warning(
                "certificates", "the ledger is reached in plain text (insecure)", "give it a certificate: tls"
            )
        return
    yield from certificates.chain("tls.cert_file", tls.cert_file)
    yield from machine.readable("certificates", "tls.key_file", tls.key_file, is_secret=True)
    yield from certificates.key_fits(tls.cert_file, tls.key_file)
    if tls.client_ca_file is not None:
        yield from certificates.chain("tls.client_ca_file", tls.client_ca_file)


def _doors(config: LedgerConfig) -> Iterator[Finding]:
    """Whether a ledger answers here, or one could."""
    is_open = looking.is_open(config.place)
    page = yield from _page(config, is_open=is_open)
    host, port = split_address(config.listen)
    place, hindrance = f"listen {config.listen}", _hindrance(host, port)
    if hindrance is None and page == "answers":
        advice = "see whether the ledger that runs was given another address"
        yield failure("reachability", f"{place}: nothing listens there", advice)
    elif hindrance is None:
        yield ok("reachability", f"{place} is free")
    elif hindrance.errno != errno.EADDRINUSE:
        advice = "name an address of this machine, and a port above 1023 or the right to it"
        yield failure("reachability", f"{place} cannot be listened on: {hindrance.strerror}", advice)
    elif page != "absent" or is_open:
        yield ok("reachability", f"{place} is listened on")
    else:
        told = f"{place} is taken, and not by a ledger whose http is {config.http}"
        yield failure("reachability", told, "stop what listens there, or name another address")


def _page(config: LedgerConfig, *, is_open: bool) -> Generator[Finding, None, Literal["answers", "hangs", "absent"]]:
    """What the ledger that runs says of itself; gives whether it does. ``is_open``: a process has the book open."""
    host, port = split_address(config.http)
    connection = http.client.HTTPConnection(_WILDCARDS.get(host, host), port, timeout=PATIENCE_S)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        said = answer.read(1_000).decode(errors="replace").strip()
    except TimeoutError:
        yield _hanging(config, is_open=is_open)
        return "hangs"
    except (OSError, http.client.HTTPException):
        told = f"no ledger answers at http {config.http}"
        if is_open:
            advice = "look again in a moment, or give the http that it was given"
            told = f"a process has the book open, and {told}: it begins or ends just now, or was given another address"
            yield warning("reachability", told, advice)
        else:
            yield ok("reachability", f"{told}: none runs, or it was given another address")
        return "absent"
    finally:
        connection.close()
    if answer.status == http.client.OK:
        yield ok("reachability", f"the ledger that runs says at {config.http} that it is ready")
    else:
        yield failure("reachability", f"the ledger that runs is not ready: {said}", "look at its log")
    return "answers"


def _hanging(config: LedgerConfig, *, is_open: bool) -> Finding:
    if is_open:
        told = f"a ledger has the book open, and does not answer at http {config.http}: it hangs, or is busy"
        return failure("reachability", told, "see its log, and restart it if that stays so")
    told = f"something listens at http {config.http}, and does not answer"
    return failure("reachability", told, "see what it is: a ledger that hangs is to be restarted")


def _hindrance(host: str, port: int) -> OSError | None:
    """Why an address could not be listened on just now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind((host, port))
    except OSError as error:
        return error
    return None
